"""A run in flight ends at its next call once its right is gone, whoever takes it away, and where.

One host with a run that calls an action over and over; the right is taken away in this process or
by another one on the same store. Both times the run must stop within two seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.grantbook import GrantBook
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import SystemClock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.runs import Run, RunRequest
from saaf_autogen.runs.tables import RunRow
from saaf_autogen.settings import GrantSettings
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply
from tests.site import Site, serving_site

WITHIN_S = 2.0
PACK = '''
"""Ticks."""

import asyncio
from pathlib import Path

from saaf_autogen import action

SCOPES = {"tools.loop:tick": "Tick."}
FILE = Path(__file__).parent / "ticks"


@action(scopes=["tools.loop:tick"], effect="read", resources=["loop://shared/ticks"])
async def tick() -> int:
    """Wait a moment and count."""
    await asyncio.sleep(0.02)
    with FILE.open("a") as file:
        file.write(".")
    return 1
'''
AGENT = """
saaf:
  title: Ticks for ever
  scopes: [tools.loop:tick]
provider: autogen_agentchat.agents.AssistantAgent
config:
  name: ticker
  description: Ticks.
  model_client: {provider: saaf_autogen.ModelClient, config: {name: default}}
  workbench: [{provider: saaf_autogen.ActionWorkbench, config: {actions: ["loop.*"]}}]
  max_tool_iterations: 100000
  reflect_on_tool_use: true
  tool_call_summary_format: "{result}"
"""
SCOPES = ["agents:run", "runs:read", "runs:cancel", "tools.loop:tick"]


def tick(_body: dict[str, Any]) -> Reply:
    return Calls([("loop_tick", {})])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ticking")
    for name, content in (("tools/loop.py", PACK), ("agents/ticker.yaml", AGENT)):
        (folder / name).parent.mkdir()
        (folder / name).write_text(content)
    with OpenAIServer(tick) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TICK_KEY", "any")
        settings = {
            "models": {
                "default": {
                    "provider": "openai",
                    "model": "gpt-4o",
                    "base_url": server.base_url,
                    "api_key_env": "TICK_KEY",
                }
            },
            "clients": [
                {"id": name, "scopes": SCOPES, "groups": ["tickers"]}
                for name in ("ours", "theirs", "cli", "app")
            ],
            "groups": [{"id": "staff", "scopes": SCOPES}],
        }
        with serving_site(folder, settings, clock=SystemClock()) as running:
            yield running


@pytest.fixture
def granted(site: Site) -> Iterator[str]:
    """Everyone may tick, by a managed grant."""
    rule = {"id": "ticking", "to": "*", "resource": "loop://shared/*", "verbs": ["read"]}
    site.identity.grants.add(GrantSettings.model_validate(rule), by="test")
    site.identity.grants.load()
    yield "ticking"
    if any(record.id == "ticking" for record in site.identity.grants.list()):
        site.identity.grants.remove("ticking")


def of_client(site: Site, client: str) -> Principal:
    token = site.token(client)
    return site.on_loop(site.identity.verifier.verify(token)).principal  # type: ignore[no-any-return]  # a coroutine's result, through another loop


def of_user(site: Site, name: str) -> Principal:
    user = site.identity.users.add(name, groups=["staff"])
    return Principal(
        issuer=site.url,
        subject=user.id,
        kind="user",
        client_id="app",
        groups=frozenset({"staff"}),
        scopes=frozenset(SCOPES),
        family=f"fam_{name}",
    )


def started(site: Site, principal: Principal) -> Run:
    """A run that has ticked already."""
    before = ticks(site)
    run: Run = site.on_loop(
        site.project.runs.create(principal, RunRequest(agent_id="ticker", input="go"))
    )
    wait_until(lambda: ticks(site) > before + 2, 20)
    return run


def ticks(site: Site) -> int:
    file = site.folder / "tools" / "ticks"
    return file.stat().st_size if file.exists() else 0


def state(site: Site, run: Run) -> Any:
    with site.project.database.transaction(read=True) as session:
        row = session.get_one(RunRow, run.id)
        return row.status, row.error


def wait_until(reached: Callable[[], bool], seconds: float) -> float:
    begun = time.monotonic()
    while not reached():
        assert time.monotonic() - begun < seconds, "it did not come about in time"
        time.sleep(0.02)
    return time.monotonic() - begun


def assert_stopped(site: Site, run: Run, *, since: float, code: str = "unauthenticated") -> None:
    """The run failed for that reason within the bound, and ticks no more."""
    left = WITHIN_S - (time.monotonic() - since)
    wait_until(lambda: state(site, run)[0] == "failed", max(left, 0.1))
    assert state(site, run)[1]["code"] == code
    count = ticks(site)
    time.sleep(0.3)
    assert ticks(site) == count


@contextmanager
def elsewhere(site: Site) -> Iterator[Database]:
    """The same store, with nothing that this host remembers."""
    store = Database(site.project.database.url.render_as_string(hide_password=False))
    yield store
    store.close()


def command(site: Site, *arguments: str) -> float:
    """The command line on the same store, as a process of its own; when it was done."""
    done = subprocess.run(
        [sys.executable, "-m", "saaf_autogen", *arguments, "--project", str(site.folder)],
        env={**os.environ, "TICK_KEY": "any"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic()


@pytest.mark.usefixtures("granted")
class TestInThisProcess:
    def test_a_token_that_its_client_revokes(self, site: Site) -> None:
        token = site.token("ours")
        principal = site.on_loop(site.identity.verifier.verify(token)).principal
        run = started(site, principal)
        since = time.monotonic()
        answer = site.http.post(
            "/oauth/revoke", auth=("ours", site.secret("ours")), data={"token": token}
        )
        assert answer.status_code == 200
        assert_stopped(site, run, since=since)

    def test_a_family_that_ends(self, site: Site) -> None:
        principal = of_user(site, "fay")
        run = started(site, principal)
        since = time.monotonic()
        site.identity.families._revoked.revoke("fam_fay", tenant="default")
        assert_stopped(site, run, since=since)


@pytest.mark.usefixtures("granted")
class TestByAnotherProcess:
    def test_a_user_who_is_disabled(self, site: Site) -> None:
        run = started(site, of_user(site, "ann"))
        since = command(site, "users", "disable", "ann")
        assert_stopped(site, run, since=since)

    def test_a_client_that_is_disabled(self, site: Site) -> None:
        run = started(site, of_client(site, "cli"))
        with elsewhere(site) as store:
            sealer, scopes = Sealer(bytes(32)), site.project.deployment.scopes
            ClientStore(store, sealer, SystemClock(), scopes).disable("cli")
            since = time.monotonic()
        assert_stopped(site, run, since=since)

    def test_a_grant_that_is_removed(self, site: Site) -> None:
        """The run may go on, but its next call is refused."""
        principal = of_client(site, "theirs")
        run = started(site, principal)
        with elsewhere(site) as store:
            GrantBook(store, SystemClock(), Policy([], [], {})).remove("ticking")
            since = time.monotonic()
        last = [ticks(site), time.monotonic()]
        while time.monotonic() - since < WITHIN_S + 1:
            time.sleep(0.02)
            if ticks(site) != last[0]:
                last = [ticks(site), time.monotonic()]
        assert last[1] - since < WITHIN_S
        assert state(site, run)[0] == "running"
        site.on_loop(site.project.runs.cancel(principal, run.id))
