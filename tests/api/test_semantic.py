"""The semantic layer over REST: what the caller may see, page by page, with ETags."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from saaf_autogen import Client
from saaf_autogen.testing import RunningHost
from tests.api.conftest import As


def get(http: httpx.Client, headers: dict[str, str], path: str, **query: Any) -> httpx.Response:
    return http.get(f"/v1/semantic/{path}", params=query, headers=headers)


def names(response: httpx.Response) -> list[str]:
    return [table["name"] for table in response.json()["data"]]


def test_each_caller_sees_their_own_tables(http: httpx.Client, acting_as: As) -> None:
    everything = get(http, acting_as("analyst"), "tables")
    assert names(everything) == ["airlines", "airports", "flights", "planes", "weather"]
    assert everything.json()["next"] is None
    own = get(http, acting_as("ua-analyst"), "tables")
    assert names(own) == ["airlines", "airports", "flights", "weather"]


def test_pages_follow_one_another_until_the_last(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("analyst")
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = get(http, headers, "tables", limit=2, **after)
        found += names(page)
        if page.json()["next"] is None:
            break
        after = {"after": page.json()["next"]}
    assert found == ["airlines", "airports", "flights", "planes", "weather"]


def test_an_unchanged_answer_is_not_sent_twice(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("analyst")
    for path, query in (
        ("tables", {}),
        ("tables/flights", {}),
        ("context", {"question": "How late did Delta depart?"}),
    ):
        first = get(http, headers, path, **query)
        assert first.status_code == 200
        tag = first.headers["etag"]
        again = get(http, {**headers, "If-None-Match": f'"other", {tag}'}, path, **query)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "private" in first.headers["cache-control"]
        stale = get(http, {**headers, "If-None-Match": '"other"'}, path, **query)
        assert stale.status_code == 200


def test_other_grants_have_other_tags(http: httpx.Client, acting_as: As) -> None:
    tags = {get(http, acting_as(who), "tables/flights").headers["etag"] for who in ("analyst",)}
    other = get(
        http, {**acting_as("ua-analyst"), "If-None-Match": next(iter(tags))}, "tables/flights"
    )
    assert other.status_code == 200
    columns = [column["name"] for column in other.json()["data"]["columns"]]
    assert "carrier" in columns
    assert "tailnum" not in columns


def test_a_hidden_table_and_one_that_never_was_are_refused_alike(
    http: httpx.Client, acting_as: As
) -> None:
    headers = acting_as("ua-analyst")
    hidden = get(http, headers, "tables/planes")
    absent = get(http, headers, "tables/plbnes")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("planes", "X") == absent.text.replace("plbnes", "X")


def test_the_context_keeps_to_the_budget_that_was_asked_for(
    http: httpx.Client, acting_as: As
) -> None:
    headers = acting_as("analyst")
    question = "Which airline had the most cancelled flights in bad weather?"
    small = get(http, headers, "context", question=question, token_budget=150).json()["data"]
    large = get(http, headers, "context", question=question, token_budget=3_000).json()["data"]
    assert small["tables"][0] == large["tables"][0]
    assert len(small["text"]) < len(large["text"])


@pytest.mark.parametrize(
    "path", ["tables", "tables/flights", "context?question=x"], ids=["list", "table", "context"]
)
def test_nothing_is_told_without_the_scope(path: str, http: httpx.Client, acting_as: As) -> None:
    refused = http.get(f"/v1/semantic/{path}", headers=acting_as("writer"))
    assert refused.status_code == 403
    assert refused.json()["missing_scopes"] == ["semantic:read"]
    assert http.get(f"/v1/semantic/{path}").status_code == 401


def test_what_is_misspelt_or_out_of_bounds_is_refused(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("analyst")
    for query in ("limit=0", "limit=1000", "warehose=nyc"):
        assert http.get(f"/v1/semantic/tables?{query}", headers=headers).status_code == 422
    assert http.get("/v1/semantic/context", headers=headers).status_code == 422
    assert get(http, headers, "context", question="x", warehouse="other").status_code == 404


async def test_the_client_asks_for_the_same_near_and_far(host: RunningHost) -> None:
    import json

    secret = json.loads((host.state / "clients.json").read_text())["ua-analyst"]["client_secret"]
    async with Client(host.url, client_id="ua-analyst", client_secret=secret) as saaf:
        assert [table["name"] for table in await saaf.semantic.tables()] == [
            "airlines",
            "airports",
            "flights",
            "weather",
        ]
        assert (await saaf.semantic.table("airlines"))["name"] == "airlines"
        context = await saaf.semantic.context("How many flights left Newark?", token_budget=400)
        assert "flights" in context["tables"][0]
        rows = await saaf.semantic.query(
            "SELECT column_name FROM semantic.fields WHERE table_name = :table AND column_name "
            "IN ('carrier', 'tailnum')",
            table="flights",
        )
        assert rows == [{"column_name": "carrier"}]
