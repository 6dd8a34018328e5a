from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.runs import Agent, RunRequest
from saaf_autogen.runs.limits import RunLimits, limits_of
from saaf_autogen.settings import AgentLimitSettings, BudgetSettings, Document, RunSettings
from saaf_autogen.teams.definition import AgentDefinition, read_definition
from tests.runs.house import find_agent

SETTINGS = RunSettings(timeout_s=100, max_turns=20, budget=BudgetSettings(tokens=10_000))


def request(**asked: Any) -> RunRequest:
    return RunRequest.model_validate({"agent_id": "flights", "input": "x", **asked})


def agent(**limits: Any) -> Agent:
    return replace(find_agent("flights"), limits=AgentLimitSettings(**limits))


def test_who_asks_for_nothing_gets_the_least_of_the_agents_file_and_the_settings() -> None:
    assert limits_of(request(), agent(), SETTINGS) == RunLimits(100, 20, tokens=10_000)
    narrow = agent(timeout_s=30, turns=5, tokens=500, tool_calls=3, usd=0.5)
    assert limits_of(request(), narrow, SETTINGS) == RunLimits(30, 5, 500, 0.5, 3)
    assert limits_of(request(), agent(tokens=99_999), SETTINGS).tokens == 10_000
    both = RunSettings(max_turns=20, budget=BudgetSettings(turns=7))
    assert limits_of(request(), agent(), both).turns == 7


def test_who_asks_for_less_gets_it() -> None:
    asked = request(timeout_s=5, budget={"tokens": 9, "turns": 2, "tool_calls": 1, "usd": 0.01})
    assert limits_of(asked, agent(), SETTINGS) == RunLimits(5, 2, 9, 0.01, 1)


@pytest.mark.parametrize(
    ("asked", "field", "most"),
    [
        ({"timeout_s": 100.5}, "timeout_s", 100),
        ({"budget": {"turns": 21}}, "budget.turns", 20),
        ({"budget": {"tokens": 10_001}}, "budget.tokens", 10_000),
        ({"budget": {"tool_calls": 4}}, "budget.tool_calls", 3),
        ({"budget": {"usd": 0.6}}, "budget.usd", 0.5),
    ],
)
def test_who_asks_for_more_is_told_the_maximum(
    asked: dict[str, Any], field: str, most: float
) -> None:
    with pytest.raises(InvalidArguments, match="may have at most") as refused:
        limits_of(request(**asked), agent(tool_calls=3, usd=0.5), SETTINGS)
    assert refused.value.extra["maximum"] == most
    assert refused.value.extra["faults"][0]["field"] == field


def test_dollars_are_not_limited_where_a_model_has_no_price() -> None:
    unpriced = replace(agent(), unpriced=("large",))
    with pytest.raises(InvalidArguments, match="large of the agent 'flights' has no price"):
        limits_of(request(budget={"usd": 1}), unpriced, SETTINGS)
    with pytest.raises(InvalidArguments, match="no price"):
        limits_of(request(), replace(unpriced, limits=AgentLimitSettings(usd=1)), SETTINGS)
    assert limits_of(request(), unpriced, SETTINGS).usd is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": 0},
        {"tokens": 10**400},
        {"usd": -1},
        {"turns": 1.5},
        {"usd": float("inf")},
        {"euros": 5},
    ],
)
def test_a_budget_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="budget"):
        request(budget=wrong)


def test_limits_are_stored_and_read_back() -> None:
    limits = RunLimits(30, 5, 500, 0.5, 3)
    assert RunLimits.from_json(limits.as_json()) == limits
    assert RunLimits(30, 5).as_json() == {"timeout_s": 30, "turns": 5}
    assert RunLimits.from_json({}, SETTINGS) == RunLimits(100, 20)
    assert RunLimits.from_json({"turns": 3, "later": 1}, SETTINGS) == RunLimits(100, 3)


def definition(head: dict[str, Any]) -> tuple[AgentDefinition | None, Document]:
    config = {"provider": "autogen_agentchat.agents.AssistantAgent", "config": {"name": "a"}}
    document = Document(Path("flights.yaml"), {"saaf": {"scopes": [], **head}, **config})
    return read_definition(document), document


def test_an_agents_file_says_what_a_run_of_it_may_use() -> None:
    head = {"limits": {"tokens": 500, "timeout_s": 30}, "concurrency": 2}
    read, _ = definition(head)
    assert read is not None
    assert read.limits == AgentLimitSettings(tokens=500, timeout_s=30)
    assert read.concurrency == 2
    again = AgentDefinition.from_snapshot("flights", read.snapshot())
    assert (again.limits, again.concurrency) == (read.limits, 2)


@pytest.mark.parametrize("wrong", [{"limits": {"token": 1}}, {"concurrency": 0}])
def test_an_agents_file_with_other_limits_is_a_fault(wrong: dict[str, Any]) -> None:
    read, document = definition(wrong)
    assert read is None
    assert len(document.findings) == 1
