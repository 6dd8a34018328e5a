"""Agno's AgentOS with one agent, durable on PostgreSQL (its queue refuses SQLite).

Runs in an environment of its own: ``PYTHON agno_host.py PORT DATABASE_URL``.
"""

# Checked against nothing: its libraries are in an environment of its own.
# mypy: ignore-errors

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.db.postgres import PostgresDb
from agno.db.sqlite import SqliteDb
from agno.job_queue.config import QueueConfig
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS

PORT, DATABASE = int(sys.argv[1]), sys.argv[2]
ANSWER = "Hello, what can I do for you?"


class Scripted(Model):
    """A model in process that always says the same."""

    def invoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """The answer."""
        return ModelResponse(role="assistant", content=ANSWER)

    async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """The answer."""
        return ModelResponse(role="assistant", content=ANSWER)

    def invoke_stream(self, *args: Any, **kwargs: Any) -> Iterator[ModelResponse]:
        """The answer in one piece."""
        yield ModelResponse(role="assistant", content=ANSWER)

    async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
        """The answer in one piece."""
        yield ModelResponse(role="assistant", content=ANSWER)

    def _parse_provider_response(self, response: Any, **kwargs: Any) -> ModelResponse:
        return ModelResponse(role="assistant", content=ANSWER)

    def _parse_provider_response_delta(self, response: Any) -> ModelResponse:
        return ModelResponse(role="assistant", content=ANSWER)


sqlite = DATABASE.startswith("sqlite")
db = SqliteDb(db_url=DATABASE) if sqlite else PostgresDb(db_url=DATABASE)
agent = Agent(
    id="hello",
    name="hello",
    model=Scripted(id="scripted"),
    db=db,
    instructions="Greet.",
    telemetry=False,
)
queue = None if sqlite else QueueConfig(durable=True, max_attempts=3)
app = AgentOS(id="bench", agents=[agent], db=db, queue=queue, telemetry=False).get_app()

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)
