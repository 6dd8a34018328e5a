"""Ids for calls that come by the thousand."""

from __future__ import annotations

import os
from collections import deque

__all__ = ["CallIds"]

_BYTES = 12
_AT_ONCE = 256


class CallIds:
    """``call_`` and 96 random bits, as ``new_call_id``; the system is asked once for many.

    Safe in every thread. A process that was forked off asks anew, so that no two share an id.
    """

    def __init__(self) -> None:
        self._drawn: deque[str] = deque()
        self._process = os.getpid()

    def draw(self) -> str:
        """An id that nobody had."""
        if self._process != os.getpid():
            self._drawn, self._process = deque(), os.getpid()
        while True:
            try:
                return self._drawn.popleft()
            except IndexError:
                text = os.urandom(_BYTES * _AT_ONCE).hex()
                size = 2 * _BYTES
                self._drawn.extend(
                    f"call_{text[start : start + size]}" for start in range(0, len(text), size)
                )
