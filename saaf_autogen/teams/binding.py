"""What one turn of one run knows while it runs: its calls, its use of tokens, its first failure."""

from __future__ import annotations

from autogen_core import FunctionCall
from autogen_core.models import CreateResult

from saaf_autogen.actions.spec import ActionPort, ActionSpec
from saaf_autogen.errors import SaafError
from saaf_autogen.journal import CallKey

__all__ = ["CallLedger", "TurnScope"]


class TurnScope:
    """One turn of a run.

    Args:
        run: the run's id.
        turn: the turn's number, from 0.
        port: the actions as the run's principal reaches them.
    """

    def __init__(self, run: str, turn: int, port: ActionPort) -> None:
        self.run = run
        self.turn = turn
        self.port = port
        self.failure: SaafError | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._ledgers: dict[str, CallLedger] = {}
        self._actions: list[ActionSpec] | None = None

    def ledger(self, path: str) -> CallLedger:
        """The calls of the agent at a component path; its model and workbenches share it."""
        return self._ledgers.setdefault(path, CallLedger(self, path))

    async def actions(self) -> list[ActionSpec]:
        """What the principal may call; asked once a turn, although AutoGen asks at every call."""
        if self._actions is None:
            self._actions = await self.port.list_actions()
        return self._actions

    def fail(self, error: SaafError) -> None:
        """Remember what failed first: AutoGen keeps only the text of exceptions."""
        if self.failure is None:
            self.failure = error


class CallLedger:
    """Names the tool calls of one agent in one turn by their place, never by a model's ids.

    Ids of calls repeat (some servers count from 0) and differ when a turn is done again.
    """

    def __init__(self, scope: TurnScope, path: str) -> None:
        self._scope = scope
        self._path = path
        self._ordinal = -1
        self._places: dict[str, int] = {}
        self._extra = 0

    def answered(self, result: CreateResult) -> None:
        """A model call ended: its tool calls, in their order, are the next to come."""
        self._scope.prompt_tokens += result.usage.prompt_tokens
        self._scope.completion_tokens += result.usage.completion_tokens
        self._ordinal += 1
        calls: list[FunctionCall] = result.content if isinstance(result.content, list) else []
        self._places = {call.id: index for index, call in enumerate(calls)}
        self._extra = len(calls)

    def failed(self, error: SaafError) -> None:
        """A model call failed for good."""
        self._scope.fail(error)

    def key(self, call_id: str | None) -> CallKey:
        """The key of a tool call; a call that no known model call asked for comes after those."""
        index = self._places.get(call_id or "")
        if index is None:
            index, self._extra = self._extra, self._extra + 1
        ordinal = max(self._ordinal, 0)
        return CallKey(self._scope.run, self._scope.turn, self._path, ordinal, index)
