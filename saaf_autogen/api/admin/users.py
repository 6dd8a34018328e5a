"""Users over REST."""

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
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.repeats import Request as Repeatable
from saaf_autogen.auth.administration.users import (
    ListedUser,
    MadeUser,
    NewUser,
    OneTimeLink,
    UserEntry,
    UserTerms,
)

__all__ = ["router"]

router = APIRouter(prefix="/users", tags=["admin: users"])

_INVITED = {"username": "ann", "name": "Ann Lee", "groups": ["analysts"]}
_PATCH = {"scopes": ["warehouse:query"], "attributes": {"region": "EU", "desk": None}}


@router.get("", summary="Users by their ids", **described("iam.list_users"))
async def list_users(
    actor: Actor,
    desk: Desk,
    search: Annotated[
        str | None,
        Query(max_length=200, description="Begins a user name, a name or an e-mail address."),
    ] = None,
    group: Annotated[
        str | None, Query(max_length=63, description="Only those put in this group.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ListedUser]:
    """Those who sign in here and those of upstream providers, disabled ones too."""
    return await work(
        desk.users.list, actor, search=search, group=group, cursor=cursor, limit=limit
    )


@router.post(
    "",
    status_code=201,
    summary="Make a user",
    response_model=MadeUser,
    **described("iam.create_user", **body_of(NewUser, _INVITED)),
)
async def create_user(
    actor: Actor, desk: Desk, body: JsonObject, idempotency_key: IdempotencyKey = None
) -> Response:
    """With a password, or else by a one-time link, which is in this answer and in none after it."""
    request = Repeatable(check_key(idempotency_key), body)
    made = await work(desk.users.create, actor, body, request)
    return secret_answer(made, status=201, Location=f"/v1/admin/users/{made.user.id}")


@router.get(
    "/{user_id}",
    summary="A user",
    response_model=UserEntry,
    responses=NOT_MODIFIED,
    **described("iam.read_user"),
)
async def read_user(actor: Actor, request: Request, desk: Desk, user_id: str) -> Response:
    """With the ETag, which changes must name."""
    return tagged(request, await work(desk.users.get, actor, user_id))


@router.patch(
    "/{user_id}",
    summary="Change a user",
    response_model=UserEntry,
    **described("iam.change_user", **IF_MATCH, **patch_of(UserTerms, _PATCH)),
)
async def change_user(
    actor: Actor, expected: IfMatch, request: Request, desk: Desk, user_id: str, body: JsonObject
) -> Response:
    """A merge patch (RFC 7396); of a provider's user, ``groups`` alone can be changed."""
    return tagged(request, await work(desk.users.change, actor, user_id, body, expected))


@router.delete(
    "/{user_id}",
    status_code=204,
    summary="Remove a user",
    **described("iam.remove_user", **IF_MATCH),
)
async def remove_user(actor: Actor, expected: IfMatch, desk: Desk, user_id: str) -> None:
    """With sessions, passkeys, consents and tokens; runs and the audit log stay."""
    await work(desk.users.remove, actor, user_id, expected)


@router.post(
    "/{user_id}/disable",
    summary="Let a user sign in no more",
    response_model=UserEntry,
    **described("iam.disable_user"),
)
async def disable_user(
    actor: Actor, expected: OptionalIfMatch, request: Request, desk: Desk, user_id: str
) -> Response:
    """Sessions, connections and what runs for them end at once."""
    return tagged(request, await work(desk.users.disable, actor, user_id, expected))


@router.post(
    "/{user_id}/enable",
    summary="Let a user sign in again",
    response_model=UserEntry,
    **described("iam.enable_user"),
)
async def enable_user(
    actor: Actor, expected: OptionalIfMatch, request: Request, desk: Desk, user_id: str
) -> Response:
    """What was ended stays ended."""
    return tagged(request, await work(desk.users.enable, actor, user_id, expected))


@router.post(
    "/{user_id}/sign-out",
    summary="End a user's sessions and connections",
    response_model=UserEntry,
    **described("iam.sign_user_out"),
)
async def sign_user_out(actor: Actor, request: Request, desk: Desk, user_id: str) -> Response:
    """All browsers and all clients; they may sign in again."""
    return tagged(request, await work(desk.users.sign_out, actor, user_id))


@router.post(
    "/{user_id}/reset-link",
    status_code=201,
    summary="Make a link for a new password",
    response_model=OneTimeLink,
    **described("iam.reset_password"),
)
async def make_reset_link(
    actor: Actor, desk: Desk, user_id: str, idempotency_key: IdempotencyKey = None
) -> Response:
    """Good once; it is in this answer and in none after it. The old password counts until then."""
    request = Repeatable(check_key(idempotency_key), {"id": user_id})
    link = await work(desk.users.reset_link, actor, user_id, request)
    return secret_answer(link, status=201)
