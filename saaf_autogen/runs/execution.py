"""How a run is executed, step by step, whatever engine makes the steps durable."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.clock import Clock
from saaf_autogen.db import Database, is_away
from saaf_autogen.errors import LimitReached, SaafError, TimedOut
from saaf_autogen.journal import TurnEvent, TurnExecutor, TurnRequest, TurnResult
from saaf_autogen.runs import store
from saaf_autogen.runs.event_log import append_event
from saaf_autogen.runs.model import EndStatus, RunWork
from saaf_autogen.runs.notifier import CALLBACKS, Notifier
from saaf_autogen.runs.text import clean_json
from saaf_autogen.settings import RunSettings

__all__ = ["Control", "RunExecution", "StopReason"]

_logger = logging.getLogger(__name__)
StopReason = Literal["cancelled", "timed_out", "closing"]
Params = ParamSpec("Params")
Result = TypeVar("Result")
_STOP_GRACE_S = 0.4
_RETRY_S = (0.1, 0.3, 1.0, 3.0)


class Control:
    """The reins of one execution: why it should stop, and when its time is over.

    The time counts from the moment that this process took the run up: a host that was down for an
    hour must not find all its runs timed out.
    """

    def __init__(self, timeout_s: float) -> None:
        self.stopped: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()
        self._deadline = time.monotonic() + timeout_s

    def stop(self, reason: StopReason) -> None:
        """Ask for the end; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_result(reason)

    @property
    def reason(self) -> StopReason | None:
        """Why it should stop, or None."""
        if self.stopped.done():
            return self.stopped.result()
        return "timed_out" if self.remaining <= 0 else None

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return max(0.0, self._deadline - time.monotonic())


class RunExecution:
    """The parts of a run's execution; each may be repeated without harm.

    Args:
        database: SAAF's store.
        executor: does the turns.
        settings: limits.
        clock: the time that is written down.
        notifier: told of each event.
    """

    def __init__(
        self,
        database: Database,
        executor: TurnExecutor,
        settings: RunSettings,
        clock: Clock,
        notifier: Notifier,
    ) -> None:
        self.database = database
        self.settings = settings
        self._executor = executor
        self._clock = clock
        self._notifier = notifier
        self._strays: set[asyncio.Task[TurnResult]] = set()

    async def begin(self, run_id: str, control: Control) -> RunWork | None:
        """Mark the run as running; None when there is nothing left to do."""
        work = await self._insist(control, store.begin, run_id, self._clock.now())
        if work:
            self._notifier.notify(run_id)
        return work

    async def turn(
        self, work: RunWork, number: int, state: dict[str, Any] | None, control: Control
    ) -> dict[str, Any]:
        """Do one turn; what comes out is JSON and never an exception of the team.

        ``end`` is None while the run goes on.

        Raises:
            CancelledError: this process closes; the turn is to be done again.
        """
        request = TurnRequest(
            run=work.id,
            agent=work.agent_id,
            definition=work.definition,
            principal=work.principal,
            turn=number,
            task=work.input if number == 0 else None,
            state=state,
        )

        async def emit(event: TurnEvent) -> None:
            await self._insist(
                control,
                append_event,
                work.id,
                event.type,
                f"{number}:{event.key}",
                dict(event.data),
                self._clock.now(),
            )
            self._notifier.notify(work.id)

        task = asyncio.create_task(self._execute(request, emit))
        try:
            waited: set[asyncio.Future[Any]] = {task, control.stopped}
            await asyncio.wait(
                waited,
                timeout=control.remaining,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if task.done():
                return _outcome(task, work, number)
            reason = control.reason or "timed_out"
        finally:
            await self._stop(task)
        if reason == "closing":
            raise asyncio.CancelledError
        return {"end": reason}

    async def finish(
        self, work: RunWork, outcome: dict[str, Any], usage: dict[str, int], control: Control
    ) -> None:
        """End the run as its last outcome says."""
        status: EndStatus = outcome["end"]
        error = outcome.get("error")
        if status == "timed_out":
            limit = self.settings.timeout_s
            error = TimedOut(
                f"The run took longer than {limit:g} s.", remedy="Raise runs.timeout_s."
            ).problem()
        await self.end(
            work.id, status, control, output=outcome.get("output"), error=error, usage=usage
        )

    async def end(
        self,
        run_id: str,
        status: EndStatus,
        control: Control | None,
        *,
        output: str | None = None,
        error: dict[str, Any] | None = None,
        usage: dict[str, int] | None = None,
    ) -> None:
        """Write a terminal state, unless there is one."""
        await self._insist(
            control,
            store.finish,
            run_id,
            status,
            self._clock.now(),
            output=output,
            error=error,
            usage=usage,
            callback_delay_s=(self.settings.callback_delays_s or [0])[0],
        )
        code = f" ({error['code']})" if error else ""
        _logger.log(
            logging.WARNING if status == "failed" else logging.INFO,
            "run %s %s%s",
            run_id,
            status,
            code,
        )
        self._notifier.notify(run_id)
        self._notifier.notify(CALLBACKS)

    def out_of_turns(self) -> dict[str, Any]:
        """The outcome of a team that does not come to an end."""
        error = LimitReached(
            f"The team did not finish within {self.settings.max_turns} turns.",
            remedy="Raise runs.max_turns, or give the team a termination condition.",
            extra={"reason": "max_turns"},
        )
        return {"end": "failed", "error": error.problem()}

    async def _execute(self, request: TurnRequest, emit: Any) -> TurnResult:
        return await self._executor.execute(request, emit)

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

    async def _insist(
        self,
        control: Control | None,
        work: Callable[..., Result],
        *args: Any,
        **kwargs: Any,
    ) -> Result:
        """A transaction that is tried again while the store is not there."""
        attempt = 0
        while True:
            try:
                return await self.database.run(work, *args, **kwargs)
            except SQLAlchemyError as error:
                if not is_away(error):
                    raise
                if control and control.stopped.done() and control.reason == "closing":
                    raise asyncio.CancelledError from error
                _logger.warning("the store is not available (%s)", type(error).__name__)
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1


def _outcome(task: asyncio.Task[TurnResult], work: RunWork, number: int) -> dict[str, Any]:
    if task.cancelled():
        _logger.error("run %s turn %d cancelled itself", work.id, number)
        return {"end": "failed", "error": _internal().problem()}
    error = task.exception()
    if isinstance(error, SaafError):
        return {"end": "failed", "error": clean_json(error.problem())}
    if error is not None:
        # The text of a foreign error may hold secrets: its type and place are all that is kept.
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
        _logger.error(
            "run %s turn %d failed: %s at %s", work.id, number, type(error).__name__, place
        )
        return {"end": "failed", "error": _internal().problem()}
    result = task.result()
    return {
        "end": "completed" if result.finished else None,
        "state": clean_json(result.state),
        "output": clean_json(result.output),
        "usage": clean_json(result.usage),
    }


def _internal() -> SaafError:
    return SaafError(
        "The run failed because of an internal error.",
        remedy="Ask the operator: the host's log names it under this run's id.",
    )


def _retrieve(task: asyncio.Task[TurnResult]) -> None:
    if not task.cancelled():
        task.exception()
