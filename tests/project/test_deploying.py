"""New code is deployed while a run is open: what it began with is what it goes on with.

In each test a run makes a note, asks a human in the same turn, and waits; the host ends, its folder
changes, and another host goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saaf_autogen.project.project import Project
from saaf_autogen.runs import AnswerRequest, Run, RunRequest
from saaf_autogen.runs.releases import fleet
from tests.project.noting import Site, flow, host, noting_site, until


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("TEST_KEY", "k")
    with noting_site(tmp_path / "site") as made:
        yield made


async def begin(site: Site) -> str:
    """A run that waits for its human, with no host left."""
    async with host(site) as (project, ann):
        run = await project.runs.create(ann, RunRequest(agent_id="flow", input="Go on."))
        await until(project, run.id, lambda run: run.question is not None)
    assert site.notes == ["by clerk"]
    return run.id


async def answer(project: Project, run_id: str) -> None:
    run = await project.runs.get(project.local_principal(), run_id)
    assert run.question is not None
    said = AnswerRequest(text="Yes.")
    await project.runs.answer(project.local_principal(), run_id, run.question.id, said)


async def finish(site: Site, run_id: str) -> Run:
    async with host(site) as (project, _):
        await answer(project, run_id)
        return await until(project, run_id, lambda run: run.ended)


async def test_without_a_change_the_turn_goes_on_from_its_journal(site: Site) -> None:
    run = await finish(site, await begin(site))
    assert run.status == "completed"
    assert site.notes == ["by clerk", "by checker"]
    # Two calls each; the clerk's are not made again.
    assert run.usage.model_calls == len(site.server.requests)


async def test_what_a_run_used_counts_though_it_ends_while_it_waits(site: Site) -> None:
    run_id = await begin(site)
    async with host(site) as (project, ann):
        waiting = await project.runs.get(ann, run_id)
        assert waiting.usage.model_calls == len(site.server.requests) > 0
        await project.runs.cancel(ann, run_id)
        await until(project, run_id, lambda run: run.status == "cancelled")
        metered = await project.usage.own(ann)
    assert metered.total.model_calls == waiting.usage.model_calls


async def test_a_run_goes_on_with_the_agent_that_it_began_with(site: Site) -> None:
    run_id = await begin(site)
    site.write(flow("replacement"))
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert "replacement" not in str(site.server.requests)
    async with host(site) as (project, ann):
        new = await project.runs.create(ann, RunRequest(agent_id="flow", input="Go on."))
        await until(project, new.id, lambda run: run.question is not None)
    assert site.notes[-1] == "by replacement"


async def test_runs_of_an_agent_that_was_removed_go_on_without_its_rights(site: Site) -> None:
    run_id = await begin(site)
    site.write(None)
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert site.notes == ["by clerk"]
    assert run.output is not None
    assert "'notes_add_note' not found" in run.output


async def test_a_tool_that_was_removed_is_not_found_and_its_results_are_kept(site: Site) -> None:
    run_id = await begin(site)
    site.write(flow(), NAME="keep_note")
    before = len(site.server.requests)
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert site.notes == ["by clerk"]
    assert len(site.server.requests) > before
    assert run.output is not None
    assert "'notes_add_note' not found" in run.output


async def test_a_tool_that_takes_other_arguments_tells_the_model_so(site: Site) -> None:
    run_id = await begin(site)
    site.write(flow(), ARGUMENT="words")
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert site.notes == ["by clerk"]
    assert run.output is not None
    assert "invalid_arguments" in run.output
    assert "words: Field required" in run.output


async def test_a_run_whose_model_was_removed_fails_at_its_next_call(site: Site) -> None:
    run_id = await begin(site)
    site.write(None)
    site.settings(model_name="other")
    run = await finish(site, run_id)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "configuration"
    assert site.notes == ["by clerk"]


async def test_a_pinned_run_waits_for_a_worker_of_its_own_release(site: Site) -> None:
    site.settings(pinned=True, release="1")
    run_id = await begin(site)
    site.settings(pinned=True, release="2")
    async with host(site) as (project, ann):
        await answer(project, run_id)
        new = await project.runs.create(ann, RunRequest(agent_id="flow", input="Go on."))
        await until(project, new.id, lambda run: run.question is not None)
        waiting = await project.runs.get(ann, run_id)
        assert (waiting.status, waiting.release) == ("queued", "1")
        found = await project.database.read(fleet, pinned=True, tenant=None)
        assert {each.release: each.stranded for each in found.releases} == {"1": True, "2": False}
        assert await project.warnings()
    site.settings(pinned=True, release="1")
    async with host(site) as (project, _):
        assert (await until(project, run_id, lambda run: run.ended)).status == "completed"
