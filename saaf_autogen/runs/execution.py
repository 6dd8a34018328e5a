"""A run that a worker holds, worked off turn by turn up to its end or to a human's answer."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.clock import Clock
from saaf_autogen.db import Database, is_away
from saaf_autogen.errors import LimitReached, SaafError, TimedOut
from saaf_autogen.journal import Fenced, Question, TurnExecutor, TurnRequest, TurnResult
from saaf_autogen.runs import history, questions, store
from saaf_autogen.runs.hold import Hold
from saaf_autogen.runs.model import EndStatus, RunWork
from saaf_autogen.runs.notifier import CALLBACKS, Notifier
from saaf_autogen.runs.tables import RunRow
from saaf_autogen.runs.text import clean_json
from saaf_autogen.runs.usage import Meter, prices_of, used_in_all
from saaf_autogen.runs.writer import Gate, TurnWriter, entries_of
from saaf_autogen.settings import ModelSettings, RunSettings

__all__ = ["Control", "RunExecution", "StopReason", "place_of"]

_logger = logging.getLogger(__name__)
StopReason = Literal["cancelled", "closing", "fenced"]
Result = TypeVar("Result")
_STOP_GRACE_S = 0.8
_LAST_CALLS_S = 5.0
_RETRY_S = (0.1, 0.3, 1.0, 3.0)


class Control:
    """The reins of one execution; used from the worker's own event loop.

    Attributes:
        active_s: how long the run was at work, once its execution has ended.
        usage: what it had used by then, as ``Meter.state``.
    """

    def __init__(self) -> None:
        self.active_s: float | None = None
        self.usage: dict[str, Any] | None = None
        self.stopped: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()

    def stop(self, reason: StopReason) -> None:
        """Ask for the end; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_result(reason)

    @property
    def reason(self) -> StopReason | None:
        """Why it should stop, or None."""
        return self.stopped.result() if self.stopped.done() else None


