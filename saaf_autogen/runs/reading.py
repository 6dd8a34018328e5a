"""Runs as their owners read and follow them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy.orm import Session

from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import SaafError, TimedOut
from saaf_autogen.runs import questions, store
from saaf_autogen.runs.event_log import read_events
from saaf_autogen.runs.inputs import QuestionPage
from saaf_autogen.runs.intake import Intake
from saaf_autogen.runs.model import Run, RunEvent, RunPage, RunStatus
from saaf_autogen.runs.notifier import Notifier, rung

__all__ = ["RunReader"]

_BATCH = 500


class RunReader:
    """Reads runs for their owners alone; whoever is not one learns that there is no such run.

    Args:
        database: SAAF's store.
        intake: knows what a caller holds now.
        notifier: shared with the engine of this process.
        clock: measures how long somebody waits.
        poll_s: seconds between two looks at the store for what other processes wrote.
    """

    def __init__(
        self, database: Database, intake: Intake, notifier: Notifier, clock: Clock, *, poll_s: float
    ) -> None:
        self._database = database
        self._intake = intake
        self._notifier = notifier
        self._clock = clock
        self._poll_s = poll_s
        self._released = False

    async def get(self, principal: Principal, run_id: str) -> Run:
        """A run of the caller; raises ``NotFound`` for any other."""
        await self._require(principal, "runs:read", "Reading a run")
        return await self._database.read(store.get, principal, run_id)

    async def list(
        self,
        principal: Principal,
        *,
        status: RunStatus | None = None,
        agent_id: str | None = None,
        schedule_id: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> RunPage:
        """The caller's runs, newest first, ``limit`` (1 to 100) a page."""
        await self._require(principal, "runs:read", "Reading runs")
        return await self._database.read(
            store.list_runs,
            principal,
            status=status,
            agent_id=agent_id,
            schedule_id=schedule_id,
            cursor=cursor,
            limit=limit,
        )

    async def questions(
        self, principal: Principal, run_id: str, *, cursor: str | None = None, limit: int = 20
    ) -> QuestionPage:
        """What a run of the caller asked of humans, newest first, ``limit`` (1 to 100) a page."""
        await self._require(principal, "runs:read", "Reading a run's questions")
        return await self._database.read(_questions, principal, run_id, cursor, limit)

    async def events(
        self, principal: Principal, run_id: str, *, after: int = 0, limit: int = 500
    ) -> Sequence[RunEvent]:
        """The entries of a run's log after the one with id ``after``."""
        await self._require(principal, "runs:read", "Reading a run's events")
        _, events = await self._database.read(_look, principal, run_id, after, limit)
        return events

    async def stream(
        self, principal: Principal, run_id: str, *, after: int = 0
    ) -> AsyncIterator[RunEvent]:
        """The log after ``after``, then what is added to it, up to the run's end.

        It reads what is stored and nothing else: leaving it does nothing to the run, and whoever
        comes back with the last id misses nothing.
        """
        async for event in await self.open_stream(principal, run_id, after=after):
            yield event

    async def open_stream(
        self, principal: Principal, run_id: str, *, after: int = 0
    ) -> AsyncIterator[RunEvent]:
        """As ``stream``, which refuses before it begins.

        Raises:
            InsufficientScope: the caller lacks ``runs:read``.
            NotFound: the run is not the caller's.
        """
        await self._require(principal, "runs:read", "Following a run")
        await self._database.read(store.has_ended, principal, run_id)
        return self._follow(principal, run_id, after)

    async def _follow(
        self, principal: Principal, run_id: str, after: int
    ) -> AsyncIterator[RunEvent]:
        with self._notifier.listen(run_id) as news:
            while True:
                news.clear()
                ended, batch = await self._database.read(
                    _look_again, principal, run_id, after, _BATCH
                )
                for event in batch:
                    after = event.id
                    yield event
                    if event.last:
                        return
                # Who asks for what comes after the end would otherwise wait for ever.
                if not batch and (ended or self._released):
                    return
                if len(batch) < _BATCH:
                    await rung(news, self._poll_s)
                # After what was sent, too: who reads slowly always has something left to read.
                if not await self._may_go_on(principal):
                    return

    async def wait(self, principal: Principal, run_id: str, timeout_s: float) -> Run:
        """The run at its end; raises ``TimedOut`` when that is not within ``timeout_s``."""
        end = self._clock.monotonic() + timeout_s
        with self._notifier.listen(run_id) as news:
            while True:
                news.clear()
                run = await self.get(principal, run_id)
                if run.ended:
                    return run
                left = end - self._clock.monotonic()
                if left <= 0:
                    raise TimedOut(
                        "The run has not ended yet.", remedy="Wait again, or follow its stream."
                    )
                await rung(news, min(left, self._poll_s))

    def release(self) -> None:
        """End all streams within ``poll_s``: this host stops, and the next one resumes them."""
        self._released = True

    async def _may_go_on(self, principal: Principal) -> bool:
        """Whether a stream may: once it has begun, no refusal can be told but by its end."""
        try:
            await self._require(principal, "runs:read", "Following a run")
        except SaafError:
            return False
        return True

    async def _require(self, principal: Principal, scope: str, doing: str) -> Principal:
        """The caller with what it holds now, which must include the scope."""
        return await self._intake.require(principal, scope, doing)


def _questions(
    session: Session, principal: Principal, run_id: str, cursor: str | None, limit: int
) -> QuestionPage:
    run = store.get(session, principal, run_id)
    return questions.list_questions(session, run.id, cursor=cursor, limit=limit)


def _look(
    session: Session, principal: Principal, run_id: str, after: int, limit: int
) -> tuple[bool, Sequence[RunEvent]]:
    # The run first: one that has ended when it is read has its last event when the log is.
    ended = store.has_ended(session, principal, run_id)
    return ended, read_events(session, run_id, after=after, limit=limit)


def _look_again(
    session: Session, principal: Principal, run_id: str, after: int, limit: int
) -> tuple[bool, Sequence[RunEvent]]:
    """As ``_look``, by an owner who was told of the run before: its events alone, if there are."""
    events = read_events(session, run_id, after=after, limit=limit)
    return (False, events) if events else _look(session, principal, run_id, after, limit)
