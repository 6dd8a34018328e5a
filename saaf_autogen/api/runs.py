"""Runs over REST: start, read, follow, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from saaf_autogen.api.actions import IdempotencyKey, check_key
from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.errors import InvalidRequest
from saaf_autogen.runs import Asking, Run, RunEvent, RunPage, RunRequest, RunService, RunStatus

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])

RUN = {"security": security_of(["agents:run"])}
READ = {"security": security_of(["runs:read"])}
CANCEL = {"security": security_of(["runs:cancel"])}
_MAX_EVENT_ID = 2**53


async def _service(request: Request) -> RunService:
    service: RunService = request.app.state.saaf.runs
    return service


Service = Annotated[RunService, Depends(_service)]


async def _after(
    last_event_id: Annotated[str | None, Header()] = None,
    starting_after: Annotated[int | None, Query(ge=0)] = None,
) -> int:
    """Where a stream begins: after the last event that the client saw."""
    if last_event_id is None or not last_event_id.strip():
        return min(starting_after or 0, _MAX_EVENT_ID)
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16):
        raise InvalidRequest("Last-Event-ID is not an id of this stream.")
    return int(last_event_id)


async def _opened(
    run_id: str, service: Service, caller: Caller, after: Annotated[int, Depends(_after)]
) -> AsyncIterator[RunEvent]:
    """The events of the caller's run, before their stream begins: then no status can be told."""
    return await service.open_stream(caller, run_id, after=after)


@router.post("", status_code=202, summary="Start a run of an agent", openapi_extra=RUN)
async def create_run(
    body: RunRequest,
    request: Request,
    response: Response,
    service: Service,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> Run:
    """Store the run and start it. ``Location`` is where to follow it.

    With ``webhook``, its end is called back, signed with the calling client's own secret
    (Standard Webhooks).
    """
    by = Asking("rest", client_address(request))
    run = await service.create(caller, body, idempotency_key=check_key(idempotency_key), by=by)
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return run


@router.get("", summary="Your runs, newest first", openapi_extra=READ)
async def list_runs(
    service: Service,
    caller: Caller,
    status: RunStatus | None = None,
    agent_id: str | None = None,
    schedule_id: str | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> RunPage:
    """A page of runs; ``next_cursor`` asks for the next one."""
    return await service.list(
        caller,
        status=status,
        agent_id=agent_id,
        schedule_id=schedule_id,
        cursor=cursor,
        limit=limit,
    )


@router.get("/{run_id}", summary="A run as it stands", openapi_extra=READ)
async def get_run(run_id: str, service: Service, caller: Caller) -> Run:
    """Its status, and its output or error once it has ended."""
    return await service.get(caller, run_id)


@router.get("/{run_id}/events", summary="A run's events so far", openapi_extra=READ)
async def list_events(
    run_id: str,
    service: Service,
    caller: Caller,
    starting_after: Annotated[int, Query(ge=0, le=_MAX_EVENT_ID)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> dict[str, list[RunEvent]]:
    """Up to ``limit`` events after the one with id ``starting_after``."""
    events = await service.events(caller, run_id, after=starting_after, limit=limit)
    return {"data": list(events)}


@router.get(
    "/{run_id}/stream",
    summary="Follow a run (server-sent events)",
    response_class=EventSourceResponse,
    openapi_extra=READ,
)
async def stream_run(
    opened: Annotated[AsyncIterator[RunEvent], Depends(_opened)],
) -> AsyncIterator[ServerSentEvent]:
    """Every stored event after ``Last-Event-ID``, then new ones, until the run's last.

    Each has an integer id, stored before it was sent. Leaving never cancels the run.
    """
    async for event in opened:
        data: dict[str, Any] = event.model_dump(mode="json")
        yield ServerSentEvent(data=data, event=event.type, id=str(event.id))


@router.post("/{run_id}/cancel", status_code=202, summary="Cancel a run", openapi_extra=CANCEL)
async def cancel_run(run_id: str, request: Request, service: Service, caller: Caller) -> Run:
    """Ask for its end, which follows within a second. 409 when it has already ended."""
    return await service.cancel(caller, run_id, by=Asking("rest", client_address(request)))
