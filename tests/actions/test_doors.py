"""One function, every door: the same result, the same refusal, one audit record each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from saaf_autogen.audit import AuditReader
from saaf_autogen.auth.principal import Principal
from saaf_autogen.client import Client
from saaf_autogen.db import Database
from saaf_autogen.errors import SaafError, error_from_problem
from saaf_autogen.settings import Settings, read_document
from saaf_autogen.testing import RunningHost

DOORS = ["rest", "python", "python-remote", "tool", "tool-remote"]
ALL = "SELECT carrier, count(*) AS flights FROM flights GROUP BY carrier ORDER BY carrier"

Result = tuple[str, Any]
Door = Callable[[str, str, dict[str, Any]], Awaitable[Result]]


@dataclass
class Audit:
    """The audit log of the host's own store."""

    reader: AuditReader
    last: int = 0

    def mark(self) -> None:
        head = self.reader.head("default")
        self.last = head.seq if head else 0

    async def new(self) -> list[dict[str, Any]]:
        """One entry for each call since the mark; waits a moment for batched ones.

        What became of a write is told in an entry of its own, and is put to its decision here.
        """
        for _ in range(250):
            if self._entries():
                break
            await asyncio.sleep(0.02)
        # One more look, so that a second record of the same call would be seen.
        await asyncio.sleep(0.25)
        entries = self._entries()
        outcomes = {each["call_id"]: each for each in entries if each["kind"] == "outcome"}
        calls = [each for each in entries if each["kind"] == "decision"]
        return [{"outcome": None, **outcomes.get(each["call_id"], {}), **each} for each in calls]

    def _entries(self) -> list[dict[str, Any]]:
        found = self.reader.stream("default", after=self.last)
        return [entry.document() for entry in found if '"door":"oauth"' not in entry.body]


@pytest.fixture
def audit(host: RunningHost) -> Any:
    store = Database(f"sqlite:///{host.state / 'saaf.sqlite'}")
    yield Audit(AuditReader(store))
    store.close()


@pytest.fixture
async def door(
    request: pytest.FixtureRequest, host: RunningHost, deployment: Path
) -> AsyncIterator[Door]:
    """``await door(client, action, arguments)`` gives ("value", …) or (error code, detail)."""
    kind: str = request.param
    opened: list[Client] = []

    def client(name: str) -> Client:
        if kind.endswith("remote"):
            saaf = host.client(name)
        else:
            saaf = Client(deployment, principal=principal_of(deployment, name))
        opened.append(saaf)
        return saaf

    async def call(name: str, action: str, arguments: dict[str, Any]) -> Result:
        if kind == "rest":
            return await over_rest(host, name, action, arguments)
        saaf = client(name)
        if kind.startswith("tool"):
            return await as_tool(saaf, action, arguments)
        try:
            return "value", await saaf.call(action, **arguments)
        except SaafError as error:
            return error.code, error.detail

    yield call
    for saaf in opened:
        await saaf.close()


def principal_of(deployment: Path, name: str) -> Principal:
    """The principal that the embedded issuer's token of this client stands for."""
    document = read_document(deployment / "saaf.yaml")
    settings = document.validate(Settings)
    assert settings is not None
    client = next(each for each in settings.clients if each.id == name)
    return Principal(
        issuer="local",
        subject=f"client:{name}",
        client_id=name,
        groups=frozenset(client.groups),
        scopes=frozenset(client.scopes),
        attributes=dict(client.attributes),
    )


async def over_rest(host: RunningHost, name: str, action: str, arguments: dict[str, Any]) -> Result:
    secrets = json.loads((host.state / "clients.json").read_text())
    async with httpx.AsyncClient(base_url=host.url) as http:
        granted = await http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(name, secrets[name]["client_secret"]),
        )
        response = await http.post(
            f"/v1/actions/{action}",
            json=arguments,
            headers={"Authorization": f"Bearer {granted.json()['access_token']}"},
        )
    body = response.json()
    if response.status_code == 200:
        return "value", body["value"]
    error = error_from_problem(body)
    return error.code, error.detail


async def as_tool(saaf: Client, action: str, arguments: dict[str, Any]) -> Result:
    bench = saaf.workbench("*")
    result = await bench.call_tool(action.replace(".", "_"), arguments)
    content = json.loads(result.to_text())
    if result.is_error:
        return content["error"], content["detail"]
    return "value", content


each_door = pytest.mark.parametrize("door", DOORS, indirect=True)


@pytest.mark.parametrize(("door", "through"), [(each, each) for each in DOORS], indirect=["door"])
async def test_the_same_value_and_one_record(door: Door, through: str, audit: Audit) -> None:
    audit.mark()
    kind, value = await door("analyst", "warehouse.query", {"sql": ALL})
    assert kind == "value"
    assert len(value["rows"]) == 16
    assert value["rows"][-1] == ["YV", 601]
    (record,) = await audit.new()
    assert (record["action"], record["subject"]) == ("warehouse.query", "client:analyst")
    assert (record["decision"], record["outcome"]) == ("allowed", "ok")
    assert record["resources"] == ["wh://nyc/main.flights"]
    assert record["duration_us"] > 0
    # To a host, everything from afar comes over REST.
    assert record["door"] == {"python": "python", "tool": "tool"}.get(through, "rest")


@each_door
async def test_the_same_rows_for_the_same_grants(door: Door, audit: Audit) -> None:
    audit.mark()
    kind, value = await door("ua-analyst", "warehouse.query", {"sql": ALL})
    assert (kind, value["rows"]) == ("value", [["UA", 58665]])
    assert len(await audit.new()) == 1


@each_door
async def test_the_same_refusal_of_what_is_not_granted(door: Door, audit: Audit) -> None:
    audit.mark()
    code, detail = await door("ua-analyst", "warehouse.query", {"sql": "SELECT model FROM planes"})
    assert code == "sql_refused"
    assert "planes" in detail
    (record,) = await audit.new()
    told = (record["decision"], record["reason"], record["outcome"])
    assert told == ("denied", detail, None)


@each_door
async def test_the_same_refusal_without_the_scope(door: Door, audit: Audit) -> None:
    audit.mark()
    code, detail = await door("reader", "warehouse.query", {"sql": ALL})
    if code == "not_found":
        # A model is never offered a tool that would be refused; it cannot even name it.
        assert "warehouse_query" in detail
        return
    assert code == "insufficient_scope"
    assert "warehouse:query" in detail
    (record,) = await audit.new()
    assert record["decision"] == "denied"


@each_door
async def test_the_same_refusal_of_wrong_arguments(door: Door, audit: Audit) -> None:
    audit.mark()
    code, detail = await door("analyst", "warehouse.query", {"sequel": ALL})
    assert code == "invalid_arguments"
    assert "sequel" in detail
    assert len(await audit.new()) == 1


@each_door
async def test_a_function_of_the_deployment_is_called_the_same_way(
    door: Door, audit: Audit
) -> None:
    audit.mark()
    kind, value = await door("analyst", "flights.on_time_by_month", {"origin": "LGA"})
    assert kind == "value"
    assert [row["month"] for row in value] == list(range(1, 13))
    assert value[0]["departures"] > 5000
    assert len(await audit.new()) == 1
