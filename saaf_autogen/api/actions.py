"""Actions over REST: a list, and one operation each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from starlette.routing import Route

from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.actions.invoke import Call, Invoker
from saaf_autogen.actions.spec import ActionSpec
from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.body import json_body
from saaf_autogen.api.query import refuse_query
from saaf_autogen.api.schemas import hoist
from saaf_autogen.api.security import Caller, current_principal, security_of
from saaf_autogen.errors import InvalidRequest

__all__ = ["IdempotencyKey", "action_operations", "action_route", "action_router", "check_key"]

KEY_DESCRIPTION = "Repeat a request with the same key and it happens once."
IdempotencyKey = Annotated[str | None, Header(description=KEY_DESCRIPTION)]
_MAX_KEY = 255
_PREFIX = "/v1/actions"


def action_router(invoker: Invoker) -> APIRouter:
    """The list of actions."""
    router = APIRouter(prefix=_PREFIX, tags=["actions"])

    @router.get(
        "",
        summary="Actions that you hold the scopes for",
        openapi_extra={"security": security_of([])},
    )
    async def list_actions(caller: Caller) -> dict[str, Any]:
        """Name, description, scopes, effect and schemas of each action that you may call.

        An action that is ``keyed`` is a write that may be repeated with its Idempotency-Key: it
        hands a key of its own on to a system that remembers keys.
        """
        return {"data": [_describe(spec) for spec in invoker.visible_to(caller)]}

    return router


def action_route(invoker: Invoker) -> Route:
    """One route for all actions, without FastAPI's parsing of parameters: invoke does its own.

    An unknown action is refused, and audited, by invoke, too.
    """

    async def call_action(request: Request) -> JSONResponse:
        caller = await current_principal(request)
        refuse_query(request)
        key = check_key(request.headers.get("idempotency-key"))
        arguments = json_body(request)
        if not isinstance(arguments, dict):
            raise InvalidRequest("The body must be a JSON object: the action's arguments.")
        name: str = request.path_params["name"]
        outcome = await invoker.invoke(
            Call(
                name,
                arguments,
                caller,
                "rest",
                idempotency_key=key,
                address=client_address(request),
            )
        )
        return JSONResponse(
            {"call_id": outcome.call_id, "value": outcome.value, "cut": outcome.cut}
        )

    return Route(_PREFIX + "/{name}", call_action, methods=["POST"], name="call_action")


def action_operations(
    definitions: Iterable[ActionDefinition], components: dict[str, Any]
) -> dict[str, Any]:
    """OpenAPI's path items of the actions; the schemas they share are added to ``components``."""
    return {
        f"{_PREFIX}/{each.spec.name}": {"post": _operation(each, components)}
        for each in definitions
    }


def check_key(key: str | None) -> str | None:
    """An Idempotency-Key of a sane length, or ``InvalidRequest``."""
    if key is not None and not 0 < len(key) <= _MAX_KEY:
        raise InvalidRequest(f"An Idempotency-Key has 1 to {_MAX_KEY} characters.")
    return key


def _describe(spec: ActionSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "scopes": list(spec.scopes),
        "effect": spec.effect,
        "keyed": spec.keyed,
        "parameters": spec.parameters,
        "returns": spec.returns,
    }


def _operation(definition: ActionDefinition, components: dict[str, Any]) -> dict[str, Any]:
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
        "tags": ["actions"],
        "summary": spec.description.splitlines()[0],
        "description": spec.description,
        "operationId": spec.tool_name,
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": KEY_DESCRIPTION,
                "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY},
            }
        ],
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
        "x-saaf-keyed": spec.keyed,
    }
