"""Metering over REST: what ended runs used; and who is there to execute the open ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime

from saaf_autogen.api.admin.desk import Actor, Cursor, Desk, Limit, described, work
from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.db import DEFAULT_TENANT
from saaf_autogen.errors import Forbidden
from saaf_autogen.project import Project
from saaf_autogen.runs.metering import (
    AdminGroup,
    OwnGroup,
    UsageFilter,
    UsagePage,
    moment_of,
    usage_csv,
)
from saaf_autogen.runs.releases import Fleet, fleet

__all__ = ["admin_router", "router"]

router = APIRouter(tags=["usage"])
admin_router = APIRouter(prefix="/v1/admin", tags=["admin: runs"])

_CSV = "text/csv"
_ZERO = {"estimated": False, "unpriced_calls": 0}
_LINE = {
    "key": "flights",
    "runs": 12,
    "model_calls": 31,
    "prompt_tokens": 42_000,
    "completion_tokens": 3_900,
    "usd": 0.21,
    **_ZERO,
}
_PAGE = {
    "group_by": "agent",
    "data": [_LINE],
    "total": {**_LINE, "key": "total"},
    "next_cursor": None,
}
_CSV_EXAMPLE = (
    "agent,runs,model_calls,prompt_tokens,completion_tokens,estimated,usd,unpriced_calls\r\n"
    "flights,12,31,42000,3900,false,0.21,0\r\n"
)
_FLEET = {
    "pinned": True,
    "workers": [
        {
            "id": "wrk_0193f5",
            "host": "saaf-worker-0",
            "pid": 7,
            "release": "2026.11.2",
            "state": "live",
            "slots": 8,
            "runs": 3,
            "started_at": "2026-11-23T08:00:00Z",
            "beat_at": "2026-11-23T09:30:02Z",
        }
    ],
    "releases": [
        {
            "release": "2026.11.1",
            "queued": 0,
            "running": 0,
            "input_required": 2,
            "workers": 0,
            "stranded": True,
        }
    ],
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Groups by their keys; CSV for `Accept: text/csv`",
        "model": UsagePage,
        "content": {
            "application/json": {"example": _PAGE},
            _CSV: {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
        },
    }
}
_WORKERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": _FLEET}}}
}
Moment = AwareDatetime | date


@dataclass(frozen=True)
class Period:
    """Runs that ended within it; either end may be open."""

    since: datetime | None
    until: datetime | None


def _period(
    since: Annotated[
        Moment | None,
        Query(
            alias="from",
            description="a day (UTC) or a time; not before this",
            examples=["2026-11-01"],
        ),
    ] = None,
    until: Annotated[
        Moment | None,
        Query(
            alias="to", description="a day (UTC) or a time; before this", examples=["2026-12-01"]
        ),
    ] = None,
) -> Period:
    return Period(moment_of(since), moment_of(until))


def _project(request: Request) -> Project:
    project: Project = request.app.state.saaf
    return project


Within = Annotated[Period, Depends(_period)]
Host = Annotated[Project, Depends(_project)]


@router.get(
    "/v1/usage",
    summary="What your ended runs used",
    responses=_ANSWERS,
    response_class=JSONResponse,
    openapi_extra={"security": security_of(["runs:read"])},
)
async def read_usage(
    request: Request,
    caller: Caller,
    host: Host,
    period: Within,
    group_by: OwnGroup = "agent",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Runs, model calls, tokens and US dollars by agent, model or day (UTC).

    A run counts from its end on, at the prices of the time of its calls.
    """
    page = await host.usage.own(
        caller, group_by, since=period.since, until=period.until, cursor=cursor, limit=limit
    )
    return _answer(request, page)


@admin_router.get(
    "/usage",
    summary="What the tenant's ended runs used",
    responses=_ANSWERS,
    response_class=JSONResponse,
    **described("iam.read_usage"),
)
async def read_tenant_usage(
    actor: Actor,
    request: Request,
    host: Host,
    period: Within,
    group_by: AdminGroup = "agent",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The same for all callers of the tenant, and by principal (``ISSUER|SUBJECT``), too."""
    wanted = UsageFilter(actor.tenant, since=period.since, until=period.until)
    page = await host.usage.page(wanted, group_by, cursor=cursor, limit=limit)
    return _answer(request, page)


@admin_router.get(
    "/workers",
    summary="Who executes runs, and open runs by release",
    responses=_WORKERS,
    **described("iam.list_workers"),
)
async def list_workers(actor: Actor, desk: Desk, host: Host) -> Fleet:
    """For the tenant ``default``, as workers serve all; the runs that are counted are its own.

    Open runs of a ``stranded`` release wait for a worker of that release.
    """
    if actor.tenant != DEFAULT_TENANT:
        refusal = Forbidden(
            "The host's workers are not for the admins of one tenant.",
            remedy=f"They belong to the tenant {DEFAULT_TENANT}.",
        )
        await work(desk.ledger.refuse, actor, "iam.list_workers", refusal)
        raise refusal
    pinned = host.settings.runs.pinned
    return await host.database.read(fleet, pinned=pinned, tenant=actor.tenant)


def _answer(request: Request, page: UsagePage) -> Response:
    if not _wants_csv(request):
        return JSONResponse(page.model_dump(mode="json"))
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    if page.next_cursor:
        # RFC 8288: CSV has no place of its own for where it goes on.
        query = request.url.include_query_params(cursor=page.next_cursor).query
        headers["Link"] = f'<?{query}>; rel="next"'
    return Response(usage_csv(page), media_type=f"{_CSV}; charset=utf-8", headers=headers)


def _wants_csv(request: Request) -> bool:
    """Whether CSV is asked for by name, and JSON is not asked for before it."""
    kinds = [part.split(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    if _CSV not in kinds:
        return False
    return "application/json" not in kinds[: kinds.index(_CSV)]
