"""A real host as a process of its own, on a free port of loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from saaf_autogen.client import Client
from saaf_autogen.errors import Unavailable

__all__ = ["RunningHost", "free_port"]

_POLL_S = 0.05


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RunningHost:
    """``saaf serve`` on a deployment folder, as a context manager.

    Args:
        project: the deployment folder.
        state: the state folder; default is the deployment's own.
        environ: further variables for the host.
        port: default is a free one.
        ready_within_s: how long it may take to start.
    """

    def __init__(
        self,
        project: str | Path,
        *,
        state: str | Path | None = None,
        environ: Mapping[str, str] | None = None,
        port: int | None = None,
        ready_within_s: float = 60,
    ) -> None:
        self.project = Path(project).resolve()
        self.state = Path(state).resolve() if state else self.project / ".saaf"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = {**os.environ, **(environ or {}), "SAAF_STATE": str(self.state)}
        self._ready_within_s = ready_within_s
        self._process: subprocess.Popen[bytes] | None = None
        # A file, not a pipe: nobody would read a pipe while the host runs.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the host is left

    @property
    def pid(self) -> int:
        """The host's process."""
        return self._running().pid

    def start(self) -> RunningHost:
        """Start it and wait until it is ready. Raises ``Unavailable`` with its last words."""
        command = [sys.executable, "-m", "saaf_autogen", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            [*command, "--project", str(self.project)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._environ,
        )
        deadline = time.monotonic() + self._ready_within_s
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                said = self.output()
                self._log.close()
                raise Unavailable(f"The host did not start:\n{said}")
            time.sleep(_POLL_S)
        return self

    def client(self, client_id: str) -> Client:
        """A client of this host, with the secret that was made at its first start."""
        secret = self._secrets(client_id)["client_secret"]
        return Client(self.url, client_id=client_id, client_secret=secret)

    def webhook_secret(self, client_id: str) -> str:
        """What callbacks to this client are signed with."""
        return self._secrets(client_id)["webhook_secret"]

    def output(self) -> str:
        """What it has printed."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def kill(self) -> None:
        """End it as a power cut would: kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def __enter__(self) -> RunningHost:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._log.close()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:  # noqa: S310 - loopback
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _secrets(self, client_id: str) -> dict[str, str]:
        known = json.loads((self.state / "clients.json").read_text())
        secrets: dict[str, str] = known[client_id]
        return secrets

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise Unavailable("The host was not started.")
        return self._process
