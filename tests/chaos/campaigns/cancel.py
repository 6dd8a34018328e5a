"""Cancelled in any state: over within a second, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.clock import SystemClock
from saaf_autogen.testing.openai_server import Calls, Reply, Slow, Text
from tests.chaos.caller import Caller
from tests.chaos.checks import percentile
from tests.chaos.ledger import Ledger
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.script import WatchedModels
from tests.chaos.site import CLIENT, TOOL_SCOPES, assistant, open_site, write_deployment
from tests.site import serving_site

__all__ = ["cancel", "cancel_elsewhere", "cancel_here"]

CANCELLED_S = 1.0
_HANGS_S = 4.0
_BLOCKS_S = 6.0
_AT_ONCE = 8
_OTHER_THREADS = ("process_request_thread", "saaf-actions", "saaf-runs", "asyncio")


@dataclass(frozen=True)
class _State:
    """A state that a run can be cancelled in.

    Attributes:
        agent: which agent's run.
        ready: given the run and its last event's type, whether it is in that state.
        more: of the request.
    """

    agent: str
    ready: Callable[[Mapping[str, Any], str], bool]
    more: Mapping[str, Any]


def _asked(run: Mapping[str, Any], last: str) -> bool:
    return bool(run["status"] == "running")


def _called(run: Mapping[str, Any], last: str) -> bool:
    return last == "tool.call"


STATES: dict[str, _State] = {
    "a model call": _State("asks", _asked, {}),
    "a streaming model call": _State("streams", _asked, {}),
    "a tool": _State("waits", _called, {}),
    "a tool that blocks its thread": _State("blocks", _called, {}),
    "a human wait": _State("human", lambda run, last: run["status"] == "input_required", {}),
    "a nested team": _State("nested", _asked, {}),
    "a society of minds": _State("society", _asked, {}),
    "parallel branches": _State("branches", _asked, {}),
    "a team as a tool": _State("teamtool", _asked, {}),
    "queued for later": _State(
        "asks", lambda run, last: run["status"] == "queued", {"after_seconds": 600}
    ),
}


def cancel(report: Report, place: Place) -> None:
    """In this process, where tasks can be counted; and on another worker, on PostgreSQL."""
    cancel_here(report, place, rounds=1 if place.quick else 3)
    cancel_elsewhere(report, place, "postgresql")


def cancel_here(report: Report, place: Place, *, rounds: int, at_once: int = _AT_ONCE) -> None:
    """So many rounds of each state, and a count of what is left afterwards."""
    campaign = "cancelled in any state"
    report.begin(campaign)
    folder = place.folder("cancel")
    with (
        Ledger(place.seed) as ledger,
        WatchedModels(place.seed, override=_says) as models,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CHAOS_LEDGER", ledger.url)
        patch.setenv("CHAOS_MODEL_KEY", "sk-here")
        settings = write_deployment(folder, models.base_url, {}, _agents(), {}, {})
        settings["runs"]["concurrency"] = at_once
        with serving_site(folder, settings, clock=SystemClock()) as site:
            caller = Caller(site.url, CLIENT, site.project.state / "clients.json")
            _rounds(report, campaign, caller, 1, at_once, warm=True)
            before = _census()
            count = _rounds(report, campaign, caller, rounds, at_once)
            report.add(campaign, "runs cancelled", count)
            after = _census_at_most(before)
            caller.close()
    for what, was in before.items():
        left = after[what] - was
        report.add(campaign, f"{what} left behind", left, bound="<= 2", ok=left <= 2)


def cancel_elsewhere(
    report: Report,
    place: Place,
    kind: str,
    *,
    at_once: int = _AT_ONCE,
    states: Sequence[str] = tuple(STATES),
) -> None:
    """The API is one process, the worker another."""
    campaign = f"cancelled on another worker, {kind}"
    report.begin(campaign)
    with open_site(
        place.folder(f"cancel-{kind}"), place.seed, database=place.database(kind),
        agents=_agents(), override=_says, runs={"concurrency": at_once},
    ) as site:  # fmt: skip
        site.node("api", "api")
        site.node("w1", "worker")
        _rounds(report, campaign, site.caller, 1, at_once, states=states)


def _rounds(
    report: Report, campaign: str, caller: Caller, rounds: int, at_once: int, *,
    warm: bool = False, states: Sequence[str] = tuple(STATES),
) -> int:  # fmt: skip
    count = 0
    for name in states:
        state = STATES[name]
        took: list[float] = []
        for number in range(rounds):
            runs = _started(caller, state, f"{campaign}-{name}-{number}-{warm}", at_once)
            with ThreadPoolExecutor(at_once) as pool:
                took += pool.map(lambda run: _cancelled(caller, run), runs)
        count += len(took)
        if not warm:
            worst = max(took)
            report.add(campaign, f"{name}: p50, s", percentile(took, 0.5))
            report.add(campaign, f"{name}: at most, s", worst, bound=f"<= {CANCELLED_S:g}",
                       ok=worst <= CANCELLED_S)  # fmt: skip
    return count


def _started(caller: Caller, state: _State, key: str, count: int) -> list[str]:
    """So many runs, each in the state; a moment later, so that they surely hang."""
    runs = [
        caller.run(state.agent, f"order={state.agent}-{number}", f"{key}-{number}", **state.more)
        for number in range(count)
    ]
    deadline = time.monotonic() + 30
    for run in runs:
        while True:
            stored = caller.get(run)
            events = caller.events(run)
            if state.ready(stored, events[-1]["type"]):
                break
            assert time.monotonic() < deadline, (state, stored, events[-1])
            time.sleep(0.02)
    time.sleep(0.5)
    return runs


def _cancelled(caller: Caller, run: str) -> float:
    """Seconds from the request to the run's end, as its owner sees both."""
    started = time.monotonic()
    response = caller.ask("POST", f"/v1/runs/{run}/cancel")
    assert response.status_code == 202, response.text
    while (status := caller.get(run)["status"]) != "cancelled":
        assert status in ("queued", "running", "input_required"), status
        if time.monotonic() - started > 30:
            return float("inf")
        time.sleep(0.02)
    return time.monotonic() - started


