from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.project.deployment import check_deployment
from tests.teams.support import assistant

PRICED = {"provider": "openai", "model": "x", "prices": {"prompt": 1, "completion": 2}}
UNPRICED = {"provider": "openai", "model": "x"}


def faults(
    tmp_path: Path, head: dict[str, Any], runs: dict[str, Any], model: dict[str, Any]
) -> list[str]:
    (tmp_path / "agents").mkdir()
    agent = {"saaf": {"scopes": [], **head}, **assistant("a")}
    (tmp_path / "agents" / "flow.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    settings = {"version": 1, "models": {"default": model}, "runs": runs}
    (tmp_path / "saaf.yaml").write_text(yaml.safe_dump(settings))
    return [str(finding) for finding in check_deployment(tmp_path)]


@pytest.mark.parametrize(
    ("limits", "runs", "setting"),
    [
        ({"timeout_s": 901}, {}, "runs.timeout_s"),
        ({"turns": 51}, {}, "runs.max_turns"),
        ({"turns": 9}, {"budget": {"turns": 8}}, "runs.budget.turns"),
        ({"tokens": 9}, {"budget": {"tokens": 8}}, "runs.budget.tokens"),
        ({"tool_calls": 9}, {"budget": {"tool_calls": 8}}, "runs.budget.tool_calls"),
        ({"usd": 0.9}, {"budget": {"usd": 0.8}}, "runs.budget.usd"),
    ],
)
def test_an_agent_that_allows_itself_more_than_the_settings_is_a_fault(
    tmp_path: Path, limits: dict[str, Any], runs: dict[str, Any], setting: str
) -> None:
    (found,) = faults(tmp_path, {"limits": limits}, runs, PRICED)
    assert setting in found
    assert "flow.yaml:4" in found


def test_limits_within_the_settings_are_in_order(tmp_path: Path) -> None:
    limits = {"timeout_s": 900, "turns": 50, "tokens": 10**9, "usd": 1}
    assert not faults(tmp_path, {"limits": limits, "concurrency": 2}, {}, PRICED)


@pytest.mark.parametrize(
    ("head", "runs"), [({"limits": {"usd": 1}}, {}), ({}, {"budget": {"usd": 1}})]
)
def test_a_limit_in_dollars_needs_a_price_for_every_model(
    tmp_path: Path, head: dict[str, Any], runs: dict[str, Any]
) -> None:
    (found,) = faults(tmp_path, head, runs, UNPRICED)
    assert "default has no price" in found
    assert "models.NAME.prices" in found


def test_offline_models_need_no_price(tmp_path: Path) -> None:
    assert not faults(tmp_path, {"limits": {"usd": 1}}, {}, {"provider": "offline"})
