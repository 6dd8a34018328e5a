"""Grants and deny rules over REST."""

from __future__ import annotations

from typing import Any

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
from saaf_autogen.auth.administration import Administration
from saaf_autogen.auth.administration.grants import Kind, NewDeny, NewGrant, RuleEntry
from saaf_autogen.auth.administration.grants import RuleAdministration as Rules
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.repeats import Request as Repeatable
from saaf_autogen.settings import DenyTerms, GrantTerms

__all__ = ["deny_router", "grant_router"]

_GRANT: dict[str, Any] = {
    "id": "eu-orders",
    "to": {"groups": ["analysts"]},
    "resource": "wh://main/sales.orders",
    "columns": {"mask": {"email": "redact"}},
    "rows": {"region": {"eq": "$user.region"}},
}
_DENY: dict[str, Any] = {"id": "no-ssn", "to": "*", "resource": "wh://*/*", "columns": ["ssn"]}


def grant_router() -> APIRouter:
    """``/grants``."""
    return _router("grant", "/grants", "grant", _GRANT)


def deny_router() -> APIRouter:
    """``/deny``."""
    return _router("deny", "/deny", "deny rule", _DENY)


def _router(kind: Kind, prefix: str, noun: str, example: dict[str, Any]) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["admin: grants"])
    new, terms = (NewGrant, GrantTerms) if kind == "grant" else (NewDeny, DenyTerms)

    def rules(desk: Administration) -> Rules:
        return desk.grants if kind == "grant" else desk.deny

    @router.get("", summary=f"{noun.capitalize()}s by their ids", **described(f"iam.list_{kind}s"))
    async def list_rules(
        actor: Actor, desk: Desk, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[RuleEntry]:
        """Those of ``saaf.yaml``, with file and line, and those that admins made."""
        return await work(rules(desk).list, actor, cursor=cursor, limit=limit)

    @router.post(
        "",
        status_code=201,
        summary=f"Make a {noun}",
        response_model=RuleEntry,
        **described(f"iam.create_{kind}", **body_of(new, example)),
    )
    async def create_rule(
        actor: Actor,
        request: Request,
        desk: Desk,
        body: JsonObject,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """As in ``saaf.yaml``; it holds in the caller's tenant, from now on."""
        once = Repeatable(check_key(idempotency_key), body)
        made = await work(rules(desk).create, actor, body, once)
        return tagged(request, made, status=201, location=f"/v1/admin{prefix}/{made.id}")

    @router.get(
        "/{rule_id}",
        summary=f"A {noun}",
        response_model=RuleEntry,
        responses=NOT_MODIFIED,
        **described(f"iam.read_{kind}"),
    )
    async def read_rule(actor: Actor, request: Request, desk: Desk, rule_id: str) -> Response:
        """With its ETag, which changes of it must name."""
        return tagged(request, await work(rules(desk).get, actor, rule_id))

    @router.patch(
        "/{rule_id}",
        summary=f"Change a {noun}",
        response_model=RuleEntry,
        **described(
            f"iam.change_{kind}", **IF_MATCH, **patch_of(terms, {"expires_at": "2027-01-31T00:00Z"})
        ),
    )
    async def change_rule(
        actor: Actor,
        expected: IfMatch,
        request: Request,
        desk: Desk,
        rule_id: str,
        body: JsonObject,
    ) -> Response:
        """A merge patch (RFC 7396) of what it says. Declared ones are read-only."""
        return tagged(request, await work(rules(desk).change, actor, rule_id, body, expected))

    @router.delete(
        "/{rule_id}",
        status_code=204,
        summary=f"Remove a {noun}",
        **described(f"iam.remove_{kind}", **IF_MATCH),
    )
    async def remove_rule(actor: Actor, expected: IfMatch, desk: Desk, rule_id: str) -> None:
        """Whoever it gave something, or took it from, sees the difference within a second."""
        await work(rules(desk).remove, actor, rule_id, expected)

    return router
