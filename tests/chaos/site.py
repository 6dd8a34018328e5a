"""A deployment for chaos: its folder, the world around it, and the processes that serve it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from saaf_autogen.testing.openai_server import Reply
from tests.chaos.callbacks import Callbacks
from tests.chaos.caller import Caller
from tests.chaos.ledger import Ledger, Moment
from tests.chaos.nodes import Node
from tests.chaos.script import MOVES, WatchedModels
from tests.chaos.store import Store

__all__ = ["CLIENT", "TOOL_SCOPES", "Site", "assistant", "open_site", "write_deployment"]

CLIENT = "caller"
TOOL_SCOPES = ("tools.shop:use", "tools.probe:use", "tools.math:use")

PACK = '''
"""A shop whose payments are made by a server outside."""

import asyncio
import json
import os
import time
import urllib.request

from saaf_autogen import ActionContext, action

SCOPES = {"tools.shop:use": "Buy and sell."}


def _tell(order: str, step: str, kind: str, key: str | None = None) -> str:
    body = json.dumps({"order": order, "step": step, "kind": kind, "key": key}).encode()
    headers = {"x-process": os.environ.get("CHAOS_PROCESS", "")}
    asked = urllib.request.Request(os.environ["CHAOS_LEDGER"], body, headers)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read())


@action(scopes=["tools.shop:use"], effect="read")
def look(order: str, step: str) -> str:
    """Look at an order."""
    return f"{order} is open"


@action(scopes=["tools.shop:use"], effect="idempotent")
async def reserve(order: str, step: str) -> str:
    """Reserve what is ordered; to do it again changes nothing."""
    return await asyncio.to_thread(_tell, order, step, "set")


@action(scopes=["tools.shop:use"], effect="write"KEYED)
async def charge(order: str, step: str, ctx: ActionContext) -> str:
    """Charge the customer; the payment server knows the key."""
    return await asyncio.to_thread(_tell, order, step, "keyed", ctx.idempotency_key)


@action(scopes=["tools.shop:use"], effect="write")
def post(order: str, step: str) -> str:
    """Post a letter, once more each time."""
    return _tell(order, step, "plain")


@action(scopes=["tools.shop:use"], effect="read")
async def wait(seconds: float) -> str:
    """Wait without blocking."""
    await asyncio.sleep(seconds)
    return "waited"


@action(scopes=["tools.shop:use"], effect="read")
def block(seconds: float) -> str:
    """Wait in a thread that nobody can interrupt."""
    time.sleep(seconds)
    return "blocked"
'''.replace("KEYED", ", keyed=True")

PROBE = '''
"""What the teams of tests/teams/durability call."""

import asyncio
import os

from saaf_autogen import action

SCOPES = {"tools.probe:use": "Make notes."}


@action(scopes=["tools.probe:use"], effect="read")
async def note(text: str) -> dict[str, str]:
    """Make a note."""
    await asyncio.sleep(float(os.environ.get("CHAOS_PROBE_S", "0")))
    return {"noted": text}
'''

SUMS = '''
"""What models get wrong when they call it."""

from saaf_autogen import action

SCOPES = {"tools.math:use": "Add."}


@action(scopes=["tools.math:use"], effect="read")
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b
'''


@dataclass
class Site:
    """What a campaign holds: the world outside, the store, and the processes.

    Attributes:
        nodes: the processes by their names.
    """

    folder: Path
    state: Path
    logs: Path
    ledger: Ledger
    models: WatchedModels
    store: Store
    environ: dict[str, str]
    nodes: dict[str, Node] = field(default_factory=dict)
    _callbacks: Callbacks | None = None
    _caller: Caller | None = None

    def node(self, name: str, kind: str) -> Node:
        """Start a process, and wait until it works."""
        node = Node(name, kind, self.folder, self.environ, self.logs)
        if kind != "worker":
            # Tokens name it as their issuer, and workers trust that one alone.
            self.environ.setdefault("SAAF_URL", node.url)
        self.nodes[name] = node
        return self.ready(node.start())

    def fleet(self) -> list[Node]:
        """An API and two workers, started at the same time as an orchestrator would."""
        api = Node("api", "api", self.folder, self.environ, self.logs)
        self.environ["SAAF_URL"] = api.url
        made = [
            api,
            *(Node(n, "worker", self.folder, self.environ, self.logs) for n in ("w1", "w2")),
        ]
        api.environ["SAAF_URL"] = api.url
        self.nodes |= {node.name: node for node in made}
        for node in made:
            node.start()
        return [self.ready(node) for node in made]

    def ready(self, node: Node) -> Node:
        """Wait until a process that was started works."""
        node.wait_ready()
        deadline = time.monotonic() + 60
        while node.executes and self.store.worker_of(node.pid) is None:
            assert node.is_alive, node.output()[-4000:]
            assert time.monotonic() < deadline, f"{node.name} registered no worker"
            time.sleep(0.05)
        return node

    @property
    def caller(self) -> Caller:
        """A client of whatever process serves the API."""
        if self._caller is None:
            apis = [node for node in self.nodes.values() if node.kind != "worker"]
            self._caller = Caller(apis[0].url, CLIENT, self.state / "clients.json")
        return self._caller

    @property
    def callbacks(self) -> Callbacks:
        """Where callbacks arrive."""
        if self._callbacks is None:
            self._callbacks = Callbacks(self.caller.webhook_secret).start()
        return self._callbacks

    def close(self) -> None:
        """End every process, in good order."""
        stopping = [threading.Thread(target=node.stop) for node in self.nodes.values()]
        for each in stopping:
            each.start()
        for each in stopping:
            each.join()
        if self._caller is not None:
            self._caller.close()
        if self._callbacks is not None:
            self._callbacks.close()


@contextmanager
def open_site(
    folder: Path,
    seed: int,
    *,
    database: str | None = None,
    runs: Mapping[str, Any] | None = None,
    watch: Callable[[Moment], None] | None = None,
    override: Callable[[str, str, int], Reply | None] | None = None,
    agents: Mapping[str, Mapping[str, Any]] | None = None,
    model: Mapping[str, Any] | None = None,
    state: Path | None = None,
    more: Mapping[str, Any] | None = None,
) -> Iterator[Site]:
    """A deployment with its world; processes are started by the campaign, and end with the block.

    Args:
        folder: an empty one.
        seed: of all delays.
        database: a PostgreSQL; default is SQLite in the state folder.
        runs: settings of ``runs:``.
        watch: called at each moment in the world outside.
        override: what models say instead of their moves.
        agents: further agents.
        model: further settings of the model.
        state: the state folder; default is the deployment's own.
        more: further settings.
    """
    state = state or folder / ".saaf"
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(seed, watch=watch))
        models = WatchedModels(seed, watch=watch, override=override)
        stack.enter_context(models)
        write_deployment(folder, models.base_url, runs or {}, agents or {}, model or {}, more or {})
        logs = folder / "logs"
        logs.mkdir()
        environ = {"CHAOS_LEDGER": ledger.url, "SAAF_STATE": str(state)}
        if database:
            environ["SAAF_DATABASE_URL"] = database
        store = Store(database or f"sqlite:///{state / 'saaf.sqlite'}")
        stack.callback(store.close)
        site = Site(folder, state, logs, ledger, models, store, environ)
        stack.callback(site.close)
        yield site


def write_deployment(
    folder: Path,
    base_url: str,
    runs: Mapping[str, Any],
    agents: Mapping[str, Mapping[str, Any]],
    model: Mapping[str, Any],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the folder: settings, the shop's actions, and an agent for each shape; the settings."""
    (folder / "agents").mkdir(parents=True)
    (folder / "tools").mkdir()
    (folder / "tools" / "shop.py").write_text(PACK)
    (folder / "tools" / "probe.py").write_text(PROBE)
    (folder / "tools" / "math.py").write_text(SUMS)
    for name, config in {**{shape: _agent(shape) for shape in MOVES}, **agents}.items():
        (folder / "agents" / f"{name}.yaml").write_text(yaml.safe_dump(config))
    named = {"provider": "openai", "model": "test", "base_url": base_url}
    per_minute = ("calls", "unauthenticated", "oauth", "tokens")
    settings: dict[str, Any] = {
        "version": 1,
        "name": "chaos",
        "models": {
            "default": {**named, "api_key_env": "CHAOS_MODEL_KEY", "timeout_s": 20, **model},
            **more.get("models", {}),
        },
        "clients": [
            {
                "id": CLIENT,
                "scopes": [
                    "agents:run", "runs:read", "runs:cancel", "runs:input", *TOOL_SCOPES,
                ],
            }
        ],
        "egress": {"allow": ["127.0.0.1"]},
        # Callers here are in a hurry; limits have tests of their own.
        "limits": {f"{name}_per_minute": 1_000_000 for name in per_minute},
        "runs": {"callback_delays_s": [0, 0.2, 0.5, 1, 2, 5, 5, 5, 10, 10], **runs},
    }  # fmt: skip
    (folder / "saaf.yaml").write_text(yaml.safe_dump(settings))
    return settings


def _agent(shape: str) -> dict[str, Any]:
    participants = [assistant(name, shape) for name in MOVES[shape]]
    head = {"saaf": {"title": shape, "scopes": list(TOOL_SCOPES)}}
    if len(participants) == 1:
        return {**head, **participants[0]}
    turns = sum(isinstance(move, str) for moves in MOVES[shape].values() for move in moves)
    return {
        **head,
        "provider": "autogen_agentchat.teams.RoundRobinGroupChat",
        "config": {"participants": participants, "max_turns": turns},
    }


def assistant(name: str, shape: str) -> dict[str, Any]:
    bench = {"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": ["shop.*"]}}
    model = {"provider": "saaf_autogen.ModelClient", "config": {"name": "default"}}
    return {
        "provider": "autogen_agentchat.agents.AssistantAgent",
        "config": {
            "name": name,
            "description": name,
            "model_client": model,
            "workbench": [bench],
            "system_message": f"You are {name} of a {shape}.",
            "max_tool_iterations": 8,
            "reflect_on_tool_use": False,
            # One participant of each shape speaks in a stream.
            "model_client_stream": name in ("cashier", "seller"),
            "tool_call_summary_format": "{result}",
        },
    }
