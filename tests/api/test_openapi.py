from __future__ import annotations

from typing import Any

import httpx
import pytest

# Clients prove who they are at the issuer's endpoints with credentials of their own.
PUBLIC = {
    "/livez",
    "/readyz",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/device_authorization",
    "/oauth/par",
    "/oauth/jwks",
    "/oauth/end_session",
}


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, operation)
        for path, methods in document["paths"].items()
        for operation in methods.values()
    ]


def test_every_action_is_an_operation_with_its_scopes(document: dict[str, Any]) -> None:
    query = document["paths"]["/v1/actions/warehouse.query"]["post"]
    assert query["operationId"] == "warehouse_query"
    assert query["security"] == [{"oauth2": ["warehouse:query"]}]
    schema = query["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"sql", "parameters", "warehouse", "max_rows"}
    assert schema["additionalProperties"] is False


def test_no_operation_is_without_scopes_but_the_public_ones(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        if path in PUBLIC or path.startswith("/.well-known/"):
            continue
        if path == "/v1/actions":
            # It asks for a token, and lists what that token's scopes allow.
            assert operation["security"] == [{"oauth2": []}]
            continue
        scopes = [scope for each in operation.get("security", []) for scope in each["oauth2"]]
        assert scopes, path


def test_the_scheme_describes_every_scope_that_operations_name(document: dict[str, Any]) -> None:
    flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
    described = flows["authorizationCode"]["scopes"]
    assert "openid" not in flows["clientCredentials"]["scopes"]
    assert described["tools.notes:write"] == "Write notes."
    for _, operation in operations(document):
        for each in operation.get("security", []):
            assert set(each["oauth2"]) <= set(described)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            found = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return found + [ref for value in node.values() for ref in references(value)]
        return [ref for item in node for ref in references(item)] if isinstance(node, list) else []

    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_every_operation_of_the_api_answers_problems(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        if path.startswith("/v1/"):
            assert "application/problem+json" in operation["responses"]["4XX"]["content"]
