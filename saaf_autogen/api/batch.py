"""Many runs in one request, over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from saaf_autogen.api.actions import IdempotencyKey, check_key
from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.admin.desk import JsonObject, body_of
from saaf_autogen.api.limits import charge
from saaf_autogen.api.runs import RUN, Service
from saaf_autogen.api.security import Caller
from saaf_autogen.auth.administration.merge import validated
from saaf_autogen.runs import Asking, Run
from saaf_autogen.runs.batches import MAX_BATCH, Batch

__all__ = ["Started", "router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])

_EXAMPLE: dict[str, Any] = {
    "runs": [
        {"agent_id": "flights", "input": "How late did Delta depart on average?"},
        {"agent_id": "flights", "input": "How late did JetBlue arrive?", "after_seconds": 60},
    ]
}


_STARTED = {
    "data": [
        Run(
            id=f"run_019ab2c4d5e6000{number}92a3b4c5d6e7f80ab",
            agent_id=str(run["agent_id"]),
            status="queued",
            input=str(run["input"]),
            created_at=datetime(2026, 11, 23, 10, 30, tzinfo=UTC),
        ).model_dump(mode="json")
        for number, run in enumerate(_EXAMPLE["runs"])
    ]
}


class Started(BaseModel):
    """The runs of a batch, in its order."""

    data: list[Run]


class _Sent(BaseModel):
    """The frame of a batch; what is in it is checked run by run, so that each fault is told."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


@router.post(
    "/batch",
    status_code=202,
    summary="Start many runs, all or none",
    responses={
        202: {
            "description": "The runs, in the order of the request",
            "content": {"application/json": {"example": _STARTED}},
        }
    },
    openapi_extra={**RUN, **body_of(Batch, _EXAMPLE)},
)
async def create_runs(
    caller: Caller,
    request: Request,
    service: Service,
    body: JsonObject,
    idempotency_key: IdempotencyKey = None,
) -> Started:
    """Up to 100. The Idempotency-Key is that of the whole; each run counts as a call.

    Where any of them is refused, none starts; ``errors`` of the problem has every fault, with the
    ``index`` of its run, from 0.
    """
    sent = validated(_Sent, body)
    charge(request, caller, cost=len(sent.runs) - 1)
    by = Asking("rest", client_address(request))
    runs = await service.create_many(
        caller, sent.runs, idempotency_key=check_key(idempotency_key), by=by
    )
    return Started(data=list(runs))
