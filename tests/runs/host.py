"""A host in a process of its own, to be killed: ``python -m tests.runs.host DB ENGINE LOG``.

It works off whatever runs its store holds, and writes each turn that it begins to LOG.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from saaf_autogen.journal import TurnHost, TurnRequest, TurnResult
from saaf_autogen.settings import RunSettings
from tests.runs.house import Stores, living
from tests.runs.team import Team


class LoggedTeam(Team):
    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        with self._log.open("a") as file:
            file.write(f"{request.run} {request.turn}\n")
        return await super().execute(request, host)


async def main(database: str, engine: str, log: str) -> None:
    settings = RunSettings(callback_timeout_s=0.5)
    async with living(Stores(database, engine), LoggedTeam(Path(log)), settings) as house:
        await house.deliverer.launch()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
