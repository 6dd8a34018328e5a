"""The servers that are compared: how each is started, and the ways in which its callers wait."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.runs.deployment import client_headers, write_deployment
from benchmarks.runs.environments import ENVIRONMENTS, NotHere
from benchmarks.runs.machine import PostgreSQL
from saaf_autogen.testing import RunningHost, free_port

__all__ = ["SYSTEMS", "Host", "System"]

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
    """A server that runs: its port, its process, and what its flows need."""

    port: int
    pid: int
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
def _saaf(url: str | None, agent: str) -> Iterator[Host]:
    with tempfile.TemporaryDirectory() as name:
        folder = write_deployment(Path(name))
        environ = {"SAAF_DATABASE_URL": url} if url else {}
        with RunningHost(folder, environ=environ) as host:
            yield Host(
                host.port, host.pid, {"agent": agent, "headers": client_headers(host, "bench")}
            )


@contextmanager
def _script(
    environment: str, command: list[str], ready: str, port: int, **environ: str
) -> Iterator[Host]:
    """A server in an environment of its own, in a folder of its own."""
    program, *arguments = command
    started = [ENVIRONMENTS[environment].bin(program), *arguments]
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            started,
            cwd=name,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": name, "DO_NOT_TRACK": "1", **environ},
            start_new_session=True,
        )
        try:
            if not _is_up(process, f"http://127.0.0.1:{port}{ready}"):
                log.seek(0)
                raise NotHere(log.read().decode("utf-8", "replace").strip()[-800:])
            yield Host(port, process.pid, {"team": _TEAM})
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
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


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _saaf_on_postgresql(agent: str) -> Callable[[PostgreSQL], Any]:
    return lambda server: _saaf(server.database(), agent)


_SAAF = ("SaafStream", "SaafPoll")
SYSTEMS: Mapping[str, System] = {
    "dbos": System(
        "bare DBOS step, PostgreSQL", ("Plain",), lambda one: _dbos(one.database(), "team"), True
    ),
    "saaf": System("SAAF, PostgreSQL", _SAAF, _saaf_on_postgresql("team"), True),
    "saaf-sqlite": System("SAAF, SQLite", _SAAF, lambda _: _saaf(None, "team"), True),
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
        "langgraph dev, in memory", ("LangGraphWait", "LangGraphPoll"), lambda _: _langgraph(), False
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
