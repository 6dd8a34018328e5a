"""``saaf usage``: what ended runs used."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saaf_autogen.errors import InvalidArguments

if TYPE_CHECKING:
    from saaf_autogen.runs.metering import UsageLine

__all__ = ["By", "Form", "usage"]


class By(StrEnum):
    """What makes a group."""

    agent = "agent"
    model = "model"
    day = "day"
    principal = "principal"
    tenant = "tenant"


class Form(StrEnum):
    """How it is printed."""

    table = "table"
    csv = "csv"
    json = "json"


def usage(
    since: Annotated[str | None, typer.Option("--from", help="Not before (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before (UTC).")] = None,
    by: Annotated[By, typer.Option(help="What makes a group.")] = By.agent,
    tenant: Annotated[str | None, typer.Option(help="Of one tenant; default: of all.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.table,
    project: Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")] = None,
) -> None:
    """Show runs, model calls, tokens and US dollars, as the store knows them.

    Example: [b]saaf usage --from 2026-11-01 --by principal --format csv[/b]
    """
    from saaf_autogen.project.upkeep import open_upkeep
    from saaf_autogen.runs.metering import UsageFilter

    wanted = UsageFilter(tenant, since=_time(since), until=_time(until))
    with open_upkeep(project) as upkeep:
        lines, total = upkeep.usage(wanted, by.value)
    if form is Form.json:
        body = {"data": [line.model_dump() for line in lines], "total": total.model_dump()}
        typer.echo(json.dumps(body, indent=2))
    elif form is Form.csv:
        _csv(by, lines)
    else:
        _table(by, lines, total)


def _csv(by: By, lines: list[UsageLine]) -> None:
    from saaf_autogen.runs.metering import csv_rows

    csv.writer(sys.stdout, lineterminator="\n").writerows(csv_rows(by.value, lines))


def _table(by: By, lines: list[UsageLine], total: UsageLine) -> None:
    width = max([len(line.key) for line in lines] + [len(by.value), 5])
    typer.echo(
        f"{by.value:<{width}}  {'runs':>8}  {'calls':>8}  {'prompt':>12}  {'answer':>12}  USD"
    )
    for line in [*lines, total]:
        usd = "-" if line.usd is None else f"{line.usd:.4f}"
        if line.unpriced_calls:
            usd += f" ({line.unpriced_calls:,} calls without a price)"
        about = "~" if line.estimated else ""
        # What foreign issuers chose is shown, not obeyed: no control characters.
        key = "".join(c if c.isprintable() else "?" for c in line.key)
        typer.echo(
            f"{key:<{width}}  {line.runs:>8,}  {line.model_calls:>8,}  "
            f"{about + format(line.prompt_tokens, ','):>12}  "
            f"{about + format(line.completion_tokens, ','):>12}  {usd}"
        )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArguments(
            f"{text!r} is no time.", remedy="Write 2026-11-23 or 2026-11-23T12:00:00Z."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
