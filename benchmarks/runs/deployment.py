"""A deployment as a team would write it: agents on the offline model, one pack, one client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import yaml

__all__ = ["LENGTHS", "client_headers", "write_deployment"]

LENGTHS = (10, 50, 200, 500)

_PACK = '''"""One action without data: what is measured is the way to it."""

from saaf_autogen import action

SCOPES = {"tools.bench:look": "Look something up."}


@action(scopes=["tools.bench:look"], effect="read")
async def look_up(number: int) -> str:
    """What is known about a number."""
    return f"{number} is a number, and about {number % 7} others are like it."
'''
_SETTINGS: dict[str, Any] = {
    "version": 1,
    "name": "bench",
    # What is measured is not how fast a caller is refused.
    "limits": {
        "calls_per_minute": 100_000_000,
        "oauth_per_minute": 100_000_000,
        "tokens_per_minute": 100_000_000,
    },
    "models": {"default": {"provider": "saaf_autogen.OfflineModel"}},
    "runs": {"max_turns": 1000},
    "clients": [
        {"id": "bench", "scopes": ["agents:run", "runs:read", "runs:cancel", "tools.bench:look"]}
    ],
}
_HELLO: dict[str, Any] = {
    "provider": "autogen_agentchat.agents.AssistantAgent",
    "config": {
        "name": "hello",
        "description": "Greets.",
        "model_client": {"provider": "saaf_autogen.ModelClient", "config": {"name": "default"}},
        "system_message": "Greet.",
        "reflect_on_tool_use": False,
        "tool_call_summary_format": "{result}",
    },
}


def _worker(name: str) -> dict[str, Any]:
    """An agent that looks something up before it answers."""
    config = {
        "name": name,
        "workbench": [
            {"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": ["bench.*"]}}
        ],
        "reflect_on_tool_use": True,
        "max_tool_iterations": 2,
    }
    return {**_HELLO, "config": {**_HELLO["config"], **config}}


def _workers(turns: int) -> dict[str, Any]:
    return {
        "provider": "autogen_agentchat.teams.RoundRobinGroupChat",
        "config": {"max_turns": turns, "participants": [_worker("first"), _worker("second")]},
    }


_AGENTS: dict[str, dict[str, Any]] = {
    "hello": _HELLO,
    "team": {
        "provider": "autogen_agentchat.teams.RoundRobinGroupChat",
        "config": {"max_turns": 1, "participants": [_HELLO]},
    },
    **{f"tools-{turns}": _workers(turns) for turns in (4, *LENGTHS)},
}


def write_deployment(folder: Path, **changes: Any) -> Path:
    """Write it, with ``changes`` to its settings, and return the folder."""
    (folder / "tools").mkdir()
    (folder / "tools" / "bench.py").write_text(_PACK)
    (folder / "agents").mkdir()
    saaf = {"title": "Benchmark", "scopes": ["tools.bench:look"]}
    for name, agent in _AGENTS.items():
        (folder / "agents" / f"{name}.yaml").write_text(yaml.safe_dump({"saaf": saaf, **agent}))
    (folder / "saaf.yaml").write_text(yaml.safe_dump({**_SETTINGS, **changes}))
    return folder


def client_headers(url: str, state: Path, client: str) -> dict[str, str]:
    """The headers of a client's calls, with a token of the host's own issuer."""
    secret = json.loads((state / "clients.json").read_text())[client]["client_secret"]
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    token = httpx.post(f"{url}/oauth/token", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}
