"""What is done with a request before anything parses it: size, encoding, strict JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saaf_autogen.api.problems import problem_response
from saaf_autogen.errors import InvalidRequest, PayloadTooLarge, SaafError

__all__ = ["BodyGuard", "json_body"]

_PARSED = "saaf.body"
_MAX_DEPTH = 64
_WITHIN_S = 30.0


class BodyGuard:
    """ASGI middleware that reads the body, bounded, and refuses what no store could keep.

    Bodies over ``limit`` bytes are answered 413. JSON with NaN or infinities, duplicate keys,
    lone surrogates, NUL characters or deep nesting is answered 400, and so is a NUL in the path
    or the query, any other kind of body below ``/v1/``, and a body that is not here ``within_s``
    seconds. Nothing is done for a caller who left before its end. What passes is handed on as it
    came.
    """

    def __init__(self, app: ASGIApp, *, limit: int, within_s: float = _WITHIN_S) -> None:
        self._app = app
        self._limit = limit
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_target(scope)
            async with asyncio.timeout(self._within_s):
                body = await self._read(scope, receive)
            if body is None:
                return
            if body:
                scope[_PARSED] = _check_body(scope, body)
        except TimeoutError:
            slow = InvalidRequest(f"The body was not here within {self._within_s:g} s.")
            await problem_response(slow, instance=scope["path"])(scope, receive, send)
            return
        except SaafError as error:
            await problem_response(error, instance=scope["path"])(scope, receive, send)
            return
        await self._app(scope, _Replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body, or None where the caller left before its end: half an order is no order."""
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self._limit:
                raise self._too_large()
            if not message.get("more_body"):
                return bytes(body)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The body is over {self._limit} bytes.",
            remedy="Send less, or raise limits.body_bytes in saaf.yaml.",
        )


class _Replay:
    """Gives the body that was read once, then whatever comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def json_body(request: Request) -> Any:
    """The request's JSON as the guard has parsed it already; an empty object without a body."""
    return request.scope.get(_PARSED, {})


def _check_body(scope: Scope, body: bytes) -> Any:
    kind = Headers(scope=scope).get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return _check_json(body)
    if scope["path"].startswith("/v1/"):
        # The issuer takes forms; everything else of this host speaks JSON.
        raise InvalidRequest(
            f"The body is {kind or 'of no stated type'}, and this host takes JSON.",
            remedy="Send the header Content-Type: application/json.",
        )
    return {}


def _check_target(scope: Scope) -> None:
    if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
        raise InvalidRequest("The address holds a NUL character.")


def _check_json(body: bytes) -> Any:
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, InvalidJson) else "it is not JSON in UTF-8"
        raise InvalidRequest(f"The body cannot be read: {reason}.") from None
    _check_value(value, 0)
    return value


class InvalidJson(ValueError):
    """JSON that parses and is refused all the same."""


def _refuse_constant(name: str) -> Any:
    raise InvalidJson(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidJson("a key appears twice in an object")
    return result


def _check_value(value: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidRequest(f"The body is nested deeper than {_MAX_DEPTH} levels.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, depth + 1)
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise InvalidRequest("The body holds a number that is too large.")


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidRequest("A text in the body holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("A text in the body holds a lone surrogate.") from None
