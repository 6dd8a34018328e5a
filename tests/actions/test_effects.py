from __future__ import annotations

import asyncio

import pytest

from saaf_autogen.actions.effects import EffectKey, EffectStore
from saaf_autogen.actions.spec import ActionOutcome, Effect
from saaf_autogen.auth.principal import Principal
from saaf_autogen.db import Database
from saaf_autogen.errors import Conflict, IdempotencyMismatch, OutcomeUnknown
from saaf_autogen.testing import ManualClock

ANN = Principal(issuer="local", subject="client:ann", client_id="ann")
LEASE_S = 60.0


def key(effect: Effect = "write", text: str = "hello", who: Principal = ANN) -> EffectKey:
    return EffectKey.of(who, "k1", action="notes.add", arguments={"text": text}, effect=effect)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> EffectStore:
    return EffectStore(database, clock, lease_s=LEASE_S)


async def test_a_finished_effect_is_returned_again(store: EffectStore) -> None:
    assert await store.look_up(key()) is None
    await store.reserve(key(), "call_1")
    await store.finish(key(), ActionOutcome({"id": 7}, None, "call_1"))
    assert await store.look_up(key()) == ActionOutcome({"id": 7}, None, "call_1")


async def test_another_body_under_the_key_is_refused(store: EffectStore) -> None:
    await store.reserve(key(), "call_1")
    with pytest.raises(IdempotencyMismatch):
        await store.look_up(key(text="other"))


async def test_the_same_key_of_another_caller_is_another_key(store: EffectStore) -> None:
    await store.reserve(key(), "call_1")
    bob = ANN.model_copy(update={"subject": "client:bob"})
    other = ANN.model_copy(update={"tenant": "other"})
    assert await store.look_up(key(who=bob)) is None
    assert await store.look_up(key(who=other)) is None


async def test_of_parallel_calls_one_is_let_through(store: EffectStore) -> None:
    results = await asyncio.gather(
        *(store.reserve(key(), f"call_{number}") for number in range(10)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert all(result is None or isinstance(result, Conflict) for result in results)


async def test_a_write_cut_off_by_a_crash_is_unknown_and_stays_so(
    store: EffectStore, clock: ManualClock
) -> None:
    await store.reserve(key(), "call_1")
    with pytest.raises(Conflict, match="still in flight"):
        await store.look_up(key())
    clock.advance(LEASE_S + 1)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown) as caught:
            await store.look_up(key())
        assert caught.value.extra["first_call_id"] == "call_1"


async def test_an_idempotent_action_cut_off_by_a_crash_is_done_again(
    store: EffectStore, clock: ManualClock
) -> None:
    await store.reserve(key("idempotent"), "call_1")
    clock.advance(LEASE_S + 1)
    assert await store.look_up(key("idempotent")) is None
    await store.reserve(key("idempotent"), "call_2")


async def test_a_call_without_effect_frees_its_key(store: EffectStore) -> None:
    await store.reserve(key(), "call_1")
    await store.release(key(), "call_2")
    with pytest.raises(Conflict):
        await store.look_up(key())
    await store.release(key(), "call_1")
    assert await store.look_up(key()) is None


async def test_given_up_means_unknown(store: EffectStore) -> None:
    await store.reserve(key(), "call_1")
    await store.give_up(key(), "call_1")
    with pytest.raises(OutcomeUnknown):
        await store.look_up(key())
