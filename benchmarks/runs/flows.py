"""How a caller of each server has a run done and learns of its end; executed by the load generator.

A flow is one submitter's: it keeps its connection, and ``run`` returns once the caller knows that
the run is done. Servers that offer several ways have a flow for each.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from benchmarks.runs.wire import Connection, Socket, Unexpected

__all__ = ["FLOWS", "Flow"]

TASK = "Say hello."
_POLL_S = 0.02
_STATUS = 202


class Flow(Protocol):
    """One submitter."""

    async def run(self) -> None:
        """Have a run done; raises ``Unexpected`` unless it ended well."""
        ...


class _Http:
    def __init__(self, port: int, given: Mapping[str, Any]) -> None:
        self.http = Connection(port, given.get("headers"))
        self.given = given

    def check(self, ended: bool, what: Any) -> None:
        if not ended:
            raise Unexpected(f"a run did not end well: {str(what)[:500]}")


class SaafStream(_Http):
    """POST, then the run's own stream of events."""

    async def run(self) -> None:
        body = {"agent_id": self.given["agent"], "input": TASK}
        run = await self.http.post("/v1/runs", body, status=_STATUS)
        last = ""
        async for name, _ in self.http.events(f"/v1/runs/{run['id']}/stream"):
            last = name
        self.check(last == "run.completed", last)


class SaafPoll(_Http):
    """POST, then GET every 20 ms."""

    async def run(self) -> None:
        body = {"agent_id": self.given["agent"], "input": TASK}
        run = await self.http.post("/v1/runs", body, status=_STATUS)
        while run["status"] in ("queued", "running"):
            await asyncio.sleep(_POLL_S)
            run = await self.http.get(f"/v1/runs/{run['id']}")
        self.check(run["status"] == "completed", run)


class SaafAccept(_Http):
    """POST alone: accepted is all that counts."""

    async def run(self) -> None:
        body = {"agent_id": self.given["agent"], "input": TASK}
        run = await self.http.post("/v1/runs", body, status=_STATUS)
        self.check(run["status"] in ("queued", "running", "completed"), run)


class Plain(_Http):
    """One POST that is answered when the run is done, or stored."""

    async def run(self) -> None:
        body = {"agent_id": self.given.get("agent", "hello"), "input": TASK}
        answer = await self.http.post("/runs", body)
        self.check(answer["status"] in ("completed", "queued"), answer)


class AgnoStream(_Http):
    """A background run, followed by its own stream of events."""

    async def run(self) -> None:
        form = urlencode({"message": TASK, "background": "true", "stream": "true"})
        last = ""
        async for name, _ in self.http.events("/agents/hello/runs", form=form):
            last = name
        self.check(last == "RunCompleted", last)


class AgnoPoll(_Http):
    """A background run, then GET every 20 ms."""

    async def run(self) -> None:
        form = urlencode({"message": TASK, "background": "true", "stream": "false"})
        run = await self.http.post("/agents/hello/runs", form=form, status=_STATUS)
        path = f"/agents/hello/runs/{run['run_id']}?session_id={run['session_id']}"
        while run["status"] in ("PENDING", "RUNNING"):
            await asyncio.sleep(_POLL_S)
            run = await self.http.get(path)
        self.check(run["status"] == "COMPLETED", run)


class AgnoWait(_Http):
    """A run in the foreground: its answer comes with the response."""

    async def run(self) -> None:
        form = urlencode({"message": TASK, "stream": "false"})
        run = await self.http.post("/agents/hello/runs", form=form)
        self.check(run["status"] == "COMPLETED", run)


class LangGraphWait(_Http):
    """A run of a new thread, and its answer: langgraph and Aegra."""

    async def run(self) -> None:
        thread = await self.http.post("/threads", {})
        body = {
            "assistant_id": "hello",
            "input": {"messages": [{"role": "user", "content": TASK}]},
        }
        answer = await self.http.post(f"/threads/{thread['thread_id']}/runs/wait", body)
        self.check(len(answer["messages"]) == 2, answer)


class LangGraphPoll(_Http):
    """A run of a new thread, then GET every 20 ms."""

    async def run(self) -> None:
        thread = (await self.http.post("/threads", {}))["thread_id"]
        body = {
            "assistant_id": "hello",
            "input": {"messages": [{"role": "user", "content": TASK}]},
        }
        run = await self.http.post(f"/threads/{thread}/runs", body)
        while run["status"] in ("pending", "running"):
            await asyncio.sleep(_POLL_S)
            run = await self.http.get(f"/threads/{thread}/runs/{run['run_id']}")
        self.check(run["status"] == "success", run)


class Studio(_Http):
    """A run of AutoGen Studio: made by POST, started and followed by its WebSocket."""

    session: int | None = None

    async def run(self) -> None:
        user = "guestuser@gmail.com"  # the only one without authentication
        if self.session is None:
            named = {"user_id": user, "name": uuid.uuid4().hex}
            self.session = (await self.http.post("/api/sessions/", named))["data"]["id"]
        body = {"session_id": self.session, "user_id": user}
        run = (await self.http.post("/api/runs/", body))["data"]["run_id"]
        socket = await Socket.open(self.http.port, f"/api/ws/runs/{run}")
        try:
            socket.send({"type": "start", "task": TASK, "team_config": self.given["team"]})
            while (message := await socket.receive())["type"] not in ("result", "completion"):
                self.check(message["type"] != "error", message)
            self.check(message.get("status") == "complete", message)
        finally:
            socket.close()


class Adk(_Http):
    """A session and a run of Google's ADK, whose events are the response."""

    async def run(self) -> None:
        session = uuid.uuid4().hex
        await self.http.post(f"/apps/hello/users/bench/sessions/{session}", {})
        body = {
            "app_name": "hello",
            "user_id": "bench",
            "session_id": session,
            "new_message": {"role": "user", "parts": [{"text": TASK}]},
        }
        events = await self.http.post("/run", body)
        self.check(bool(events) and "content" in events[-1], json.dumps(events))


FLOWS: Mapping[str, Callable[[int, Mapping[str, Any]], Flow]] = {
    kind.__name__: kind
    for kind in (
        SaafStream, SaafPoll, SaafAccept, Plain, AgnoStream, AgnoPoll, AgnoWait, LangGraphWait,
        LangGraphPoll, Studio, Adk,
    )
}  # fmt: skip
