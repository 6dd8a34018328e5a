"""How each route is asked for what is another tenant's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

__all__ = ["BODIES", "PUBLIC", "SEPARATE", "Ask", "asks_of", "routes_of"]

PUBLIC = {
    *("/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs"),
    *("/livez", "/readyz", "/oauth/jwks", "/pages/{version}/{name}"),
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/{path:path}",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/{path:path}",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/{path:path}",
}
"""The same for everyone; they are asked all the same."""

SEPARATE = {
    *("/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/device_authorization"),
    *("/oauth/par", "/oauth/userinfo", "/oauth/end_session", "/oauth/register"),
    *("/oauth/register/{client_id}", "/oauth/authorize", "/oauth/authorize/decision"),
    *("/sign-in", "/sign-in/with/{provider}", "/sign-in/with/{provider}/callback", "/sign-out"),
    *("/sign-in/passkey", "/sign-in/passkey/options", "/device", "/device/decision", "/setup"),
    *("/", "/invitation", "/account", "/account/disconnect", "/account/sessions/end"),
    *("/account/password", "/account/passkeys", "/account/passkeys/options"),
    "/account/passkeys/remove",
}
"""The authorization server and its pages: ``test_flows.py`` asks them, each in its own way."""

BODIES: dict[str, list[dict[str, Any]]] = {
    "POST /v1/actions/{name}": [
        {"sql": "SELECT * FROM flights LIMIT 5"},
        {"table": "flights"},
        {"question": "How many flights were there?"},
        {},
    ],
    "POST /v1/runs": [{"agent_id": "nowhere", "input": "{run_id}"}],
    "POST /v1/runs/{run_id}/input": [
        {"question_id": "{question_id}", "text": "taken over"},
        {"question_id": "{question_id}", "resolution": "done", "value": "{run_id}"},
    ],
    "POST /v1/runs/batch": [{"runs": [{"agent_id": "nowhere", "input": "{run_id}"}]}],
    "POST /v1/schedules": [
        {"cron": "0 7 * * *", "run": {"agent_id": "nowhere", "input": "{schedule_id}"}}
    ],
    "PATCH /v1/schedules/{schedule_id}": [{"name": "taken over"}, {"run": {"input": "other"}}],
    "POST /v1/admin/users": [
        {"username": "a-{user_id}", "groups": ["{group_id}"]},
        {"username": "b-{user_id}", "scopes": [], "attributes": {"id": "{user_id}"}},
    ],
    "PATCH /v1/admin/users/{user_id}": [{"name": "taken over"}, {"scopes": ["iam:admin"]}],
    "POST /v1/admin/groups": [{"id": "{group_id}"}],
    "PATCH /v1/admin/groups/{group_id}": [{"title": "taken over"}],
    "POST /v1/admin/clients": [{"id": "{client_id}"}],
    "PATCH /v1/admin/clients/{client_id}": [{"scopes": []}],
    "POST /v1/admin/grants": [{"id": "{rule_id}", "to": "*", "resource": "doc://walk/*"}],
    "PATCH /v1/admin/grants/{rule_id}": [{"to": {"groups": ["x"]}}],
    "POST /v1/admin/deny": [{"id": "{rule_id}", "to": {"groups": ["x"]}, "resource": "doc://w/*"}],
    "PATCH /v1/admin/deny/{rule_id}": [{"to": "*"}],
    "POST /v1/admin/tokens/revoke": [{"jti": "{jti}"}],
    "POST /v1/admin/keys/rotate": [{}],
    "POST /v1/admin/explain": [
        {"principal": {"user_id": "{user_id}"}, "resource": "doc://x"},
        {"principal": {"client_id": "{client_id}"}, "resource": "doc://x"},
        {"principal": {"groups": ["{group_id}"]}, "resource": "doc://zqxmark/one", "verb": "read"},
    ],
}
"""Bodies of every operation that takes one; names in braces become another tenant's."""

_QUERIES = {
    **{name: "{" + name + "}" for name in ("user_id", "client_id", "run_id", "schedule_id")},
    "group": "{group_id}",
    "subject": "{user_id}",
    "search": "zqx",
    "resource": "wh://nyc/main.flights",
    "question": "How many flights were there?",
    "agent_id": "counting",
}
"""What filters are asked for; others are left out."""

_PATHS = {
    "name": ["warehouse.query", "semantic.list_tables", "semantic.describe_table", "nothing.here"],
    "table": ["flights", "wh://nyc/main.flights"],
    "path:path": ["walk"],
    "version": ["0"],
}
"""Parts of paths that are no ids."""


@dataclass(frozen=True)
class Ask:
    """A request; braces in it stand for ids."""

    route: str
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


def routes_of(app: FastAPI) -> Iterator[tuple[str, BaseRoute]]:
    """Every route of an application with its whole path, hidden ones too."""

    def walk(routes: list[BaseRoute], prefix: str) -> Iterator[tuple[str, BaseRoute]]:
        for route in routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                context: Any = route.include_context  # type: ignore[attr-defined]  # FastAPI's own
                yield from walk(inner.routes, prefix + context.prefix)
            else:
                assert isinstance(route, Route | Mount), f"the walk cannot read {route!r}"
                yield prefix + route.path, route

    return walk(app.routes, "")


def asks_of(path: str, route: BaseRoute, ids: dict[str, str]) -> Iterator[Ask]:
    """Requests of a route; fails for a parameter or body that the walk does not know."""
    methods = sorted(getattr(route, "methods", None) or {"GET"})
    paths = [path]
    for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        if name in ids:
            continue
        assert name in _PATHS or name == "provider", f"{path}: the walk knows no {name}"
        paths = [one.replace("{" + name + "}", value) for one in paths for value in _PATHS[name]]
    queries: list[dict[str, str]] = [{}]
    if isinstance(route, APIRoute):
        names = [parameter.alias for parameter in _all_query(route.dependant)]
        queries += [{name: _QUERIES[name]} for name in names if name in _QUERIES]
        required = {p.alias for p in _all_query(route.dependant) if p.field_info.is_required()}
        assert required <= _QUERIES.keys(), f"{path}: the walk knows no {required}"
        queries = [{**{name: _QUERIES[name] for name in required}, **each} for each in queries]
    for method in methods:
        key = f"{method} {path}"
        takes_body = key in BODIES
        if isinstance(route, APIRoute) and route.body_field is not None:
            assert takes_body, f"the walk knows no body for {key}"
        for one in paths:
            for query in queries:
                for body in BODIES[key] if takes_body else [None]:
                    yield Ask(key, method, one, query, body)


def _all_query(dependant: Any) -> Iterator[Any]:
    yield from dependant.query_params
    for inner in dependant.dependencies:
        yield from _all_query(inner)
