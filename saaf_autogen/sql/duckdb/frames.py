"""Messages between the host and the process of an engine: a kind, a length, and bytes."""

from __future__ import annotations

import socket
import struct

__all__ = ["BATCH", "END", "ERROR", "INTERRUPT", "READY", "REQUEST", "SCHEMA", "receive", "send"]

REQUEST, INTERRUPT = b"Q", b"I"
READY, SCHEMA, BATCH, END, ERROR = b"R", b"S", b"B", b"E", b"X"
_HEADER = struct.Struct(">cQ")
_MOST = 2**31


def send(line: socket.socket, kind: bytes, payload: bytes | memoryview = b"") -> None:
    """Send one message. Raises ``OSError`` when the other side is gone."""
    view = memoryview(payload)
    line.sendall(_HEADER.pack(kind, view.nbytes))
    if view.nbytes:
        line.sendall(view)


def receive(line: socket.socket) -> tuple[bytes, bytearray]:
    """The next message. Raises ``EOFError`` or ``OSError`` when the other side is gone."""
    kind, size = _HEADER.unpack(_exactly(line, _HEADER.size))
    if size > _MOST:
        raise EOFError("a message of that size is none of ours")
    return kind, _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        count = line.recv_into(view[done:])
        if not count:
            raise EOFError("the other side is gone")
        done += count
    return data
