"""Whatever bytes come, the answer is a problem document in the 4xx range."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from saaf_autogen.api.body import BodyGuard
from tests.api.conftest import As

BODIES = {
    "nothing": b"",
    "half an object": b'{"agent_id": "flights"',
    "not JSON": b"agent_id=flights",
    "an array": b"[1, 2, 3]",
    "a string": b'"flights"',
    "null": b"null",
    "NaN": b'{"agent_id": "flights", "input": NaN}',
    "Infinity": b'{"agent_id": "flights", "input": "x", "metadata": {"a": Infinity}}',
    "a huge number": b'{"agent_id": "flights", "input": "x", "metadata": {"a": 1e999}}',
    "a number of 5000 digits": b'{"agent_id": "flights", "metadata": {"a": ' + b"9" * 5000 + b"}}",
    "a lone surrogate": b'{"agent_id": "flights", "input": "\\ud800"}',
    "a lone surrogate in a key": b'{"agent_id": "flights", "metadata": {"\\udfff": 1}}',
    "NUL": b'{"agent_id": "flights", "input": "a\\u0000b"}',
    "not UTF-8": b'{"agent_id": "flights", "input": "\xff\xfe"}',
    "UTF-16": '{"agent_id": "flights", "input": "x"}'.encode("utf-16"),
    "a key twice": b'{"agent_id": "flights", "input": "x", "input": "y"}',
    "deep nesting": b'{"metadata": ' + b"[" * 500 + b"]" * 500 + b"}",
    "very deep nesting": b"[" * 200_000,
    "an unknown field": b'{"agent_id": "flights", "input": "x", "inptu": "y"}',
    "wrong types": b'{"agent_id": 7, "input": ["x"]}',
    "empty input": b'{"agent_id": "flights", "input": ""}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("path", ["/v1/runs", "/v1/actions/warehouse.query"])
def test_a_hostile_body_is_refused_and_explained(
    path: str, body: bytes, http: httpx.Client, acting_as: As
) -> None:
    headers = {**acting_as("analyst"), "Content-Type": "application/json"}
    response = http.post(path, content=body, headers=headers)
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "Text/JSON"])
@pytest.mark.parametrize("path", ["/v1/runs", "/v1/actions/warehouse.query"])
def test_a_body_that_is_not_json_is_refused_whatever_it_holds(
    path: str, kind: str, http: httpx.Client, acting_as: As
) -> None:
    headers = {**acting_as("analyst"), "Content-Type": kind}
    for body in (b"garbage", b'{"sql": NaN}', b"\xff\xfe", b"[" * 100_000):
        response = http.post(path, content=body, headers=headers)
        assert response.status_code == 400
        assert "application/json" in response.json()["remedy"]


def test_the_case_of_a_content_type_opens_no_way_around_the_checks(
    http: httpx.Client, acting_as: As
) -> None:
    headers = {**acting_as("analyst"), "Content-Type": "Application/JSON; charset=utf-8"}
    response = http.post("/v1/actions/warehouse.query", content=b'{"sql": NaN}', headers=headers)
    assert response.status_code == 400
    assert "NaN" in response.json()["detail"]


def test_what_is_refused_unread_carries_the_security_headers_too(
    http: httpx.Client, acting_as: As
) -> None:
    response = http.post("/v1/runs", content=b"x", headers=acting_as("analyst"))
    assert response.status_code == 400
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("GET", "/v1/runs", "limit"),
        ("GET", "/v1/agents", "none"),
        ("GET", "/v1/actions", "none"),
        ("GET", "/v1/runs/none/stream", "starting_after"),
        ("POST", "/v1/runs", "none"),
        ("POST", "/v1/actions/semantic.list_tables", "none"),
    ],
)
def test_an_unknown_query_parameter_is_refused(
    method: str, path: str, known: str, http: httpx.Client, acting_as: As
) -> None:
    response = http.request(method, path, params={"limti": 1}, headers=acting_as("analyst"))
    assert response.status_code == 422
    assert "limti" in response.json()["detail"]
    assert known in response.json()["remedy"]


def test_a_body_over_the_limit_is_refused_before_it_is_parsed(
    http: httpx.Client, acting_as: As
) -> None:
    body = b'{"agent_id": "flights", "input": "' + b"x" * 1_100_000 + b'"}'
    response = http.post("/v1/runs", content=body, headers=acting_as("analyst"))
    assert response.status_code == 413
    assert response.json()["remedy"]


def test_a_chunked_body_over_the_limit_is_refused_too(http: httpx.Client, acting_as: As) -> None:
    chunks = (b"x" * 100_000 for _ in range(12))
    response = http.post("/v1/runs", content=chunks, headers=acting_as("analyst"))
    assert response.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/%00",
        "/v1/runs/run_%00x",
        "/v1/runs?cursor=%00",
        "/v1/runs/%ff%fe",
        "/v1/runs/" + "x" * 5000,
        "/v1/runs?cursor=garbage",
        "/v1/runs?limit=0",
        "/v1/runs?limit=99999999999999999999999",
        "/v1/runs?status=done",
        "/v1/runs/none/stream",
        "/v1/runs/none/events?starting_after=99999999999999999999",
        "/v1/actions/none",
        "/v1/nothing",
    ],
)
def test_a_hostile_address_is_refused_and_explained(
    path: str, http: httpx.Client, acting_as: As
) -> None:
    response = http.get(path, headers=acting_as("analyst"))
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["-1", "abc", "9" * 40, "1e3", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_hostile_last_event_id_is_refused(value: str, http: httpx.Client, acting_as: As) -> None:
    headers = [(name.encode(), text.encode()) for name, text in acting_as("analyst").items()]
    headers.append((b"Last-Event-ID", value.encode()))
    response = http.get("/v1/runs/none/stream", headers=headers)
    assert 400 <= response.status_code < 500


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_a_sane_length(key: str, http: httpx.Client, acting_as: As) -> None:
    response = http.post(
        "/v1/runs",
        json={"agent_id": "flights", "input": "x"},
        headers={**acting_as("analyst"), "Idempotency-Key": key},
    )
    assert response.status_code == 400


async def test_a_body_that_was_cut_off_is_no_order(http: httpx.Client, acting_as: As) -> None:
    def notes() -> int:
        answer = http.post(
            "/v1/actions/notes.add_note", json={"text": "whole"}, headers=acting_as("writer")
        )
        count: int = answer.json()["value"]
        return count

    before = notes()
    body = b'{"text": "cut off"}'
    head = (
        "POST /v1/actions/notes.add_note HTTP/1.1\r\nHost: saaf\r\n"
        f"Authorization: {acting_as('writer')['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) + 10}\r\n\r\n"
    )
    with socket.create_connection((http.base_url.host, http.base_url.port or 0)) as half:
        half.sendall(head.encode() + body)
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.3)
    assert notes() == before + 1


async def test_a_body_that_does_not_come_is_not_waited_for_without_end() -> None:
    sent: list[Message] = []

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("the application was asked")

    guard = BodyGuard(app, limit=1_000, within_s=0.05)
    scope: Scope = {"type": "http", "method": "POST", "path": "/v1/runs", "headers": []}
    await guard(scope, never, send)
    assert sent[0]["status"] == 400
    assert b"0.05 s" in sent[1]["body"]
