"""No input, however odd, makes the administration fail: every operation, as OpenAPI tells of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.admin.conftest import Call, caller
from tests.site import Site

ODD_TEXTS = [
    *("", " ", "a", "nobody", "declared", "handbook", "usr_" + "0" * 24, "a" * 300, "~", "x~"),
    *("é", "名", "\u202e", "\x7f", "'; DROP TABLE users; --", "%", "_", "../clients", "a/b", "?"),
    *("*", "wh://*/*", "doc://x", "null", "0", "-1", "1e999", "2026-13-01", "9" * 30, "\ud7ff"),
]
texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=20))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts, st.just(10**400)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def operations(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    document = site.http.get("/openapi.json").json()
    return [
        (path.removeprefix("/v1/admin"), method, operation)
        for path, methods in document["paths"].items()
        if path.startswith("/v1/admin/")
        for method, operation in methods.items()
    ]


def body_of(draw: Any, operation: dict[str, Any]) -> Any:
    """A body that is nearly right: an example of the operation with some members replaced."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None or draw(st.integers(0, 5)) == 0:
        return draw(values)
    schema = content["schema"]
    examples = [each["value"] for each in content.get("examples", {}).values()]
    body = dict(draw(st.sampled_from(examples))) if examples else {}
    names = [*schema.get("properties", {}), "extra"]
    for name in draw(st.lists(st.sampled_from(names), max_size=3)):
        body[name] = draw(values)
    # That would end the tokens of all other tests.
    if body.get("compromised"):
        body["compromised"] = False
    return body


def test_every_operation_tells_what_it_is_and_takes(
    operations: list[tuple[str, str, dict[str, Any]]],
) -> None:
    assert len(operations) > 45
    for path, method, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"][0].startswith("admin: "), path
        assert operation["operationId"].startswith("iam_"), path
        (good,) = [each for each in operation["responses"] if each.startswith("2")]
        if good != "204":
            (content,) = operation["responses"][good]["content"].values()
            assert content["schema"], path
        wanted = {each["name"]: each for each in operation.get("parameters", ())}
        if method in ("put", "patch", "delete"):
            assert wanted["If-Match"]["required"], path
        if method == "patch":
            assert "application/merge-patch+json" in operation["requestBody"]["content"]
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))


def test_odd_input_is_refused_with_a_problem_and_never_fails(
    site: Site, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    call: Call = caller(site)
    seen: set[int] = set()

    @settings(
        max_examples=250,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        path, method, operation = data.draw(st.sampled_from(operations))
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                value = quote(data.draw(texts), safe="")
                path = path.replace("{" + parameter["name"] + "}", value)
        query = {
            parameter["name"]: str(data.draw(scalars))
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query" and data.draw(st.booleans())
        }
        rest: dict[str, Any] = {"params": query}
        if method in ("post", "patch", "put"):
            rest["json"] = body_of(data.draw, operation)
        match = data.draw(st.sampled_from(["*", "*", '"x"', '"', "", '"a","b"', 'W/"x"']))
        response = call(method.upper(), path, match=match, **rest)
        seen.add(response.status_code)
        assert response.status_code < 500, (method, path, rest, response.text)
        if response.status_code >= 400:
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.json()["status"] == response.status_code

    ask()
    assert {200, 404, 422} <= seen
