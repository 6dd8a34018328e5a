"""Models that fail in every way there is, at a run's first call and at a later one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import psutil

from saaf_autogen.runs.model import TERMINAL
from saaf_autogen.testing.model_faults import FAULTS, ModelFault
from saaf_autogen.testing.openai_server import Calls, Gone, Reply, Text
from tests.chaos.checks import log_faults
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.script import WatchedModels
from tests.chaos.site import TOOL_SCOPES, Site, assistant, open_site

__all__ = ["faults", "faults_of"]

_TIMEOUT_S = 2.0
_ENDED_S = 15.0
_MORE = 6
_NAMED = re.compile(r"fault-(\d+)-(\d)-(\w+)")


def faults(report: Report, place: Place) -> None:
    """All faults of the table, asked for whole and as a stream."""
    faults_of(report, place, FAULTS)


def faults_of(report: Report, place: Place, table: Sequence[ModelFault]) -> None:
    """Each fault at the first and at the second call: a typed end, soon, and nothing left."""
    campaign = "LLM faults"
    report.begin(campaign)

    def says(order: str, participant: str, move: int) -> Reply | None:
        found = _NAMED.match(order)
        if found is None:
            return None
        fault, at, streamed = table[int(found[1])], int(found[2]), found[3] == "stream"
        if move == at:
            return fault.stream_reply if streamed else fault.reply
        return Calls([("math_add", {"a": 1, "b": move})]) if move < at else Text("It is three.")

    runs = {
        f"fault-{number}-{at}-{agent}": (fault, at, agent)
        for number, fault in enumerate(table)
        for at in (0, 1)
        for agent in ("whole", "stream")
    }
    agents = {name: _agent(name) for name in ("whole", "stream")}
    # A server that goes down is the run's own.
    own = [order for order, (fault, _, _) in runs.items() if isinstance(fault.reply, Gone)]
    with ExitStack() as stack:
        models = {
            order: {
                "provider": "openai",
                "model": "test",
                "api_key_env": "CHAOS_MODEL_KEY",
                "timeout_s": _TIMEOUT_S,
                "base_url": _server(stack, place.seed, says).base_url,
            }
            for order in own
        }
        site = stack.enter_context(
            open_site(
                place.folder("faults"), place.seed, override=says, runs={"concurrency": 16},
                agents={**agents, **{order: _agent(runs[order][2], order) for order in own}},
                model={"timeout_s": _TIMEOUT_S}, more={"models": models},
            )
        )  # fmt: skip
        node = site.node("host", "both")
        warm = [site.caller.run("solo", f"order=warm-{n}-solo", f"warm-{n}") for n in range(32)]
        _ended(site, warm)
        process = psutil.Process(node.pid)
        before = process.num_fds(), process.num_threads()
        ids = {
            order: site.caller.run(order if order in own else agent, f"order={order}", order)
            for order, (_, _, agent) in runs.items()
        }
        slow = _ended(site, list(ids.values()))
        report.add(campaign, "faults", len(table), bound=">= 15", ok=len(table) >= 15)
        report.add(campaign, "runs", len(runs))
        report.none(campaign, "runs that did not end in time", slow)
        wrong = [
            told
            for order, (fault, at, agent) in runs.items()
            if (told := _wrong(site.caller.get(ids[order]), fault, at, agent))
        ]
        report.none(campaign, "ends that are not as they should be", wrong)
        logs = [
            told
            for order, run in ids.items()
            for told in log_faults(order, site.caller.events(run), None)
        ]
        report.none(campaign, "logs with gaps, repeats or two ends", logs)
        secret = [order for order, run in ids.items() if "SECRET" in str(site.caller.get(run))]
        report.none(campaign, "runs that tell what the model's server said", secret)
        more = _left(process, before)
        report.add(campaign, "files and threads left behind", more, bound=f"<= {_MORE} each",
                   ok=max(more) <= _MORE)  # fmt: skip


def _wrong(run: dict[str, Any], fault: ModelFault, at: int, agent: str) -> str | None:
    kind = fault.stream_kind if agent == "stream" else fault.kind
    error = run["error"] or {}
    if kind is None:
        right = run["status"] == "completed"
    else:
        right = (run["status"], error.get("code"), error.get("kind")) == (
            "failed", "model_failed", kind,
        )  # fmt: skip
    if right:
        return None
    found = f"{run['status']} {error.get('code')} {error.get('kind')} {error.get('detail')}"
    return f"{fault.name} (call {at}, {agent}): {found}; it should be {kind or 'completed'}"


def _ended(site: Site, ids: Sequence[str]) -> list[str]:
    """Wait for the ends; those that took too long at work."""
    deadline = time.monotonic() + 240
    while True:
        rows = site.store.runs()
        open_ = [run for run in ids if rows[run]["status"] not in TERMINAL]
        if not open_ or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    took = {
        run: (rows[run]["finished_at"] - rows[run]["started_at"]).total_seconds()
        for run in ids
        if run not in open_
    }
    slow = [
        f"{run} took {s:.1f} s ({rows[run]['input']})" for run, s in took.items() if s > _ENDED_S
    ]
    return [*(f"{run} has not ended ({rows[run]['input']})" for run in open_), *slow]


def _left(process: psutil.Process, before: tuple[int, int]) -> tuple[int, int]:
    deadline = time.monotonic() + 20
    while True:
        more = process.num_fds() - before[0], process.num_threads() - before[1]
        if max(more) <= _MORE or time.monotonic() > deadline:
            return more
        time.sleep(0.5)


def _server(
    stack: ExitStack, seed: int, says: Callable[[str, str, int], Reply | None]
) -> WatchedModels:
    server = WatchedModels(seed, override=says)
    stack.enter_context(server)
    return server


def _agent(name: str, model: str = "default") -> dict[str, Any]:
    made = assistant(name, "fault")
    bench = {"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": ["math.*"]}}
    client = {"provider": "saaf_autogen.ModelClient", "config": {"name": model}}
    config = {
        **made["config"],
        "model_client": client,
        "model_client_stream": name == "stream",
        "workbench": [bench],
    }
    return {"saaf": {"title": name, "scopes": list(TOOL_SCOPES)}, **made, "config": config}