def _says(order: str, participant: str, move: int) -> Reply | None:
    """Every participant hangs, in the way that its name says."""
    if participant in ("waits", "blocks") and move == 0:
        seconds = _HANGS_S if participant == "waits" else _BLOCKS_S
        return Calls([(f"shop_{participant.removesuffix('s')}", {"seconds": seconds})])
    if participant == "boss":
        return Calls([("desk", {"task": f"order={order}"})])
    if participant == "quick":
        return Text("Quickly said.")
    return Slow(_HANGS_S, Text("It took a while."))


def _agents() -> dict[str, dict[str, Any]]:
    head = {"saaf": {"title": "hangs", "scopes": list(TOOL_SCOPES)}}
    agents = "autogen_agentchat.agents"

    def one(name: str, **config: Any) -> dict[str, Any]:
        made = assistant(name, "hang")
        return {**made, "config": {**made["config"], **config}}

    def team(*participants: Any, kind: str = "RoundRobinGroupChat", **config: Any) -> Any:
        return {
            "provider": f"autogen_agentchat.teams.{kind}",
            "config": {"participants": list(participants), **config},
        }

    model = one("x")["config"]["model_client"]
    inner = team(one("inside"), max_turns=2, name="inner", description="inner")
    society = {"name": "minds", "team": inner, "model_client": model}
    desk = {
        "provider": "autogen_agentchat.tools.TeamTool",
        "config": {
            "name": "desk",
            "description": "A desk.",
            "team": inner,
            "return_value_as_last_message": True,
        },
    }
    edges = [{"target": side, "condition": None} for side in ("left", "right")]
    graph = {
        "nodes": {
            "quick": {"name": "quick", "edges": edges},
            "left": {"name": "left", "edges": []},
            "right": {"name": "right", "edges": []},
        },
        "default_start_node": "quick",
    }
    human = {"provider": f"{agents}.UserProxyAgent", "config": {"name": "human"}}
    human["config"] = {"name": "human", "description": "A human."}
    bosses = one("boss", tools=[desk], workbench=None, max_tool_iterations=3)
    made = {
        "asks": one("asks"),
        "streams": one("streams", model_client_stream=True),
        "waits": one("waits"),
        "blocks": one("blocks"),
        "human": team(one("quick"), human, max_turns=2),
        "nested": team(one("quick"), inner, max_turns=3),
        "society": team(
            {"provider": f"{agents}.SocietyOfMindAgent", "config": society}, max_turns=1
        ),
        "branches": team(one("quick"), one("left"), one("right"), kind="GraphFlow", graph=graph),
        "teamtool": bosses,
    }
    return {name: {**head, **config} for name, config in made.items()}


def _census() -> dict[str, int]:
    """What of this process could be left behind: tasks, threads, open files."""
    gc.collect()
    every: Any = getattr(asyncio.tasks, "_all_tasks", None) or getattr(
        asyncio.tasks, "_scheduled_tasks", ()
    )
    threads = [
        thread.name
        for thread in threading.enumerate()
        # Not those of the world outside, which answer slowly; nor those of pools, which are kept.
        if not any(each in thread.name for each in _OTHER_THREADS)
    ]
    return {
        "tasks": sum(not task.done() for task in list(every)),
        "threads": len(threads),
        "open files": len(list(Path("/proc/self/fd").iterdir())) if os.name == "posix" else 0,
    }


def _census_at_most(before: Mapping[str, int], within_s: float = 20) -> dict[str, int]:
    """Once what hangs in the world outside has ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        now = _census()
        if all(now[what] <= was for what, was in before.items()):
            return now
        time.sleep(0.25)
    return _census()
