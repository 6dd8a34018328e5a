"""What goes wrong with language models, as replies of ``OpenAIServer``, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass

from saaf_autogen.testing.openai_server import (
    Broken,
    Calls,
    Cut,
    Dropped,
    Failure,
    Flood,
    Gone,
    Reply,
    Slow,
    Text,
)

__all__ = ["FAULTS", "TOOL", "ModelFault"]

TOOL = "math_add"
_HTML = b"<html><body>502 Bad Gateway: sk-SECRET</body></html>"
_NO_CHOICES = b'{"id": "x", "object": "chat.completion", "created": 1, "model": "x", "choices": []}'
_NO_DELTAS = b'data: {"id": "x", "object": "chat.completion.chunk", "choices": []}\n\n'


@dataclass(frozen=True)
class ModelFault:
    """A fault of a model.

    Attributes:
        name: what it is called in reports.
        reply: what the server says; whoever uses it says something sensible at the next call.
        kind: ``kind`` of the ``ModelFailed`` that a run ends with; None where the run goes on.
        stream_reply, stream_kind: the same where the model is asked for a stream.
    """

    name: str
    reply: Reply
    kind: str | None
    stream_reply: Reply
    stream_kind: str | None


def _fault(
    name: str,
    reply: Reply,
    kind: str | None,
    *,
    streamed: Reply | None = None,
    stream_kind: str | None = None,
) -> ModelFault:
    return ModelFault(name, reply, kind, streamed or reply, stream_kind or kind)


def _sse(body: bytes) -> Broken:
    return Broken(body, "text/event-stream")


# Slow is longer than any timeout_s that tests set. The tool's name is the one of an action
# ``math.add`` that takes the integers a and b.
FAULTS: tuple[ModelFault, ...] = (
    _fault("rate limited", Failure(429, message="sk-SECRET"), "rate_limited"),
    _fault(
        "rate limited, says how long",
        Failure(429, {"Retry-After": "1"}, message="sk-SECRET"),
        "rate_limited",
    ),
    _fault("server error", Failure(500, message="sk-SECRET"), "unavailable"),
    _fault("overloaded", Failure(503, message="sk-SECRET"), "unavailable"),
    _fault("no answer in time", Slow(60, Text("late")), "timeout"),
    _fault("connection refused", Gone(), "connection"),
    _fault("connection reset", Dropped(), "connection"),
    _fault("dropped in mid-answer", Dropped(after=2), "connection"),
    _fault("cut off in mid-answer", Cut(after=2), "connection"),
    _fault("a page of HTML", Broken(_HTML, "text/html"), "unreadable", stream_kind="empty"),
    _fault(
        "bad JSON",
        Broken(b'{"choices": [{"sk-SECRET'),
        "unreadable",
        streamed=_sse(b"data: {half sk-SECRET\n\n"),
    ),
    _fault("no choices", Broken(_NO_CHOICES), "empty", streamed=_sse(_NO_DELTAS)),
    _fault("null content", Text(None), None),
    _fault("50 MB of output", Flood(), "too_large"),
    _fault("arguments that are no JSON", Calls([(TOOL, '{"a": 1, "b"')]), None),
    _fault("arguments that are no object", Calls([(TOOL, "[1, 2]")]), None),
    _fault("arguments of wrong types", Calls([(TOOL, {"a": "many", "b": None})]), None),
    _fault("a tool that there is not", Calls([("launch_missiles", {"now": True})]), None),
    _fault("filtered to nothing", Text(None, "content_filter"), "filtered"),
    _fault("filtered in the middle", Text("So far", "content_filter"), None),
    _fault("out of tokens at once", Text(None, "length"), "truncated"),
    _fault("out of tokens in the middle", Text("So far", "length"), None),
    _fault("no quota left", Failure(429, code="insufficient_quota", message="sk-SECRET"), "quota"),
    _fault(
        "too long a conversation",
        Failure(400, code="context_length_exceeded", message="sk-SECRET"),
        "too_large",
    ),
    _fault("key refused", Failure(401, message="bad key sk-SECRET"), "unauthenticated"),
)
