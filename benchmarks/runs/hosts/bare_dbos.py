"""A whole AutoGen team in one DBOS step, behind the thinnest FastAPI: the baseline of durable runs.

Runs in an environment of its own: ``PYTHON bare_dbos.py PORT DATABASE_URL SHAPE``. One POST starts
the workflow and is answered when it is done. No policy, no audit, no events, no journal.
"""

# Checked against nothing: its libraries are in an environment of its own.
# mypy: ignore-errors

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient
from dbos import DBOS, DBOSConfig
from fastapi import FastAPI
from pydantic import BaseModel

PORT, DATABASE, SHAPE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CONFIG: DBOSConfig = {
    "name": "bench",
    "system_database_url": DATABASE,
    "run_admin_server": False,
    "log_level": "ERROR",
}


class RunRequest(BaseModel):
    """What the other hosts take."""

    agent_id: str
    input: str


@DBOS.step()
async def answer(task: str) -> str:
    """Two messages: the task, and the agent's answer."""
    model = ReplayChatCompletionClient(["Hello, what can I do for you?"])
    agent = AssistantAgent("hello", model, system_message="Greet.")
    if SHAPE == "agent":
        return str((await agent.run(task=task)).messages[-1].to_text())
    team = RoundRobinGroupChat([agent], max_turns=1)
    return str((await team.run(task=task)).messages[-1].to_text())


@DBOS.workflow()
async def run(task: str) -> str:
    """The run."""
    return await answer(task)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Launch DBOS on this loop."""
    DBOS(config=CONFIG)
    DBOS.launch()
    yield
    DBOS.destroy()


app = FastAPI(lifespan=lifespan)


@app.post("/runs")
async def create(body: RunRequest) -> dict[str, str]:
    """Start at once, and wait."""
    handle = await DBOS.start_workflow_async(run, body.input)
    return {"status": "completed", "output": await handle.get_result()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)
