"""A model server that speaks OpenAI's API over real HTTP and says what a script tells it.

The script is a function of the request, so a conversation that is done again goes the same way.
Faults are replies too: a server's errors, pages of HTML, broken JSON, a dropped connection.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

__all__ = [
    "Broken",
    "Calls",
    "Cut",
    "Dropped",
    "Failure",
    "Flood",
    "Gone",
    "OpenAIServer",
    "Reply",
    "Slow",
    "Text",
    "Vectors",
]


@dataclass(frozen=True)
class Text:
    """An answer in words, or in none; ``counted`` says whether its tokens are told."""

    content: str | None
    finish_reason: str = "stop"
    counted: bool = True


@dataclass(frozen=True)
class Calls:
    """Tool calls, in parallel where there are several: pairs of a name and its arguments.

    Arguments given as text are sent as they are, so that broken JSON can be sent too.
    """

    calls: Sequence[tuple[str, Mapping[str, Any] | str]]
    ids: Sequence[str] = ()


@dataclass(frozen=True)
class Vectors:
    """An answer of /embeddings: a vector for each text, in order."""

    rows: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Failure:
    """An HTTP error, with OpenAI's error document."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    message: str = "the double was told to fail"


@dataclass(frozen=True)
class Broken:
    """A body that is no completion: HTML, half of a JSON document, no choices, far too much."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True)
class Dropped:
    """The connection is reset: at once, or in mid-answer after so many pieces of text."""

    after: int = 0


@dataclass(frozen=True)
class Cut:
    """The answer ends in good order, but too early: after so many pieces of text."""

    after: int = 0


@dataclass(frozen=True)
class Flood:
    """An answer in words that is far too long."""

    megabytes: int = 50


@dataclass(frozen=True)
class Gone:
    """The server goes down: this connection is reset, and later ones are refused."""


@dataclass(frozen=True)
class Slow:
    """Nothing for so many seconds, then another reply."""

    seconds: float
    then: Reply


Reply = Text | Calls | Vectors | Failure | Broken | Dropped | Cut | Flood | Gone | Slow
Script = Callable[[dict[str, Any]], Reply]


class OpenAIServer:
    """A context manager that serves on a free port of the loopback interface.

    Args:
        script: given the request's JSON body, says what to reply; called in the server's threads.

    Attributes:
        requests: the JSON bodies that came, in order.
        authorizations: the Authorization headers that came, in order.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._stopping = threading.Event()
        self._gone = threading.Event()
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        server = self

        class Handler(_Handler):
            double = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def base_url(self) -> str:
        """What ``base_url`` of a model in saaf.yaml is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self.go_down()
        self._thread.join(timeout=5)

    def go_down(self) -> None:
        """Refuse connections from now on."""
        self._gone.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def is_gone(self) -> bool:
        """Whether it went down."""
        return self._gone.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the server lives."""
        self._stopping.wait(seconds)

    def reply(self, body: dict[str, Any], authorization: str) -> Reply:
        """What the script says to a request."""
        self.requests.append(body)
        self.authorizations.append(authorization)
        return self._script(body)


