"""Sessions of browsers and connections of clients over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from saaf_autogen.api.admin.desk import Actor, Cursor, Desk, Limit, described, work
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.sessions import Connection, Session

__all__ = ["router"]

router = APIRouter(tags=["admin: sessions"])

OfUser = Annotated[str | None, Query(max_length=64, description="Only this user's.")]
OfClient = Annotated[str | None, Query(max_length=512, description="Only this client's.")]


@router.get("/sessions", summary="Browsers that are signed in", **described("iam.list_sessions"))
async def list_sessions(
    actor: Actor, desk: Desk, user_id: OfUser = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[Session]:
    """Sessions that have not ended, by their ids."""
    return await work(desk.sessions.list, actor, user_id=user_id, cursor=cursor, limit=limit)


@router.get("/sessions/{session_id}", summary="A session", **described("iam.read_session"))
async def read_session(actor: Actor, desk: Desk, session_id: str) -> Session:
    """404 once it has ended."""
    return await work(desk.sessions.get, actor, session_id)


@router.post(
    "/sessions/{session_id}/end",
    status_code=204,
    summary="Sign a browser out",
    **described("iam.end_session"),
)
async def end_session(actor: Actor, desk: Desk, session_id: str) -> None:
    """Connections that were made with it stay."""
    await work(desk.sessions.end, actor, session_id)


@router.get(
    "/connections", summary="Clients that users let in", **described("iam.list_connections")
)
async def list_connections(
    actor: Actor,
    desk: Desk,
    user_id: OfUser = None,
    client_id: OfClient = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Connection]:
    """Token families that live, by their ids."""
    return await work(
        desk.connections.list,
        actor,
        user_id=user_id,
        client_id=client_id,
        cursor=cursor,
        limit=limit,
    )


@router.get(
    "/connections/{connection_id}", summary="A connection", **described("iam.read_connection")
)
async def read_connection(actor: Actor, desk: Desk, connection_id: str) -> Connection:
    """404 once it has ended."""
    return await work(desk.connections.get, actor, connection_id)


@router.post(
    "/connections/{connection_id}/end",
    status_code=204,
    summary="End a connection",
    **described("iam.end_connection"),
)
async def end_connection(actor: Actor, desk: Desk, connection_id: str) -> None:
    """All its tokens, and what runs with them, at its next call."""
    await work(desk.connections.end, actor, connection_id)
