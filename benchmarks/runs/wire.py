"""A small HTTP/1.1 and WebSocket client: a load generator shares the machine with what it loads."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any

__all__ = ["Connection", "Socket", "Unexpected"]

_LIMIT = 8_000_000


class Unexpected(RuntimeError):
    """An answer that a benchmark cannot count."""


class Connection:
    """One connection to a host on loopback, kept open from request to request.

    Args:
        port: where the host listens.
        headers: sent with each request.
    """

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self.port = port
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def post(
        self, path: str, body: Any = None, *, form: str | None = None, status: int = 200
    ) -> Any:
        """The JSON that a POST answers; raises ``Unexpected`` for any other status."""
        return await self._json("POST", path, *_encoded(body, form), status)

    async def get(self, path: str, *, status: int = 200) -> Any:
        """The JSON that a GET answers; raises ``Unexpected`` for any other status."""
        return await self._json("GET", path, b"", "", status)

    async def events(
        self, path: str, body: Any = None, *, form: str | None = None
    ) -> AsyncIterator[tuple[str, str]]:
        """Server-sent events as (name, data); a GET without body and form, else a POST."""
        method = "GET" if body is None and form is None else "POST"
        await self._send(method, path, *_encoded(body, form))
        status, headers = await self._head()
        if status != 200:
            raise Unexpected(f"{method} {path}: {status}")
        name, data = "", ""
        try:
            async for line in self._lines(headers):
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line and (name or data):
                    yield name, data
                    name, data = "", ""
        except BaseException:
            self.close()  # left in the middle, the connection is of no more use
            raise

    def close(self) -> None:
        """Give the connection back; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _json(self, method: str, path: str, content: bytes, kind: str, status: int) -> Any:
        await self._send(method, path, content, kind)
        found, headers = await self._head()
        answer = b"".join([part async for part in self._parts(headers)])
        if headers.get("connection") == "close":
            self.close()
        if found != status:
            raise Unexpected(f"{method} {path}: {found} {answer[:300]!r}")
        return json.loads(answer) if answer else None

    async def _send(self, method: str, path: str, content: bytes, kind: str) -> None:
        if self._writer is None or self._reader is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=_LIMIT
            )
        kind = f"Content-Type: {kind}\r\n" if kind else ""
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._headers}{kind}"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )

    async def _head(self) -> tuple[int, dict[str, str]]:
        first, *lines = (await self._open().readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip().lower()
        return int(first.split(" ", 2)[1]), headers

    async def _parts(self, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        reader = self._open()
        if headers.get("transfer-encoding") != "chunked":
            if size := int(headers.get("content-length", 0)):
                yield await reader.readexactly(size)
            return
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")

    async def _lines(self, headers: Mapping[str, str]) -> AsyncIterator[str]:
        rest = ""
        async for part in self._parts(headers):
            *lines, rest = (rest + part.decode()).replace("\r\n", "\n").split("\n")
            for line in lines:
                yield line

    def _open(self) -> asyncio.StreamReader:
        if self._reader is None:
            raise Unexpected("nothing was asked")
        return self._reader


class Socket:
    """A WebSocket of a host on loopback, for short texts (RFC 6455)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, path: str) -> Socket:
        """Connect; raises ``Unexpected`` when the host does not switch protocols."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LIMIT)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            writer.close()
            raise Unexpected(f"{path}: {head[:100]!r}")
        return cls(reader, writer)

    def send(self, message: Any) -> None:
        """Send a message as JSON."""
        content = json.dumps(message).encode()
        size = len(content)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
        # A mask of zeros is a mask: the content stands as it is.
        self._writer.write(head + bytes(4) + content)

    async def receive(self) -> Any:
        """The next message, from JSON; raises ``Unexpected`` at the end."""
        while True:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            content = await self._reader.readexactly(size)
            if first & 0x0F == 8:
                raise Unexpected("the socket was closed")
            if first & 0x0F == 1:
                return json.loads(content)

    def close(self) -> None:
        """Leave."""
        self._writer.close()


def _encoded(body: Any, form: str | None) -> tuple[bytes, str]:
    if form is not None:
        return form.encode(), "application/x-www-form-urlencoded"
    return (b"", "") if body is None else (json.dumps(body).encode(), "application/json")
