"""The audit log over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from saaf_autogen.api.admin.desk import Auditor, Cursor, Desk, Limit, described, work
from saaf_autogen.audit import AuditFilter
from saaf_autogen.auth.administration.ledger import ADMIN, AUDITOR
from saaf_autogen.auth.administration.trail import AuditEntries

__all__ = ["router"]

router = APIRouter(prefix="/audit", tags=["admin: audit"])

_SCOPES = (AUDITOR, ADMIN)
_LINES = "application/x-ndjson"
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON lines", "content": {_LINES: {"schema": {"type": "string"}}}}
}
Text = Annotated[str | None, Query(max_length=1_000)]


def _wanted(
    subject: Text = None,
    client_id: Text = None,
    action: Text = None,
    decision: Literal["allowed", "denied"] | None = None,
    kind: Literal["decision", "outcome", "change"] | None = None,
    run_id: Text = None,
    call_id: Text = None,
    resource: Text = None,
    since: Annotated[AwareDatetime | None, Query(description="not before this")] = None,
    until: Annotated[AwareDatetime | None, Query(description="before this")] = None,
) -> AuditFilter:
    return AuditFilter(
        subject=subject,
        client_id=client_id,
        action=action,
        decision=decision,
        kind=kind,
        run_id=run_id,
        call_id=call_id,
        resource=resource,
        since=since,
        until=until,
    )


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get(
    "", summary="Decisions and changes, newest first", **described("iam.read_audit", scopes=_SCOPES)
)
async def read_audit(
    actor: Auditor, desk: Desk, wanted: Wanted, cursor: Cursor = None, limit: Limit = 50
) -> AuditEntries:
    """Who did what, on whose behalf, and why it was allowed or not. ``audit:read`` suffices."""
    return await work(desk.audit.page, actor, wanted, cursor=cursor, limit=limit)


@router.get(
    "/export",
    summary="The audit log as JSON lines",
    response_class=StreamingResponse,
    responses=_EXPORT,
    **described("iam.export_audit", scopes=_SCOPES),
)
async def export_audit(actor: Auditor, desk: Desk, wanted: Wanted) -> StreamingResponse:
    """Oldest first, with the hashes that ``saaf audit verify`` checks."""
    lines = await work(desk.audit.export, actor, wanted)
    name = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(lines, media_type=_LINES, headers=name)
