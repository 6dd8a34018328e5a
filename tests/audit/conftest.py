"""Both stores, and entries to put into them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from saaf_autogen.audit import AuditOutcome, AuditRecord, Chain
from saaf_autogen.db import Database

KEY = "5a" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(call_id: str, **fields: Any) -> AuditRecord:
    """A decision of a query."""
    given: dict[str, Any] = {
        "call_id": call_id,
        "at": NOW,
        "tenant": "default",
        "issuer": "local",
        "subject": "client:ann",
        "actors": ("agent:flights",),
        "client_id": "ann",
        "door": "rest",
        "action": "warehouse.query",
        "resources": ("wh://nyc/main.flights",),
        "decision": "allowed",
        "reason": "granted",
    }
    return AuditRecord(**{**given, **fields})


def outcome(call_id: str, told: str = "ok") -> AuditOutcome:
    """What became of a call."""
    return AuditOutcome(call_id, NOW, "default", told, 1.5)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Database:
    """Both stores, one after the other."""
    name = "database" if request.param == "sqlite" else "postgres"
    found: Database = request.getfixturevalue(name)
    return found


@pytest.fixture
def chain() -> Chain:
    """The chain of the tests' key."""
    return Chain(KEY)
