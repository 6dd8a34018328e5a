from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tokens import RevokedTokens
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Base, Database
from saaf_autogen.errors import ConfigurationError, Unavailable
from saaf_autogen.settings import ClientSettings
from saaf_autogen.testing.clock import ManualClock

START = """
import json, sys
from pathlib import Path
from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.clock import SystemClock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.settings import ClientSettings

state = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
database, clock = Database(sys.argv[2]), SystemClock()
sealer = Sealer.load(state)
keys = SigningKeys(database, sealer, clock)
keys.load()
made = ClientStore(database, sealer, clock, ScopeRegistry()).ensure([ClientSettings(id="ann")])
print(json.dumps([keys.jwks(), keys.signing_key().kid, [new.client_secret for new in made]]))
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys(database: Database, tmp_path: Path, clock: ManualClock) -> SigningKeys:
    made = SigningKeys(database, Sealer.load(tmp_path), clock)
    made.load()
    return made


def kids(keys: SigningKeys) -> set[str]:
    return {key["kid"] for key in keys.jwks()["keys"]}


@pytest.mark.parametrize("store", ["database", "postgres"])
def test_two_processes_that_start_at_once_make_one_key_set_and_each_client_once(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database: Database = request.getfixturevalue(store)
    url = database.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(tmp_path / "state"), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
    assert results[0][:2] == results[1][:2]
    assert len(results[0][0]["keys"]) == 4
    assert sorted(len(result[2]) for result in results) == [0, 1]


def test_keys_clients_and_revocations_work_on_postgresql(
    postgres: Database, tmp_path: Path, clock: ManualClock
) -> None:
    sealer = Sealer.load(tmp_path)
    keys = SigningKeys(postgres, sealer, clock)
    keys.load()
    keys.rotate()
    assert len(kids(keys)) == 6
    clients = ClientStore(postgres, sealer, clock, ScopeRegistry())
    (new,) = clients.ensure([ClientSettings(id="ann", attributes={"carrier": "UA"})])
    assert clients.ensure([]) == []
    assert clients.authenticate("ann", new.client_secret) is None
    clients.ensure([ClientSettings(id="ann")])
    assert clients.authenticate("ann", new.client_secret) is not None
    revoked = RevokedTokens(postgres, clock)
    for _ in range(2):
        revoked.revoke("one", tenant="default")
    assert "one" in revoked


def test_keys_outlive_a_restart_and_are_sealed_at_rest(
    keys: SigningKeys, database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    again = SigningKeys(database, Sealer.load(tmp_path), clock)
    assert again.load()
    assert not again.load()
    assert again.jwks() == keys.jwks()
    with database.engine.connect() as connection:
        for (stored,) in connection.exec_driver_sql("SELECT private_key FROM signing_keys"):
            assert b"PRIVATE KEY" not in stored
    with pytest.raises(ConfigurationError, match="master key"):
        SigningKeys(database, Sealer(bytes(32)), clock).load()


def test_a_rotation_lets_the_published_next_key_sign_and_keeps_the_old_for_a_while(
    keys: SigningKeys, clock: ManualClock
) -> None:
    before, old = kids(keys), keys.signing_key()
    token = jwt.encode({"alg": "ES256", "kid": old.kid}, {"sub": "x"}, old)
    keys.rotate()
    assert keys.signing_key().kid in before - {old.kid}
    assert before < kids(keys)
    assert old.kid
    public = keys.verification_key(old.kid)
    assert public
    assert jwt.decode(token, public).claims == {"sub": "x"}
    clock.advance(7200)
    keys.load()
    assert old.kid in kids(keys)
    clock.advance(1)
    assert keys.load()
    assert old.kid not in kids(keys)
    assert len(kids(keys)) == 4


def test_each_algorithm_has_a_ring_of_its_own(keys: SigningKeys) -> None:
    before = {record.kid: record for record in keys.records()}
    assert isinstance(keys.signing_key("RS256"), RSAKey)
    assert keys.signing_key("RS256").public_key.key_size == 2048
    keys.rotate(["RS256"])
    after = {record.kid: record for record in keys.records()}
    states = [(record.algorithm, record.state) for record in after.values()]
    assert sorted(states) == [
        ("ES256", "current"),
        ("ES256", "next"),
        ("RS256", "current"),
        ("RS256", "next"),
        ("RS256", "retired"),
    ]
    for kid, record in before.items():
        if record.algorithm == "ES256":
            assert after[kid] == record


@pytest.mark.parametrize("store", ["database", "postgres"])
def test_keys_that_signed_for_90_days_are_replaced_once_whoever_sees_it(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> None:
    database: Database = request.getfixturevalue(store)
    hosts = [SigningKeys(database, Sealer.load(tmp_path), clock) for _ in range(4)]
    for host in hosts:
        host.load()
    first = hosts[0].signing_key().kid
    clock.advance(89 * 86_400)
    assert not hosts[0].load()
    clock.advance(86_400)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda host: host.load(), hosts))
    for host in hosts:
        host.load()
    assert len({host.signing_key().kid for host in hosts} - {first}) == 1
    assert len(kids(hosts[0])) == 6


def test_compromised_keys_are_dropped_with_all_that_they_signed(keys: SigningKeys) -> None:
    before = kids(keys)
    keys.rotate(compromised=True)
    assert before.isdisjoint(kids(keys))
    assert len(kids(keys)) == 4


def test_another_process_sees_a_rotation_when_it_loads(
    keys: SigningKeys, database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    other = SigningKeys(database, Sealer.load(tmp_path), clock)
    other.load()
    keys.rotate()
    assert other.load()
    assert other.signing_key().kid == keys.signing_key().kid


def test_verification_keys_hold_no_private_part(keys: SigningKeys) -> None:
    for kid in kids(keys):
        key = keys.public_key(kid)
        assert key is not None
        assert not key.is_private
        # Access tokens are verified by ES256 alone.
        assert keys.verification_key(kid) is (key if isinstance(key, ECKey) else None)
    assert keys.verification_key("unknown") is keys.public_key("unknown") is None


def test_keys_that_are_not_loaded_say_so(database: Database, clock: ManualClock) -> None:
    with pytest.raises(Unavailable, match="not loaded"):
        SigningKeys(database, Sealer(bytes(32)), clock).jwks()


def test_the_tables_know_their_tenant() -> None:
    for name in ("clients", "signing_keys", "revoked_tokens"):
        assert not Base.metadata.tables[name].columns["tenant"].nullable
