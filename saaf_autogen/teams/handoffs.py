"""Handing over to a human: the question at the end of a turn, and the task that its answer is."""

from __future__ import annotations

from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage
from autogen_agentchat.teams import BaseGroupChat, Swarm

from saaf_autogen.journal import Question, TurnRequest
from saaf_autogen.teams.content import clean
from saaf_autogen.teams.stepping import StepTermination

__all__ = ["question_of", "task_of"]


def task_of(request: TurnRequest) -> str | HandoffMessage | None:
    """What a turn starts with: the run's input, or a human's answer handed back, or nothing."""
    if request.answer is not None:
        return HandoffMessage(
            source="user",
            target=request.answer.question.source,
            content=clean(request.answer.text),
        )
    return None if request.task is None else clean(request.task)


def question_of(
    result: TaskResult, root: Team | ChatAgent, step: StepTermination | None, turn: int
) -> Question | None:
    """The question of a turn that ended with a handoff to someone outside of the team.

    A single agent hands over by itself, a team where a HandoffTermination stops it. A Swarm does
    so in any case: stock, it fails at its next step.
    """
    spoken = [message for message in result.messages if isinstance(message, BaseChatMessage)]
    last = spoken[-1] if spoken else None
    if not isinstance(last, HandoffMessage):
        return None
    if isinstance(root, BaseGroupChat):
        if last.target in root._participant_names or step is None:
            return None
        stopped_by = set() if step.stop is None else set(step.stop.source.split(", "))
        if stopped_by != {"HandoffTermination"} and (stopped_by or not isinstance(root, Swarm)):
            return None
    return Question(
        kind="handoff",
        place=f"{turn}:handoff",
        source=last.source,
        prompt=clean(last.content),
        data={"target": last.target},
    )
