from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from saaf_autogen.runs import outbox, store
from saaf_autogen.runs.outbox import Callback
from saaf_autogen.settings import RunSettings
from saaf_autogen.testing.clock import ManualClock
from tests.egress.server import Received, Reply, Server, reply, serving
from tests.runs.house import ANN, LIMITS, SECRET, House, Stores, ask, find_agent, living
from tests.runs.team import Team

SETTINGS = RunSettings(callback_delays_s=[0, 5, 300], callback_timeout_s=0.5)


@dataclass
class Post:
    """A house that has ended a run, a receiver, and a clock that stands at the true time."""

    house: House
    receiver: Server
    clock: ManualClock

    async def end_run(self, url: str | None = None, output: str = "42") -> str:
        request = ask("hello", url or self.receiver.url("/hook"))
        new = store.NewRun(request, ANN.key, ANN, find_agent("flights"), LIMITS)
        database, now = self.house.database, self.clock.now()
        run, _, _ = await database.run(store.create, new, now)
        await database.run(store.finish, run.id, "completed", now, output=output)
        self.house.notifier.notify("callbacks")
        return run.id

    async def settled(self, run_id: str, *, attempts: int = 1) -> Callback:
        """The callback after its try number ``attempts`` was written down."""
        async with asyncio.timeout(5):
            while True:
                (row,) = await self.house.database.read(outbox.callbacks_of, run_id)
                answered = row.attempts == attempts and (row.last_status or row.last_error)
                if answered and (row.state != "pending" or row.next_at > self.clock.now()):
                    return row
                await asyncio.sleep(0.02)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.house.notifier.notify("callbacks")


@asynccontextmanager
async def posting(
    stores: Stores, answer: Reply, settings: RunSettings = SETTINGS
) -> AsyncIterator[Post]:
    clock = ManualClock(datetime.now(UTC))
    async with (
        serving(answer) as receiver,
        living(stores, Team(), settings, launch=False, clock=clock) as house,
    ):
        await house.deliverer.launch()
        yield Post(house, receiver, clock)


def status(*codes: int, header: str = "x: y") -> Reply:
    """A receiver that answers with each code once, and with the last one for ever."""
    left = list(codes)

    async def answer(request: Received) -> bytes:
        return reply(left.pop(0) if len(left) > 1 else left[0], header)

    return answer


async def test_a_callback_is_signed_so_that_the_reference_library_verifies_it(
    stores: Stores,
) -> None:
    async with posting(stores, status(204)) as post:
        run_id = await post.end_run()
        row = await post.settled(run_id)
        assert (row.state, row.last_status, row.attempts) == ("delivered", 204, 1)
        (received,) = post.receiver.requests
        body = Webhook(SECRET).verify(received.body, received.headers)
        assert received.headers["webhook-id"] == row.id
        assert (body["type"], body["data"]["id"]) == ("run.completed", run_id)
        assert body["data"]["output"] == "42"
        altered = received.body.replace(b"42", b"43")
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(altered, received.headers)


async def test_a_receiver_that_recovers_gets_the_same_message_again(sqlite: Stores) -> None:
    async with posting(sqlite, status(500, 503, 200)) as post:
        run_id = await post.end_run()
        first = await post.settled(run_id)
        wait = (first.next_at - post.clock.now()).total_seconds()
        assert (first.state, first.last_status) == ("pending", 500)
        assert 5 <= wait <= 5.5
        post.advance(4)
        await asyncio.sleep(0.3)
        assert len(post.receiver.requests) == 1
        post.advance(2)
        second = await post.settled(run_id, attempts=2)
        assert 300 <= (second.next_at - post.clock.now()).total_seconds() <= 330
        post.advance(331)
        assert (await post.settled(run_id, attempts=3)).state == "delivered"
        ids = {request.headers["webhook-id"] for request in post.receiver.requests}
        bodies = {request.body for request in post.receiver.requests}
        times = {request.headers["webhook-timestamp"] for request in post.receiver.requests}
        assert (len(ids), len(bodies), len(times)) == (1, 1, 3)


async def test_a_callback_whose_tries_are_used_up_is_dead(sqlite: Stores) -> None:
    async with posting(sqlite, status(500)) as post:
        run_id = await post.end_run()
        for attempt, wait in ((1, 6), (2, 331)):
            await post.settled(run_id, attempts=attempt)
            post.advance(wait)
        assert (await post.settled(run_id, attempts=3)).state == "dead"
        post.advance(100_000)
        await asyncio.sleep(0.3)
        assert len(post.receiver.requests) == 3


