"""The cache, revocation and polling of the verifier; attacks are in ``test_attacks``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy.exc import OperationalError

from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.revisions import Revisions, bump
from saaf_autogen.auth.tokens import RevokedTokens, TokenVerifier, TokenWatch
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.errors import Unauthenticated
from saaf_autogen.testing.clock import ManualClock

ISSUER = "https://issuer.example"
Mint = Callable[..., str]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


class CountingKeys:
    """Counts how often a key is asked for: a cached token asks for none."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.asked = 0

    def verification_key(self, kid: str) -> ECKey | None:
        self.asked += 1
        return self.key if kid == self.key.kid else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys() -> CountingKeys:
    return CountingKeys()


@pytest.fixture
def revoked() -> set[str | None]:
    return set()


@pytest.fixture
def verifier(keys: CountingKeys, revoked: set[str | None], clock: ManualClock) -> TokenVerifier:
    return TokenVerifier(
        issuer=ISSUER, audience=ISSUER, keys=keys, revoked=revoked, clock=clock, cache_size=3
    )


@pytest.fixture
def mint(keys: CountingKeys, clock: ManualClock) -> Mint:
    def make(jti: str = "one", **more: Any) -> str:
        now = int(clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": "client:ann",
            "client_id": "ann",
            "tenant": "default",
            "iat": now,
            "exp": now + 300,
            "jti": jti,
            **more,
        }
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": keys.key.kid}, claims, keys.key)

    return make


async def test_a_verified_token_is_remembered_for_a_minute(
    verifier: TokenVerifier, keys: CountingKeys, clock: ManualClock, mint: Mint
) -> None:
    token = mint()
    first = await verifier.verify(token)
    assert await verifier.verify(token) is first
    assert keys.asked == 1
    clock.advance(61)
    assert await verifier.verify(token) == first
    assert keys.asked == 2


async def test_a_remembered_token_is_not_taken_past_its_expiry(
    verifier: TokenVerifier, clock: ManualClock, mint: Mint
) -> None:
    token = mint(exp=int(clock.now().timestamp()) + 10)
    await verifier.verify(token)
    clock.advance(40)
    with pytest.raises(Unauthenticated, match="expired") as refusal:
        await verifier.verify(token)
    assert refusal.value.extra["error"] == "invalid_token"
    assert refusal.value.remedy


async def test_clocks_may_differ_by_the_skew_and_no_more(
    verifier: TokenVerifier, clock: ManualClock, mint: Mint
) -> None:
    now = int(clock.now().timestamp())
    await verifier.verify(mint("a", exp=now - 29))
    await verifier.verify(mint("b", iat=now + 29, nbf=now + 29))
    for claims in ({"exp": now - 30}, {"iat": now + 31}, {"nbf": now + 31}):
        with pytest.raises(Unauthenticated):
            await verifier.verify(mint("c", **claims))


async def test_the_cache_forgets_the_least_recently_used(
    verifier: TokenVerifier, keys: CountingKeys, mint: Mint
) -> None:
    tokens = [mint(jti) for jti in "abc"]
    for token in tokens:
        await verifier.verify(token)
    await verifier.verify(tokens[0])
    await verifier.verify(mint("d"))
    assert keys.asked == 4
    await verifier.verify(tokens[0])
    assert keys.asked == 4
    await verifier.verify(tokens[1])
    assert keys.asked == 5


async def test_a_flush_forgets_everything(
    verifier: TokenVerifier, keys: CountingKeys, mint: Mint
) -> None:
    token = mint()
    await verifier.verify(token)
    verifier.flush()
    await verifier.verify(token)
    assert keys.asked == 2


async def test_a_revoked_token_is_refused_even_if_it_is_remembered(
    verifier: TokenVerifier, revoked: set[str | None], mint: Mint
) -> None:
    token = mint("one")
    await verifier.verify(token)
    revoked.add("one")
    with pytest.raises(Unauthenticated, match="revoked"):
        await verifier.verify(token)
    await verifier.verify(mint("two"))


async def test_a_refused_token_is_not_remembered(
    verifier: TokenVerifier, keys: CountingKeys, mint: Mint
) -> None:
    wrong = mint(aud="https://other.example")
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verifier.verify(wrong)
    assert keys.asked == 2


async def test_actors_come_outermost_first(verifier: TokenVerifier, mint: Mint) -> None:
    act = {"sub": "agent:flights", "act": {"sub": "client:portal"}}
    principal = (await verifier.verify(mint(act=act))).principal
    assert [actor.subject for actor in principal.actors] == ["agent:flights", "client:portal"]


async def test_a_chain_of_actors_without_end_is_refused(
    verifier: TokenVerifier, mint: Mint
) -> None:
    act: dict[str, Any] = {"sub": "a"}
    for _ in range(20):
        act = {"sub": "a", "act": act}
    with pytest.raises(Unauthenticated, match="actors"):
        await verifier.verify(mint(act=act))


