"""Rows of runs as they stand in the store after a while, made by hand."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.runs.tables import (
    CallbackRow,
    InputRequestRow,
    JournalRow,
    RunEventRow,
    RunRow,
    TurnRow,
    UsageRow,
    WorkerRow,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def add_run(session: Session, *, days: float = 40, **given: Any) -> str:
    """A run that was made, and has ended, so many days ago; with something of everything."""
    at = ago(days)
    id_ = f"run_{int(at.timestamp() * 1000):012x}{secrets.token_hex(10)}"
    status = given.get("status", "completed")
    row: dict[str, Any] = {
        "id": id_,
        "tenant": "default",
        "owner": "default|https://issuer|ann",
        "agent_id": "flights",
        "status": status,
        "input": "x",
        "meta": {},
        "principal": {},
        "definition": {},
        "fingerprint": "",
        "last_event": 2,
        "created_at": at,
        "finished_at": None if status in ("queued", "running", "input_required") else at,
        **given,
    }
    session.add(RunRow(**row))
    session.flush()
    own: dict[str, Any] = {"run_id": id_, "tenant": row["tenant"]}
    for seq in (1, 2):
        event = {"key": f"k{seq}", "type": "run.queued", "data": {}, "digest": "", "at": at}
        session.add(RunEventRow(**own, **event, seq=seq))
    session.add(TurnRow(**own, turn=0, change={}, at=at))
    session.add(JournalRow(**own, place="0:model:a:0:0", turn=0, digest="", data={}, at=at))
    session.flush()
    return id_


def add_callback(session: Session, run_id: str, state: str) -> None:
    session.add(
        CallbackRow(
            id=f"msg_{secrets.token_hex(16)}",
            run_id=run_id,
            client_id="c",
            url="https://a",
            host="a",
            payload="{}",
            state=state,
            next_at=NOW,
            created_at=NOW,
        )
    )
    session.flush()


def add_question(session: Session, run_id: str, *, call_id: str = "", state: str = "open") -> None:
    session.add(
        InputRequestRow(
            id=f"inp_{secrets.token_hex(16)}",
            run_id=run_id,
            turn=0,
            kind="outcome_unknown",
            place="0:tool:a:0:0",
            source="a",
            prompt="?",
            data={"first_call_id": call_id},
            state=state,
            asked_at=NOW,
        )
    )
    session.flush()


def add_effect(session: Session, *, days: float = 40, **given: Any) -> str:
    """A keyed effect that ended so many days ago; its call's id."""
    at = ago(days)
    row: dict[str, Any] = {
        "owner": "o",
        "key": secrets.token_hex(8),
        "action": "notes.add",
        "fingerprint": "",
        "state": "done",
        "call_id": f"call_{secrets.token_hex(12)}",
        "started_at": at,
        "lease_until": at,
        "finished_at": at,
        **given,
    }
    session.add(EffectRow(**row))
    session.flush()
    return str(row["call_id"])


def add_worker(session: Session, id_: str, *, days: float = 40, **given: Any) -> None:
    at = ago(days)
    row = {"state": "gone", "release": "", "slots": 8, "leased_until": at, **given}
    session.add(WorkerRow(id=id_, host="h", pid=1, started_at=at, beat_at=at, **row))
    session.flush()


def add_usage(session: Session, at: datetime, **given: Any) -> None:
    row: dict[str, Any] = {
        "run_id": f"run_{secrets.token_hex(16)}",
        "path": "team/a",
        "model": "small",
        "tenant": "default",
        "owner": f"{given.get('tenant', 'default')}|https://issuer|ann",
        "agent_id": "flights",
        "calls": 1,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "estimated": False,
        "nano_usd": 1_000_000,
        **given,
    }
    session.add(UsageRow(**row, at=at))
    session.flush()
