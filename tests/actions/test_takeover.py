"""What becomes of a keyed effect when the worker that began it is gone, or only seemed to be."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.orm import Session

from saaf_autogen.actions.effects import EffectKey, EffectStore, Resolution
from saaf_autogen.actions.spec import ActionOutcome, Effect
from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.db import Database
from saaf_autogen.errors import Conflict, OutcomeUnknown
from saaf_autogen.testing import ManualClock

ANN = Principal(issuer="local", subject="client:ann", client_id="ann")
OLD, NEW = "run_1#1", "run_1#2"
VALUE = ActionOutcome({"id": 7}, None, "call_1")


class Fenced(Exception):
    pass


def fenced(_session: Session) -> None:
    raise Fenced


def key(effect: Effect = "write", *, keyed: bool = False, text: str = "hello") -> EffectKey:
    return EffectKey.of(
        ANN, "k1", action="notes.add", arguments={"text": text}, effect=effect, keyed=keyed
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> EffectStore:
    name = "database" if request.param == "sqlite" else "postgres"
    database: Database = request.getfixturevalue(name)
    return EffectStore(database, ManualClock(), lease_s=60)


async def cut_off(store: EffectStore, of: EffectKey | None = None) -> None:
    """The old worker is at it, and the new one meets what it left."""
    await store.reserve(of or key(), "call_1", holder=OLD)
    with pytest.raises(OutcomeUnknown) as caught:
        await store.look_up(of or key(), NEW)
    assert caught.value.extra == {"first_call_id": "call_1"}


async def resolve(
    store: EffectStore, resolution: Resolution, value: object = None
) -> ActionOutcome | None:
    return await store._database.run(store.resolve, key(), resolution, value)


async def state(store: EffectStore) -> str | None:
    def look(session: Session) -> str | None:
        row = session.get(EffectRow, key().identity)
        return row.state if row else None

    return await store._database.read(look)


async def test_an_unkeyed_write_of_a_dead_worker_is_unknown_at_once_and_never_done_again(
    stores: EffectStore,
) -> None:
    await cut_off(stores)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await stores.look_up(key(), NEW)
    with pytest.raises(Conflict):
        await stores.reserve(key(), "call_2", holder=NEW)


@pytest.mark.parametrize(
    "repeatable", [key("idempotent"), key(keyed=True)], ids=["idempotent", "keyed"]
)
async def test_what_may_be_repeated_is_taken_over_and_the_old_worker_writes_nothing_more(
    stores: EffectStore, repeatable: EffectKey
) -> None:
    await stores.reserve(repeatable, "call_1", holder=OLD)
    assert await stores.look_up(repeatable, NEW) is None
    await stores.reserve(repeatable, "call_2", holder=NEW)
    await stores.finish(repeatable, VALUE)
    await stores.give_up(repeatable, "call_1")
    await stores.release(repeatable, "call_1")
    with pytest.raises(Conflict, match="in flight"):
        await stores.look_up(repeatable, NEW)
    await stores.finish(repeatable, ActionOutcome({"id": 8}, None, "call_2"))
    found = await stores.look_up(repeatable, NEW)
    assert found is not None
    assert found.value == {"id": 8}


async def test_the_same_holder_and_callers_without_one_wait_for_the_lease(
    stores: EffectStore,
) -> None:
    await stores.reserve(key(), "call_1", holder=OLD)
    for holder in (OLD, None):
        with pytest.raises(Conflict, match="in flight"):
            await stores.look_up(key(), holder)


async def test_a_holder_waits_for_the_lease_of_a_caller_without_one(stores: EffectStore) -> None:
    await stores.reserve(key(), "call_1")
    with pytest.raises(Conflict, match="in flight"):
        await stores.look_up(key(), NEW)


async def test_a_fenced_worker_marks_nothing(stores: EffectStore) -> None:
    with pytest.raises(Fenced):
        await stores.reserve(key(), "call_1", holder=OLD, fence=fenced)
    assert await state(stores) is None


async def test_of_two_workers_that_meet_one_executes(stores: EffectStore) -> None:
    """The old one has looked and is about to begin; the new one looks and begins."""
    executed: list[str] = []

    async def work(holder: str, call_id: str) -> None:
        try:
            if await stores.look_up(key(), holder) is not None:
                return
            await stores.reserve(key(), call_id, holder=holder)
        except Conflict:
            return
        executed.append(holder)

    await asyncio.gather(*(work(holder, f"call_{n}") for n, holder in enumerate((OLD, NEW) * 5)))
    assert len(executed) == 1


async def test_a_success_that_comes_back_late_is_recorded_while_nobody_settled_it(
    stores: EffectStore,
) -> None:
    await cut_off(stores)
    await stores.finish(key(), VALUE)
    assert await stores.look_up(key(), NEW) == VALUE
    assert await resolve(stores, "retry") == VALUE
    assert await resolve(stores, "done", {"id": "guessed"}) == VALUE
    with pytest.raises(Conflict, match="took effect"):
        await resolve(stores, "failed")
    assert await stores.look_up(key(), NEW) == VALUE


async def test_a_refusal_that_comes_back_late_frees_the_key(stores: EffectStore) -> None:
    await cut_off(stores)
    await stores.release(key(), "call_1")
    assert await stores.look_up(key(), NEW) is None


async def test_a_failure_that_comes_back_late_leaves_it_unknown(stores: EffectStore) -> None:
    await cut_off(stores)
    await stores.give_up(key(), "call_1")
    assert await state(stores) == "unknown"


async def test_done_keeps_the_key_with_what_the_human_said(stores: EffectStore) -> None:
    await cut_off(stores)
    settled = await resolve(stores, "done", {"id": "seen"})
    assert settled == ActionOutcome({"id": "seen"}, None, "call_1")
    await stores.finish(key(), VALUE)
    await stores.release(key(), "call_1")
    assert await stores.look_up(key(), NEW) == settled


@pytest.mark.parametrize("resolution", ["retry", "failed"])
async def test_what_did_not_happen_leaves_nothing_and_a_late_success_does_not_bring_it_back(
    stores: EffectStore, resolution: Resolution, caplog: pytest.LogCaptureFixture
) -> None:
    await cut_off(stores)
    assert await resolve(stores, resolution) is None
    assert await state(stores) is None
    await stores.reserve(key(), "call_2", holder=NEW)
    await stores.finish(key(), VALUE)
    assert await state(stores) == "in_flight"
    assert "call_1 came back" in caplog.text


async def test_done_is_kept_even_when_the_row_is_gone(stores: EffectStore) -> None:
    await cut_off(stores)
    await stores.release(key(), "call_1")
    await resolve(stores, "done", 5)
    found = await stores.look_up(key(), NEW)
    assert found is not None
    assert found.value == 5


async def test_the_late_end_and_the_answer_at_once_leave_one_truth(stores: EffectStore) -> None:
    await cut_off(stores)
    settled, _ = await asyncio.gather(
        resolve(stores, "done", {"id": "seen"}), stores.finish(key(), VALUE)
    )
    found = await stores.look_up(key(), NEW)
    assert settled is not None
    assert found is not None
    assert found.value == settled.value


async def test_after_a_pause_a_call_begins_only_if_it_is_still_its_own(
    stores: EffectStore,
) -> None:
    def held(_session: Session) -> None:
        pass

    await stores.reserve(key(), "call_1", holder=OLD)
    await stores.confirm(key(), "call_1", held)
    with pytest.raises(Fenced):
        await stores.confirm(key(), "call_1", fenced)
    with pytest.raises(OutcomeUnknown):
        await stores.look_up(key(), NEW)
    with pytest.raises(Conflict, match="cut off before it began"):
        await stores.confirm(key(), "call_1", held)


def test_the_key_that_handlers_hand_on_is_a_uuid_of_the_caller_and_the_call() -> None:
    bob = ANN.model_copy(update={"subject": "client:bob"})
    bobs = EffectKey.of(bob, "k1", action="notes.add", arguments={"text": "hello"}, effect="write")
    names = {each.handed_on for each in (key(), bobs, key(text="other"))}
    assert len(names) == 3
    assert key().handed_on == key(keyed=True).handed_on
    assert all(len(name) == 36 for name in names)