async def test_what_another_process_revoked_or_rotated_arrives_by_polling(
    database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    sealer = Sealer.load(tmp_path)
    here, there = (SigningKeys(database, sealer, clock) for _ in range(2))
    here.load()
    there.load()
    mine, theirs = RevokedTokens(database, clock), RevokedTokens(database, clock)
    verifier = TokenVerifier(issuer=ISSUER, audience=ISSUER, keys=here, revoked=mine, clock=clock)
    watching = asyncio.create_task(TokenWatch(here, mine, verifier, interval_s=0.01).run())
    theirs.revoke("gone", tenant="default")
    there.rotate()
    await until(lambda: "gone" in mine and here.signing_key().kid == there.signing_key().kid)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_the_watch_outlives_a_store_that_is_away(
    database: Database, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = SigningKeys(database, Sealer.load(tmp_path), clock)
    keys.load()
    revoked = RevokedTokens(database, clock)
    verifier = TokenVerifier(
        issuer=ISSUER, audience=ISSUER, keys=keys, revoked=revoked, clock=clock
    )
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE revoked_tokens RENAME TO away")
        connection.commit()
    watching = asyncio.create_task(TokenWatch(keys, revoked, verifier, interval_s=0.01).run())
    await until(lambda: bool(caplog.records))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO revoked_tokens")
        connection.commit()
    other = RevokedTokens(database, clock)
    other.revoke("late", tenant="default")
    await until(lambda: "late" in revoked)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


def test_revocations_outlive_every_token_and_then_go(
    database: Database, clock: ManualClock
) -> None:
    revoked = RevokedTokens(database, clock)
    for jti in ("one", "two", "two"):
        revoked.revoke(jti, tenant="default")
    again = RevokedTokens(database, clock)
    assert again.load()
    assert "one" in again
    assert "two" in again
    assert None not in again
    assert not again.load()
    clock.advance(timedelta(days=30).total_seconds())
    again.load()
    assert "one" in again
    clock.advance(timedelta(days=365).total_seconds())
    again.load()
    assert "one" not in again


async def test_a_token_of_a_revoked_family_is_refused(
    verifier: TokenVerifier, revoked: set[str | None], mint: Mint
) -> None:
    token = mint("one", fam="fam_1")
    principal = (await verifier.verify(token)).principal
    assert (principal.token_id, principal.family) == ("one", "fam_1")
    revoked.add("fam_1")
    for each in (token, mint("two", fam="fam_1")):
        with pytest.raises(Unauthenticated, match="revoked"):
            await verifier.verify(each)
    await verifier.verify(mint("three", fam="fam_2"))


async def test_the_key_that_a_token_is_bound_to_is_told_and_others_are_refused(
    verifier: TokenVerifier, mint: Mint
) -> None:
    assert (await verifier.verify(mint("one"))).jkt is None
    thumbprint = "k" * 43
    assert (await verifier.verify(mint("two", cnf={"jkt": thumbprint}))).jkt == thumbprint
    others: list[Any] = [{}, [], "jkt", {"jkt": 7}, {"x5t#S256": thumbprint}]
    for bound in others:
        with pytest.raises(Unauthenticated, match="bound"):
            await verifier.verify(mint("three", cnf=bound))


async def test_those_who_subscribed_hear_of_changes_by_topic(
    database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    watch = _watch(database, tmp_path, clock)
    heard: list[str] = []
    watch.subscribe("grants", lambda: heard.append("grants"))
    watch.subscribe("principals", lambda: heard.append("principals"))
    await watch.poll()
    heard.clear()
    await watch.poll()
    assert heard == []
    with database.transaction() as session:
        bump(session, "grants", tenant="default")
    await watch.poll()
    assert heard == ["grants"]
    with database.transaction() as session:
        bump(session, "principals", tenant="other")
    await watch.poll()
    assert heard == ["grants", "principals"]


async def test_a_subscriber_that_failed_is_told_again(
    database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    watch = _watch(database, tmp_path, clock)
    heard: list[str] = []

    def reload() -> None:
        heard.append("called")
        if len(heard) == 1:
            raise OperationalError("SELECT", {}, Exception("the store is away"))

    with database.transaction() as session:
        bump(session, "grants", tenant="default")
    watch.subscribe("grants", reload)
    with pytest.raises(OperationalError):
        await watch.poll()
    await watch.poll()
    await watch.poll()
    assert heard == ["called", "called"]


async def test_a_revocation_elsewhere_is_seen_within_two_seconds(
    database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    watch = _watch(database, tmp_path, clock)
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0.05)
    watch.subscribe("principals", lambda: loop.call_soon_threadsafe(heard.set))
    with database.transaction() as session:
        bump(session, "principals", tenant="default")
    await asyncio.wait_for(heard.wait(), 2)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


def _watch(database: Database, tmp_path: Path, clock: ManualClock) -> TokenWatch:
    keys = SigningKeys(database, Sealer.load(tmp_path), clock)
    keys.load()
    revoked = RevokedTokens(database, clock)
    verifier = TokenVerifier(
        issuer=ISSUER, audience=ISSUER, keys=keys, revoked=revoked, clock=clock
    )
    return TokenWatch(keys, revoked, verifier, revisions=Revisions(database))
