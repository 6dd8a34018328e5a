"""``saaf worker`` and ``saaf workers``: processes that execute runs, and a list of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from saaf_autogen.runs.releases import Fleet

__all__ = ["worker", "workers"]

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]


def worker(
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="So many processes; one that dies is replaced.")
    ] = 1,
    slots: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Runs at once in each; default: runs.concurrency."),
    ] = None,
    until_drained: Annotated[
        bool,
        typer.Option("--until-drained", help="End when no open run of this release is left."),
    ] = False,
    watched: Annotated[bool, typer.Option("--watched", hidden=True)] = False,
    project: ProjectOption = None,
) -> None:
    """Execute runs, and serve no API: for machines beside those of [b]saaf serve --no-worker[/b].

    SIGTERM and Ctrl-C end it in good order: runs at work get ten seconds, and what is left
    continues at once on another worker.
    """
    from saaf_autogen.cli.working import supervise, work

    if processes == 1:
        work(project, slots, until_drained=until_drained, watched=watched)
    elif not supervise(project, processes, slots, until_drained=until_drained):
        raise typer.Exit(1)


def workers(
    as_json: Annotated[bool, typer.Option("--json", help="The same as data.")] = False,
    project: ProjectOption = None,
) -> None:
    """List the workers, and the open runs of each release. Exit status 1: some are stranded."""
    from saaf_autogen.project.upkeep import open_upkeep

    with open_upkeep(project) as upkeep:
        found = upkeep.fleet()
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
    else:
        _show(found)
    if any(release.stranded for release in found.releases):
        raise typer.Exit(1)


def _show(found: Fleet) -> None:
    for each in found.workers:
        typer.echo(
            f"{each.id}  {each.state:<8}  {each.host} {each.pid}  "
            f"{each.runs}/{each.slots} runs  beat {each.beat_at:%Y-%m-%d %H:%M:%S}  "
            f"release {each.release or '(none)'}"
        )
    if not found.workers:
        typer.echo("No worker is there.")
    for release in found.releases:
        name = release.release or "(none)"
        typer.echo(
            f"release {name}: {release.workers} workers, {release.queued} queued, "
            f"{release.running} running, {release.input_required} waiting for a human"
        )
        if release.stranded:
            remedy = (
                f"start the code of {name} once more: saaf worker --until-drained"
                if found.pinned
                else "start one: saaf worker"
            )
            typer.echo(f"  STRANDED: no living worker executes its open runs; {remedy}", err=True)
