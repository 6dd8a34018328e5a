"""Reading what somebody types, while the event loop goes on."""

from __future__ import annotations

import asyncio
import io
import os
import select
import sys
from typing import TextIO

__all__ = ["Terminal"]

_LOOK_S = 0.05
_CHUNK = 65_536


class Terminal:
    """Lines of standard input.

    Waiting for one can be cancelled, as by Ctrl-C: no thread is left behind in a read that nothing
    ends.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdin
        self._read = b""
        self._ended = False

    async def line(self) -> str | None:
        """The next line, stripped; None at the end of input."""
        try:
            number = self._stream.fileno()
        except (io.UnsupportedOperation, ValueError):
            # No file of the system's: whatever stands in for it does not block.
            text = self._stream.readline()
            return text.strip() if text else None
        while b"\n" not in self._read and not self._ended:
            if select.select([number], [], [], 0)[0]:
                chunk = os.read(number, _CHUNK)
                self._read += chunk
                self._ended = not chunk
            else:
                await asyncio.sleep(_LOOK_S)
        if not self._read:
            # At a terminal, Ctrl-D ends one line and not the terminal.
            self._ended = False
            return None
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace").strip()
