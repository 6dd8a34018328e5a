"""Converses with ``relying_party.mjs``: a certified relying party in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["NODE", "PEERS", "Landing", "converse", "landing"]

PEERS = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"

Visit = Callable[[dict[str, Any]], str]


def converse(flow: str, given: dict[str, Any], visit: Visit | None = None) -> dict[str, Any]:
    """Run a flow; ``visit`` goes where a person would and says where they ended."""
    process = subprocess.Popen(
        [NODE, PEERS / "relying_party.mjs", flow],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PEERS,
    )
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stderr

        def tell(message: dict[str, Any]) -> None:
            assert process.stdin
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

        tell(given)
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "result" in said:
                return dict(said["result"])
            assert "failed" not in said, said["failed"]
            assert visit, said
            tell({"url": visit(said)})
        raise AssertionError(process.stderr.read())


class Landing:
    """Where a client's redirects end; it answers every address with a short page."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/callback"
        self.root = f"http://127.0.0.1:{port}/"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>Back at the client</title><link rel=icon href=data:,>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def landing() -> Iterator[Landing]:
    """A client's own small server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Landing(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
