"""The campaign's own checks find what they are there for: each fault is planted once."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.callbacks import Delivery
from tests.chaos.chance import chance
from tests.chaos.checks import (
    callback_faults,
    effect_faults,
    late_calls,
    log_faults,
    percentile,
    run_faults,
    story,
)
from tests.chaos.ledger import Attempt, Effect, Ledger
from tests.chaos.report import Report
from tests.chaos.script import MOVES, order_of, steps_of

EXPECTED = {"o1": ["s1", "s2"], "o2": ["s1"]}
EFFECTS = [
    Effect("o1", "s1", "keyed", "k1", "w1", 1.0),
    Effect("o1", "s2", "plain", None, "w1", 2.0),
    Effect("o2", "s1", "set", None, "w2", 3.0),
]


def log(*kinds: str) -> list[dict[str, Any]]:
    return [
        {"id": number, "key": f"{kind}:{number}", "type": kind, "data": {"content": kind}}
        for number, kind in enumerate(kinds, 1)
    ]


WHOLE = log("run.queued", "run.running", "tool.call", "message.completed", "run.completed")


def test_effects_as_asked_for_are_no_fault() -> None:
    assert effect_faults(EXPECTED, EFFECTS) == []


@pytest.mark.parametrize(
    ("effects", "told"),
    [
        ([*EFFECTS, EFFECTS[1]], "o1/s2 happened 2 times"),
        ([*EFFECTS, Effect("o1", "s1", "keyed", "k2", "w2", 4.0)], "o1/s1 happened 2 times"),
        (EFFECTS[1:], "o1/s1 never happened"),
        ([*EFFECTS, Effect("o3", "s1", "set", None, "w1", 4.0)], "nobody asked for it"),
    ],
    ids=["twice", "twice under another key", "never", "unasked"],
)
def test_an_effect_that_is_not_there_once_is_a_fault(effects: list[Effect], told: str) -> None:
    faults = effect_faults(EXPECTED, effects)
    assert len(faults) == 1
    assert told in faults[0]


def test_a_run_that_is_lost_stuck_or_failed_is_a_fault() -> None:
    stored = {"a": "completed", "b": "running", "c": "failed", "d": "input_required"}
    assert run_faults(["a"], stored) == []
    faults = run_faults(["a", "b", "c", "d", "e"], stored)
    assert faults == [
        "b is stuck: running",
        "c ended failed",
        "d is stuck: input_required",
        "e is lost",
    ]


def without_second(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [events[0], *events[2:]]


def with_repeat(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events[:4], {**events[3], "id": 5}, {**events[4], "id": 6}]


def with_second_end(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events, {**events[4], "id": 6, "key": "again"}]


def with_more_after_the_end(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events, {**events[2], "id": 6, "key": "late"}]


def with_other_words(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events[:3], {**events[3], "data": {"content": "something else"}}, events[4]]


def test_a_whole_log_is_no_fault() -> None:
    assert log_faults("r", WHOLE, story(WHOLE)) == []


@pytest.mark.parametrize(
    "plant",
    [without_second, with_repeat, with_second_end, with_more_after_the_end, with_other_words],
)
def test_a_broken_log_is_a_fault(
    plant: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    assert log_faults("r", plant(WHOLE), story(WHOLE))


def test_parallel_calls_in_another_order_are_the_same_story() -> None:
    def calls(*texts: str) -> list[dict[str, Any]]:
        return [{"type": "tool.call", "data": {"text": text}} for text in texts]

    assert story(calls("a", "b")) == story(calls("b", "a"))
    assert story(calls("a", "b")) != story(calls("a", "a"))


@pytest.mark.parametrize(
    ("deliveries", "told"),
    [
        ([], "never called back"),
        ([Delivery("m1", "r1", "run.completed", True, False)], "never called back"),
        ([Delivery("m1", "r1", "run.completed", False, True)], "signature is wrong"),
        (
            [
                Delivery("m1", "r1", "run.completed", True, True),
                Delivery("m2", "r1", "run.completed", True, True),
            ],
            "under 2 ids",
        ),
        (
            [
                Delivery("m1", "r1", "run.completed", True, True),
                Delivery("m1", "r1", "run.failed", True, True),
            ],
            "two ends",
        ),
        (
            [
                Delivery("m1", "r1", "run.completed", True, True),
                Delivery("m1", "r2", "run.completed", True, True),
            ],
            "names 2 runs",
        ),
    ],
    ids=["none", "refused", "forged", "two ids", "two ends", "two runs"],
)
def test_a_callback_that_is_missing_or_wrong_is_a_fault(
    deliveries: list[Delivery], told: str
) -> None:
    assert any(told in fault for fault in callback_faults(["r1"], deliveries))


def test_a_callback_that_comes_again_under_its_id_is_no_fault() -> None:
    came = Delivery("m1", "r1", "run.completed", True, True)
    assert callback_faults(["r1"], [came, came]) == []


def test_a_call_of_a_worker_that_lost_the_run_is_a_fault() -> None:
    calls = [Attempt("o1", "s1", "w1", 5.0), Attempt("o2", "s1", "w1", 5.0)]
    assert late_calls(calls, "w1", ["o1"], 4.0) == ["w1 called for o1 1.00 s after it came back"]
    assert late_calls(calls, "w1", ["o1"], 6.0) == []
    assert late_calls(calls, "w2", ["o1"], 4.0) == []


def test_the_ledger_counts_what_happened_over_real_http() -> None:
    with Ledger(1, delay_s=0) as ledger:

        def tell(step: str, kind: str, key: str | None = None) -> None:
            body = json.dumps({"order": "o", "step": step, "kind": kind, "key": key}).encode()
            with urllib.request.urlopen(urllib.request.Request(ledger.url, body)) as answer:  # noqa: S310 - loopback
                assert json.loads(answer.read()) == f"receipt o/{step}"

        for key in ("k1", "k1", "k2"):
            tell("keyed", "keyed", key)
        for step, kind in (("set", "set"), ("plain", "plain")):
            tell(step, kind)
            tell(step, kind)
        counted = [(each.step, each.key) for each in ledger.effects]
        assert counted == [
            ("keyed", "k1"), ("keyed", "k2"), ("set", None), ("plain", None), ("plain", None)
        ]  # fmt: skip
        assert len(ledger.attempts) == 7
        assert ledger.look("o", "plain") == "receipt o/plain"
        assert ledger.look("o", "other") is None
        assert ledger.is_quiet("o", "plain")


def test_every_shape_has_effects_of_each_kind_and_names_its_order() -> None:
    for shape in MOVES:
        assert {"shop_reserve", "shop_charge", "shop_post"} <= set(steps_of(shape).values())
    assert order_of("order=kill-0001-pair and more") == "kill-0001-pair"


def test_chance_is_the_same_for_the_same_seed() -> None:
    assert chance(7, "x").random() == chance(7, "x").random()
    assert chance(7, "x").random() != chance(8, "x").random()


def test_percentiles_are_of_what_was_measured() -> None:
    assert percentile([], 0.95) == 0.0
    assert percentile([1.0], 0.95) == 1.0
    assert percentile([float(each) for each in range(1, 101)], 0.95) == 95.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0


def test_a_fault_fails_the_report_and_is_written_down(tmp_path: Path) -> None:
    report = Report(7)
    report.add("campaign", "runs", 3)
    report.none("campaign", "lost", [])
    assert report.faults == []
    report.add("campaign", "seconds", 20.0, bound="<= 15", ok=False)
    report.none("campaign", "doubled", ["o1/s1 happened 2 times"])
    assert report.faults == [
        "campaign: seconds is 20.0, must be <= 15",
        "campaign: doubled is 1, must be 0",
        "  o1/s1 happened 2 times",
    ]
    page = report.write(tmp_path).read_text()
    assert "o1/s1 happened 2 times" in page
    assert json.loads((tmp_path / "chaos.json").read_text())["seed"] == 7
