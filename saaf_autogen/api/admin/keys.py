"""Signing keys, tokens and tenants over REST."""

from __future__ import annotations

from fastapi import APIRouter

from saaf_autogen.api.admin.desk import Actor, Desk, described, work
from saaf_autogen.auth.administration.keys import KeyList, Revocation, Rotation
from saaf_autogen.auth.administration.tenants import TenantList

__all__ = ["router"]

router = APIRouter(tags=["admin: keys and tokens"])


@router.get("/keys", summary="The host's signing keys", **described("iam.list_keys"))
async def list_keys(actor: Actor, desk: Desk) -> KeyList:
    """``current`` signs, ``next`` will, ``retired`` only verifies. For the tenant ``default``."""
    return await work(desk.keys.list, actor)


@router.post("/keys/rotate", summary="Let the next keys sign", **described("iam.rotate_keys"))
async def rotate_keys(actor: Actor, desk: Desk, body: Rotation | None = None) -> KeyList:
    """``compromised`` drops every key at once, and with it every token, the caller's too."""
    return await work(desk.keys.rotate, actor, body or Rotation())


@router.post(
    "/tokens/revoke",
    status_code=204,
    summary="Revoke an access token by its jti",
    **described("iam.revoke_token"),
)
async def revoke_token(actor: Actor, desk: Desk, body: Revocation) -> None:
    """The runs that it started stop at their next call. An unknown one is taken all the same."""
    await work(desk.tokens.revoke, actor, body)


@router.get(
    "/tenants", summary="The tenants that you administrate", **described("iam.list_tenants")
)
async def list_tenants(actor: Actor, desk: Desk) -> TenantList:
    """Your own."""
    return await work(desk.tenants.list, actor)
