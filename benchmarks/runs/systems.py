"""The servers that are compared: how each is started, and the ways in which its callers wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.runs.deployment import client_headers, write_deployment
from benchmarks.runs.environments import ENVIRONMENTS, NotHere
from benchmarks.runs.machine import PostgreSQL
from saaf_autogen.testing import free_port

__all__ = ["SYSTEMS", "Host", "System", "bare_insert", "saaf"]

_HOSTS = Path(__file__).parent / "hosts"
_READY_S = 90
_TEAM = {
    "provider": "autogen_agentchat.teams.RoundRobinGroupChat",
    "config": {
        "max_turns": 1,
        "participants": [
            {
                "provider": "autogen_agentchat.agents.AssistantAgent",
                "config": {
                    "name": "hello",
                    "description": "Greets.",
                    "system_message": "Greet.",
                    "reflect_on_tool_use": False,
                    "tool_call_summary_format": "{result}",
                    "model_client": {
                        "provider": "autogen_ext.models.replay.ReplayChatCompletionClient",
                        "config": {"chat_completions": ["Hello, what can I do for you?"]},
                    },
                },
            }
        ],
    },
}


@dataclass(frozen=True)
class Host:
    """A server that runs: its port, its processes, and what its flows need."""

    port: int
    pid: int
    worker: int | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A server to compare.

    Args:
        name: as the table shows it.
        flows: ways to wait for the end, of ``flows.py``; the first is the one that is compared.
        start: starts it; gets the benchmark's PostgreSQL.
        durable: whether what it accepted outlives its process.
    """

    name: str
    flows: tuple[str, ...]
    start: Callable[[PostgreSQL], Any]
    durable: bool


@contextmanager
def saaf(
    url: str | None,
    agent: str = "team",
    *,
    options: Sequence[str] = (),
    apart: bool = False,
    latency_s: float | None = None,
    **settings: Any,
) -> Iterator[Host]:
    """``saaf serve`` on a deployment of its own.

    Args:
        url: of an empty PostgreSQL; None for SQLite.
        agent: which of the deployment's agents is run.
        options: of ``saaf serve``.
        apart: whether runs execute in a process of their own, ``saaf worker``.
        latency_s: how long a scripted model waits, which calls tools; None: the offline one.
        settings: parts of ``saaf.yaml`` that differ.
    """
    port = free_port()
    module = ["saaf_autogen"] if latency_s is None else ["benchmarks.runs.scripted", str(latency_s)]
    with tempfile.TemporaryDirectory() as name:
        folder = write_deployment(Path(name), **settings)
        python = [sys.executable, "-m", *module]
        place = ["--project", str(folder)]
        if apart:
            options = [*options, "--no-worker"]
        command = [*python, "serve", *place, "--port", str(port), *options]
        # A worker apart must know the API's address: it is the issuer of those whose runs it has.
        environ = {"PYTHONPATH": str(Path.cwd()), "SAAF_URL": f"http://127.0.0.1:{port}"}
        environ |= {"SAAF_DATABASE_URL": url} if url else {}
        ready = f"http://127.0.0.1:{port}/readyz"
        with ExitStack() as stack:
            api = stack.enter_context(_process(command, folder, ready, environ))
            worker = None
            if apart:
                command = [*python, "worker", *place]
                worker = stack.enter_context(_process(command, folder, ready, environ)).pid
            headers = client_headers(f"http://127.0.0.1:{port}", folder / ".saaf", "bench")
            yield Host(port, api.pid, worker, {"agent": agent, "headers": headers})


@contextmanager
def _script(
    environment: str, command: list[str], ready: str, port: int, **environ: str
) -> Iterator[Host]:
    """A server in an environment of its own, in a folder of its own."""
    program, *arguments = command
    started = [ENVIRONMENTS[environment].bin(program), *arguments]
    url = f"http://127.0.0.1:{port}{ready}"
    with (
        tempfile.TemporaryDirectory() as name,
        _process(started, Path(name), url, {"HOME": name, **environ}) as process,
    ):
        yield Host(port, process.pid, given={"team": _TEAM})


