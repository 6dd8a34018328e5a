"""No input, however odd, makes the administration fail: every operation, as OpenAPI tells of it."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.admin.conftest import Call, caller
from tests.site import Site

ODD_TEXTS = [
    *("", " ", "a", "nobody", "declared", "handbook", "usr_" + "0" * 24, "a" * 300, "~", "x~"),
    *("é", "名", "\u202e", "\x7f", "'; DROP TABLE users; --", "%", "_", "../clients", "a/b", "?"),
    *("*", "wh://*/*", "doc://x", "null", "0", "-1", "1e999", "2026-13-01", "9" * 30, "\ud7ff"),
]
SCALARS: list[Any] = [
    *(None, True, False, 0, -1, 7, 2**31, 2**63, 10**400, 0.5, -1e300, 5e-324),
    *ODD_TEXTS,
]
ASKED = 400


class Odd:
    """Draws odd input. Not Hypothesis: the host's threads draw random numbers beside it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same at every run, on purpose

    def text(self) -> str:
        if self.random.random() < 0.7:
            return self.random.choice(ODD_TEXTS)
        points = [self.random.randrange(1, 0xD7FF) for _ in range(self.random.randrange(20))]
        return "".join(map(chr, points))

    def value(self, depth: int = 0) -> Any:
        kind = self.random.random()
        if depth == 3 or kind < 0.6:
            return self.random.choice(SCALARS)
        several = range(self.random.randrange(4))
        if kind < 0.8:
            return [self.value(depth + 1) for _ in several]
        return {self.text(): self.value(depth + 1) for _ in several}

    def body(self, operation: dict[str, Any]) -> Any:
        """Nearly right: an example of the operation with some members replaced."""
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None or self.random.random() < 0.2:
            return self.value()
        schema = content["schema"]
        examples = [each["value"] for each in content.get("examples", {}).values()]
        body = dict(self.random.choice(examples)) if examples else {}
        names = [*schema.get("properties", {}), "extra"]
        for name in self.random.choices(names, k=self.random.randrange(4)):
            body[name] = self.value()
        # That would end the tokens of all other tests.
        return {**body, "compromised": False} if body.get("compromised") else body


@pytest.fixture(scope="module")
def operations(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    document = site.http.get("/openapi.json").json()
    return [
        (path.removeprefix("/v1/admin"), method, operation)
        for path, methods in document["paths"].items()
        if path.startswith("/v1/admin/")
        for method, operation in methods.items()
    ]


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
            content = operation["responses"][good]["content"]
            assert content, path
            assert all(each["schema"] for each in content.values()), path
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
    odd, seen = Odd(seed=11), set()
    for _ in range(ASKED):
        path, method, operation = odd.random.choice(operations)
        told = operation.get("parameters", ())
        for parameter in told:
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", quote(odd.text(), safe=""))
        query = {
            parameter["name"]: str(odd.random.choice(SCALARS))
            for parameter in told
            if parameter["in"] == "query" and odd.random.random() < 0.5
        }
        rest: dict[str, Any] = {"params": query}
        if method in ("post", "patch", "put"):
            rest["json"] = odd.body(operation)
        match = odd.random.choice(["*", "*", '"x"', '"', "", '"a","b"', 'W/"x"'])
        response = call(method.upper(), path, match=match, **rest)
        seen.add(response.status_code)
        assert response.status_code < 500, (method, path, rest, response.text)
        if response.status_code >= 400:
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.json()["status"] == response.status_code
    assert {200, 404, 422} <= seen
