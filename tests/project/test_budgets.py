"""A run ends when it has used what it may use, and says of what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.project import Project
from saaf_autogen.runs import Run, RunRequest
from saaf_autogen.testing.openai_server import Calls, Reply, Slow
from tests.project.noting import Site, host, noting_site, until
from tests.teams.support import agent_file, assistant, team, workbench


def endless(body: dict[str, Any]) -> Reply:
    """Notes without end, two at a time; slowly for who is told to be slow."""
    two = Calls([("notes_add_note", {"text": "a"}), ("notes_add_note", {"text": "b"})])
    slow = "slowly" in str(body["messages"])
    return Slow(5, two) if slow else two


@pytest.fixture
async def noting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Site, Project, Principal]]:
    monkeypatch.setenv("TEST_KEY", "k")
    with noting_site(tmp_path / "site", endless) as site:
        agent = team(assistant("a", workbench=workbench("notes.*")))
        head = {"scopes": ["tools.notes:write"], "limits": {"tool_calls": 50}}
        (site.folder / "agents" / "endless.yaml").write_text(
            yaml.safe_dump(agent_file(agent, **head))
        )
        site.settings(prices={"prompt": 1_000, "completion": 1_000}, max_turns=8)
        async with host(site) as (project, ann):
            yield site, project, ann


async def ended(project: Project, who: Principal, **asked: Any) -> Run:
    request = RunRequest.model_validate({"agent_id": "endless", "input": "Go on.", **asked})
    run = await project.runs.create(who, request)
    return await until(project, run.id, lambda run: run.ended)


Noting = tuple[Site, Project, Principal]


async def test_a_run_ends_at_each_of_its_limits_with_the_reason(noting: Noting) -> None:
    site, project, ann = noting
    for budget, reason in (
        ({"turns": 2}, "turns"),
        ({"tokens": 10}, "tokens"),
        ({"usd": 0.0001}, "usd"),
        ({"tool_calls": 3}, "tool_calls"),
        ({}, "turns"),
    ):
        run = await ended(project, ann, budget=budget)
        assert run.status == "failed"
        assert run.error is not None
        assert (run.error["code"], run.error["reason"]) == ("limit_reached", reason), run.error
        assert run.error["remedy"]
    # Of the two calls of its second turn, one was allowed.
    counted = [run for run in (await project.runs.list(ann)).data if run.budget.tool_calls == 3]
    assert counted[0].usage.tool_calls == 3
    assert site.notes


async def test_a_run_that_takes_too_long_is_timed_out(noting: Noting) -> None:
    _, project, ann = noting
    run = await ended(project, ann, input="Slowly, slowly.", timeout_s=0.5)
    assert run.status == "timed_out"
    assert run.error is not None
    assert run.error["reason"] == "timeout_s"
    assert run.timeout_s == 0.5


async def test_a_request_for_more_than_the_agent_allows_is_refused(noting: Noting) -> None:
    _, project, ann = noting
    with pytest.raises(InvalidArguments, match="at most 50"):
        await ended(project, ann, budget={"tool_calls": 51})
    with pytest.raises(InvalidArguments, match="at most 8"):
        await ended(project, ann, budget={"turns": 9})


async def test_what_a_run_cost_is_metered_by_the_prices_of_its_models(noting: Noting) -> None:
    _, project, ann = noting
    run = await ended(project, ann, budget={"turns": 3})
    usage = run.usage
    tokens = usage.prompt_tokens + usage.completion_tokens
    assert tokens > 0
    assert usage.usd == pytest.approx(tokens / 1_000)
    (line,) = (await project.usage.own(ann, "model")).data
    assert line.usd == usage.usd
    assert (line.key, line.runs, line.model_calls) == ("default", 1, 3)