class RunExecution:
    """Works off runs that are held here.

    Args:
        database: SAAF's store.
        executor: does the turns.
        settings: limits.
        models: the deployment's models, for their prices.
        clock: the time that is written down.
        notifier: told of each event.
    """

    def __init__(
        self,
        database: Database,
        executor: TurnExecutor,
        settings: RunSettings,
        models: Mapping[str, ModelSettings],
        clock: Clock,
        notifier: Notifier,
    ) -> None:
        self._database = database
        self._settings = settings
        self._executor = executor
        self._prices = prices_of(models)
        self._clock = clock
        self._notifier = notifier
        self._strays: set[asyncio.Task[TurnResult]] = set()

    async def work_off(
        self, hold: Hold, work: RunWork | None, control: Control, gate: Gate
    ) -> bool:
        """Go on with a run for as long as it is held here and needs nobody.

        False when it is still held and should be given back: this worker stops.

        Args:
            hold: this worker's hold on it.
            work: what is known of it, if it was not read from the store.
            control: how it is stopped.
            gate: asked before each call.

        Raises:
            Fenced: another worker has it.
        """
        if work is None:
            work = await self._insist(control, store.load, hold)
        if work.cancel_requested:
            control.stop("cancelled")
        segment = _Segment(work, Meter(work.limits, self._prices, work.usage))
        try:
            while control.reason != "closing":
                over = await self._turn(segment, control, gate)
                if over is not None:
                    return over
            return False
        finally:
            control.active_s, control.usage = segment.active_s, segment.meter.state()

    async def _turn(self, segment: _Segment, control: Control, gate: Gate) -> bool | None:
        """One turn and its storing; as ``work_off``, or None when the next turn may come."""
        writer = await self._writer(segment, control, gate)
        try:
            result = await self._execute(segment, writer, control)
            if result is None:
                return False
            if isinstance(result, TurnResult):
                await self._store(segment, result, writer)
                return True if result.finished or result.question else None
            await self._end(segment, writer, *result)
            return True
        finally:
            await writer.close()

    async def _writer(self, segment: _Segment, control: Control, gate: Gate) -> TurnWriter:
        work = segment.work
        entries = None
        if segment.redone:
            entries = await self._insist(control, entries_of, work.hold.run_id, segment.number)
        return TurnWriter(
            self._database,
            work.hold,
            segment.number,
            entries,
            meter=segment.meter,
            gate=gate,
            clock=self._clock,
            notifier=self._notifier,
        )

    async def _execute(
        self, segment: _Segment, writer: TurnWriter, control: Control
    ) -> TurnResult | tuple[EndStatus, dict[str, Any] | None] | None:
        """What the turn came to: a result, an end of the run, or None when it is to be left."""
        try:
            segment.meter.permit_turn()
        except LimitReached as error:
            return "failed", error.problem()
        if control.reason is None and segment.left_s <= 0:
            return "timed_out", _too_long(segment)
        task = asyncio.create_task(self._executor.execute(segment.request, writer))
        try:
            waited: set[asyncio.Future[Any]] = {task, control.stopped}
            await asyncio.wait(
                waited,
                timeout=segment.left_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not task.done() and control.reason == "closing":
                await _last_calls(task, writer)
            if not task.done():
                reason = control.reason
                if reason is None:
                    return "timed_out", _too_long(segment)
                return ("cancelled", None) if reason == "cancelled" else None
        finally:
            await self._stop(task)
        return _outcome(task, segment)

    async def _store(self, segment: _Segment, result: TurnResult, writer: TurnWriter) -> None:
        """The turn's end: its state, what it used, and the run's end or its question."""
        number, before = segment.number, segment.state
        state = result.state
        if state is not None:
            segment.meter.turn_done()
        usage, active_s, now = segment.meter.state(), segment.active_s, self._clock.now()

        def save(session: Session, row: RunRow) -> None:
            if row.turn != number:
                return  # it was stored, and only the answer of the commit was lost
            row.active_s = active_s
            if state is not None:
                row.usage = usage
                history.add_turn(session, row, before, state, now)
                row.turn += 1
                # Workers die of many things in a long run's life; it got on, so not of this run.
                row.crashes = 0
                writer.forget(session)
            else:
                row.usage = {**row.usage, "unfinished": usage}
            if result.question is not None and row.cancel_requested_at is not None:
                # The owner's word came first, and nobody would hold the run to act on it.
                writer.forget(session)
                store.finish_row(session, row, "cancelled", now, delay_s=self._delay)
            elif result.question is not None:
                self._ask(session, row, result.question)
            elif result.finished:
                output = clean_json(result.output)
                store.finish_row(session, row, "completed", now, output=output, delay_s=self._delay)

        if state is not None:
            writer.drop_entries()
        await writer.commit(save)
        segment.advance(state)
        if result.finished:
            self._ended(segment.work, "completed", None)

    def _ask(self, session: Session, row: RunRow, question: Question) -> None:
        now = self._clock.now()
        expires_at = now + timedelta(days=self._settings.input_days)
        row.status, row.worker = "input_required", None
        questions.ask(session, row, question, now, expires_at)

    async def _end(
        self,
        segment: _Segment,
        writer: TurnWriter,
        status: EndStatus,
        error: dict[str, Any] | None,
    ) -> None:
        """End the run otherwise than by its team's own end."""
        usage, active_s, now = segment.meter.state(), segment.active_s, self._clock.now()

        def save(session: Session, row: RunRow) -> None:
            row.usage, row.active_s = used_in_all(row.usage, usage), active_s
            writer.forget(session)
            store.finish_row(session, row, status, now, error=error, delay_s=self._delay)

        writer.drop_entries()
        await writer.commit(save)
        self._ended(segment.work, status, error)

    def _ended(self, work: RunWork, status: EndStatus, error: dict[str, Any] | None) -> None:
        code = f" ({error['code']})" if error else ""
        level = logging.WARNING if status == "failed" else logging.INFO
        _logger.log(level, "run %s %s%s", work.hold.run_id, status, code)
        if work.calls_back:
            self._notifier.notify(CALLBACKS)

    @property
    def _delay(self) -> float:
        return (self._settings.callback_delays_s or [0])[0]

    async def _stop(self, task: asyncio.Task[TurnResult]) -> None:
        if task.done():
            return
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_GRACE_S)
        if not task.done():
            # It swallows its cancellation: the run ends without it. The log takes no more of it.
            _logger.warning("a turn did not stop within %s s of its cancellation", _STOP_GRACE_S)
            self._strays.add(task)
            task.add_done_callback(self._strays.discard)
        task.add_done_callback(_retrieve)

    async def _insist(self, control: Control, work: Callable[..., Result], *args: Any) -> Result:
        """A transaction that is tried again while the store is not there."""
        attempt = 0
        while True:
            try:
                return await self._database.run(work, *args)
            except SQLAlchemyError as error:
                if not is_away(error):
                    raise
                if control.reason in ("closing", "fenced"):
                    raise Fenced("stopped while the store was away") from error
                _logger.warning("the store is not available (%s)", type(error).__name__)
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1


