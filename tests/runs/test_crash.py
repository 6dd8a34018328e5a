"""The host is killed with SIGKILL, and what it was doing is continued by the next one."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from standardwebhooks import Webhook

from tests.egress.server import Received, reply, serving
from tests.runs.house import ANN, SECRET, Stores, ask, living
from tests.runs.team import Team

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def host(stores: Stores, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A host that works; it is killed at the end if it still lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.runs.host",
        stores.database,
        stores.presence,
        str(log),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def told(requests: list[Received]) -> dict[str, list[str]]:
    """The ids of the callbacks that came of each run."""
    ids: dict[str, list[str]] = {}
    for request in requests:
        body = Webhook(SECRET).verify(request.body, request.headers)
        assert body["type"] == "run.completed"
        ids.setdefault(body["data"]["id"], []).append(request.headers["webhook-id"])
    return ids


async def test_what_a_killed_host_was_doing_goes_on_and_nothing_is_lost_or_doubled(
    stores: Stores, team: Team, tmp_path: Path
) -> None:
    log = tmp_path / "turns.log"
    killed = asyncio.Event()

    async def answer(request: Received) -> bytes:
        await killed.wait()
        return reply(200)

    async with serving(answer) as receiver, living(stores, team, launch=False) as house:
        service = house.service
        async with host(stores, log) as first:
            # Killed while its callback is being sent.
            ended = await service.create(ANN, ask("hello", receiver.url("/ended")))
            await receiver.wait(1)
            # Killed at different places of their turns, and one before its start.
            runs = []
            for _ in range(6):
                runs.append(await service.create(ANN, ask("slow 3", receiver.url("/run"))))
                await asyncio.sleep(0.13)
            first.kill()
            await first.wait()
        killed.set()
        states = [(await service.get(ANN, run.id)).status for run in runs]
        assert "running" in states
        async with host(stores, log):
            runs = [await service.wait(ANN, run.id, 20) for run in runs]
            expected = {ended.id, *(run.id for run in runs)}
            received = await receiver.wait(8, timeout_s=15)
            while not expected <= told(received).keys():
                received = await receiver.wait(len(received) + 1, timeout_s=15)
        logs = {run.id: await service.events(ANN, run.id) for run in runs}
    for run in runs:
        assert (run.status, run.output) == ("completed", "answer to slow 3")
        assert run.attempts <= 2
        kinds = [event.type for event in logs[run.id]]
        assert kinds.count("run.running") == run.attempts
        assert [kind for kind in kinds if kind != "run.running"] == [
            "run.queued",
            *["message.completed", "tool.result"] * 3,
            "run.completed",
        ]
    # Only the turns in flight were done again: at most one of each run.
    turns = Counter(log.read_text().split("\n")[:-1])
    for run in runs:
        counts = [turns[f"{run.id} {number}"] for number in range(3)]
        assert min(counts) == 1
        assert sum(counts) <= 4
    ids = told(received)
    assert ids.keys() == {ended.id, *logs}
    assert all(len(messages) <= 2 and len(set(messages)) == 1 for messages in ids.values())
    assert len(ids[ended.id]) == 2
