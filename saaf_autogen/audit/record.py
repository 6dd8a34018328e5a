"""What the audit log holds. Never secrets, never the contents of rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["AuditOutcome", "AuditRecord"]


@dataclass(frozen=True)
class AuditRecord:
    """One decision: who asked for what, on whose behalf, and what was decided.

    Attributes:
        call_id: the id of the call; its outcome carries the same.
        subject: who acts; ``actors`` act for them, outermost first.
        door: how the call came in: ``rest``, ``python``, ``tool``.
        resources: what the call touches, as far as it was known when it was decided.
        reason: a sentence; for a refusal, the one that the caller was given.
    """

    call_id: str
    at: datetime
    tenant: str
    issuer: str
    subject: str
    actors: tuple[str, ...]
    client_id: str | None
    door: str
    action: str
    resources: tuple[str, ...]
    decision: Literal["allowed", "denied"]
    reason: str
    run_id: str | None = None


@dataclass(frozen=True)
class AuditOutcome:
    """What became of a call: ``ok`` or the code of its error, and how long it took."""

    call_id: str
    at: datetime
    tenant: str
    outcome: str
    duration_ms: float
