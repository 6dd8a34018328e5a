from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from saaf_autogen.errors import LimitReached
from saaf_autogen.journal import CallUsage
from saaf_autogen.runs import RunRow
from saaf_autogen.runs.limits import RunLimits
from saaf_autogen.runs.usage import Meter, RunUsage, prices_of, usage_rows
from saaf_autogen.settings import ModelSettings, PriceSettings

PRICES = {"small": PriceSettings(prompt=2, completion=10), "free": None}
WIDE = RunLimits(60, 50)


def said(
    prompt: int = 1_000, completion: int = 100, *, path: str = "team/a", name: str = "small",
    replayed: bool = False, estimated: bool = False,
) -> CallUsage:  # fmt: skip
    return CallUsage("model", path, name, prompt, completion, estimated, replayed)


def tool(*, replayed: bool = False) -> CallUsage:
    return CallUsage("tool", "team/a", "warehouse.query", replayed=replayed)


def reason(meter: Meter, kind: Any) -> Any:
    with pytest.raises(LimitReached) as reached:
        meter.permit(kind)
    assert reached.value.remedy
    return reached.value.extra["reason"]


def test_usage_is_counted_by_participant_and_model_in_tokens_and_dollars() -> None:
    meter = Meter(WIDE, PRICES, {})
    for call in (said(), said(), said(path="team/b", estimated=True), tool()):
        meter.permit(call.kind)
        meter.used(call)
    meter.turn_done()
    usage = meter.usage()
    assert (usage.prompt_tokens, usage.completion_tokens) == (3_000, 300)
    assert (usage.model_calls, usage.tool_calls, usage.turns) == (3, 1, 1)
    # 1,000 at 2 and 100 at 10 dollars a million: 0.003 a call.
    assert usage.usd == pytest.approx(0.009)
    assert usage.estimated
    first, second = usage.by_participant
    assert (first.path, first.model, first.calls, first.usd) == ("team/a", "small", 2, 0.006)
    assert not first.estimated
    assert second.estimated


def test_dollars_are_unknown_as_soon_as_one_model_has_no_price() -> None:
    meter = Meter(WIDE, PRICES, {})
    meter.used(said())
    assert meter.usage().usd == pytest.approx(0.003)
    meter.used(said(name="free"))
    assert meter.usage().usd is None
    assert [each.usd for each in meter.usage().by_participant] == [None, pytest.approx(0.003)]


def test_models_that_run_offline_cost_nothing() -> None:
    prices = prices_of(
        {
            "default": ModelSettings(provider="offline"),
            "large": ModelSettings(provider="openai", model="x", prices=PRICES["small"]),
            "other": ModelSettings(provider="openai", model="y"),
        }
    )
    assert prices["default"] == PriceSettings(prompt=0, completion=0)
    assert prices["large"] == PRICES["small"]
    assert prices["other"] is None
    meter = Meter(RunLimits(60, 50, usd=0.01), prices, {})
    meter.used(said(name="default"))
    assert meter.usage().usd == 0


def test_a_run_without_a_call_cost_nothing() -> None:
    assert RunUsage.of(Meter(WIDE, PRICES, {}).state()).usd == 0


def test_no_model_is_asked_once_the_tokens_are_spent() -> None:
    meter = Meter(RunLimits(60, 50, tokens=2_000), PRICES, {})
    meter.used(said())
    meter.permit("model")
    meter.used(said())
    assert reason(meter, "model") == "tokens"
    meter.permit("tool")


def test_no_model_is_asked_once_the_dollars_are_spent_or_unknown() -> None:
    meter = Meter(RunLimits(60, 50, usd=0.006), PRICES, {})
    meter.used(said())
    meter.permit("model")
    meter.used(said())
    assert reason(meter, "model") == "usd"
    unknown = Meter(RunLimits(60, 50, usd=100), PRICES, {})
    unknown.used(said(name="free"))
    assert reason(unknown, "model") == "usd"


