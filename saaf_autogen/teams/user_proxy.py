"""AutoGen's UserProxyAgent within a run: its human answers days later, and no process waits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_core import CancellationToken

from saaf_autogen.journal import CallKey, Question
from saaf_autogen.teams.binding import CallLedger
from saaf_autogen.teams.content import clean

__all__ = ["bind_user_proxy"]

_MAX_PROMPT_CHARS = 4_000


def bind_user_proxy(agent: UserProxyAgent, ledger: CallLedger) -> None:
    """Let an agent take its input from what the run remembers, or end the turn with a question.

    What it is asked is what the one before it said; AutoGen's own prompt says nothing.
    """
    human = _Human(agent.name, ledger)
    stock = agent.on_messages_stream

    async def on_messages_stream(
        messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        human.heard = messages[-1] if messages else None
        async for item in stock(messages, cancellation_token):
            yield item

    agent.on_messages_stream = on_messages_stream  # type: ignore[method-assign]  # hears what is said
    agent.input_func = human.input
    agent._is_async = True


class _Human:
    """Whoever answers in an agent's name."""

    def __init__(self, agent: str, ledger: CallLedger) -> None:
        self._agent = agent
        self._ledger = ledger
        self.heard: BaseChatMessage | None = None

    async def input(self, prompt: str, cancellation_token: CancellationToken | None = None) -> str:
        key = self._ledger.input_key()
        entry = self._ledger.recall(key)
        if entry is None:
            await self._ledger.scope.ask(key, self._question(key, prompt))
        return clean(str(entry.data["text"]))

    def _question(self, key: CallKey, prompt: str) -> Question:
        heard = self.heard
        said = "" if heard is None else clean(heard.to_text()).strip()
        return Question(
            kind="input",
            place=key.place,
            source=self._agent,
            prompt=said[:_MAX_PROMPT_CHARS] or prompt.strip(),
            data={} if heard is None else {"speaker": heard.source},
        )
