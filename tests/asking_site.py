"""A real host with agents that ask: AutoGen's own human, and a write that can be cut off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from saaf_autogen.actions.effects import EffectKey, EffectStore
from saaf_autogen.auth.principal import Principal
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Text
from tests.site import Site, serving_site
from tests.teams.support import agent_file, assistant, team, workbench

__all__ = [
    "Cut",
    "Script",
    "answer",
    "asking_site",
    "bearer",
    "cut_off",
    "paid",
    "started",
    "until",
    "waiting",
]

PACK = r'''
"""A till that takes money: once too often is a complaint."""

from pathlib import Path

from saaf_autogen import ActionContext, action

SCOPES = {"tools.till:pay": "Take money."}
FILE = Path(__file__).parent / "paid.txt"


@action(scopes=["tools.till:pay"], effect="write")
def pay(amount: int, ctx: ActionContext) -> dict[str, int]:
    """Take an amount."""
    with FILE.open("a") as file:
        file.write(f"{amount} {ctx.idempotency_key}\n")
    return {"paid": amount}
'''
SCOPES = ["agents:run", "runs:read", "runs:cancel", "runs:input", "tools.till:pay"]
HUMAN = {
    "provider": "autogen_agentchat.agents.UserProxyAgent",
    "config": {"name": "human", "description": "A human."},
}


class Script:
    """The model: ``clerk`` asks, then books what was said; ``payer`` pays, once it may."""

    def __init__(self) -> None:
        self.may_pay = threading.Event()

    def __call__(self, body: dict[str, Any]) -> Reply:
        results = [each for each in body["messages"] if each["role"] == "tool"]
        if results:
            return Text(f"The till said: {results[-1]['content']}")
        if "pay" not in str(body.get("tools")):
            said = str(body["messages"][-1]["content"])
            return Text("Which one shall I book?" if said.endswith("Go.") else f"Booked: {said}")
        self.may_pay.wait(20)
        return Calls([("till_pay", {"amount": 5})])


Cut = tuple[str, dict[str, Any], EffectKey]


@contextmanager
def asking_site(folder: Path, script: Script, *, booking: str | None = None) -> Iterator[Site]:
    """The agents ``booking``, which asks a human, and ``paying``, which pays.

    ``booking`` is the file of the first one, if it is another.
    """
    payer = assistant("payer", workbench=workbench("till.*"), max_tool_iterations=3)
    agents = {
        "booking": team(assistant("clerk"), HUMAN, max_turns=3),
        "paying": team(payer, max_turns=1),
    }
    (folder / "agents").mkdir()
    for name, config in agents.items():
        text = yaml.safe_dump(agent_file(config, scopes=["tools.till:pay"]))
        (folder / "agents" / f"{name}.yaml").write_text(text)
    if booking is not None:
        (folder / "agents" / "booking.yaml").write_text(booking)
    (folder / "tools").mkdir()
    (folder / "tools" / "till.py").write_text(PACK)
    with OpenAIServer(script) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_KEY", "any")
        model = {
            "provider": "openai",
            "model": "gpt-4o",
            "base_url": server.base_url,
            "api_key_env": "MODEL_KEY",
        }
        settings = {
            "models": {"default": model},
            "clients": [
                {"id": "ann", "scopes": SCOPES},
                {"id": "bob", "scopes": SCOPES},
                {"id": "reader", "scopes": ["runs:read"]},
            ],
        }
        with serving_site(folder, settings) as running:
            yield running


def bearer(site: Site, client: str = "ann") -> dict[str, str]:
    return {"Authorization": f"Bearer {site.token(client)}"}


def started(site: Site, agent: str) -> str:
    body = {"agent_id": agent, "input": "Go."}
    response = site.http.post("/v1/runs", json=body, headers=bearer(site))
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


def until(site: Site, location: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        run: dict[str, Any] = site.http.get(location, headers=bearer(site)).json()
        if run["status"] in states:
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.03)


def waiting(site: Site, agent: str = "booking") -> tuple[str, dict[str, Any]]:
    location = started(site, agent)
    run = until(site, location, "input_required")
    question: dict[str, Any] = run["question"]
    return location, question


def answer(
    site: Site, location: str, body: dict[str, Any], client: str = "ann", **headers: str
) -> httpx.Response:
    sent = {**bearer(site, client), **headers}
    return site.http.post(f"{location}/input", json=body, headers=sent)


def paid(site: Site) -> list[str]:
    file = site.folder / "tools" / "paid.txt"
    return file.read_text().splitlines() if file.exists() else []


def cut_off(site: Site, script: Script) -> Cut:
    """A run whose write was begun by a worker that is gone: its location, question and key."""
    script.may_pay.clear()
    location = started(site, "paying")
    run_id = location.rpartition("/")[2]
    until(site, location, "running")
    who: Principal = site.on_loop(site.identity.verifier.verify(site.token("ann"))).principal
    key = EffectKey.of(
        who,
        f"{run_id}:0:tool:team/payer:0:0",
        action="till.pay",
        arguments={"amount": 5},
        effect="write",
    )
    effects = EffectStore(site.project.database, site.clock, lease_s=3_600)
    site.on_loop(effects.reserve(key, "call_cut_off", holder="a worker that is gone"))
    script.may_pay.set()
    run = until(site, location, "input_required")
    return location, run["question"], key
