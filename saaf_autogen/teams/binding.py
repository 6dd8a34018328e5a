"""What one turn of one run knows while it runs: its calls, what it waits for, what ended it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import NoReturn

from autogen_core import FunctionCall
from autogen_core.models import CreateResult

from saaf_autogen.actions.spec import ActionPort, ActionSpec
from saaf_autogen.errors import SaafError
from saaf_autogen.journal import CallKey, CallKind, CallUsage, Entry, Question, TurnHost

__all__ = ["CallLedger", "TurnScope"]

_logger = logging.getLogger(__name__)
# Branches that run in parallel come to their questions within this time of each other.
_SETTLING_S = 0.02


class TurnScope:
    """One turn of a run. Make it in the event loop that executes the turn.

    Args:
        run: the run's id.
        turn: the turn's number, from 0.
        port: the actions as the run's principal reaches them.
        host: what the turn has of its host.

    Attributes:
        ended: done when the turn must end early: its result is the question that a human must
            answer, its exception whatever failed first.
    """

    def __init__(self, run: str, turn: int, port: ActionPort, host: TurnHost) -> None:
        self.run = run
        self.turn = turn
        self.port = port
        self.host = host
        self.ended: asyncio.Future[Question] = asyncio.get_running_loop().create_future()
        self._ledgers: dict[str, CallLedger] = {}
        self._listing = asyncio.Lock()
        self._actions: list[ActionSpec] | None = None
        self._questions: dict[tuple[str, int, int], Question] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._failure: Exception | None = None
        self._in_flight = 0
        self._tools = 0
        self._released = False
        self._settling: asyncio.TimerHandle | None = None

    @property
    def failure(self) -> Exception | None:
        """What failed first: AutoGen keeps only the text of exceptions."""
        return self._failure

    def ledger(self, path: str) -> CallLedger:
        """The calls of the agent at a component path; its model and workbenches share it."""
        return self._ledgers.setdefault(path, CallLedger(self, path))

    async def actions(self) -> list[ActionSpec]:
        """What the principal may call; asked once a turn, although AutoGen asks at every call."""
        async with self._listing:
            if self._actions is None:
                self._actions = await self.port.list_actions()
            return self._actions

    def fail(self, error: Exception, *, at_once: bool = False) -> None:
        """End the turn with what failed first, once the tool calls in flight have ended.

        No further call starts. A write that is cut off would leave nobody knowing its fate; but
        whoever has lost the run waits for nothing. ``at_once``: whatever is in flight.
        """
        if self._failure is None and not self.ended.done():
            self._failure = error
        self._end_failing(at_once=at_once)

    @asynccontextmanager
    async def call(self, kind: CallKind) -> AsyncIterator[None]:
        """Around each call that is not in the journal, up to the recording of its outcome.

        It starts once the host permits it. When the turn is ending, it never does: whoever waits
        here is torn down with the team.
        """
        if self._questions or self._failure or self.ended.done():
            await self.wait_for_the_end()
        self._in_flight += 1
        permitted = 0
        try:
            await self._permit(kind)
            permitted = kind == "tool"
            self._tools += permitted
            yield
        finally:
            self._in_flight -= 1
            self._tools -= permitted
            self._end_failing()
            self._settle()

    async def demand(self, asked: Awaitable[None]) -> None:
        """Ask something of the host within a call; its refusal ends the turn at once."""
        try:
            await asked
        except Exception as stop:  # the host's own failures must not become AutoGen's texts
            self.fail(stop, at_once=True)
            await self.wait_for_the_end()

    async def _permit(self, kind: CallKind) -> None:
        try:
            await self.host.permit(kind)
        except Exception as stop:  # the host's own failures must not become AutoGen's texts
            self.fail(stop)
            await self.wait_for_the_end()

    async def ask(self, key: CallKey, question: Question) -> NoReturn:
        """Let a human be asked; never returns.

        No further call starts in the turn. Once those in flight have ended, the turn ends with the
        question; of several, with the first in the order of their paths.
        """
        self._questions[key.path, key.ordinal, key.index] = question
        self._settle()
        await self.wait_for_the_end()

    async def wait_for_the_end(self) -> NoReturn:
        """Wait until the team is torn down; never returns."""
        if self._released:
            raise asyncio.CancelledError
        forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(forever)
        try:
            await forever
        finally:
            self._waiting.discard(forever)
        raise AssertionError("what is waited for never comes")

    def release(self) -> None:
        """Cancel whatever waits here: the team is being torn down."""
        self._released = True
        if not self.ended.done():
            self.ended.cancel()
        if self._settling is not None:
            self._settling.cancel()
        for waiting in list(self._waiting):
            waiting.cancel()

    def _end_failing(self, *, at_once: bool = False) -> None:
        if self._failure is None or self.ended.done():
            return
        if at_once or self._tools == 0 or not isinstance(self._failure, SaafError):
            self.ended.set_exception(self._failure)
            self.ended.exception()  # a turn may end before anybody looks

    def _settle(self) -> None:
        """End with a question, a moment after the last call in flight has ended."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        asking = self._questions and self._failure is None and not self.ended.done()
        if asking and self._in_flight == 0:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(_SETTLING_S, self._end_asking)

    def _end_asking(self) -> None:
        if self._failure is None and not self.ended.done():
            self.ended.set_result(self._questions[min(self._questions)])


