"""Groups and their members over REST."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

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
    work,
)
from saaf_autogen.api.etags import IF_MATCH, NOT_MODIFIED, IfMatch, tagged
from saaf_autogen.auth.administration.groups import GroupEntry, ListedGroup, NewGroup
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.repeats import Request as Repeatable
from saaf_autogen.auth.administration.users import ListedUser
from saaf_autogen.settings import GroupTerms

__all__ = ["router"]

router = APIRouter(prefix="/groups", tags=["admin: groups"])

_EXAMPLE = {"id": "analysts", "title": "Analysts", "scopes": ["warehouse:query"]}


@router.get("", summary="Groups by their ids", **described("iam.list_groups"))
async def list_groups(
    actor: Actor, desk: Desk, cursor: Cursor = None, limit: Limit = 50
) -> Page[ListedGroup]:
    """Declared ones and those that admins made."""
    return await work(desk.groups.list, actor, cursor=cursor, limit=limit)


@router.post(
    "",
    status_code=201,
    summary="Make a group",
    response_model=GroupEntry,
    **described("iam.create_group", **body_of(NewGroup, _EXAMPLE)),
)
async def create_group(
    actor: Actor,
    request: Request,
    desk: Desk,
    body: JsonObject,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Grants name it in ``to.groups``; its scopes are its members'."""
    once = Repeatable(check_key(idempotency_key), body)
    made = await work(desk.groups.create, actor, body, once)
    return tagged(request, made, status=201, location=f"/v1/admin/groups/{made.id}")


@router.get(
    "/{group_id}",
    summary="A group",
    response_model=GroupEntry,
    responses=NOT_MODIFIED,
    **described("iam.read_group"),
)
async def read_group(actor: Actor, request: Request, desk: Desk, group_id: str) -> Response:
    """With its ETag, which changes of it and of its members must name."""
    return tagged(request, await work(desk.groups.get, actor, group_id))


@router.patch(
    "/{group_id}",
    summary="Change a group",
    response_model=GroupEntry,
    **described("iam.change_group", **IF_MATCH, **patch_of(GroupTerms, {"title": "Analysts"})),
)
async def change_group(
    actor: Actor, expected: IfMatch, request: Request, desk: Desk, group_id: str, body: JsonObject
) -> Response:
    """A merge patch (RFC 7396). Declared ones are read-only."""
    return tagged(request, await work(desk.groups.change, actor, group_id, body, expected))


@router.delete(
    "/{group_id}",
    status_code=204,
    summary="Remove a group",
    **described("iam.remove_group", **IF_MATCH),
)
async def remove_group(actor: Actor, expected: IfMatch, desk: Desk, group_id: str) -> None:
    """Its members lose its scopes, and what grants give it."""
    await work(desk.groups.remove, actor, group_id, expected)


@router.get("/{group_id}/members", summary="Members of a group", **described("iam.list_members"))
async def list_members(
    actor: Actor, desk: Desk, group_id: str, cursor: Cursor = None, limit: Limit = 50
) -> Page[ListedUser]:
    """Users who were put in it here; those whom a provider puts in it are not listed."""
    await work(desk.groups.get, actor, group_id)
    return await work(desk.users.list, actor, group=group_id, cursor=cursor, limit=limit)


@router.put(
    "/{group_id}/members/{user_id}",
    summary="Put a user in a group",
    response_model=GroupEntry,
    **described("iam.add_member", **IF_MATCH),
)
async def add_member(
    actor: Actor, expected: IfMatch, request: Request, desk: Desk, group_id: str, user_id: str
) -> Response:
    """``If-Match`` is the group's ETag: of what its members may do. Members do not change it."""
    return tagged(request, await work(desk.groups.add_member, actor, group_id, user_id, expected))


@router.delete(
    "/{group_id}/members/{user_id}",
    summary="Take a user out of a group",
    response_model=GroupEntry,
    **described("iam.remove_member", **IF_MATCH),
)
async def remove_member(
    actor: Actor, expected: IfMatch, request: Request, desk: Desk, group_id: str, user_id: str
) -> Response:
    """``If-Match`` is the group's ETag."""
    group = await work(desk.groups.remove_member, actor, group_id, user_id, expected)
    return tagged(request, group)
