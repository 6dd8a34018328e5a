"""The world outside of SAAF: a payment server that counts what was really done, and by whom.

It is no part of any store of SAAF, and outlives every process that is killed.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

from tests.chaos.chance import chance

__all__ = ["Attempt", "Effect", "Ledger", "Moment"]

Kind = Literal["set", "keyed", "plain"]
Moment = Literal["model", "before", "after"]


@dataclass(frozen=True)
class Effect:
    """Something that happened in the world: a step of an order, once more."""

    order: str
    step: str
    kind: Kind
    key: str | None
    process: str
    at: float


@dataclass(frozen=True)
class Attempt:
    """A call that arrived, whether or not it changed anything."""

    order: str
    step: str
    process: str
    at: float


class Ledger:
    """A context manager that serves on a free port of loopback.

    ``POST /`` with ``{order, step, kind, key}``: a ``set`` step is what it is however often it is
    set; a ``keyed`` one happens once for each key; a ``plain`` one happens each time.

    Args:
        seed: of the small delays before and after an effect.
        delay_s: the longest of them.
        watch: called at each moment ``before`` and ``after`` an effect.
    """

    def __init__(
        self, seed: int, *, delay_s: float = 0.02, watch: Callable[[Moment], None] | None = None
    ) -> None:
        self.effects: list[Effect] = []
        self.attempts: list[Attempt] = []
        self.delay_s = delay_s
        self._watch = watch or (lambda moment: None)
        self._seed = seed
        self._lock = threading.Lock()
        self._open: Counter[tuple[str, str]] = Counter()
        ledger = self

        class Handler(_Handler):
            held = ledger

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def look(self, order: str, step: str) -> str | None:
        """The receipt of a step that has happened."""
        with self._lock:
            known = any((each.order, each.step) == (order, step) for each in self.effects)
        return receipt(order, step) if known else None

    def is_quiet(self, order: str, step: str) -> bool:
        """Whether no call about the step is under way; only then can anyone know its fate."""
        with self._lock:
            return self._open[order, step] == 0

    def do(self, body: dict[str, Any], process: str) -> str:
        """Do a step, or not, as its kind says; the receipt."""
        order, step, kind, key = body["order"], body["step"], body["kind"], body.get("key")
        with self._under_way(order, step, process) as number:
            random = chance(self._seed, order, step, number)
            time.sleep(random.uniform(0, self.delay_s))
            self._watch("before")
            with self._lock:
                if not self._is_done(order, step, kind, key):
                    self.effects.append(Effect(order, step, kind, key, process, time.time()))
            self._watch("after")
            time.sleep(random.uniform(0, self.delay_s))
        return receipt(order, step)

    def __enter__(self) -> Ledger:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def _is_done(self, order: str, step: str, kind: Kind, key: str | None) -> bool:
        if kind == "plain":
            return False
        if kind == "keyed":
            return any(each.key == key for each in self.effects if each.kind == "keyed")
        return any((each.order, each.step) == (order, step) for each in self.effects)

    @contextmanager
    def _under_way(self, order: str, step: str, process: str) -> Iterator[int]:
        with self._lock:
            self._open[order, step] += 1
            self.attempts.append(Attempt(order, step, process, time.time()))
            number = len(self.attempts)
        try:
            yield number
        finally:
            with self._lock:
                self._open[order, step] -= 1


def receipt(order: str, step: str) -> str:
    """What the payment server answers: the same for the same step."""
    return f"receipt {order}/{step}"


class _Handler(BaseHTTPRequestHandler):
    held: Ledger
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Quiet."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client may be killed at any time
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        content = self.rfile.read(length)
        if len(content) < length:
            return  # the client was killed while it asked
        said = self.held.do(json.loads(content), self.headers.get("x-process", ""))
        answer = json.dumps(said).encode()
        with suppress(ConnectionError):
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
