"""Clients over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from saaf_autogen.api.actions import IdempotencyKey, check_key
from saaf_autogen.api.admin.desk import (
    Actor,
    Cursor,
    Desk,
    JsonObject,
    Limit,
    body_of,
    described,
    patch_of,
    secret_answer,
    work,
)
from saaf_autogen.api.etags import IF_MATCH, NOT_MODIFIED, IfMatch, OptionalIfMatch, tagged
from saaf_autogen.auth.administration.clients import (
    MAX_OVERLAP_S,
    ClientEntry,
    ClientSecret,
    MadeClient,
    WebhookSecret,
)
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.repeats import Request as Repeatable
from saaf_autogen.settings import ClientSettings, ClientTerms

__all__ = ["router"]

router = APIRouter(prefix="/clients", tags=["admin: clients"])

_EXAMPLE = {
    "id": "reports",
    "title": "Nightly reports",
    "scopes": ["warehouse:query"],
    "groups": ["analysts"],
}


@router.get("", summary="Clients by their ids", **described("iam.list_clients"))
async def list_clients(
    actor: Actor, desk: Desk, cursor: Cursor = None, limit: Limit = 50
) -> Page[ClientEntry]:
    """Declared ones, those that admins made, and those that registered themselves."""
    return await work(desk.clients.list, actor, cursor=cursor, limit=limit)


@router.post(
    "",
    status_code=201,
    summary="Make a client",
    response_model=MadeClient,
    **described("iam.create_client", **body_of(ClientSettings, _EXAMPLE, without=("tenant",))),
)
async def create_client(
    actor: Actor, desk: Desk, body: JsonObject, idempotency_key: IdempotencyKey = None
) -> Response:
    """Its secrets are in this answer and in none after it."""
    request = Repeatable(check_key(idempotency_key), body)
    made = await work(desk.clients.create, actor, body, request)
    return secret_answer(made, status=201, Location=f"/v1/admin/clients/{made.client.id}")


@router.get(
    "/{client_id}",
    summary="A client",
    response_model=ClientEntry,
    responses=NOT_MODIFIED,
    **described("iam.read_client"),
)
async def read_client(actor: Actor, request: Request, desk: Desk, client_id: str) -> Response:
    """With its ETag, which changes of it must name."""
    return tagged(request, await work(desk.clients.get, actor, client_id))


@router.patch(
    "/{client_id}",
    summary="Change a client",
    response_model=ClientEntry,
    **described("iam.change_client", **IF_MATCH, **patch_of(ClientTerms, {"title": "Reports"})),
)
async def change_client(
    actor: Actor, expected: IfMatch, request: Request, desk: Desk, client_id: str, body: JsonObject
) -> Response:
    """A merge patch (RFC 7396); a member that is null gets its default again."""
    return tagged(request, await work(desk.clients.change, actor, client_id, body, expected))


@router.delete(
    "/{client_id}",
    status_code=204,
    summary="Remove a client",
    **described("iam.remove_client", **IF_MATCH),
)
async def remove_client(actor: Actor, expected: IfMatch, desk: Desk, client_id: str) -> None:
    """With all that users allowed it. Its id is free again after two hours."""
    await work(desk.clients.remove, actor, client_id, expected)


@router.post(
    "/{client_id}/disable",
    summary="Give a client no more tokens",
    response_model=ClientEntry,
    **described("iam.disable_client"),
)
async def disable_client(
    actor: Actor, expected: OptionalIfMatch, request: Request, desk: Desk, client_id: str
) -> Response:
    """What it holds for users ends, too."""
    return tagged(request, await work(desk.clients.disable, actor, client_id, expected))


@router.post(
    "/{client_id}/enable",
    summary="Give a client tokens again",
    response_model=ClientEntry,
    **described("iam.enable_client"),
)
async def enable_client(
    actor: Actor, expected: OptionalIfMatch, request: Request, desk: Desk, client_id: str
) -> Response:
    """A declared one only as long as it is in ``saaf.yaml``."""
    return tagged(request, await work(desk.clients.enable, actor, client_id, expected))


@router.post(
    "/{client_id}/secret",
    status_code=201,
    summary="Make a new secret",
    response_model=ClientSecret,
    **described("iam.rotate_client_secret"),
)
async def rotate_secret(
    actor: Actor,
    expected: OptionalIfMatch,
    desk: Desk,
    client_id: str,
    overlap_s: Annotated[
        int,
        Query(ge=0, le=MAX_OVERLAP_S, description="seconds for which the one before counts, too"),
    ] = 0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """It is in this answer and in none after it."""
    request = Repeatable(check_key(idempotency_key), {"id": client_id, "overlap_s": overlap_s})
    made = await work(
        desk.clients.rotate_secret,
        actor,
        client_id,
        overlap_s=overlap_s,
        expected=expected,
        request=request,
    )
    return secret_answer(made, status=201)


@router.post(
    "/{client_id}/webhook-secret",
    status_code=201,
    summary="Make a new secret for callbacks",
    response_model=WebhookSecret,
    **described("iam.rotate_webhook_secret"),
)
async def rotate_webhook_secret(
    actor: Actor,
    expected: OptionalIfMatch,
    desk: Desk,
    client_id: str,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """It is in this answer and in none after it; the one before it ends at once."""
    request = Repeatable(check_key(idempotency_key), {"id": client_id})
    made = await work(
        desk.clients.rotate_webhook_secret, actor, client_id, expected=expected, request=request
    )
    return secret_answer(made, status=201)
