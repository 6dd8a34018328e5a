"""``saaf semantic scaffold``, ``diff`` and ``verify``: semantic files beside a live warehouse."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Samples", "add_to", "diff", "scaffold", "verify"]

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        envvar="SAAF_PROJECT",
        help="Deployment folder; default: the nearest saaf.yaml upward.",
    ),
]
WarehouseOption = Annotated[
    str | None,
    typer.Option("--warehouse", "-w", help="Its name in saaf.yaml; may be left out if alone."),
]
TableOption = Annotated[
    list[str] | None,
    typer.Option("--table", help="Only tables like SCHEMA.TABLE, with * and ?; repeat for more."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Seconds = Annotated[
    float, typer.Option("--timeout", min=1, max=3600, help="Seconds for each table.")
]


class Samples(StrEnum):
    """How much of the data goes into the files."""

    NONE = "none"
    SAFE = "safe"
    ALL = "all"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(scaffold)
    app.command()(diff)
    app.command()(verify)


def scaffold(
    warehouse: WarehouseOption = None,
    table: TableOption = None,
    samples: Annotated[
        Samples,
        typer.Option(
            help="Sample values: none; safe, without what looks personal or rare; or all "
            "(secrets never).",
        ),
    ] = Samples.SAFE,
    per_table: Annotated[
        bool, typer.Option("--per-table", help="A file for each new table, not each schema.")
    ] = False,
    update_samples: Annotated[
        bool,
        typer.Option("--update-samples", help="Also make sample values anew that are untouched."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change as a patch; write nothing.")
    ] = False,
    timeout: Seconds = 30,
    project: ProjectOption = None,
) -> None:
    """Draft semantic files from a live warehouse: tables, types, keys, comments, sample values.

    What people wrote stays as it is, to the byte: new tables and columns are
    added beside it, and what stands in a comment stays out. Columns become
    visible to holders of grants by this; they are listed.
    """
    from saaf_autogen.cli.semantic.warehouse_reports import run_scaffold as run

    run(
        project,
        warehouse,
        tables=table or [],
        samples=samples.value,
        per_table=per_table,
        update_samples=update_samples,
        dry_run=dry_run,
        timeout_s=timeout,
    )


def diff(
    warehouse: WarehouseOption = None,
    table: TableOption = None,
    values: Annotated[
        bool, typer.Option(help="Whether to look for values that an enumeration lacks.")
    ] = True,
    json: JsonOption = False,
    timeout: Seconds = 30,
    project: ProjectOption = None,
) -> None:
    """Compare semantic files with the warehouse; exit status 1 if queries break by a difference."""
    from saaf_autogen.cli.semantic.warehouse_reports import run_diff as run

    run(project, warehouse, tables=table or [], values=values, as_json=json, timeout_s=timeout)


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Verified queries, metrics or filters; default: all."),
    ] = None,
    warehouse: WarehouseOption = None,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Run every verified query, metric and named filter; exit status 1 if one fails."""
    from saaf_autogen.cli.semantic.warehouse_reports import run_verify as run

    run(project, warehouse, names or [], as_json=json)
