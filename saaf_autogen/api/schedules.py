"""Schedules over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from saaf_autogen.api.actions import IdempotencyKey, check_key
from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.admin.desk import JsonObject, body_of, patch_of
from saaf_autogen.api.etags import IF_MATCH, IfMatch, OptionalIfMatch
from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.versions import tag_of
from saaf_autogen.runs import Asking, Run
from saaf_autogen.runs.schedules import Schedule, ScheduleService, ScheduleTerms

__all__ = ["router"]

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

MANAGE = {"security": security_of(["schedules:manage"])}
RUN = {"security": security_of(["schedules:manage", "agents:run"])}
_EXAMPLE: dict[str, Any] = {
    "name": "Delays of the day before",
    "cron": "0 7 * * 1-5",
    "zone": "Europe/Berlin",
    "run": {"agent_id": "flights", "input": "How late did each carrier depart on average?"},
    "overlap": "skip",
}
_PATCHES: tuple[dict[str, Any], ...] = (
    {"cron": "30 6 * * *"},
    {"run": {"input": "How late did each carrier arrive on average?"}, "overlap": "queue"},
)
_SHOWN: dict[str, Any] = {
    "version": 1,
    "id": "sch_019ab2c4d5e6f708192a3b4c5d6e7f80",
    **_EXAMPLE,
    "enabled": True,
    "next_times": ["2026-11-24T07:00:00+01:00", "2026-11-25T07:00:00+01:00"],
    "last_at": "2026-11-23T06:00:00Z",
    "last_run_id": "run_019ab2c4d5e6f708192a3b4c5d6e7f80",
    "last_error": None,
    "created_at": "2026-11-20T10:30:00Z",
    "updated_at": "2026-11-20T10:30:00Z",
}


_RUN = Run(
    id=_SHOWN["last_run_id"],
    agent_id="flights",
    status="queued",
    input=_EXAMPLE["run"]["input"],
    schedule_id=_SHOWN["id"],
    created_at=datetime(2026, 11, 23, 10, 30, tzinfo=UTC),
).model_dump(mode="json")


def _shown(content: dict[str, Any], description: str, status: int = 200) -> dict[int | str, Any]:
    example = {"content": {"application/json": {"example": content}}}
    return {status: {"description": description, **example}}


_ONE = _shown(_SHOWN, "The schedule; its ETag is of its terms, not of what ran since")


def _service(request: Request) -> ScheduleService:
    service: ScheduleService = request.app.state.saaf.schedules
    return service


Service = Annotated[ScheduleService, Depends(_service)]


def _asking(request: Request) -> Asking:
    return Asking("rest", client_address(request))


By = Annotated[Asking, Depends(_asking)]


@router.post(
    "",
    status_code=201,
    summary="Make a schedule",
    response_model=Schedule,
    responses=_shown(_SHOWN, "The schedule", 201),
    openapi_extra={**RUN, **body_of(ScheduleTerms, _EXAMPLE)},
)
async def create_schedule(caller: Caller, service: Service, by: By, body: JsonObject) -> Response:
    """Its runs start by themselves, with the rights that you hold now and still hold then.

    ``cron`` has five fields and is read by the clock of ``zone``. While a run of the schedule has
    not ended, ``overlap`` says what becomes of the next time: ``skip`` leaves it out, ``queue``
    keeps one waiting, ``allow`` starts it all the same. ``next_times`` shows what is to come.
    """
    made = await service.create(caller, body, by=by)
    return _answer(made, status=201, location=f"/v1/schedules/{made.id}")


@router.get(
    "",
    summary="Your schedules, oldest first",
    responses=_shown({"data": [_SHOWN], "next_cursor": None}, "A page"),
    openapi_extra=MANAGE,
)
async def list_schedules(
    caller: Caller,
    service: Service,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[Schedule]:
    """A page of schedules; ``next_cursor`` asks for the next one."""
    return await service.list(caller, cursor=cursor, limit=limit)


@router.get(
    "/{schedule_id}",
    summary="A schedule",
    response_model=Schedule,
    responses=_ONE,
    openapi_extra=MANAGE,
)
async def get_schedule(caller: Caller, service: Service, schedule_id: str) -> Response:
    """What it starts and when, what it last started, or why it did not."""
    return _answer(await service.get(caller, schedule_id))


@router.patch(
    "/{schedule_id}",
    summary="Change a schedule",
    response_model=Schedule,
    responses=_ONE,
    openapi_extra={**RUN, **IF_MATCH, **patch_of(ScheduleTerms, *_PATCHES)},
)
async def change_schedule(
    caller: Caller,
    expected: IfMatch,
    service: Service,
    by: By,
    schedule_id: str,
    body: JsonObject,
) -> Response:
    """A merge patch (RFC 7396). From then on its runs have the rights of whoever changed it."""
    return _answer(await service.change(caller, schedule_id, body, expected, by=by))


@router.delete("/{schedule_id}", status_code=204, summary="Remove a schedule", openapi_extra=MANAGE)
async def remove_schedule(
    caller: Caller, expected: OptionalIfMatch, service: Service, by: By, schedule_id: str
) -> None:
    """Its runs stay, and those that have not ended go on."""
    await service.remove(caller, schedule_id, expected, by=by)


@router.post(
    "/{schedule_id}/pause",
    summary="Pause a schedule",
    response_model=Schedule,
    responses=_ONE,
    openapi_extra=MANAGE,
)
async def pause_schedule(caller: Caller, service: Service, by: By, schedule_id: str) -> Response:
    """No more times count until it is resumed; runs that have not ended go on."""
    return _answer(await service.pause(caller, schedule_id, by=by))


@router.post(
    "/{schedule_id}/resume",
    summary="Resume a schedule",
    response_model=Schedule,
    responses=_ONE,
    openapi_extra=MANAGE,
)
async def resume_schedule(caller: Caller, service: Service, by: By, schedule_id: str) -> Response:
    """The times from now on count again; those of the pause are not made up for."""
    return _answer(await service.resume(caller, schedule_id, by=by))


@router.post(
    "/{schedule_id}/trigger",
    status_code=202,
    summary="Start a run of a schedule now",
    responses=_shown(_RUN, "The run; Location is where to follow it", 202),
    openapi_extra=RUN,
)
async def trigger_schedule(
    caller: Caller,
    service: Service,
    by: By,
    response: Response,
    schedule_id: str,
    idempotency_key: IdempotencyKey = None,
) -> Run:
    """With your own rights, paused or not. ``GET /v1/runs?schedule_id=…`` lists all its runs."""
    run = await service.trigger(
        caller, schedule_id, idempotency_key=check_key(idempotency_key), by=by
    )
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return run


def _answer(schedule: Schedule, *, status: int = 200, location: str = "") -> JSONResponse:
    """With its ETag; never 304, as what ran since is not in it."""
    headers = {"ETag": tag_of(schedule), "Cache-Control": "private, no-store"}
    if location:
        headers["Location"] = location
    return JSONResponse(schedule.model_dump(mode="json"), status, headers)
