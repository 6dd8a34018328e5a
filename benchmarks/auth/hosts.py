"""The hosts that are compared, each a process of its own on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psutil

from benchmarks.auth.bare import SECRET
from saaf_autogen.testing import RunningHost, free_port

__all__ = ["FASTMCP", "PACK", "SETTINGS", "Target", "bare", "fastmcp", "saaf"]

FASTMCP = Path(__file__).parent.parent / ".cache" / "fastmcp" / "bin" / "python"
_ARGUMENTS = {"a": 2, "b": 3}
PACK = '''"""One action without data, so that all that is measured is the way to it."""

from saaf_autogen import action

SCOPES = {"tools.bench:add": "Add two numbers."}


@action(scopes=["tools.bench:add"], effect="read")
async def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b
'''
SETTINGS = """\
version: 1
name: bench
limits: {calls_per_minute: 100000000, oauth_per_minute: 100000000, tokens_per_minute: 100000000}
clients:
  - {id: bench, scopes: ["tools.bench:add"]}
"""


@dataclass(frozen=True)
class Target:
    """A host and the requests to send it; ``process`` is the one that answers."""

    port: int
    process: psutil.Process
    call: bytes
    token: bytes | None = None

    def cpu_s(self) -> float:
        """Processor time that the host has used so far, in seconds."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextmanager
def bare(algorithm: str) -> Iterator[Target]:
    """FastAPI and PyJWT."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.auth.bare", str(port), algorithm]
    with _running(command) as process:
        _await(f"http://127.0.0.1:{port}/openapi.json")
        form = {
            "grant_type": "client_credentials",
            "client_id": "bench",
            "client_secret": SECRET,
        }
        token = httpx.post(f"http://127.0.0.1:{port}/token", data=form).json()["access_token"]
        yield Target(
            port,
            psutil.Process(process.pid),
            _json_request("/add", _ARGUMENTS, token),
            _form_request("/token", form),
        )


@contextmanager
def saaf() -> Iterator[Target]:
    """SAAF as ``saaf serve`` runs it: policy, audit, limits, revocation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tools").mkdir()
        (folder / "tools" / "bench.py").write_text(PACK)
        (folder / "saaf.yaml").write_text(SETTINGS)
        with RunningHost(folder) as host:
            known = json.loads((host.state / "clients.json").read_text())
            form = {
                "grant_type": "client_credentials",
                "client_id": "bench",
                "client_secret": known["bench"]["client_secret"],
            }
            token = httpx.post(f"{host.url}/oauth/token", data=form).json()["access_token"]
            yield Target(
                host.port,
                psutil.Process(host.pid),
                _json_request("/v1/actions/bench.add", _ARGUMENTS, token),
                _form_request("/oauth/token", form),
            )


@contextmanager
def fastmcp() -> Iterator[Target]:
    """FastMCP, if its environment is there."""
    port = free_port()
    here = Path(__file__).parent / "fastmcp_host.py"
    with _running([str(FASTMCP), str(here), str(port)], stdout=subprocess.PIPE) as process:
        token = (process.stdout or sys.stdin.buffer).readline().decode().strip()
        _await(f"http://127.0.0.1:{port}/mcp")
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "add", "arguments": _ARGUMENTS},
        }
        request = _json_request("/mcp", body, token, accept="application/json, text/event-stream")
        yield Target(port, psutil.Process(process.pid), request)


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, env=environ, **options)  # noqa: S603 - our own commands
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{url} did not come up")


def _json_request(
    path: str, body: dict[str, Any], token: str, *, accept: str = "application/json"
) -> bytes:
    content = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: {accept}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content


def _form_request(path: str, form: dict[str, str]) -> bytes:
    content = urlencode(form).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content
