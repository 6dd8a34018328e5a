"""``saaf demo``: the main job, end to end, on real parts."""

from __future__ import annotations

import asyncio
import queue
import signal
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from saaf_autogen.cli.events import describe_event
from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.errors import Unavailable
from saaf_autogen.project import find_project, read_deployment
from saaf_autogen.project.stores import build_missing_samples
from saaf_autogen.testing import RunningHost
from saaf_autogen.testing.receiver import CallbackReceiver, ReceivedCallback

__all__ = ["demo"]

QUESTION = "What are the 5 busiest destinations from Newark?"
CLIENT = "analyst"
_CALLBACK_WITHIN_S = 30
_SHOWN_ROWS = 15
_ANSWER_WIDTH = 90


def demo(project: Path | None) -> None:
    """Host, token, run, events, callback, answer; then what to try next."""
    console = Console(highlight=False)
    folder = find_project(project)
    # As Ctrl-C does: the host is a process of its own, and would outlive this one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    with sample_progress(console) as progress:
        build_missing_samples(read_deployment(folder), progress)
    console.print("[bold]1[/]  Starting a host on loopback …")
    with RunningHost(folder) as host:
        console.print(f"   {host.url} is ready.")
        with CallbackReceiver(host.webhook_secret(CLIENT)) as receiver:
            asyncio.run(_ask(console, host, receiver))
    console.print(f"[dim]Done in {time.monotonic() - started:.1f} s; the host is stopped.[/]\n")
    _what_next(console)


async def _ask(console: Console, host: RunningHost, receiver: CallbackReceiver) -> None:
    async with host.client(CLIENT) as saaf:
        console.print(f"[bold]2[/]  A token by client credentials, as the client [b]{CLIENT}[/] …")
        actions = await saaf.actions()
        console.print(f"   It may call {', '.join(spec.name for spec in actions)}.")
        console.print(f"[bold]3[/]  POST /v1/runs: [italic]{QUESTION}[/]")
        run = await saaf.runs.create("flights", QUESTION, webhook=receiver.url)
        query: dict[str, Any] = {}
        result: dict[str, Any] = {}
        async for event in run.stream():
            line = describe_event(event)
            if line:
                console.print("  ", line)
            if event["data"].get("name") == "warehouse_query":
                query = event["data"].get("arguments", query)
                result = event["data"].get("content", result)
        await run.wait(timeout_s=60)
        callback = await asyncio.to_thread(_callback, receiver)
        _show_callback(console, callback)
        _show_answer(console, run.state, query, result)


def _callback(receiver: CallbackReceiver) -> ReceivedCallback:
    try:
        return receiver.received.get(timeout=_CALLBACK_WITHIN_S)
    except queue.Empty:
        raise Unavailable("The callback did not come.") from None


def _show_callback(console: Console, callback: ReceivedCallback) -> None:
    verdict = "[green]the signature is ours[/]" if callback.verified else "[red]NOT VERIFIED[/]"
    console.print(f"[bold]4[/]  The callback came: {callback.body['type']}, {verdict}.")
    console.print(f"   webhook-id {callback.id}", style="dim")


def _show_answer(
    console: Console, run: dict[str, Any], query: dict[str, Any], result: dict[str, Any]
) -> None:
    answer = Markdown(str(run.get("output") or run.get("error")))
    console.print(Panel(answer, title="Answer", width=min(console.width, _ANSWER_WIDTH)))
    if not result.get("columns"):
        return
    table = Table(title=result.get("cut"))
    for column in result["columns"]:
        table.add_column(column["name"])
    for row in result["rows"][:_SHOWN_ROWS]:
        table.add_row(*(str(value) for value in row))
    console.print(table)
    console.print(Syntax(result["sql"], "sql", background_color="default", word_wrap=True))
    if query.get("parameters"):
        values = ", ".join(f"{name} = {value!r}" for name, value in _named(query).items())
        console.print(f"with {values}", style="dim")


def _named(query: dict[str, Any]) -> dict[str, Any]:
    """A query's parameters; models in strict mode send them as a list of name and value."""
    parameters = query["parameters"]
    if isinstance(parameters, dict):
        return parameters
    return {each["name"]: each["value"] for each in parameters}


def _what_next(console: Console) -> None:
    console.print("[bold]Try next[/]")
    for command, why in (
        ('.venv/bin/saaf run flights "Which origin had the worst average departure delay?"', ""),
        (".venv/bin/saaf serve", "then open http://127.0.0.1:8000/docs"),
        ("less saaf.yaml agents/flights.yaml semantic/nyc_flights.yaml", "the deployment"),
        ("less notebooks/01_first_question.py", "the same from Python"),
    ):
        console.print(f"  {command}", f"[dim]{why}[/]", soft_wrap=True)
