from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.errors import Unavailable
from saaf_autogen.testing import RunningHost
from saaf_autogen.testing.openai_server import OpenAIServer, Reply, Slow, Text
from tests.cli.conftest import Saaf


def one_line(done: Any) -> str:
    """What a start that failed says: one line, and no traceback."""
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert "hosts" not in done.stdout, "a host that does not work does not introduce itself"
    return str(lines[0])


def slowly(request: dict[str, Any]) -> Reply:
    system = request["messages"][0]["content"]
    return Slow(0.7, Text("Right.\nAPPROVED" if system.startswith("You check") else "Well."))


async def test_on_sigterm_a_run_at_work_ends_and_its_followers_see_that(folder: Path) -> None:
    with OpenAIServer(slowly) as server:
        model = f"{{provider: openai, model: test, base_url: '{server.base_url}'}}"
        text = (folder / "saaf.yaml").read_text()
        text = text.replace("{provider: saaf_autogen.OfflineModel}", model, 1)
        (folder / "saaf.yaml").write_text(text)
        with RunningHost(folder) as host:
            async with host.client("analyst") as saaf:
                run = await saaf.runs.create("flights", "How many flights?")
                seen = []
                async for event in run.stream():
                    seen.append(event["type"])
                    if event["type"] == "run.running":
                        os.kill(host.pid, signal.SIGTERM)
            await asyncio.to_thread(host.stop)
            told = host.output()
    assert seen[-1] == "run.completed"
    assert "stopping" in told
    assert "Traceback" not in told
    assert "ERROR" not in told


def test_a_port_in_use_is_one_line(saaf: Saaf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = one_line(saaf("serve", "--port", str(port)))
    assert f"port {port}: Address already in use" in said
    assert "--port" in said


def test_a_second_host_may_share_the_state_of_the_first(folder: Path) -> None:
    with RunningHost(folder) as first, RunningHost(folder) as second:
        assert first.port != second.port


def test_a_store_that_is_none_is_one_line(saaf: Saaf, folder: Path) -> None:
    (folder / ".saaf").mkdir()
    (folder / ".saaf" / "saaf.sqlite").write_bytes(os.urandom(20_000))
    said = one_line(saaf("serve", "--port", "65002"))
    assert "saaf.sqlite cannot be used" in said


def test_a_state_folder_that_is_a_file_is_one_line(saaf: Saaf, folder: Path) -> None:
    (folder / ".saaf").write_text("")
    assert f"{folder / '.saaf'} cannot be used: File exists" in one_line(saaf("serve"))


def test_a_database_that_is_away_is_one_line_without_its_password(
    saaf: Saaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAAF_DATABASE_URL", "postgresql://ann:canary@127.0.0.1:1/saaf")
    said = one_line(saaf("serve"))
    assert "127.0.0.1" in said
    assert "canary" not in said


def test_a_start_that_cannot_keep_the_secrets_makes_no_clients(folder: Path) -> None:
    secrets = folder / ".saaf" / "clients.json"
    secrets.parent.mkdir()
    secrets.write_text("[]")
    with pytest.raises(Unavailable, match=r"clients\.json is not the JSON object"):
        RunningHost(folder).start()
    secrets.unlink()
    with RunningHost(folder) as host:
        assert host.webhook_secret("analyst").startswith("whsec_")
