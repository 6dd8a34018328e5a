"""Processes of the product: hosts and workers that can be killed, paused and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from saaf_autogen.errors import Unavailable
from saaf_autogen.testing.host import free_port

__all__ = ["Node"]

_POLL_S = 0.05


class Node:
    """``saaf serve`` or ``saaf worker``, by a name that its calls carry.

    Args:
        name: what the ledger and the models know it by.
        kind: ``both`` hosts and executes, ``api`` only hosts, ``worker`` only executes.
        project: the deployment folder.
        environ: further variables.
        logs: the folder for what it prints.

    Attributes:
        started: when each of its processes was started, by their ids.
    """

    def __init__(
        self, name: str, kind: str, project: Path, environ: Mapping[str, str], logs: Path
    ) -> None:
        self.name = name
        self.kind = kind
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.started: dict[int, float] = {}
        self._project = project
        self.environ = {
            **os.environ,
            **environ,
            "CHAOS_PROCESS": name,
            "CHAOS_MODEL_KEY": f"sk-{name}",
        }
        self._log = logs / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._pumps: list[threading.Thread] = []

    @property
    def pid(self) -> int:
        """The process as it is now, or was last."""
        if self._process is None:
            raise Unavailable(f"{self.name} was never started.")
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def executes(self) -> bool:
        """Whether runs are executed in it."""
        return self.kind != "api"

    def start(self) -> Node:
        """Start the process; it may take seconds until it is ready."""
        at = time.time()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "saaf_autogen", *self._command()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environ,
        )
        self.started[self._process.pid] = at
        # Through a pipe, not into a file: nothing that it prints needs room on its disk.
        pump = threading.Thread(target=self._pump, args=(self._process,), daemon=True)
        pump.start()
        self._pumps.append(pump)
        return self

    def wait_ready(self, within_s: float = 60) -> Node:
        """Until it answers; a worker is ready when ``Store.workers`` shows it."""
        deadline = time.monotonic() + within_s
        while not self.answers():
            if not self.is_alive or time.monotonic() > deadline:
                raise Unavailable(f"{self.name} did not start:\n{self.output()[-4000:]}")
            time.sleep(_POLL_S)
        return self

    def answers(self) -> bool:
        """Whether it says that it is ready; of a worker: whether it lives."""
        if self.kind == "worker":
            return self.is_alive
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """End it as a power cut would: kill -9. Returns when it is gone."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP), as a suspended machine is."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def stop(self, within_s: float = 40) -> None:
        """Ask it to end, and wait; kill it when it does not."""
        if self._process is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            self.kill()
        for pump in self._pumps:
            pump.join(timeout=5)

    def output(self) -> str:
        """What it has printed, in all its lives."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def _command(self) -> Sequence[str]:
        if self.kind == "worker":
            return ["worker", "--project", str(self._project)]
        where = ["serve", "--port", str(self.port), "--project", str(self._project)]
        return where if self.kind == "both" else [*where, "--no-worker"]

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive:
            os.kill(self.pid, number)

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with self._log.open("ab") as file, process.stdout as pipe:
            for line in pipe:
                file.write(line)
                file.flush()