def test_parallel_tool_calls_do_not_pass_their_limit_together() -> None:
    meter = Meter(RunLimits(60, 50, tool_calls=3), PRICES, {})
    for _ in range(3):
        meter.permit("tool")
    assert reason(meter, "tool") == "tool_calls"
    for _ in range(3):
        meter.used(tool())
    assert reason(meter, "tool") == "tool_calls"
    assert meter.usage().tool_calls == 3
    meter.permit("model")


def test_a_tool_call_that_was_cut_off_counts_as_one() -> None:
    meter = Meter(WIDE, PRICES, {})
    for _ in range(2):
        meter.permit("tool")
    meter.used(tool())
    assert meter.usage().tool_calls == 2


def test_turns_are_counted_and_limited() -> None:
    meter = Meter(RunLimits(60, 2), PRICES, {})
    for _ in range(2):
        meter.permit_turn()
        meter.turn_done()
    with pytest.raises(LimitReached) as reached:
        meter.permit_turn()
    assert reached.value.extra == {"reason": "turns", "limit": 2}


def test_a_turn_that_is_done_again_counts_its_recalled_calls_once() -> None:
    meter = Meter(WIDE, PRICES, {})
    meter.used(said())
    meter.turn_done()
    stored = json.loads(json.dumps(meter.state()))
    for usage in (said(), tool()):
        meter.permit(usage.kind)
        meter.used(usage)
    whole = meter.state()
    # The host dies here; the count of the turn under way was not stored.
    again = Meter(WIDE, PRICES, stored)
    again.used(said(replayed=True))
    again.used(tool(replayed=True))
    assert again.state() == whole
    limited = Meter(RunLimits(60, 50, tool_calls=2), PRICES, stored)
    limited.used(tool(replayed=True))
    limited.permit("tool")
    assert reason(limited, "tool") == "tool_calls"


def test_what_a_waiting_turn_used_is_shown_and_metered_and_not_counted_twice() -> None:
    meter = Meter(WIDE, PRICES, {})
    meter.turn_done()
    before = meter.state()
    meter.used(said())
    # Stored with a question in mid-turn; the run may be cancelled while it waits.
    stored = json.loads(json.dumps({**before, "unfinished": meter.state()}))
    assert RunUsage.of(stored).model_calls == 1
    row = RunRow(id="run_1", tenant="t", owner="o", agent_id="a", usage=stored)
    (metered,) = usage_rows(row, datetime(2026, 11, 1, tzinfo=UTC))
    assert metered.prompt_tokens == 1_000
    again = Meter(WIDE, PRICES, stored)
    again.used(said(replayed=True))
    assert again.usage().model_calls == 1
    assert "unfinished" not in again.state()


def test_usage_of_runs_older_than_meters_is_shown() -> None:
    old = RunUsage.of({"prompt_tokens": 5, "completion_tokens": 7})
    assert (old.prompt_tokens, old.completion_tokens, old.usd) == (5, 7, None)
    assert RunUsage.of({"something": "else"}).model_calls == 0
    assert RunUsage.of({"prompt_tokens": "5", "participants": []}).prompt_tokens == 0


def test_metering_has_a_row_for_each_participant_and_model() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    meter = Meter(WIDE, PRICES, {})
    for usage in (said(), said(path="team/b"), said(path="team/b", name="free")):
        meter.used(usage)
    deep = "team/" + "x" * 400
    meter.used(said(path=deep + "1"))
    meter.used(said(path=deep + "2"))
    row = RunRow(id="run_1", tenant="acme", owner="o", agent_id="flights", usage=meter.state())
    rows = {(each.path, each.model): each for each in usage_rows(row, at)}
    assert set(rows) == {
        ("team/a", "small"), ("team/b", "small"), ("team/b", "free"), (deep[:300], "small"),
    }  # fmt: skip
    assert rows[deep[:300], "small"].calls == 2
    assert rows["team/a", "small"].nano_usd == 3_000_000
    assert rows["team/b", "free"].nano_usd is None
    assert {(each.tenant, each.owner, each.at) for each in rows.values()} == {("acme", "o", at)}
    assert list(usage_rows(RunRow(id="run_2", usage={}), at)) == []
