"""``saaf runs``: what waits for an answer, and answering it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from saaf_autogen.errors import InvalidArguments

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See which of your runs wait, and answer them.")

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", envvar="SAAF_PROJECT", help="Deployment folder."),
]


@app.command()
def waiting(project: ProjectOption = None) -> None:
    """List the local principal's runs that wait for an answer, with what they ask."""
    asyncio.run(_waiting(project))


@app.command()
def answer(
    run_id: Annotated[str, typer.Argument(help="The run's id: run_….")],
    text: Annotated[
        str | None, typer.Argument(help="The answer; without one, it is asked for.")
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(help="Of a write whose outcome is unknown: done, retry or failed."),
    ] = None,
    value: Annotated[str | None, typer.Option(help="With done: what it returned, as JSON.")] = None,
    project: ProjectOption = None,
) -> None:
    """Answer a run, and follow it to its end. Exit status 3: it waits for another answer.

    Example: [b]saaf runs answer run_0199… "Book the second one"[/b]
    """
    from saaf_autogen.cli.logs import log_to_stderr

    log_to_stderr(logging.ERROR)
    said: dict[str, Any] = {"text": text, "resolution": resolution}
    if value is not None:
        said["value"] = _json(value)
    said = {name: each for name, each in said.items() if each is not None}
    status = asyncio.run(_answer(project, run_id, said))
    if status:
        raise typer.Exit(status)


async def _waiting(project: Path | None) -> None:
    from saaf_autogen.client import Client
    from saaf_autogen.project import find_project

    out = Console(highlight=False, soft_wrap=True)
    async with Client(find_project(project)) as saaf:
        for run in await saaf.runs.list(status="input_required"):
            asked = run.question or {}
            line = f"{run.id}  {run.state['agent_id']}  {asked.get('kind')}  {asked.get('prompt')}"
            out.print(line, markup=False)


async def _answer(project: Path | None, run_id: str, said: dict[str, Any]) -> int:
    from saaf_autogen.cli.following import end_of, follow
    from saaf_autogen.cli.terminal import Terminal
    from saaf_autogen.client import Client
    from saaf_autogen.project import find_project

    async with Client(find_project(project)) as saaf:
        run = await saaf.runs.get(run_id)
        if said:
            await run.answer(**said)
        await follow(run, Console(stderr=True, highlight=False), Terminal())
        return end_of(run)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidArguments(
            "--value is not JSON.", remedy="""Quote texts twice: --value '"T-1"'."""
        ) from None
