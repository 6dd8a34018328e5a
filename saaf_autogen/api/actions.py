"""Actions over REST: a list, and one operation each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse

from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.actions.invoke import Call, Invoker
from saaf_autogen.actions.spec import ActionSpec
from saaf_autogen.api.schemas import hoist
from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.errors import InvalidRequest

__all__ = ["IdempotencyKey", "action_router", "check_key"]

IdempotencyKey = Annotated[
    str | None,
    Header(description="Repeat a request with the same key and it happens once."),
]
_MAX_KEY = 255


def action_router(
    invoker: Invoker, definitions: list[ActionDefinition], components: dict[str, Any]
) -> APIRouter:
    """Routes for every action; the schemas they share are added to ``components``."""
    router = APIRouter(prefix="/v1/actions", tags=["actions"])

    @router.get(
        "",
        summary="Actions that you hold the scopes for",
        openapi_extra={"security": security_of([])},
    )
    async def list_actions(caller: Caller) -> dict[str, Any]:
        """Name, description, scopes, effect and schemas of each action that you may call."""
        return {"data": [_describe(spec) for spec in invoker.visible_to(caller)]}

    for definition in definitions:
        router.add_api_route(
            f"/{definition.spec.name}",
            _endpoint(invoker, definition.spec.name),
            methods=["POST"],
            operation_id=definition.spec.tool_name,
            summary=definition.spec.description.splitlines()[0],
            description=definition.spec.description,
            openapi_extra=_openapi(definition, components),
            response_class=JSONResponse,
        )

    # Last, so that the operations above win: an unknown action is refused, and audited, by invoke.
    @router.post("/{name}", include_in_schema=False)
    async def call_unknown(
        name: str, request: Request, caller: Caller, idempotency_key: IdempotencyKey = None
    ) -> JSONResponse:
        return await _call(invoker, name, request, caller, idempotency_key)

    return router


def check_key(key: str | None) -> str | None:
    """An Idempotency-Key of a sane length, or ``InvalidRequest``."""
    if key is not None and not 0 < len(key) <= _MAX_KEY:
        raise InvalidRequest(f"An Idempotency-Key has 1 to {_MAX_KEY} characters.")
    return key


def _endpoint(invoker: Invoker, name: str) -> Callable[..., Awaitable[JSONResponse]]:
    async def call_action(
        request: Request, caller: Caller, idempotency_key: IdempotencyKey = None
    ) -> JSONResponse:
        return await _call(invoker, name, request, caller, idempotency_key)

    return call_action


async def _call(
    invoker: Invoker, name: str, request: Request, caller: Any, key: str | None
) -> JSONResponse:
    arguments = await request.json() if await request.body() else {}
    if not isinstance(arguments, dict):
        raise InvalidRequest("The body must be a JSON object: the action's arguments.")
    outcome = await invoker.invoke(
        Call(name, arguments, caller, "rest", idempotency_key=check_key(key))
    )
    return JSONResponse({"call_id": outcome.call_id, "value": outcome.value, "cut": outcome.cut})


def _describe(spec: ActionSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "scopes": list(spec.scopes),
        "effect": spec.effect,
        "parameters": spec.parameters,
        "returns": spec.returns,
    }


def _openapi(definition: ActionDefinition, components: dict[str, Any]) -> dict[str, Any]:
    spec = definition.spec
    arguments = hoist(spec.parameters, f"{spec.tool_name}.arguments", components)
    value = hoist(spec.returns, f"{spec.tool_name}.value", components)
    outcome = {
        "type": "object",
        "required": ["call_id", "value", "cut"],
        "properties": {
            "call_id": {"type": "string"},
            "value": value,
            "cut": {
                "type": ["string", "null"],
                "description": "where the value was cut, or null when it is whole",
            },
        },
    }
    return {
        "requestBody": {
            "required": bool(arguments.get("required")),
            "content": {"application/json": {"schema": arguments}},
        },
        "responses": {
            "200": {
                "description": "The action's value",
                "content": {"application/json": {"schema": outcome}},
            }
        },
        "security": security_of(spec.scopes),
        "x-saaf-effect": spec.effect,
    }
