"""What every admin route shares: who acts, the services, merge patches, pages, secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import Body, Depends, Query, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.auth.administration import Administration
from saaf_autogen.auth.administration.ledger import ADMIN, AUDITOR
from saaf_autogen.auth.principal import Principal

__all__ = [
    "Actor",
    "Auditor",
    "Cursor",
    "Desk",
    "JsonObject",
    "Limit",
    "body_of",
    "described",
    "patch_of",
    "secret_answer",
    "work",
]

Params = ParamSpec("Params")
Result = TypeVar("Result")

MERGE_PATCH = "application/merge-patch+json"


def _administration(request: Request) -> Administration:
    administration: Administration = request.app.state.saaf.identity.administration
    return administration


Desk = Annotated[Administration, Depends(_administration)]


async def _actor(request: Request, caller: Caller, desk: Desk) -> Principal:
    """The caller, if an admin: before anything else of the request is looked at."""
    await asyncio.to_thread(desk.ledger.require, caller, _action(request), scopes=(ADMIN,))
    return caller


async def _auditor(request: Request, caller: Caller, desk: Desk) -> Principal:
    scopes = (AUDITOR, ADMIN)
    await asyncio.to_thread(desk.ledger.require, caller, _action(request), scopes=scopes)
    return caller


Actor = Annotated[Principal, Depends(_actor)]
"""Who administrates; as the first parameter it is checked before all others."""

Auditor = Annotated[Principal, Depends(_auditor)]
"""Who reads the audit log: ``audit:read`` suffices."""

Cursor = Annotated[
    str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")
]
Limit = Annotated[int, Query(ge=1, le=200)]
JsonObject = Annotated[dict[str, Any], Body()]


async def work(
    method: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
) -> Result:
    """A service's method, in a thread: the services wait for the store."""
    return await asyncio.to_thread(method, *args, **kwargs)


def secret_answer(content: BaseModel, *, status: int = 200, **headers: str) -> JSONResponse:
    """An answer with a secret that no cache may keep."""
    never = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return JSONResponse(content.model_dump(mode="json"), status, {**never, **headers})


def described(operation: str, *, scopes: tuple[str, ...] = (ADMIN,), **more: Any) -> dict[str, Any]:
    """Arguments of a route: its name as an action (``iam.create_client``), scopes, and more."""
    extra = {"security": [each for scope in scopes for each in security_of([scope])], **more}
    return {
        "name": operation,
        "operation_id": operation.replace(".", "_"),
        "openapi_extra": extra,
    }


def body_of(
    model: type[BaseModel], *examples: dict[str, Any], without: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The request body of a route in OpenAPI, by the model that its service checks it with."""
    return {"requestBody": _request(model, examples, without, ("application/json",), True)}


def patch_of(
    model: type[BaseModel], *examples: dict[str, Any], without: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The same for a merge patch (RFC 7396), of which every member may be left out."""
    kinds = (MERGE_PATCH, "application/json")
    return {"requestBody": _request(model, examples, without, kinds, False)}


def _request(
    model: type[BaseModel],
    examples: tuple[dict[str, Any], ...],
    without: tuple[str, ...],
    kinds: tuple[str, ...],
    whole: bool,
) -> dict[str, Any]:
    schema = _inlined(model.model_json_schema())
    properties = {k: v for k, v in schema["properties"].items() if k not in without}
    required = [name for name in schema.get("required", ()) if name not in without]
    schema = {**schema, "properties": properties}
    schema.pop("required", None)
    if whole and required:
        schema["required"] = required
    shown = {str(number): {"value": each} for number, each in enumerate(examples, 1)}
    content = {kind: {"schema": schema, "examples": shown} for kind in kinds}
    return {"required": True, "content": content}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without ``$defs``: definitions stand where they are used; none is recursive."""
    definitions = schema.get("$defs", {})

    def place(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return place(definitions[node["$ref"].removeprefix("#/$defs/")])
            return {name: place(value) for name, value in node.items() if name != "$defs"}
        return [place(item) for item in node] if isinstance(node, list) else node

    found: dict[str, Any] = place(schema)
    return found


def _action(request: Request) -> str:
    route = request.scope.get("route")
    return route.name if isinstance(route, APIRoute) else "iam"
