from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.api.conftest import As


def notes(deployment: Path) -> list[str]:
    file = deployment / "tools" / "notes.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_only_callable_actions_are_listed(http: httpx.Client, acting_as: As) -> None:
    def listed(client: str) -> set[str]:
        body = http.get("/v1/actions", headers=acting_as(client)).json()
        return {each["name"] for each in body["data"]}

    assert listed("reader") == {
        "semantic.context",
        "semantic.describe_table",
        "semantic.list_tables",
        "semantic.query",
    }
    assert "warehouse.query" in listed("analyst")
    assert "notes.add_note" in listed("writer")


def test_a_refusal_names_the_missing_scope(http: httpx.Client, acting_as: As) -> None:
    response = http.post(
        "/v1/actions/warehouse.query", json={"sql": "SELECT 1"}, headers=acting_as("reader")
    )
    assert response.status_code == 403
    assert response.json()["missing_scopes"] == ["warehouse:query"]
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope", scope="warehouse:query"' in challenge
    assert "/.well-known/oauth-protected-resource" in challenge


def test_without_a_token_nothing_is_said_but_how_to_get_one(http: httpx.Client) -> None:
    response = http.post("/v1/actions/warehouse.query", json={"sql": "SELECT 1"})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert response.headers["content-type"] == "application/problem+json"


def test_a_write_happens_once_per_key(http: httpx.Client, acting_as: As, deployment: Path) -> None:
    headers = {**acting_as("writer"), "Idempotency-Key": "note-1"}
    body = {"text": "once"}
    first = http.post("/v1/actions/notes.add_note", json=body, headers=headers)
    again = http.post("/v1/actions/notes.add_note", json=body, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert notes(deployment).count("once") == 1
    other = http.post("/v1/actions/notes.add_note", json={"text": "twice"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_mismatch"


def test_of_parallel_writes_with_one_key_one_takes_effect(
    http: httpx.Client, acting_as: As, deployment: Path
) -> None:
    headers = {**acting_as("writer"), "Idempotency-Key": "note-2"}
    body = {"text": "parallel", "seconds": 0.3}

    def post(_: int) -> int:
        return http.post("/v1/actions/notes.add_slowly", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(post, range(8)))
    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    assert notes(deployment).count("parallel") == 1
    assert post(0) == 200
    assert notes(deployment).count("parallel") == 1


def test_a_write_without_a_key_happens_each_time(
    http: httpx.Client, acting_as: As, deployment: Path
) -> None:
    for _ in range(2):
        http.post(
            "/v1/actions/notes.add_note", json={"text": "keyless"}, headers=acting_as("writer")
        )
    assert notes(deployment).count("keyless") == 2


def test_a_failing_action_tells_no_secrets_and_its_outcome_is_unknown(
    http: httpx.Client, acting_as: As
) -> None:
    headers = {**acting_as("writer"), "Idempotency-Key": "fails"}
    response = http.post(
        "/v1/actions/notes.fail", json={"words": "hunter2-canary"}, headers=headers
    )
    assert response.status_code == 502
    assert "hunter2" not in response.text
    assert "postgresql" not in response.text
    again = http.post("/v1/actions/notes.fail", json={"words": "hunter2-canary"}, headers=headers)
    assert again.status_code == 409
    assert again.json()["code"] == "outcome_unknown"


def test_grants_reach_into_arguments(http: httpx.Client, acting_as: As) -> None:
    def read(folder: str, name: str = "a") -> httpx.Response:
        return http.post(
            "/v1/actions/notes.read_note",
            json={"folder": folder, "name": name},
            headers=acting_as("writer"),
        )

    assert read("shared").json()["value"] == "shared/a"
    for folder, name in (
        ("private", "a"),
        ("shared/../private", "a"),
        ("*", "a"),
        ("", "shared/a"),
    ):
        response = read(folder, name)
        assert response.status_code == 403, (folder, name)
        assert response.json()["code"] == "resource_denied"


def test_an_unknown_action_is_not_found(http: httpx.Client, acting_as: As) -> None:
    response = http.post("/v1/actions/no.such", json={}, headers=acting_as("analyst"))
    assert response.status_code == 404
    assert http.post("/v1/actions/no.such", json={}).status_code == 401


def test_an_action_without_arguments_needs_no_body(http: httpx.Client, acting_as: As) -> None:
    response = http.post("/v1/actions/semantic.list_tables", headers=acting_as("reader"))
    assert response.status_code == 200
    assert {table["name"] for table in response.json()["value"]} >= {"flights", "airlines"}


def test_answers_are_kept_by_no_cache_and_framed_by_nobody(
    http: httpx.Client, acting_as: As
) -> None:
    headers = http.get("/v1/actions", headers=acting_as("reader")).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "server" not in headers