@contextmanager
def _process(
    command: list[str], folder: Path, ready: str, environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DO_NOT_TRACK": "1", **environ},
            start_new_session=True,
        )
        try:
            if not _is_up(process, ready):
                log.seek(0)
                raise NotHere(log.read().decode("utf-8", "replace").strip()[-800:])
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_up(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code < 500:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    return False


@contextmanager
def _dbos(url: str, shape: str) -> Iterator[Host]:
    port = free_port()
    command = ["python", str(_HOSTS / "bare_dbos.py"), str(port), url, shape]
    with _script("dbos", command, "/openapi.json", port) as host:
        yield host


@contextmanager
def _agno(url: str | None) -> Iterator[Host]:
    port = free_port()
    where = "sqlite:///agno.db" if url is None else _with_driver(url)
    command = ["python", str(_HOSTS / "agno_host.py"), str(port), where]
    with _script("agno", command, "/health", port) as host:
        yield host


@contextmanager
def _langgraph() -> Iterator[Host]:
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "langgraph.json"
        graphs = {"hello": f"{_HOSTS / 'graph' / 'hello.py'}:graph"}
        config.write_text(json.dumps({"dependencies": ["."], "graphs": graphs}))
        command = [
            "langgraph", "dev", "--config", str(config), "--port", str(port), "--no-browser",
            "--no-reload", "--n-jobs-per-worker", "50", "--server-log-level", "ERROR",
        ]  # fmt: skip
        with _script("langgraph", command, "/ok", port, LANGSMITH_TRACING="false") as host:
            yield host


@contextmanager
def _aegra(url: str) -> Iterator[Host]:
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "aegra.json"
        graphs = {"hello": f"{_HOSTS / 'graph' / 'hello.py'}:graph"}
        config.write_text(json.dumps({"graphs": graphs}))
        command = [
            "uvicorn", "aegra_api.main:app", "--host", "127.0.0.1", "--port", str(port),
            "--log-level", "warning", "--no-access-log",
        ]  # fmt: skip
        environ = {
            "AEGRA_CONFIG": str(config),
            "DATABASE_URL": url,
            "AUTH_TYPE": "noop",
            "LOG_LEVEL": "ERROR",
            "LANGSMITH_TRACING": "false",
        }
        with _script("aegra", command, "/health", port, **environ) as host:
            yield host


@contextmanager
def _studio() -> Iterator[Host]:
    port = free_port()
    command = ["autogenstudio", "ui", "--port", str(port), "--appdir", "."]
    with _script("studio", command, "/api/health", port) as host:
        yield host


@contextmanager
def _adk() -> Iterator[Host]:
    port = free_port()
    command = [
        "adk", "api_server", "--host", "127.0.0.1", "--port", str(port), "--log_level", "ERROR",
        "--session_service_uri", "sqlite:///adk.db", str(_HOSTS / "adk"),
    ]  # fmt: skip
    with _script("adk", command, "/list-apps", port) as host:
        yield host


@contextmanager
def bare_insert(url: str) -> Iterator[Host]:
    """FastAPI and one insert, with SAAF's own libraries."""
    port = free_port()
    command = [
        sys.executable, "-m", "benchmarks.runs.insert", str(port), _with_driver(url),
    ]  # fmt: skip
    ready = f"http://127.0.0.1:{port}/openapi.json"
    with _process(command, Path.cwd(), ready, {"PYTHONPATH": str(Path.cwd())}) as process:
        yield Host(port, process.pid)


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _saaf_on_postgresql(agent: str) -> Callable[[PostgreSQL], Any]:
    return lambda server: saaf(server.database(), agent)


_SAAF = ("SaafStream", "SaafPoll")
SYSTEMS: Mapping[str, System] = {
    "dbos": System(
        "bare DBOS step, PostgreSQL", ("Plain",), lambda one: _dbos(one.database(), "team"), True
    ),
    "saaf": System("SAAF, PostgreSQL", _SAAF, _saaf_on_postgresql("team"), True),
    "saaf-sqlite": System("SAAF, SQLite", _SAAF, lambda _: saaf(None), True),
    "agno": System(
        "Agno AgentOS, PostgreSQL, durable queue",
        ("AgnoStream", "AgnoPoll"),
        lambda one: _agno(one.database()),
        True,
    ),
    "agno-sqlite": System(
        "Agno AgentOS, SQLite, foreground", ("AgnoWait", "AgnoPoll"), lambda _: _agno(None), False
    ),
    "aegra": System(
        "Aegra, PostgreSQL, in process",
        ("LangGraphWait", "LangGraphPoll"),
        lambda one: _aegra(one.database()),
        True,
    ),
    "langgraph": System(
        "langgraph dev, in memory",
        ("LangGraphWait", "LangGraphPoll"),
        lambda _: _langgraph(),
        False,
    ),
    "studio": System("AutoGen Studio, SQLite, WebSocket", ("Studio",), lambda _: _studio(), False),
    "adk": System("Google ADK, SQLite, foreground", ("Adk",), lambda _: _adk(), False),
    "dbos-agent": System(
        "bare DBOS step, PostgreSQL, no team",
        ("Plain",),
        lambda one: _dbos(one.database(), "agent"),
        True,
    ),
    "saaf-agent": System("SAAF, PostgreSQL, no team", _SAAF, _saaf_on_postgresql("hello"), True),
}
