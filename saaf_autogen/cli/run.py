"""``saaf run``: an agent's answer, in this process."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from saaf_autogen.cli.events import describe_event
from saaf_autogen.cli.logs import log_to_stderr
from saaf_autogen.client import Client
from saaf_autogen.project import find_project

__all__ = ["run"]


def run(project: Path | None, agent: str, question: str) -> None:
    """Run an agent as the local principal; its steps go to stderr, its answer to stdout."""
    log_to_stderr(logging.ERROR)
    status = asyncio.run(_run(find_project(project), agent, question))
    if status != "completed":
        raise typer.Exit(1)


async def _run(folder: Path, agent: str, question: str) -> str:
    steps = Console(stderr=True, highlight=False)
    async with Client(folder) as saaf:
        started = await saaf.runs.create(agent, question)
        try:
            async for event in started.stream():
                line = describe_event(event)
                if line:
                    steps.print(line)
        except asyncio.CancelledError:
            # Ctrl-C: nobody waits for the answer; left alone, the next start would go on with it.
            await started.cancel()
            raise
        await started.wait()
        Console(highlight=False, soft_wrap=True).print(_told(started.state), markup=False)
        return started.status


def _told(state: dict[str, Any]) -> str:
    if state["status"] == "completed":
        return str(state["output"])
    error = state.get("error") or {}
    return f"{state['status']}: {error.get('detail', '')} {error.get('remedy') or ''}".strip()
