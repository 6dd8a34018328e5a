"""What the participants of each shape say, in order; of parallel ones, in one of the orders."""

from __future__ import annotations

__all__ = ["SAID", "TASK"]

TASK = "Go on."


def _ledger(state: str) -> str:
    """What MagenticOne's orchestrator tells its team of facts and plan."""
    return (
        f"\nWe are working to address the following user request:\n\n{TASK}\n\n\n"
        "To answer this request we have assembled the following team:\n\na: a works\nb: b works"
        f"\n\n\nHere is an initial fact sheet to consider:\n\nfacts, {state}\n\n\n"
        f"Here is the plan to follow as best as possible:\n\nplan, {state}\n"
    )


SAID: dict[str, tuple[tuple[str, str], ...]] = {
    "single": (("solo", "solo saw 7"),),
    "round_robin": (
        ("a", "a saw 7"),
        ("b", "b saw 8"),
        ("a", "a saw 14"),
    ),
    "streamed": (
        ("a", "a saw 4 "),
        ("b", "b saw 3 "),
        ("a", "a saw 8 "),
        ("b", "b saw 5 "),
    ),
    "selector": (
        ("a", "a saw 4"),
        ("b", "b saw 3"),
        ("a", "a saw 8"),
        ("b", "b saw 5"),
    ),
    "swarm": (
        ("a", "Transferred to b, adopting the role of b immediately."),
        ("b", "Transferred to a, adopting the role of a immediately."),
        ("a", "a saw 5 DONE"),
    ),
    "graph_parallel": (
        ("s", "s saw 2"),
        ("l", "l saw 5"),
        ("r", "r saw 5"),
        ("j", "j saw 5"),
    ),
    "graph_loop": (
        ("a", "a saw 2"),
        ("b", "b says again"),
        ("a", "a saw 4"),
        ("b", "b says again"),
        ("a", "a saw 6"),
        ("b", "b is done"),
        ("c", "c saw 8"),
    ),
    "magentic": (
        ("MagenticOneOrchestrator", _ledger("first")),
        ("MagenticOneOrchestrator", "Do your part, a."),
        ("a", "a saw 5"),
        ("MagenticOneOrchestrator", _ledger("better")),
        ("MagenticOneOrchestrator", "Do your part, b."),
        ("b", "b saw 5"),
        ("MagenticOneOrchestrator", "the final answer"),
    ),
    "society": (
        ("x", "x saw 4"),
        ("y", "y saw 3"),
        ("s", "model saw 4"),
        ("b", "b saw 3"),
        ("x", "x saw 6"),
        ("y", "y saw 5"),
        ("s", "model saw 4"),
        ("b", "b saw 5"),
    ),
    "nested": (
        ("a", "a saw 2"),
        ("x", "x saw 5"),
        ("y", "y saw 4"),
        ("a", "a saw 5"),
        ("x", "x saw 10"),
        ("y", "y saw 7"),
    ),
    "agent_tool": (
        ("user", "Help editor with 2."),
        ("writer", "writer saw 4"),
        ("editor", "editor saw 4"),
        ("b", "b saw 3"),
        ("user", "Help editor with 6."),
        ("writer", "writer saw 8"),
        ("editor", "editor saw 8"),
    ),
    "team_tool": (
        ("user", "Help boss with 2."),
        ("x", "x saw 4"),
        ("y", "y saw 3"),
        ("boss", "boss saw 4"),
        ("b", "b saw 3"),
        ("user", "Help boss with 6."),
        ("x", "x saw 9"),
        ("y", "y saw 6"),
        ("boss", "boss saw 8"),
    ),
    "crowded": (
        ("s", "s saw 2"),
        *(("user", "Help."),) * 4,
        ("writer", "writer saw 4"),
        ("writer", "writer saw 8"),
        ("editor", "editor saw 6"),
        ("x", "x saw 4"),
        ("y", "y saw 3"),
        ("x", "x saw 9"),
        ("y", "y saw 6"),
        ("boss", "boss saw 6"),
        ("j", "j saw 5"),
    ),
    "structured": (
        ("judge", '{"verdict":"judge saw 4","score":7}'),
        ("b", "b saw 3"),
        ("judge", '{"verdict":"judge saw 8","score":7}'),
    ),
    "filtered": (
        ("a", "a saw 4"),
        ("inside", "inside saw 4"),
        ("a", "a saw 8"),
        ("inside", "inside saw 8"),
    ),
    "user_proxy": (
        ("a", "a saw 4"),
        ("human", "first"),
        ("a", "a saw 8"),
        ("human", "second"),
    ),
    "handoff": (
        ("a", "Transferred to user, adopting the role of user immediately."),
        ("a", "a saw 7 DONE"),
    ),
}
