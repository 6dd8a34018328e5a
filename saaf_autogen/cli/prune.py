"""``saaf prune``: delete what ended long ago."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saaf_autogen.errors import InvalidArguments

if TYPE_CHECKING:
    from saaf_autogen.runs.retention import PruneCounts

__all__ = ["duration", "prune"]

_DURATION = re.compile(r"([0-9]{1,6})([dhm])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60}


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(help="Such as 30d, 12h or 90m; default: runs.keep_days of saaf.yaml."),
    ] = None,
    usage_older_than: Annotated[
        str | None, typer.Option(help="Delete usage, too; by itself it is kept.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and delete nothing.")] = False,
    project: Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")] = None,
) -> None:
    """Delete ended runs and all that belongs to them; hosts may run meanwhile.

    Open runs stay, those whose callback is still to be sent, and effects that an open run or an
    open question may yet need. An Idempotency-Key of a deleted run counts as new again.

    Example: [b]saaf prune --older-than 30d --dry-run[/b]
    """
    from saaf_autogen.project.upkeep import open_upkeep

    runs, usage = duration(older_than), duration(usage_older_than)
    with open_upkeep(project) as upkeep:
        counts = upkeep.prune(runs, usage_older_than=usage, dry_run=dry_run, progress=_progress)
    if sys.stderr.isatty():
        typer.echo("\r" + " " * 40 + "\r", nl=False, err=True)
    for kind, count in counts.rows().items():
        typer.echo(f"{count:>10,}  {kind}")
    if not counts.rows():
        typer.echo("Nothing is old enough.")
    elif dry_run:
        typer.echo("would be deleted; nothing was")


def duration(text: str | None) -> timedelta | None:
    """``30d``, ``12h`` or ``90m`` as a time span.

    Raises:
        InvalidArguments: it is none, or it is nothing.
    """
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise InvalidArguments(f"{text!r} is no time span.", remedy="Write 30d, 12h or 90m.")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def _progress(counts: PruneCounts) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{counts.runs:,} runs deleted so far", nl=False, err=True)