class _Handler(BaseHTTPRequestHandler):
    double: OpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Quiet."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client may leave at any time
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        if len(content) < length:
            return  # the client died while it asked
        body = json.loads(content)
        with suppress(ConnectionError):  # the client may leave at any time
            if self.double.is_gone:
                self._drop()
            else:
                self._send(body, self.double.reply(body, self.headers.get("Authorization", "")))

    def _send(self, body: dict[str, Any], reply: Reply) -> None:
        if isinstance(reply, Slow):
            self.double.wait(reply.seconds)
            self._send(body, reply.then)
        elif isinstance(reply, Failure):
            error = {"message": reply.message, "type": "error", "param": None, "code": reply.code}
            self._whole(reply.status, json.dumps({"error": error}).encode(), reply.headers)
        elif isinstance(reply, Broken):
            self._whole(200, reply.body, {"Content-Type": reply.content_type})
        elif isinstance(reply, Vectors):
            self._whole(200, json.dumps(_embeddings(body, reply)).encode(), {})
        elif isinstance(reply, Gone):
            self.double.go_down()
            self._drop()
        elif isinstance(reply, Dropped | Cut):
            self._break_off(body, reply)
        elif body.get("stream"):
            self._stream(_flood(body, reply) if isinstance(reply, Flood) else _chunks(body, reply))
        else:
            said = Text("x" * reply.megabytes * 1_000_000) if isinstance(reply, Flood) else reply
            self._whole(200, json.dumps(_completion(body, said)).encode(), {})

    def _break_off(self, body: dict[str, Any], reply: Dropped | Cut) -> None:
        if body.get("stream") and (reply.after or isinstance(reply, Cut)):
            pieces = ({"content": f"piece {index} "} for index in range(reply.after))
            self._stream((_chunk(body, piece) for piece in pieces), done=False)
        elif reply.after or isinstance(reply, Cut):
            whole = json.dumps(_completion(body, Text("piece " * reply.after))).encode()
            self._whole(200, whole, {}, cut_at=len(whole) // 2)
        self.close_connection = True
        if isinstance(reply, Dropped):
            self._drop()

    def _whole(
        self, status: int, content: bytes, headers: Mapping[str, str], cut_at: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:cut_at])

    def _stream(self, chunks: Iterable[dict[str, Any]], *, done: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for chunk in chunks:
            self._event(chunk)
        if done:
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()

    def _drop(self) -> None:
        self.close_connection = True
        # A reset, not an orderly end: linger of zero seconds.
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        self.connection.close()


def _usage(body: dict[str, Any], reply: Text | Calls) -> dict[str, int] | None:
    if isinstance(reply, Text) and not reply.counted:
        return None
    prompt = len(json.dumps(body.get("messages", []))) // 4
    answer = (reply.content or "") if isinstance(reply, Text) else json.dumps([*reply.calls])
    completion = len(answer) // 4 + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _tool_calls(reply: Calls) -> list[dict[str, Any]]:
    return [
        {
            "id": reply.ids[index] if index < len(reply.ids) else f"call_{index}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": said if isinstance(said, str) else json.dumps(said),
            },
        }
        for index, (name, said) in enumerate(reply.calls)
    ]


def _embeddings(body: dict[str, Any], reply: Vectors) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": list(row)}
            for index, row in enumerate(reply.rows)
        ],
        "model": body.get("model", ""),
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


def _completion(body: dict[str, Any], reply: Text | Calls) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(reply, Text):
        message["content"], finish = reply.content, reply.finish_reason
    else:
        message["tool_calls"], finish = _tool_calls(reply), "tool_calls"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": _usage(body, reply),
    }


def _chunk(
    body: dict[str, Any], delta: dict[str, Any], finish: str | None = None
) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model", ""),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
        "usage": None,
    }


def _chunks(body: dict[str, Any], reply: Text | Calls) -> Iterator[dict[str, Any]]:
    yield _chunk(body, {"role": "assistant", "content": ""})
    if isinstance(reply, Text):
        for word in reply.content.split(" ") if reply.content is not None else ():
            yield _chunk(body, {"content": word + " "})
        yield _chunk(body, {}, reply.finish_reason)
    else:
        for index, call in enumerate(_tool_calls(reply)):
            arguments = call["function"]["arguments"]
            half = len(arguments) // 2
            first = {**call, "index": index}
            first["function"] = {**call["function"], "arguments": arguments[:half]}
            yield _chunk(body, {"tool_calls": [first]})
            rest = {"index": index, "function": {"arguments": arguments[half:]}}
            yield _chunk(body, {"tool_calls": [rest]})
        yield _chunk(body, {}, "tool_calls")
    usage = _usage(body, reply)
    if (body.get("stream_options") or {}).get("include_usage") and usage is not None:
        yield {**_chunk(body, {}), "choices": [], "usage": usage}


def _flood(body: dict[str, Any], reply: Flood) -> Iterator[dict[str, Any]]:
    for _ in range(reply.megabytes * 10):
        yield _chunk(body, {"content": "x" * 100_000})
    yield _chunk(body, {}, "stop")