async def test_a_receiver_that_is_gone_is_not_asked_again(sqlite: Stores) -> None:
    async with posting(sqlite, status(410)) as post:
        row = await post.settled(await post.end_run())
        assert (row.state, row.last_status) == ("dead", 410)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("retry-after: 120", 120, 121),
        ("retry-after: 1", 5, 5.5),
        ("retry-after: 99999999999999", 86_400, 86_400),
        ("retry-after: soon", 5, 5.5),
        ("retry-after: -5", 5, 5.5),
    ],
)
async def test_a_receiver_may_ask_for_more_time_within_a_day(
    sqlite: Stores, header: str, low: float, high: float
) -> None:
    async with posting(sqlite, status(429, header=header)) as post:
        row = await post.settled(await post.end_run())
        assert (row.state, row.last_status) == ("pending", 429)
        assert low <= (row.next_at - post.clock.now()).total_seconds() <= high


async def test_a_receiver_may_name_the_time_of_the_next_try(sqlite: Stores) -> None:
    when = format_datetime(datetime.now(UTC).replace(year=2100), usegmt=True)
    async with posting(sqlite, status(503, header=f"retry-after: {when}")) as post:
        row = await post.settled(await post.end_run())
        assert (row.next_at - post.clock.now()).total_seconds() == 86_400


async def test_a_redirect_is_a_failed_try(sqlite: Stores) -> None:
    async with serving(status(200)) as target:
        answer = status(307, header=f"location: {target.url()}")
        async with posting(sqlite, answer) as post:
            row = await post.settled(await post.end_run())
            assert (row.state, row.last_error) == ("pending", "http_307")
            assert target.requests == []


async def test_a_dropped_and_a_silent_receiver_are_failed_tries(sqlite: Stores) -> None:
    async def answer(request: Received) -> None:
        if request.path == "/slow":
            await asyncio.sleep(2)

    async with posting(sqlite, answer) as post:
        dropped = await post.end_run()
        slow = await post.end_run(post.receiver.url("/slow"))
        assert (await post.settled(dropped)).last_error == "unreachable"
        assert (await post.settled(slow)).last_error == "timed_out"


async def test_a_host_that_may_not_be_reached_any_more_is_refused_at_the_send(
    sqlite: Stores,
) -> None:
    async with posting(sqlite, status(200)) as post:
        url = post.receiver.url().replace("127.0.0.1", "localhost").replace("http:", "https:")
        row = await post.settled(await post.end_run(url))
        assert (row.state, row.last_error) == ("pending", "refused")
        assert post.receiver.requests == []


async def test_one_receiver_that_hangs_does_not_hold_up_the_others(sqlite: Stores) -> None:
    async def hang(request: Received) -> None:
        await asyncio.sleep(3)

    settings = SETTINGS.model_copy(update={"callback_timeout_s": 2.0})
    async with serving(hang) as noisy, posting(sqlite, status(200), settings) as post:
        for _ in range(40):
            await post.end_run(noisy.url())
        run_id = await post.end_run()
        async with asyncio.timeout(1):
            await post.settled(run_id)
        assert len(noisy.requests) == 2


async def test_a_callback_of_a_client_that_lost_its_secret_is_not_sent(sqlite: Stores) -> None:
    async with posting(sqlite, status(200)) as post:
        bob = ANN.model_copy(update={"client_id": "bob"})
        new = store.NewRun(
            ask("hi", post.receiver.url()), bob.key, bob, find_agent("flights"), LIMITS
        )
        run, _, _ = await post.house.database.run(store.create, new, post.clock.now())
        await post.house.database.run(store.finish, run.id, "completed", post.clock.now())
        row = await post.settled(run.id)
        assert (row.state, row.last_error) == ("pending", "no_secret")
        assert post.receiver.requests == []


async def test_who_dies_in_mid_try_leaves_the_callback_to_others_after_the_lease(
    sqlite: Stores,
) -> None:
    async with posting(sqlite, status(200)) as post:
        await post.house.deliverer.close()
        run_id = await post.end_run()
        now, database = post.clock.now(), post.house.database
        ids = await database.read(outbox.candidates, now, busy={}, per_host=2, limit=9)
        await database.run(outbox.claim, ids, now, 5.5)
        await post.house.deliverer.launch()
        await asyncio.sleep(0.3)
        assert post.receiver.requests == []
        post.advance(6)
        assert (await post.settled(run_id, attempts=2)).state == "delivered"


async def test_a_cut_output_is_marked_and_still_verifies(sqlite: Stores) -> None:
    async with posting(sqlite, status(200)) as post:
        await post.settled(await post.end_run(output="é\n" * 30_000))
        (received,) = post.receiver.requests
        Webhook(SECRET).verify(received.body, received.headers)
        assert len(received.body) <= 20_000
        assert json.loads(received.body)["data"]["output_cut"] is True


async def test_the_end_of_a_run_wakes_the_deliverer(stores: Stores, team: Team) -> None:
    async with serving(status(200)) as receiver, living(stores, team) as house:
        await house.deliverer.launch()
        run = await house.service.create(ANN, ask("hello", receiver.url()))
        (received,) = await receiver.wait(1)
        body = Webhook(SECRET).verify(received.body, received.headers)
        assert (body["data"]["id"], body["data"]["output"]) == (run.id, "answer to hello")
