"""Who may see what, and why, over REST."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from saaf_autogen.api.admin.desk import Actor, Cursor, Desk, Limit, described, work
from saaf_autogen.auth.administration.access import Explained, ExplainRequest, Sights

__all__ = ["router"]

router = APIRouter(tags=["admin: access"])


@router.get("/access", summary="Who sees a column, and why", **described("iam.who_sees"))
async def who_sees(
    actor: Actor,
    desk: Desk,
    resource: Annotated[
        str, Query(pattern=r"^[a-z][a-z0-9]*://\S+$", max_length=1_000, examples=["wh://main/s.t"])
    ],
    column: Annotated[str | None, Query(max_length=255)] = None,
    verb: Literal["select", "read", "write"] = "select",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Sights:
    """Clients and users of the tenant: in which rows, by which mask, by which grants."""
    return await work(
        desk.access.who_sees,
        actor,
        resource,
        column=column,
        verb=verb,
        cursor=cursor,
        limit=limit,
    )


@router.post(
    "/explain",
    summary="Why someone may or may not",
    **described("iam.explain"),
)
async def explain(actor: Actor, desk: Desk, body: ExplainRequest) -> Explained:
    """Principal × action × resource: which party narrowed what, and by which rules."""
    return await work(desk.access.explain, actor, body)
