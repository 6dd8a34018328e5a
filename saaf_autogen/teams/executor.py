"""Executes one turn of an AutoGen team or agent: plain data in, plain data and events out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat, MagenticOneGroupChat
from autogen_core import CancellationToken

from saaf_autogen.actions.spec import ActionPort
from saaf_autogen.errors import SaafError, TeamFailed
from saaf_autogen.journal import Question, TurnHost, TurnRequest, TurnResult
from saaf_autogen.teams.binding import TurnScope
from saaf_autogen.teams.definition import AgentDefinition
from saaf_autogen.teams.events import TurnEvents, message_text
from saaf_autogen.teams.handoffs import question_of, task_of
from saaf_autogen.teams.loading import LoadedAgent, load_agent
from saaf_autogen.teams.models import ModelRegistry
from saaf_autogen.teams.state import load_state, save_state
from saaf_autogen.teams.stepping import StepTermination
from saaf_autogen.teams.stock_tools import bind_stock_tools
from saaf_autogen.teams.stopping import stop_team
from saaf_autogen.teams.user_proxy import bind_user_proxy

__all__ = ["TeamExecutor"]

_logger = logging.getLogger(__name__)
Message = BaseAgentEvent | BaseChatMessage


class TeamExecutor:
    """Implements ``journal.TurnExecutor``. Each turn has a team of its own, thrown away after it.

    Args:
        models: the deployment's models.
        port_for: the actions as a turn's principal reaches them.
        trusted_providers: further exact AutoGen providers that agents may name.
    """

    def __init__(
        self,
        models: ModelRegistry,
        port_for: Callable[[TurnRequest, TurnHost], ActionPort],
        trusted_providers: Iterable[str] = (),
    ) -> None:
        self._models = models
        self._port_for = port_for
        self._trusted = tuple(trusted_providers)

    async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        """Do one turn; cancelling the task that awaits this ends the team within a second.

        Raises:
            SaafError: the model, a component or the team failed.
            Fenced: as the host said.
        """
        definition = AgentDefinition.from_snapshot(request.agent, request.definition, self._trusted)
        agent = load_agent(definition.config, self._trusted)
        scope = TurnScope(request.run, request.turn, self._port_for(request, host), host)
        _bind(agent, self._models, scope)
        turn = _Turn(agent, definition, request, scope)
        return await turn.run(host)


def _bind(agent: LoadedAgent, models: ModelRegistry, scope: TurnScope) -> None:
    for path, model in agent.models:
        model.bind(models, scope.ledger(path))
    for path, workbench in agent.workbenches:
        workbench.bind(scope.port, scope.ledger(path))
    for path, part in agent.parts:
        if isinstance(part, UserProxyAgent):
            bind_user_proxy(part, scope.ledger(path))
        elif isinstance(part, AssistantAgent):
            bind_stock_tools(part, scope.ledger(path))


class _Turn:
    """One turn under way."""

    def __init__(
        self,
        agent: LoadedAgent,
        definition: AgentDefinition,
        request: TurnRequest,
        scope: TurnScope,
    ) -> None:
        self._agent = agent
        self._definition = definition
        self._request = request
        self._scope = scope
        self._token = CancellationToken()
        self._task = task_of(request)
        self._first_turn = request.turn
        self._output: str | None = None
        self._step: StepTermination | None = None

    async def run(self, host: TurnHost) -> TurnResult:
        await self._prepare()
        result = await self._stream(host)
        if isinstance(result, Question):
            return TurnResult(state=None, finished=False, question=result)
        self._listen(result)
        step, root = self._step, self._agent.root
        question = question_of(result, root, step, self._request.turn)
        finished = question is None and (step is None or step.stop is not None or not step.stepped)
        if step is not None and (finished or question is not None):
            await step.count_anew()
        state = await save_state(
            self._agent, finished=finished, first_turn=self._first_turn, output=self._output
        )
        return TurnResult(
            state=state,
            finished=finished,
            stop_reason=(result.stop_reason or "The agent answered.") if finished else None,
            output=self._output if finished else None,
            question=question,
        )

    async def _prepare(self) -> None:
        """Put the step around a team's own condition, and bring the agent to its state."""
        state = self._request.state
        kept = {} if state is None else state.get("host", {})
        if self._request.task is None:
            self._output = kept.get("output")
        if self._task is None:
            self._first_turn = int(kept.get("first_turn", 0))
        root = self._agent.root
        if isinstance(root, BaseGroupChat):
            self._put_step(root)
        if state is not None:
            await load_state(self._agent, state)

    def _put_step(self, root: BaseGroupChat) -> None:
        # MagenticOne counts rounds itself, and shows its condition no task.
        orchestrated = isinstance(root, MagenticOneGroupChat)
        self._step = StepTermination(
            root._termination_condition,
            turn=self._request.turn - self._first_turn,
            max_turns=None if orchestrated else root._max_turns,
            expects_task=self._task is not None and not orchestrated,
        )
        root._termination_condition = self._step
        if not orchestrated:
            root._max_turns = None

    async def _stream(self, host: TurnHost) -> TaskResult | Question:
        """Run the team in a task of its own and emit what it says, until it ends or must end."""
        queue: asyncio.Queue[Message | TaskResult | None] = asyncio.Queue()
        ended = self._scope.ended
        ended.add_done_callback(lambda _: queue.put_nowait(None))
        pump = asyncio.create_task(self._pump(queue))
        events = TurnEvents(self._request.turn)
        result: TaskResult | None = None
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, TaskResult):
                    result = item
                    continue
                for event in events.of(item):
                    await host.emit(event)
            if ended.done():
                return await ended
            try:
                await pump
            except Exception as error:  # the border to AutoGen, which keeps only texts
                raise self._typed(error) from None
        finally:
            self._scope.release()
            if not pump.done():
                stopping = asyncio.create_task(stop_team(self._agent.teams, pump, self._token))
                await asyncio.shield(stopping)
        if result is None:
            raise TeamFailed(f"The agent {self._request.agent} ended without a result.")
        return result

    async def _pump(self, queue: asyncio.Queue[Message | TaskResult | None]) -> None:
        root: Any = self._agent.root
        stream: AsyncGenerator[Message | TaskResult, None] = root.run_stream(
            task=self._task, cancellation_token=self._token, output_task_messages=False
        )
        try:
            async for item in stream:
                queue.put_nowait(item)
        finally:
            queue.put_nowait(None)

    def _typed(self, error: Exception) -> Exception:
        if self._scope.failure is not None:
            return self._scope.failure
        if isinstance(error, SaafError):
            return error
        name = type(error).__name__
        _logger.warning("run %s: the team failed with %s", self._request.run, name)
        return TeamFailed(
            f"The agent {self._request.agent} failed in turn {self._request.turn} ({name}).",
            remedy="Its messages up to there are in the run's events.",
        )

    def _listen(self, result: TaskResult) -> None:
        """Keep the last words of whoever speaks for the run."""
        wanted = self._definition.output_from
        for message in result.messages:
            text = message_text(message)
            if text is None or message.source == "user":
                continue
            if wanted is None or message.source == wanted:
                self._output = text
