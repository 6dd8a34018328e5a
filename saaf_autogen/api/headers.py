"""Security headers on every answer."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SecurityHeaders"]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Answers are data. The documentation page is a page, with an inline script and style of its own.
_DATA = (*_ALWAYS, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
_KEPT_BY_NOBODY = (*_DATA, (b"cache-control", b"no-store"))
_PAGE = (
    *_ALWAYS,
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)


class SecurityHeaders:
    """ASGI middleware; answers to callers with a token are kept by no cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        path = scope["path"]
        wanted: tuple[tuple[bytes, bytes], ...] = _DATA
        if path.startswith("/v1/"):
            wanted = _KEPT_BY_NOBODY
        elif path == "/docs" or path.startswith("/docs/"):
            wanted = _PAGE

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                message["headers"] = headers + [each for each in wanted if each[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)
