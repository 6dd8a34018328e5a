"""MagenticOneGroupChat in single turns: its orchestrator goes on from where it stood.

Stock, the orchestrator can only begin: without a task it fails an assertion, a second task of the
same conversation counts on from the rounds of the first, and a human's answer to a handoff would
replace the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autogen_agentchat.messages import BaseChatMessage, HandoffMessage
from autogen_agentchat.teams._group_chat._events import GroupChatStart
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_core import DefaultTopicId, MessageContext, rpc

__all__ = ["install", "stock_start"]

stock_start: Any = MagenticOneOrchestrator.handle_start


class _Without:
    """The queue of a team's output, deaf to the messages of its task."""

    def __init__(self, queue: Any, messages: Sequence[BaseChatMessage]) -> None:
        self._queue = queue
        self._ids = {id(message) for message in messages}

    async def put(self, message: Any) -> None:
        if id(message) not in self._ids:
            await self._queue.put(message)


@rpc
async def _handle_start(
    self: MagenticOneOrchestrator, message: GroupChatStart, ctx: MessageContext
) -> None:
    """Begin with a task, or go on: without one, or with an answer to a handoff."""
    messages = message.messages
    if messages is None:
        await self._orchestrate_step(ctx.cancellation_token)
        return
    if self._plan and all(isinstance(item, HandoffMessage) for item in messages):
        await self.publish_message(
            GroupChatStart(messages=messages),
            topic_id=DefaultTopicId(type=self._group_topic_type),
            cancellation_token=ctx.cancellation_token,
        )
        await self.update_message_thread(messages)
        await self._orchestrate_step(ctx.cancellation_token)
        return
    self._n_rounds = 0
    queue = self._output_message_queue
    if not message.output_task_messages:
        self._output_message_queue = _Without(queue, messages)  # type: ignore[assignment]  # only put is asked of it
    try:
        await stock_start(self, message, ctx)
    finally:
        self._output_message_queue = queue


def install() -> None:
    """Apply the cure; doing it again changes nothing."""
    MagenticOneOrchestrator.handle_start = _handle_start  # type: ignore[method-assign]  # the cure itself
