"""What the models of the chaos deployment say: a function of the conversation, and of nothing else.

Each participant has a list of moves; which one is next shows in how often it has spoken.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Slow, Text
from tests.chaos.chance import chance
from tests.chaos.ledger import Moment

__all__ = ["MOVES", "SHAPES", "Asked", "WatchedModels", "order_of", "steps_of"]

Move = str | Sequence[tuple[str, str]]

# Of each shape: each participant's moves; a text, or tool calls as pairs of a tool and a step.
MOVES: Mapping[str, Mapping[str, Sequence[Move]]] = {
    "solo": {
        "seller": [
            [("shop_look", "s0"), ("shop_reserve", "s1"), ("shop_post", "s2")],
            [("shop_charge", "s3"), ("shop_post", "s4"), ("shop_post", "s5")],
            "All is sold.",
        ],
    },
    "pair": {
        "clerk": [
            [("shop_reserve", "s1"), ("shop_look", "s0")],
            "It is reserved.",
            [("shop_post", "s4")],
            "It is posted.",
        ],
        "cashier": [
            [("shop_charge", "s2")],
            [("shop_post", "s3")],
            "It is paid.",
            [("shop_charge", "s5")],
            "It is done.",
        ],
    },
    "trio": {
        "planner": ["Reserve, then pay.", "Now the rest."],
        "clerk": [[("shop_reserve", "s1")], "It is reserved.", "Nothing more."],
        "cashier": [
            [("shop_charge", "s2"), ("shop_charge", "s3")],
            "It is paid.",
            [("shop_post", "s4")],
            "It is done.",
        ],
    },
}
SHAPES = tuple(MOVES)
_ORDER = re.compile(r"order=([\w-]+)")
_NAME = re.compile(r"You are (\w+) of a (\w+)")


def steps_of(shape: str) -> dict[str, str]:
    """The effects that a whole run of a shape has: from each step to the tool that does it."""
    return {
        step: tool
        for moves in MOVES[shape].values()
        for move in moves
        if not isinstance(move, str)
        for tool, step in move
        if tool != "shop_look"
    }


def order_of(text: str) -> str:
    """The order that a run's input names, or ''."""
    found = _ORDER.search(text)
    return found.group(1) if found else ""


@dataclass(frozen=True)
class Asked:
    """A request that arrived at the models."""

    order: str
    participant: str
    move: int
    process: str
    at: float


class WatchedModels(OpenAIServer):
    """The models, with a record of who asked what, and when.

    Args:
        seed: of the small delays.
        delay_s: the longest of them.
        watch: called at each request, before it is answered.
        override: says something else than the moves would, or None; given the request, the order,
            the participant and its move's number.
    """

    def __init__(
        self,
        seed: int,
        *,
        delay_s: float = 0.05,
        watch: Callable[[Moment], None] | None = None,
        override: Callable[[str, str, int], Reply | None] | None = None,
    ) -> None:
        super().__init__(lambda body: Text(""))
        self.asked: list[Asked] = []
        self.delay_s = delay_s
        self._seed = seed
        self._watch = watch or (lambda moment: None)
        self._override = override or (lambda order, participant, move: None)
        self._asking = threading.Lock()

    def reply(self, body: dict[str, Any], authorization: str) -> Reply:
        messages = body["messages"]
        name, shape = _participant(messages)
        order = next((found for each in messages if (found := order_of(str(each)))), "")
        move = sum(each["role"] == "assistant" for each in messages)
        process = authorization.removeprefix("Bearer sk-")
        with self._asking:
            self.asked.append(Asked(order, name, move, process, time.time()))
            number = len(self.asked)
        self._watch("model")
        said = self._override(order, name, move)
        if said is None:
            said = _reply(MOVES[shape][name], move, order)
        pause = chance(self._seed, order, name, move, number).uniform(0, self.delay_s)
        return Slow(pause, said)


def _participant(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    found = _NAME.search(str(messages[0]["content"]))
    return (found.group(1), found.group(2)) if found else ("", "")


def _reply(moves: Sequence[Move], move: int, order: str) -> Reply:
    said = moves[move] if move < len(moves) else "Nothing is left to do."
    if isinstance(said, str):
        return Text(said)
    # Ids that are unique in the run, as a real provider's are.
    calls = [(tool, {"order": order, "step": step}) for tool, step in said]
    return Calls(calls, ids=[f"call_{order}_{step}" for _, step in said])
