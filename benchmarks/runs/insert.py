"""The least that accepting a run can be: FastAPI and one insert, as a team writes it by hand.

``python -m benchmarks.runs.insert PORT DATABASE_URL``: SQLAlchemy, psycopg and uvicorn of the
very environment that SAAF runs in. No authorization, no audit, no idempotency.
"""

from __future__ import annotations

import sys
import uuid
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import JSON, Column, DateTime, MetaData, String, Table, create_engine, func

__all__ = ["insert_app"]


class RunRequest(BaseModel):
    """What SAAF takes."""

    agent_id: str
    input: str
    metadata: dict[str, Any] = {}


def insert_app(url: str) -> FastAPI:
    """One endpoint that stores what it is given, in a transaction of its own."""
    engine = create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True)
    metadata = MetaData()
    runs = Table(
        "runs",
        metadata,
        Column("id", String(40), primary_key=True),
        Column("agent_id", String(63), nullable=False),
        Column("input", String, nullable=False),
        Column("metadata", JSON, nullable=False),
        Column("status", String(20), nullable=False),
        Column("created_at", DateTime(timezone=True), server_default=func.now()),
    )
    metadata.create_all(engine)
    app = FastAPI()

    @app.post("/runs")
    def create(body: RunRequest) -> dict[str, str]:
        run = {"id": f"run_{uuid.uuid4().hex}", "status": "queued", **body.model_dump()}
        with engine.begin() as connection:
            connection.execute(runs.insert().values(run))
        return {"id": run["id"], "status": "queued"}

    return app


if __name__ == "__main__":
    uvicorn.run(
        insert_app(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
