"""A small turn executor that asks: of each kind of question, one run."""

from __future__ import annotations

from saaf_autogen.actions.effects import EffectKey
from saaf_autogen.journal import (
    CallKey,
    CallUsage,
    Entry,
    Question,
    TurnHost,
    TurnRequest,
    TurnResult,
)
from tests.runs.house import ANN

__all__ = ["FACTS", "AskingTeam", "effect_key"]

KEY = "the key"
FACTS = {
    "action": "pay.send",
    "arguments": {"amount": 5},
    "idempotency_key": KEY,
    "first_call_id": "call_1",
}


def effect_key() -> EffectKey:
    return EffectKey.of(ANN, KEY, action="pay.send", arguments={"amount": 5}, effect="write")


class AskingTeam:
    """``input`` | ``twice`` | ``handoff`` | ``outcome_unknown``: asks a model, then a human.

    Attributes:
        asked_models: how often a model was really asked.
    """

    def __init__(self) -> None:
        self.asked_models = 0

    async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        task = request.task or (request.state or {})["task"]
        await self._model(request, host)
        if task == "handoff":
            return self._handed_over(request)
        kind = "outcome_unknown" if task == "outcome_unknown" else "input"
        said = []
        for ordinal in range(2 if task == "twice" else 1):
            key = CallKey(request.run, request.turn, "team/proxy", ordinal, 0, "input")
            entry = host.journal.recall(key)
            if entry is None:
                facts = FACTS if kind == "outcome_unknown" else {}
                asked = Question(kind, key.place, "proxy", f"Question {ordinal}?", dict(facts))  # type: ignore[arg-type]  # one of two literals
                return TurnResult(state=None, finished=False, question=asked)
            said.append(str(entry.data.get("text", entry.data)))
        return TurnResult(state={"task": task}, finished=True, output=" and ".join(said))

    def _handed_over(self, request: TurnRequest) -> TurnResult:
        if request.answer is None:
            asked = Question("handoff", f"{request.turn}:handoff", "planner", "Over to you.")
            state = {"task": "handoff"}
            return TurnResult(state=state, finished=False, question=asked)
        output = f"turn {request.turn} heard {request.answer.text}"
        return TurnResult(state={"task": "handoff"}, finished=True, output=output)

    async def _model(self, request: TurnRequest, host: TurnHost) -> None:
        key = CallKey(request.run, request.turn, "team/proxy", 0, 0, "model")
        if host.journal.recall(key) is None:
            await host.permit("model")
            self.asked_models += 1
            host.journal.record(key, Entry("", {"result": {}}))
            host.used(CallUsage("model", "team/proxy", "default", 10, 1))
