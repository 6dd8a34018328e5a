"""``saaf run``: an agent's answer, in this process."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import typer
from rich.console import Console

from saaf_autogen.cli.following import end_of, follow
from saaf_autogen.cli.logs import log_to_stderr
from saaf_autogen.cli.terminal import Terminal
from saaf_autogen.client import Client
from saaf_autogen.project import find_project

__all__ = ["run"]


def run(project: Path | None, agent: str, question: str) -> None:
    """Run an agent as the local principal; its steps go to stderr, its answer to stdout."""
    log_to_stderr(logging.ERROR)
    status = asyncio.run(_run(find_project(project), agent, question))
    if status:
        raise typer.Exit(status)


async def _run(folder: Path, agent: str, question: str) -> int:
    async with Client(folder) as saaf:
        started = await saaf.runs.create(agent, question)
        try:
            await follow(started, Console(stderr=True, highlight=False), Terminal())
        except asyncio.CancelledError:
            # Ctrl-C: nobody waits for the answer; left alone, the next start would go on with it.
            await started.cancel()
            raise
        return end_of(started)
