"""``saaf audit``: read the audit log, export it, and see whether its chain holds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saaf_autogen.errors import InvalidArguments

if TYPE_CHECKING:
    from saaf_autogen.audit import AuditReader, Chain, Head
    from saaf_autogen.audit.verification import Verified

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The audit log: read, export and verify it.")

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose entries.")]
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
_ALL = 10**6


@app.command()
def verify(
    project: ProjectOption = None,
    from_export: Annotated[
        Path | None, typer.Option(help="A file that `saaf audit export` wrote; - is stdin.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(help="SEQ:HASH that `saaf audit head` once printed: shows a cut end."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Of one tenant; default: of all.")] = None,
) -> None:
    """Follow the hash chain: was an entry changed, removed, inserted or reordered?

    Exit status 1 and the number of the first bad entry where it does not hold. Without an earlier
    head, nothing shows that the newest entries were removed together with the store's own head.
    """
    from saaf_autogen.audit.verification import Broken, verify_export, verify_store

    with _log(project) as (reader, chain):
        known = _known(head, tenant or "default")
        try:
            if from_export is not None:
                with _lines(from_export) as lines:
                    found = verify_export(lines, chain, known=known, progress=_progress)
            else:
                names = [tenant] if tenant else reader.tenants()
                found = [
                    verify_store(
                        reader,
                        chain,
                        name,
                        known=known if known and known.tenant == name else None,
                        progress=_progress,
                    )
                    for name in names
                ]
        except Broken as fault:
            _progress_ends()
            typer.echo(f"BROKEN  {fault}", err=True)
            raise typer.Exit(1) from None
    _progress_ends()
    if known and known.tenant not in {each.tenant for each in found}:
        typer.echo(f"BROKEN  tenant {known.tenant}: it has no entries, and once had", err=True)
        raise typer.Exit(1)
    for each in found:
        typer.echo(_told(each))
    if not found:
        typer.echo("The audit log is empty.")


@app.command()
def head(project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """Print SEQ:HASH of the newest entry. Keep it elsewhere, for `saaf audit verify --head`."""
    with _log(project) as (reader, _):
        found = reader.head(tenant)
    typer.echo(str(found) if found else "The audit log is empty.", err=found is None)


@app.command()
def export(
    project: ProjectOption = None,
    tenant: TenantOption = "default",
    since: Annotated[str | None, typer.Option(help="From this time on (ISO 8601, UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (ISO 8601, UTC).")] = None,
) -> None:
    """Write entries as JSON lines to stdout, oldest first.

    Example: [b]saaf audit export --since 2026-11-01 > november.jsonl[/b]
    """
    from saaf_autogen.audit import AuditFilter

    wanted = AuditFilter(since=_time(since), until=_time(until))
    with _log(project) as (reader, _):
        for entry in reader.stream(tenant, wanted):
            line = json.dumps(entry.document(), ensure_ascii=False, separators=(",", ":"))
            sys.stdout.write(line + "\n")


@app.command("list")
def list_entries(
    project: ProjectOption = None,
    tenant: TenantOption = "default",
    subject: Annotated[str | None, typer.Option(help="Of one user or client:ID.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as warehouse.query.")] = None,
    denied: Annotated[bool, typer.Option("--denied", help="Refusals only.")] = False,
    run: Annotated[str | None, typer.Option(help="Of one run.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_ALL, help="Newest so many.")] = 50,
) -> None:
    """Show the newest entries, for people."""
    from saaf_autogen.audit import AuditFilter

    wanted = AuditFilter(
        subject=subject, action=action, decision="denied" if denied else None, run_id=run
    )
    with _log(project) as (reader, _):
        before, left = None, limit
        while left > 0:
            page = reader.page(tenant, wanted, before=before, limit=min(left, 200))
            for entry in page.entries:
                typer.echo(_line(entry.document()))
            left -= len(page.entries)
            before = page.next_before
            if before is None:
                break


def _line(entry: dict[str, Any]) -> str:
    at = entry["at"][:19].replace("T", " ")
    if entry["kind"] == "outcome":
        return f"{entry['seq']:>8}  {at}  {'':<7}  {entry['call_id']}  {entry['outcome']}"
    told = [entry["subject"], entry["action"], *entry.get("resources", [])[:3]]
    if entry.get("changes"):
        told.append(f"[{', '.join(entry['changes'])}]")
    if entry["decision"] == "denied" or entry.get("outcome") not in (None, "ok"):
        told.append(f"({entry.get('outcome') or entry['reason']})")
    # What callers chose is shown, not obeyed: no control characters reach the terminal.
    text = "".join(c if c.isprintable() else "?" for c in "  ".join(told))
    return f"{entry['seq']:>8}  {at}  {entry['decision']:<7}  {text}"


def _told(found: Verified) -> str:
    if found.head is None:
        return f"{found.tenant}: no entries"
    part = f" from {found.first} on" if found.first > 1 else ""
    old = f", {found.unchained} of the format before the chain" if found.unchained else ""
    return f"{found.tenant}: {found.entries} entries{part} hold{old}. Head: {found.head}"


@contextmanager
def _log(project: Path | None) -> Iterator[tuple[AuditReader, Chain]]:
    from saaf_autogen.audit import AuditReader, Chain
    from saaf_autogen.project.deployment import read_deployment
    from saaf_autogen.project.discovery import find_project
    from saaf_autogen.project.state import open_state
    from saaf_autogen.project.stores import open_database

    deployment = read_deployment(find_project(project))
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    try:
        yield AuditReader(database), Chain(sealer.derive("audit"))
    finally:
        database.close()


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    if str(path) == "-":
        yield iter(sys.stdin)
        return
    try:
        file = path.open(encoding="utf-8")
    except OSError as error:
        raise InvalidArguments(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        yield file


def _known(text: str | None, tenant: str) -> Head | None:
    from saaf_autogen.audit import Head

    if text is None:
        return None
    found = _HEAD.fullmatch(text.strip())
    if found is None:
        raise InvalidArguments(
            f"{text!r} is no head.", remedy="Give SEQ:HASH, as `saaf audit head` prints it."
        )
    return Head(tenant, int(found[1]), found[2])


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


def _progress(count: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{count:,} entries hold so far", nl=False, err=True)


def _progress_ends() -> None:
    if sys.stderr.isatty():
        typer.echo("\r" + " " * 40 + "\r", nl=False, err=True)
