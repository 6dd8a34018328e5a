"""The host is killed in mid-run: the run completes all the same, and is called back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.testing import RunningHost
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Slow, Text
from saaf_autogen.testing.receiver import CallbackReceiver
from tests.conftest import make_deployment

SQL = "SELECT count(*) AS flights FROM flights WHERE carrier = :carrier"


def script(request: dict[str, Any]) -> Reply:
    """A slow planner, an analyst who asks the warehouse, and a reviewer."""
    system = request["messages"][0]["content"]
    if system.startswith("You plan"):
        return Slow(0.3, Text("Count the flights of the carrier."))
    if system.startswith("You check"):
        return Slow(0.3, Text("It answers the question.\nAPPROVED"))
    answers = [each for each in request["messages"] if each["role"] == "tool"]
    if not answers:
        arguments = {"sql": SQL, "parameters": {"carrier": "DL"}, "warehouse": None, "max_rows": 1}
        return Slow(0.3, Calls([("warehouse_query", arguments)]))
    return Slow(1.0, Text(f"The warehouse says {answers[-1]['content']}"))


@pytest.fixture
def slow_deployment(tmp_path: Path, nyc_file: Path) -> Any:
    with OpenAIServer(script) as server:
        folder = make_deployment(tmp_path / "deployment", nyc_file)
        settings = (folder / "saaf.yaml").read_text()
        model = f"{{provider: openai, model: test, base_url: '{server.base_url}',"
        model += " api_key_env: TEST_KEY}"
        settings = settings.replace("{provider: saaf_autogen.OfflineModel}", model, 1)
        (folder / "saaf.yaml").write_text(settings)
        yield folder


async def events_until(host: RunningHost, run_id: str, kind: str) -> None:
    async with host.client("analyst") as saaf:
        run = await saaf.runs.get(run_id)
        async for event in run.stream():
            if event["type"] == kind:
                return


@pytest.mark.parametrize("kill_at", ["run.running", "message.completed", "tool.result"])
async def test_a_run_survives_kill_9(slow_deployment: Path, kill_at: str) -> None:
    environ = {"TEST_KEY": "sk-test"}
    with (
        RunningHost(slow_deployment, environ=environ) as host,
        CallbackReceiver(host.webhook_secret("analyst")) as receiver,
    ):
        async with host.client("analyst") as saaf:
            run = await saaf.runs.create("flights", "How many flights?", webhook=receiver.url)
        await asyncio.wait_for(events_until(host, run.id, kill_at), 20)
        host.kill()
        assert receiver.received.empty()
        with RunningHost(slow_deployment, environ=environ, port=host.port) as again:
            async with again.client("analyst") as saaf:
                resumed = await (await saaf.runs.get(run.id)).wait(timeout_s=30)
                log = [event async for event in resumed.stream()]
            callback = await asyncio.to_thread(receiver.received.get, timeout=15)
            await asyncio.sleep(1)
    assert resumed.status == "completed"
    assert resumed.output is not None
    assert "48110" in resumed.output
    assert [event["id"] for event in log] == list(range(1, len(log) + 1))
    assert [event["type"] for event in log].count("tool.call") == 1
    assert [event["type"] for event in log].count("run.completed") == 1
    said = [event["data"]["source"] for event in log if event["type"] == "message.completed"]
    assert said == ["planner", "analyst", "reviewer"]
    assert callback.verified
    assert callback.body["type"] == "run.completed"
    assert callback.body["data"]["id"] == run.id
    repeated = []
    while not receiver.received.empty():
        repeated.append(receiver.received.get())
    assert len(repeated) <= 1
    assert all(each.id == callback.id for each in repeated)


async def test_a_missing_key_fails_the_run_and_names_the_variable(slow_deployment: Path) -> None:
    with RunningHost(slow_deployment) as host:
        async with host.client("analyst") as saaf:
            run = await (await saaf.runs.create("flights", "How many?")).wait(timeout_s=30)
    assert run.status == "failed"
    assert run.error is not None
    assert "TEST_KEY" in str(run.error)
    assert run.output is None
