"""One setting moves SAAF's store and the run engine to PostgreSQL; nothing else changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import select

from saaf_autogen.audit import AuditFilter, AuditReader
from saaf_autogen.db import Database
from saaf_autogen.runs.tables import RunRow
from saaf_autogen.testing import CallbackReceiver, RunningHost
from tests.conftest import make_deployment


async def test_the_main_job_runs_on_postgresql(
    tmp_path: Path, nyc_file: Path, postgres_url: str
) -> None:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    with (
        RunningHost(folder, environ={"SAAF_DATABASE_URL": postgres_url}) as host,
        CallbackReceiver(host.webhook_secret("analyst")) as receiver,
    ):
        async with host.client("analyst") as saaf:
            question = "How late did Delta depart on average?"
            run = await saaf.runs.create("flights", question, webhook=receiver.url)
            await run.wait(timeout_s=60)
        callback = await asyncio.to_thread(receiver.received.get, timeout=30)
    assert run.status == "completed"
    assert "9.26" in str(run.output)
    assert callback.verified
    assert not list((folder / ".saaf").glob("*.sqlite"))
    store = Database(postgres_url)
    with store.transaction(read=True) as session:
        assert session.scalar(select(RunRow.status)) == "completed"
    audit = AuditReader(store)
    calls = [
        document
        for entry in audit.stream("default", AuditFilter(run_id=run.id))
        if (document := entry.document())["door"] == "tool"
    ]
    assert [call["decision"] for call in calls] == ["allowed", "allowed"]
    store.close()