class CallLedger:
    """Names the calls of one agent in one turn by their place, never by a model's ids.

    Ids of calls repeat (some servers count from 0) and differ when a turn is done again.
    """

    def __init__(self, scope: TurnScope, path: str) -> None:
        self.scope = scope
        self.path = path
        self._models = 0
        self._inputs = 0
        self._answered = 0
        self._places: dict[str, tuple[int, int]] = {}
        self._extra = 0

    def model_key(self) -> CallKey:
        """The key of the model call that starts now."""
        ordinal, self._models = self._models, self._models + 1
        return self._key("model", ordinal)

    def input_key(self) -> CallKey:
        """The key of the question to a human that is asked now."""
        ordinal, self._inputs = self._inputs, self._inputs + 1
        return self._key("input", ordinal)

    def answered(self, key: CallKey, result: CreateResult) -> None:
        """A model call ended: its tool calls, in their order, are the next to come."""
        calls: list[FunctionCall] = result.content if isinstance(result.content, list) else []
        self._answered = key.ordinal
        self._places |= {call.id: (key.ordinal, index) for index, call in enumerate(calls)}
        self._extra = len(calls)

    def tool_key(self, call_id: str | None) -> CallKey:
        """The key of a tool call; a call that no known model call asked for comes after those."""
        place = self._places.pop(call_id or "", None)
        if place is None:
            place = (self._answered, self._extra)
            self._extra += 1
        return self._key("tool", *place)

    def recall(self, key: CallKey) -> Entry | None:
        """What the run remembers of a call."""
        return self.scope.host.journal.recall(key)

    def record(self, key: CallKey, entry: Entry) -> None:
        """Remember a call that has just ended."""
        self.scope.host.journal.record(key, entry)

    def used(
        self,
        kind: CallKind,
        name: str,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        *,
        estimated: bool = False,
        replayed: bool = False,
    ) -> None:
        """Count a call of this agent."""
        self.scope.host.used(
            CallUsage(kind, self.path, name, prompt_tokens, completion_tokens, estimated, replayed)
        )

    def drifted(self, key: CallKey) -> None:
        """Say that a call is not what it was when it was answered; the answer counts still."""
        _logger.warning(
            "run %s: the request at %s differs from the one that was answered", key.run, key.place
        )

    def _key(self, kind: CallKind, ordinal: int, index: int = 0) -> CallKey:
        scope = self.scope
        return CallKey(scope.run, scope.turn, self.path, ordinal, index, kind)
