"""What must hold after any trouble. Each check is told plain data and returns the faults."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from saaf_autogen.runs.model import TERMINAL
from tests.chaos.callbacks import Delivery
from tests.chaos.ledger import Effect

__all__ = [
    "callback_faults",
    "effect_faults",
    "late_calls",
    "log_faults",
    "percentile",
    "renamed",
    "run_faults",
    "story",
]

Event = Mapping[str, Any]
_DIFFERS = ("id", "created_at", "at", "attempt", "usage", "models_usage")


def run_faults(accepted: Iterable[str], status_of: Mapping[str, str]) -> list[str]:
    """Runs that were accepted and are lost, stuck, or ended in another way than asked."""
    faults = []
    for run in accepted:
        status = status_of.get(run)
        if status is None:
            faults.append(f"{run} is lost")
        elif status not in TERMINAL:
            faults.append(f"{run} is stuck: {status}")
        elif status != "completed":
            faults.append(f"{run} ended {status}")
    return faults


def effect_faults(expected: Mapping[str, Iterable[str]], effects: Sequence[Effect]) -> list[str]:
    """Steps of orders that did not happen exactly once."""
    counts = Counter((each.order, each.step) for each in effects)
    wanted = {(order, step) for order, steps in expected.items() for step in steps}
    faults = [f"{order}/{step} never happened" for order, step in sorted(wanted - counts.keys())]
    for (order, step), count in sorted(counts.items()):
        if (order, step) not in wanted:
            faults.append(f"{order}/{step} happened, and nobody asked for it")
        elif count > 1:
            keys = [each.key for each in effects if (each.order, each.step) == (order, step)]
            faults.append(f"{order}/{step} happened {count} times, with the keys {keys}")
    return faults


def log_faults(run: str, events: Sequence[Event], expected: Sequence[Any] | None) -> list[str]:
    """Gaps, repeats and wrong ends of a run's log; with ``expected``, another story than that."""
    faults = []
    ids = [event["id"] for event in events]
    if ids != list(range(1, len(events) + 1)):
        faults.append(f"{run}: its events are numbered {ids}")
    keys = Counter(event["key"] for event in events if "key" in event)
    faults += [f"{run}: {key} is there {count} times" for key, count in keys.items() if count > 1]
    ends = [event["type"] for event in events if event["type"].removeprefix("run.") in TERMINAL]
    if len(ends) != 1 or events[-1]["type"] != ends[0]:
        faults.append(f"{run}: its ends are {ends}, its last event is {events[-1]['type']}")
    if expected is not None and (told := story(events)) != list(expected):
        at = next(
            (i for i, (a, b) in enumerate(zip(told, expected, strict=False)) if a != b),
            min(len(told), len(expected)),
        )
        wanted = expected[at] if at < len(expected) else "its end"
        found = told[at] if at < len(told) else "its end"
        faults.append(f"{run}: at {at} of its story is {found}, not {wanted}")
    return faults


def story(events: Sequence[Event], order: str = "") -> list[Any]:
    """A run's messages and tool calls without what differs from run to run.

    Parallel calls end in any order, so calls and results between two messages are sorted.
    """
    told: list[Any] = []
    calls: list[Any] = []
    for event in events:
        data = {name: value for name, value in event["data"].items() if name not in _DIFFERS}
        said = [event["type"], renamed(data, order)]
        if event["type"] == "message.completed":
            told += [*sorted(calls, key=json.dumps), said]
            calls = []
        elif event["type"] in ("tool.call", "tool.result"):
            calls.append(said)
    return told + sorted(calls, key=json.dumps)


def renamed(data: Any, order: str) -> Any:
    """The same without the order's own name."""
    return json.loads(json.dumps(data).replace(order, "ORDER")) if order else data


def callback_faults(accepted: Iterable[str], deliveries: Sequence[Delivery]) -> list[str]:
    """Runs that were never called back, or under two ids, or with a wrong signature."""
    faults = [
        f"{each.run}: a callback's signature is wrong" for each in deliveries if not each.verified
    ]
    by_run: dict[str, list[Delivery]] = defaultdict(list)
    for each in deliveries:
        by_run[each.run].append(each)
    for run in accepted:
        came = by_run.get(run, [])
        if not any(each.taken for each in came):
            faults.append(f"{run} was never called back")
        if len({each.id for each in came}) > 1:
            faults.append(f"{run} was called back under {len({each.id for each in came})} ids")
        if len({each.kind for each in came}) > 1:
            faults.append(f"{run} was told two ends: {sorted({each.kind for each in came})}")
    owners = defaultdict(set)
    for each in deliveries:
        owners[each.id].add(each.run)
    return faults + [
        f"{id_} names {len(runs)} runs" for id_, runs in owners.items() if len(runs) > 1
    ]


def late_calls(
    calls: Iterable[Any], process: str, orders: Iterable[str], since: float
) -> list[str]:
    """Calls that a process began after a moment, for orders that it no longer held."""
    lost = set(orders)
    return [
        f"{process} called for {each.order} {each.at - since:.2f} s after it came back"
        for each in calls
        if each.process == process and each.order in lost and each.at > since
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all are not above; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
