"""Executes one turn of an AutoGen team or agent: plain data in, plain data and events out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import TimeoutTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import CancellationToken

from saaf_autogen.actions.spec import ActionPort
from saaf_autogen.errors import SaafError, TeamFailed
from saaf_autogen.journal import Question, TurnHost, TurnRequest, TurnResult
from saaf_autogen.teams.binding import TurnScope
from saaf_autogen.teams.content import clean
from saaf_autogen.teams.definition import AgentDefinition
from saaf_autogen.teams.events import TurnEvents, message_text
from saaf_autogen.teams.loading import LoadedAgent, load_agent
from saaf_autogen.teams.models import ModelRegistry
from saaf_autogen.teams.state import load_state, save_state, thread_of
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
        self._started = time.monotonic()
        self._elapsed_before = 0.0
        self._since = 0
        self._step: StepTermination | None = None

    async def run(self, host: TurnHost) -> TurnResult:
        await self._prepare()
        result = await self._stream(host)
        if isinstance(result, Question):
            return TurnResult(state=None, finished=False, question=result)
        step = self._step
        finished = step is None or step.stop is not None or not step.stepped
        state = await save_state(
            self._agent,
            finished=finished,
            since=self._since,
            elapsed_s=round(self._elapsed_before + time.monotonic() - self._started, 3),
        )
        if finished:
            state["host"]["since"] = len(thread_of(state))
            state["host"]["elapsed_s"] = 0.0
        return TurnResult(
            state=state,
            finished=finished,
            stop_reason=(result.stop_reason or "The agent answered.") if finished else None,
            output=self._output(state, result) if finished else None,
        )

    async def _prepare(self) -> None:
        """Put the step around the team's own condition and bring the team to its state."""
        root = self._agent.root
        if not isinstance(root, BaseGroupChat):
            if self._request.state is not None:
                await load_state(self._agent, self._request.state)
            return
        self._step = StepTermination(
            root._termination_condition,
            turn=self._request.turn,
            max_turns=root._max_turns,
            has_task=self._request.task is not None,
        )
        root._termination_condition, root._max_turns = self._step, None
        if self._request.state is None:
            return
        kept = await load_state(self._agent, self._request.state)
        self._since = int(kept.get("since", 0))
        self._elapsed_before = float(kept.get("elapsed_s", 0))
        thread = thread_of(self._request.state)[self._since :]
        await self._step.replay([root._message_factory.create(message) for message in thread])
        for _, part in self._agent.parts:
            if isinstance(part, TimeoutTermination):
                part._start_time -= self._elapsed_before

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
        task = self._request.task
        stream: AsyncGenerator[Message | TaskResult, None] = root.run_stream(
            task=None if task is None else clean(task),
            cancellation_token=self._token,
            output_task_messages=False,
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

    def _output(self, state: Mapping[str, Any], result: TaskResult) -> str | None:
        thread = thread_of(state) or [dict(message.dump()) for message in result.messages]
        wanted = self._definition.output_from
        last: str | None = None
        for message in thread:
            text = message_text(message)
            if text is None or message["source"] == "user":
                continue
            if wanted is None or message["source"] == wanted:
                last = text
        return last
