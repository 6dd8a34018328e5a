"""``saaf schedules``: runs that start by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from saaf_autogen.client import Client

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Runs of the local principal that start by themselves. Hosts and workers keep the times.",
)

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", envvar="SAAF_PROJECT", help="Deployment folder."),
]
ScheduleId = Annotated[str, typer.Argument(help="The schedule's id: sch_….")]
ZoneOption = Annotated[str, typer.Option("--zone", help="By whose clock: Europe/Berlin, UTC.")]


class _Overlap(StrEnum):
    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"


@app.command("list")
def list_schedules(project: ProjectOption = None) -> None:
    """List the schedules: when they come, what they start, and why the last one did not."""

    async def show(saaf: Client) -> None:
        for each in await saaf.schedules.list():
            _tell(each.state)

    _with_client(project, show)


@app.command()
def add(
    cron: Annotated[str, typer.Argument(help="Five fields: minute hour day month weekday.")],
    agent: Annotated[str, typer.Argument(help="The agent's id: its file's name.")],
    question: Annotated[str, typer.Argument(help="What it is asked.")],
    zone: ZoneOption = "UTC",
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    overlap: Annotated[
        _Overlap,
        typer.Option(
            "--overlap", help="While a run of it has not ended, the next: skip, queue or allow."
        ),
    ] = _Overlap.SKIP,
    webhook: Annotated[
        str | None, typer.Option("--webhook", help="Where the end of each run is called back.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Have an agent run at the times of a cron expression.

    Example: [b]saaf schedules add "0 7 * * 1-5" flights "How late was Delta?" --zone
    Europe/Berlin[/b]
    """

    async def make(saaf: Client) -> None:
        made = await saaf.schedules.create(
            cron, agent, question, zone=zone, name=name, overlap=overlap.value, webhook=webhook
        )
        _tell(made.state)

    _with_client(project, make)


@app.command()
def pause(schedule_id: ScheduleId, project: ProjectOption = None) -> None:
    """Let no more times of a schedule count."""

    async def switch(saaf: Client) -> None:
        _tell((await (await saaf.schedules.get(schedule_id)).pause()).state)

    _with_client(project, switch)


@app.command()
def resume(schedule_id: ScheduleId, project: ProjectOption = None) -> None:
    """Let the times from now on count again; those of the pause are not made up for."""

    async def switch(saaf: Client) -> None:
        _tell((await (await saaf.schedules.get(schedule_id)).resume()).state)

    _with_client(project, switch)


@app.command()
def remove(schedule_id: ScheduleId, project: ProjectOption = None) -> None:
    """Remove a schedule; its runs stay, and those that have not ended go on."""

    async def take_away(saaf: Client) -> None:
        await (await saaf.schedules.get(schedule_id)).remove()
        typer.echo(f"{schedule_id} is removed.")

    _with_client(project, take_away)


@app.command("next")
def show_next(
    cron: Annotated[str, typer.Argument(help="Five fields: minute hour day month weekday.")],
    zone: ZoneOption = "UTC",
    count: Annotated[int, typer.Option("--count", min=1, max=100, help="How many times.")] = 5,
) -> None:
    """Show the next times of a cron expression; nothing is made.

    Example: [b]saaf schedules next "30 2 * * *" --zone Europe/Berlin[/b]
    """
    from saaf_autogen.runs.schedules.cron import check_times, preview

    now = datetime.now(UTC)
    check_times(cron, zone, now)
    for at in preview(cron, zone, now, count):
        typer.echo(f"{at:%a %Y-%m-%d %H:%M %z}")


def _with_client(project: Path | None, work: Callable[[Client], Awaitable[None]]) -> None:
    from saaf_autogen.client import Client
    from saaf_autogen.project.discovery import find_project

    async def run() -> None:
        async with Client(find_project(project)) as saaf:
            await work(saaf)

    asyncio.run(run())


def _tell(state: dict[str, Any]) -> None:
    times = state["next_times"]
    when = f"next {times[0]}" if times else "paused"
    what = f"{state['cron']} {state['zone']}  {state['run']['agent_id']}"
    typer.echo(f"{state['id']}  {what}  {when}  {state['name']}".rstrip())
    if state["last_error"]:
        typer.echo(f"  {state['last_error']}")
