"""Twelve at once: at most one gets what counts once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from saaf_autogen.auth.clients import ClientRecord, ClientStore
from saaf_autogen.auth.identity.users import UserRecord, UserStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.codes import CodeStore
from saaf_autogen.auth.server.device import DeviceCodes
from saaf_autogen.auth.server.families import FamilyRecord, FamilyStore
from saaf_autogen.auth.server.refresh import RefreshTokens
from saaf_autogen.auth.tokens import RevokedTokens
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.settings import ClientSettings
from saaf_autogen.testing.clock import ManualClock
from tests.auth.server.flows import CALLBACK, CHALLENGE, DEVICE

Result = TypeVar("Result")
ORDER = ApprovedOrder(scopes=("semantic:read",), audience=("https://a.example",))
MANY = 12


@dataclass
class Stores:
    database: Database
    clock: ManualClock
    client: ClientRecord
    user: UserRecord
    revoked: RevokedTokens
    families: FamilyStore
    codes: CodeStore
    devices: DeviceCodes
    refresh: RefreshTokens


@pytest.fixture(params=["database", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    database: Database = request.getfixturevalue(request.param)
    clock, scopes = ManualClock(), ScopeRegistry()
    clients = ClientStore(database, Sealer.load(tmp_path), clock, scopes)
    clients.add(
        ClientSettings(id="tv", authentication="none", grant_types=[DEVICE, "refresh_token"])
    )
    revoked = RevokedTokens(database, clock)
    families = FamilyStore(database, clock, revoked, lifetime_s=86_400)
    return Stores(
        database=database,
        clock=clock,
        client=clients.get("tv"),
        user=UserStore(database, clock, scopes).add("ann"),
        revoked=revoked,
        families=families,
        codes=CodeStore(database, clock, families),
        devices=DeviceCodes(database, clock, families),
        refresh=RefreshTokens(database, clock, idle_s=3600),
    )


def at_once(work: Callable[[], Result]) -> list[Result]:
    barrier = threading.Barrier(MANY)

    def one(_: int) -> Result:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))


def family(stores: Stores) -> FamilyRecord:
    with stores.database.transaction() as session:
        return stores.families.start(
            session, client=stores.client, user_id=stores.user.id, order=ORDER
        )


def test_of_parallel_code_redemptions_one_succeeds_and_its_family_ends(stores: Stores) -> None:
    code = stores.codes.issue(
        client=stores.client,
        user=stores.user,
        redirect_uri=CALLBACK,
        code_challenge=CHALLENGE,
        order=ORDER,
    )

    def redeem() -> FamilyRecord | None:
        return stores.codes.redeem(code, client=stores.client, accept=lambda found: found.order)

    (started,) = [each for each in at_once(redeem) if each is not None]
    ended = stores.families.get(started.id)
    assert ended is not None
    assert ended.revoked_because == "code was replayed"
    assert started.id in stores.revoked


def test_of_parallel_refreshes_one_succeeds(stores: Stores) -> None:
    started = family(stores)
    token = stores.refresh.issue(started)
    (following,) = [each for each in at_once(lambda: stores.refresh.rotate(token, started)) if each]
    assert stores.refresh.rotate(token, started) is None
    assert stores.refresh.rotate(following, started) is not None


def test_of_parallel_polls_one_gets_the_family(stores: Stores) -> None:
    asked = stores.devices.begin(stores.client, ORDER)
    assert stores.devices.approve(asked.user_code, stores.user, ORDER)

    def poll() -> object:
        return stores.devices.poll(
            asked.device_code, client=stores.client, accept=lambda _user, order: order
        )

    answers = at_once(poll)
    assert sum(isinstance(each, FamilyRecord) for each in answers) == 1
    assert answers.count("invalid_grant") == MANY - 1


def test_of_parallel_answers_to_a_device_one_counts(stores: Stores) -> None:
    asked = stores.devices.begin(stores.client, ORDER)
    answers = at_once(lambda: stores.devices.approve(asked.user_code, stores.user, ORDER))
    assert answers.count(True) == 1


def test_of_parallel_uses_of_an_assertion_one_counts(stores: Stores) -> None:
    once = OneTimeStore(stores.database, stores.clock)
    ends = stores.clock.now().replace(year=2027)
    assert at_once(lambda: once.put("assertion", "tv|1", expires_at=ends)).count(True) == 1


def test_a_family_that_ends_during_a_refresh_gives_nothing_more(stores: Stores) -> None:
    started = family(stores)
    token = stores.refresh.issue(started)
    assert stores.families.revoke(started.id, "admin revoked it")
    assert stores.refresh.rotate(token, started) is None
    other = RevokedTokens(stores.database, stores.clock)
    assert other.load()
    assert started.id in other
