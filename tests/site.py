"""A real host in this process, on a deployment of a few lines and a clock that tests can move."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml
from fastapi import FastAPI

from saaf_autogen.api.app import create_app
from saaf_autogen.clock import Clock
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.identity import Identity
from saaf_autogen.project.project import Project
from saaf_autogen.settings import ServerSettings
from saaf_autogen.testing import ManualClock

__all__ = ["Site", "serving_site"]

LIMITED = ("calls", "unauthenticated", "oauth", "tokens")


@dataclass
class Site:
    """What tests hold of a running host.

    Attributes:
        url: where it listens; also its issuer.
        http: a client of it that follows no redirects.
        clock: a ``ManualClock`` unless another was given.
        project: its parts, for what no endpoint does. They live in the host's thread and loop:
            call async methods with ``on_loop``.
    """

    url: str
    project: Project
    clock: Any
    http: httpx.Client
    loop: asyncio.AbstractEventLoop
    folder: Path
    cleanup: list[Any] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        return self.project.identity

    def on_loop(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self.loop).result(timeout=30)

    def secret(self, client: str) -> str:
        known = json.loads((self.project.state / "clients.json").read_text())
        return str(known[client]["client_secret"])

    def post_token(self, client: str, **form: Any) -> httpx.Response:
        """A token request with the client's secret; client_credentials unless said otherwise."""
        return self.http.post(
            "/oauth/token",
            auth=(client, self.secret(client)),
            data={"grant_type": "client_credentials", **form},
        )

    def token(self, client: str, **form: Any) -> str:
        response = self.post_token(client, **form)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])


@contextmanager
def serving_site(
    folder: Path,
    settings: dict[str, Any],
    *,
    clock: Clock | None = None,
    name: str = "127.0.0.1",
    extend: Callable[[FastAPI], None] = lambda app: None,
) -> Iterator[Site]:
    """A host on a fresh deployment with these settings; it ends with the block.

    Files such as agents, tools or semantic ones are to be in ``folder`` already. Others know it
    by ``name``, which is to lead to 127.0.0.1. ``extend`` may add routes of the test's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        body = {"version": 1, "name": "site", "egress": {"allow": ["127.0.0.1", "localhost"]}}
        # The clock stands still and no minute passes: limits are for those who test them.
        body["limits"] = {f"{name}_per_minute": 1_000_000 for name in LIMITED}
        (folder / "saaf.yaml").write_text(yaml.safe_dump({**body, **settings}))
        clock = clock or ManualClock()
        url = f"http://{name}:{port}"
        proxies = settings.get("server", {}).get("trusted_proxies", [])
        server = ServerSettings(host="127.0.0.1", port=port, url=url, trusted_proxies=proxies)
        project = Project(read_deployment(folder), server=server, clock=clock)
        app = create_app(project)
        extend(app)
        config = uvicorn.Config(app, log_level="warning", lifespan="on", proxy_headers=False)
        running = uvicorn.Server(config)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=lambda: loop.run_until_complete(running.serve([listener])), daemon=True
        )
        thread.start()
        deadline = time.monotonic() + 30
        while not running.started:
            assert thread.is_alive(), "the host did not start"
            assert time.monotonic() < deadline, "the host did not start in time"
            time.sleep(0.01)
        with httpx.Client(base_url=url, timeout=30) as http:
            try:
                yield Site(url, project, clock, http, loop, folder)
            finally:
                running.should_exit = True
                thread.join(timeout=30)
                loop.close()
