from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from saaf_autogen.client.remote import RemoteHost

EVENTS = {1: "run.queued", 2: "run.running", 3: "run.completed"}


class Restarting:
    """A host that ends a stream after one event, as one that is stopped does, or is away."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        app = Starlette(
            routes=[
                Route("/v1/runs/r", self._run),
                Route("/v1/runs/r/stream", self._stream),
            ]
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host")

    async def _run(self, _request: Request) -> Response:
        return JSONResponse({"id": "r", "status": "completed"})

    async def _stream(self, request: Request) -> Response:
        after = int(request.headers["last-event-id"])
        self.asked.append(after)
        if self.asked.count(after) == 1 and after == 1:
            problem = {"code": "unavailable", "detail": "The store is away.", "status": 503}
            return JSONResponse(problem, 503)
        return StreamingResponse(self._one(after + 1), media_type="text/event-stream")

    async def _one(self, number: int) -> AsyncIterator[str]:
        if number in EVENTS:
            body = json.dumps({"id": number, "type": EVENTS[number], "data": {}})
            yield f"id: {number}\ndata: {body}\n\n"


async def test_a_stream_goes_on_where_a_host_ended_it() -> None:
    server = Restarting()
    host = RemoteHost("http://host", token="t", http=server.http)
    assert [event["id"] async for event in host.stream_run("r", 0)] == [1, 2, 3]
    assert server.asked == [0, 1, 1, 2]
    await host.close()


async def test_what_comes_after_a_runs_end_is_nothing() -> None:
    server = Restarting()
    host = RemoteHost("http://host", token="t", http=server.http)
    assert [event async for event in host.stream_run("r", 3)] == []
    assert server.asked == [3]
    await host.close()
