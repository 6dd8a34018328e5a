from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx

from saaf_autogen.testing import RunningHost
from saaf_autogen.testing.receiver import CallbackReceiver
from tests.api.conftest import As

QUESTION = {"agent_id": "flights", "input": "How late did Delta depart on average?"}


def ended(http: httpx.Client, headers: dict[str, str], location: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        run: dict[str, Any] = http.get(location, headers=headers).json()
        if run["status"] not in ("queued", "running"):
            return run
        time.sleep(0.05)
    raise AssertionError("the run did not end")


def test_a_run_is_accepted_followed_and_answered(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("analyst")
    accepted = http.post("/v1/runs", json=QUESTION, headers=headers)
    assert accepted.status_code == 202
    location = accepted.headers["location"]
    assert location == f"/v1/runs/{accepted.json()['id']}"
    run = ended(http, headers, location)
    assert run["status"] == "completed"
    assert "9.26" in run["output"]
    assert "no LLM" in run["output"]


def test_a_stream_resumes_after_the_last_event_seen(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("analyst")
    location = http.post("/v1/runs", json=QUESTION, headers=headers).headers["location"]
    whole = read_stream(http, location, headers)
    assert [int(event["id"]) for event in whole] == list(range(1, len(whole) + 1))
    assert whole[-1]["event"] == "run.completed"
    rest = read_stream(http, location, {**headers, "Last-Event-ID": "4"})
    assert rest == whole[4:]
    by_query = read_stream(http, location + "", headers, starting_after=4)
    assert by_query == rest


def read_stream(
    http: httpx.Client, location: str, headers: dict[str, str], **query: int
) -> list[dict[str, str]]:
    events: list[dict[str, str]] = []
    with http.stream("GET", f"{location}/stream", headers=headers, params=query) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        current: dict[str, str] = {}
        for line in response.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                current[name] = value
            elif current:
                events.append(current)
                current = {}
    return events


def test_a_run_belongs_to_its_caller_alone(http: httpx.Client, acting_as: As) -> None:
    location = http.post("/v1/runs", json=QUESTION, headers=acting_as("analyst")).headers[
        "location"
    ]
    stranger = acting_as("ua-analyst")
    for path in (location, f"{location}/stream", f"{location}/events"):
        assert http.get(path, headers=stranger).status_code == 404
    assert http.post(f"{location}/cancel", headers=stranger).status_code == 404
    listed = http.get("/v1/runs", headers=stranger).json()["data"]
    assert location not in {f"/v1/runs/{run['id']}" for run in listed}


def test_runs_need_their_scopes(http: httpx.Client, acting_as: As) -> None:
    cases = [
        ("POST", "/v1/runs", "reader", "agents:run"),
        ("GET", "/v1/runs", "reader", "runs:read"),
        ("GET", "/v1/runs/none", "reader", "runs:read"),
        ("GET", "/v1/runs/none/stream", "reader", "runs:read"),
        ("GET", "/v1/runs/none/events", "reader", "runs:read"),
        ("POST", "/v1/runs/none/cancel", "reader", "runs:cancel"),
        ("GET", "/v1/agents", "reader", "agents:run"),
        ("POST", "/v1/runs", "writer", "agents:run"),
    ]
    for method, path, client, scope in cases:
        body = QUESTION if path == "/v1/runs" and method == "POST" else None
        response = http.request(method, path, json=body, headers=acting_as(client))
        assert response.status_code == 403, (method, path)
        assert response.json()["missing_scopes"] == [scope]
        assert f'scope="{scope}"' in response.headers["www-authenticate"]
        assert http.request(method, path, json=body).status_code == 401


def test_the_same_key_starts_one_run(http: httpx.Client, acting_as: As) -> None:
    headers = {**acting_as("analyst"), "Idempotency-Key": "once"}
    first = http.post("/v1/runs", json=QUESTION, headers=headers).json()
    assert http.post("/v1/runs", json=QUESTION, headers=headers).json()["id"] == first["id"]
    other = http.post("/v1/runs", json={**QUESTION, "input": "Another?"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_mismatch"


def test_an_unknown_agent_is_not_found_and_the_others_are_named(
    http: httpx.Client, acting_as: As
) -> None:
    body = {**QUESTION, "agent_id": "trains"}
    response = http.post("/v1/runs", json=body, headers=acting_as("analyst"))
    assert response.status_code == 404
    assert "flights" in response.json()["remedy"]


def test_a_run_never_exceeds_its_callers_grants(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("ua-analyst")
    body = {"agent_id": "flights", "input": "How many flights did each carrier have?"}
    location = http.post("/v1/runs", json=body, headers=headers).headers["location"]
    run = ended(http, headers, location)
    events = http.get(f"{location}/events", headers=headers).json()["data"]
    tables = [
        event["data"]["content"]
        for event in events
        if event["type"] == "tool.result" and event["data"]["name"] == "warehouse_query"
    ]
    assert run["status"] == "completed"
    for table in tables:
        assert all("UA" in row for row in table["rows"])
    assert tables
    assert "tailnum" not in json.dumps(events)


def test_the_callback_is_signed_with_the_clients_own_secret(
    host: RunningHost, http: httpx.Client, acting_as: As
) -> None:
    with CallbackReceiver(host.webhook_secret("ua-analyst")) as receiver:
        body = {**QUESTION, "input": "How many flights in all?", "webhook": {"url": receiver.url}}
        accepted = http.post("/v1/runs", json=body, headers=acting_as("ua-analyst"))
        callback = receiver.received.get(timeout=20)
    assert callback.verified
    assert callback.body["data"]["id"] == accepted.json()["id"]
    assert callback.body["type"] == "run.completed"


def test_a_private_callback_address_is_refused_at_once(http: httpx.Client, acting_as: As) -> None:
    for url in ("http://10.0.0.1/x", "https://169.254.169.254/latest", "file:///etc/passwd"):
        body = {**QUESTION, "webhook": {"url": url}}
        response = http.post("/v1/runs", json=body, headers=acting_as("analyst"))
        assert response.status_code == 422, url


async def test_many_runs_at_once_all_complete(host: RunningHost) -> None:
    async with host.client("analyst") as saaf:
        runs = await asyncio.gather(
            *(
                saaf.runs.create("flights", "How late did Delta depart on average?")
                for _ in range(12)
            )
        )
        await asyncio.gather(*(run.wait(timeout_s=60) for run in runs))
    assert {run.status for run in runs} == {"completed"}
