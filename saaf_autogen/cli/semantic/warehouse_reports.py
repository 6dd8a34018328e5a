"""What the commands on a warehouse do and print: results to stdout, the rest to stderr."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.project.scaffolding import drift, scaffold, verification
from saaf_autogen.project.scaffolding.drift import Drift
from saaf_autogen.project.scaffolding.files import unified_diff, write
from saaf_autogen.project.scaffolding.scaffold import Becoming, ScaffoldPlan
from saaf_autogen.project.scaffolding.site import Site, open_warehouse, read_site
from saaf_autogen.project.scaffolding.verification import Verdict
from saaf_autogen.sql import GuardedWarehouse
from saaf_autogen.sql.introspection import Progress, SampleMode

__all__ = ["run_diff", "run_scaffold", "run_verify"]

_LISTED = 40


def run_scaffold(
    project: Path | None,
    warehouse: str | None,
    *,
    tables: Sequence[str],
    samples: SampleMode,
    per_table: bool,
    update_samples: bool,
    dry_run: bool,
    timeout_s: float,
) -> None:
    """Plan, print and write; with ``dry_run`` the patch alone goes to stdout."""
    site = read_site(project)

    async def plan() -> ScaffoldPlan:
        async with _opened(site, site.choose(warehouse)) as guarded:
            with _bars("looking into") as told:
                return await scaffold.scaffold(
                    site,
                    guarded.warehouse,
                    only=tables,
                    samples=samples,
                    per_table=per_table,
                    update_samples=update_samples,
                    timeout_s=timeout_s,
                    progress=told,
                )

    made = asyncio.run(plan())
    if dry_run:
        typer.echo(unified_diff(made.changes, site.folder), nl=False)
    else:
        write(site, made.changes)
        for change in made.changes:
            typer.echo(f"{'wrote' if change.old is None else 'added to'} {change.file}")
    _explain(made, planned=dry_run)


def run_diff(
    project: Path | None,
    warehouse: str | None,
    *,
    tables: Sequence[str],
    values: bool,
    as_json: bool,
    timeout_s: float,
) -> None:
    """Compare and print; exit status 1 where a difference breaks queries."""
    site = read_site(project)
    name = site.choose(warehouse)

    async def compare() -> tuple[list[Drift], list[str]]:
        async with _opened(site, name) as guarded:
            with _bars("comparing values of") as told:
                return await drift.compare(
                    site,
                    guarded.warehouse,
                    only=tables,
                    values=values,
                    timeout_s=timeout_s,
                    progress=told,
                )

    found, notes = asyncio.run(compare())
    breaking = sum(each.breaks for each in found)
    if as_json:
        findings = [_drift_data(each, site.folder) for each in found]
        report = {"warehouse": name, "breaking": breaking, "findings": findings, "notes": notes}
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        for each in found:
            typer.echo(f"{'breaks' if each.breaks else 'differs'}  {each.finding}")
        for note in notes:
            typer.echo(note, err=True)
        typer.echo(_count(len(found), breaking, name), err=bool(found))
    if breaking:
        raise typer.Exit(1)


def run_verify(
    project: Path | None, warehouse: str | None, names: Sequence[str], *, as_json: bool
) -> None:
    """Run what the files promise and print each verdict; exit status 1 where one fails."""
    site = read_site(project)
    name = site.choose(warehouse)
    wanted = verification.promises(site, name, names)

    async def verify(said: Callable[[Verdict], None]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        async with _opened(site, name) as guarded:
            with _bars("running") as told:
                told(0, len(wanted), "")
                async for verdict in verification.verify(site, guarded, wanted):
                    verdicts.append(verdict)
                    said(verdict)
                    told(len(verdicts), len(wanted), verdict.promise.name)
        return verdicts

    verdicts = asyncio.run(verify(lambda verdict: None if as_json else _tell(verdict)))
    failed = [each for each in verdicts if not each.ok]
    if as_json:
        results = [_verdict_data(each, site.folder) for each in verdicts]
        report = {"warehouse": name, "failed": len(failed), "results": results}
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        typer.echo(
            f"{len(verdicts) - len(failed)} of {len(verdicts)} run on {name}."
            if wanted
            else f"The files on {name} promise nothing yet: no verified query, metric or filter.",
            err=True,
        )
    if failed:
        raise typer.Exit(1)


def _explain(plan: ScaffoldPlan, *, planned: bool) -> None:
    said = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for note in plan.notes:
        said.print(f"note: {note}")
    if plan.secrets:
        said.print(f"left in comments, they look like secrets: {_listed(plan.secrets)}")
    if plan.resampled:
        said.print(f"samples made anew: {_listed(plan.resampled)}")
    if not plan.changes:
        said.print("Nothing is new: no file was changed.")
        return
    verb = "would become" if planned else "are now"
    if plan.tables:
        said.print(f"New tables that {verb} described: {_listed(plan.tables)}")
    new = [each for each in plan.columns if not each.is_new_table]
    if new:
        names = [f"{each.table}.{each.column}" for each in new]
        said.print(f"New columns of known tables that {verb} described: {_listed(names)}")
    _warn(said, plan.columns, verb)


def _warn(said: Console, columns: Sequence[Becoming], verb: str) -> None:
    """Which grants show what was invisible until now; personal data by name."""
    grants = sorted({grant for each in columns for grant in each.grants})
    if not grants:
        if columns:
            said.print("No grant shows them yet: write one in saaf.yaml, under grants.")
        return
    shown = sum(bool(each.grants) for each in columns)
    said.print(f"{shown} of these columns {verb} visible, by the grants: {', '.join(grants)}")
    personal = [f"{each.table}.{each.column}" for each in columns if each.grants and each.tags]
    if personal:
        said.print(
            f"tagged, and visible all the same: {_listed(personal)}\n"
            "→ add deny_tags: [personal] to these grants, or comment the columns out",
            style="yellow",
        )


def _tell(verdict: Verdict) -> None:
    promise = verdict.promise
    what = f"{promise.kind:<6} {promise.name}"
    if verdict.ok:
        rows = f"{verdict.rows}{'+' if verdict.cut else ''} row{'' if verdict.rows == 1 else 's'}"
        typer.echo(f"ok      {what}  {rows}, {verdict.seconds:.2f} s")
        return
    place = f" at {verdict.line}:{verdict.column} of its SQL" if verdict.line else ""
    typer.echo(f"failed  {what}  {promise.file}:{promise.line}: {verdict.error}{place}")
    if verdict.remedy:
        typer.echo(f"        → {verdict.remedy}")


def _drift_data(each: Drift, folder: Path) -> dict[str, Any]:
    finding = each.finding
    return {
        "file": _relative(finding.file, folder),
        "line": finding.line,
        "kind": each.kind,
        "breaks": each.breaks,
        "table": each.table,
        "column": each.column,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def _verdict_data(each: Verdict, folder: Path) -> dict[str, Any]:
    promise = each.promise
    data: dict[str, Any] = {
        "kind": promise.kind,
        "name": promise.name,
        "file": _relative(promise.file, folder),
        "line": promise.line,
        "ok": each.ok,
        "rows": each.rows,
        "seconds": round(each.seconds, 4),
    }
    if not each.ok:
        data["error"] = {
            "detail": each.error,
            "remedy": each.remedy,
            "rule": each.rule,
            "line": each.line,
            "column": each.column,
        }
    return data


def _count(found: int, breaking: int, name: str) -> str:
    if not found:
        return f"The semantic files and {name} agree."
    return f"{found} difference{'' if found == 1 else 's'}, {breaking} of them break queries."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


@asynccontextmanager
async def _opened(site: Site, name: str) -> AsyncIterator[GuardedWarehouse]:
    with sample_progress(Console(stderr=True)) as progress:
        guarded = open_warehouse(site, name, progress)
    try:
        yield guarded
    finally:
        await guarded.warehouse.close()


@contextmanager
def _bars(verb: str) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Bars(*columns, console=console, transient=True, disable=hidden) as bars:
        task = bars.add_task(verb)

        def told(done: int, total: int, name: str) -> None:
            bars.update(task, completed=done, total=total, description=f"{verb} {name}".rstrip())

        yield told
