"""Limits on callers who are not known by a token, and what every answer tells of limits."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saaf_autogen.api.addresses import ClientAddresses, payer
from saaf_autogen.api.problems import problem_response
from saaf_autogen.errors import RateLimited
from saaf_autogen.limits import Limits, Room

__all__ = ["RateGuard"]

_FREE = ("/livez", "/readyz")


class RateGuard:
    """ASGI middleware.

    Below ``/v1/``, callers with a good token pay as who they are (``api.limits.charge``). What is
    answered to anyone else (no token, a bad one, a body that nobody read) is counted by address,
    and becomes 429 past the limit; callers with a good token at the same address are not touched.
    Everything else but the health checks is counted by address before it is looked at.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, addresses: ClientAddresses) -> None:
        self._app = app
        self._limits = limits
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        address = state["client_address"] = self._addresses.of(scope)
        path = scope["path"]
        if path.startswith("/v1/"):
            await self._app(scope, receive, _Answer(scope, receive, send, self._limits, address))
            return
        if path not in _FREE:
            try:
                self._limits.addresses.take(payer(address))
            except RateLimited as refusal:
                await _refusal(refusal, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Answer:
    """Sends an answer on, with what is left to the caller; or 429 instead of it."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, limits: Limits, address: str
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._address = address
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            state = self._scope["state"]
            room: Room | None = state.get("room")
            if room is not None:
                MutableHeaders(scope=message).update(room.headers())
            elif not state.get("charged"):
                try:
                    self._limits.strangers.take(payer(self._address))
                except RateLimited as refusal:
                    self._replaced = True
                    response = problem_response(refusal, instance=self._scope["path"])
                    await response(self._scope, self._receive, self._send)
                    return
        await self._send(message)


def _refusal(refusal: RateLimited, scope: Scope) -> Response:
    """429 in the format of the endpoint: a problem, RFC 6749's error, or a line for people."""
    headers = {"Retry-After": str(refusal.extra["retry_after"]), **refusal.extra["ratelimit"]}
    if "text/html" in Headers(scope=scope).get("accept", ""):
        return PlainTextResponse(f"{refusal}\n", 429, headers)
    headers["Cache-Control"] = "no-store"
    body = {"error": "temporarily_unavailable", "error_description": str(refusal)}
    return JSONResponse(body, 429, headers)