class _Segment:
    """Where a run stands while it is held here."""

    def __init__(self, work: RunWork, meter: Meter) -> None:
        self.work = work
        self.meter = meter
        self.number = work.turn
        self.state = work.state
        self.redone = work.redone
        self._answer = work.answer
        self._started = time.monotonic()

    @property
    def request(self) -> TurnRequest:
        """The turn that comes next."""
        work = self.work
        return TurnRequest(
            run=work.hold.run_id,
            agent=work.agent_id,
            definition=work.definition,
            principal=work.principal,
            turn=self.number,
            task=work.input if self.number == 0 else None,
            # A copy: the next change is told from what the state was, whatever a team does to it.
            state=None if self.state is None else json.loads(json.dumps(self.state)),
            answer=self._answer,
        )

    @property
    def active_s(self) -> float:
        """Seconds at work so far, over all workers."""
        return round(self.work.active_s + time.monotonic() - self._started, 3)

    @property
    def left_s(self) -> float:
        """Seconds until its time is over."""
        return max(0.0, self.work.limits.timeout_s - self.active_s)

    def advance(self, state: dict[str, Any] | None) -> None:
        """A turn was stored."""
        if state is not None:
            self.state, self.number = state, self.number + 1
            self.redone, self._answer = False, None


async def _last_calls(task: asyncio.Task[TurnResult], writer: TurnWriter) -> None:
    """Let calls in flight end and be remembered: cut off, a write's fate would be unknown."""
    end = time.monotonic() + _LAST_CALLS_S
    while writer.calls_in_flight and not task.done() and time.monotonic() < end:
        await asyncio.wait({task}, timeout=0.02)
    if not task.done():
        await writer.settle()


def _outcome(
    task: asyncio.Task[TurnResult], segment: _Segment
) -> TurnResult | tuple[EndStatus, dict[str, Any]]:
    run_id = segment.work.hold.run_id
    if task.cancelled():
        _logger.error("run %s turn %d cancelled itself", run_id, segment.number)
        return "failed", _internal().problem()
    error = task.exception()
    if isinstance(error, Fenced):
        raise error
    if isinstance(error, SaafError):
        return "failed", clean_json(error.problem())
    if error is not None:
        _logger.error("run %s turn %d failed: %s", run_id, segment.number, place_of(error))
        return "failed", _internal().problem()
    return task.result()


def place_of(error: BaseException) -> str:
    """The type and the place of a foreign error, for the log: its text may hold secrets."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {place}"


def _too_long(segment: _Segment) -> dict[str, Any]:
    limit = segment.work.limits.timeout_s
    return TimedOut(
        f"The run was at work for longer than {limit:g} s.",
        remedy="Ask for a longer timeout_s, or raise runs.timeout_s.",
        extra={"reason": "timeout_s"},
    ).problem()


def _internal() -> SaafError:
    return SaafError(
        "The run failed because of an internal error.",
        remedy="Ask the operator: the host's log names it under this run's id.",
    )


def _retrieve(task: asyncio.Task[TurnResult]) -> None:
    if not task.cancelled():
        task.exception()
