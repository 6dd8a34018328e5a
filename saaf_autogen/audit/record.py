"""What the audit log holds. Never secrets, tokens, or the contents of rows."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

__all__ = [
    "AuditOutcome",
    "AuditRecord",
    "Decision",
    "Door",
    "Entry",
    "Who",
    "changes_between",
    "new_call_id",
]

Door = Literal["rest", "python", "tool", "oauth", "admin", "page", "system"]
"""How something came in: a call over HTTP, in process, or by a model; the authorization server;
the administration; a page in a browser; the host or its operator."""

Decision = Literal["allowed", "denied"]


class _Acting(Protocol):
    @property
    def subject(self) -> str: ...


class Who(Protocol):
    """What the log must know of a principal."""

    @property
    def tenant(self) -> str:
        """Where the entry is filed."""
        ...

    @property
    def issuer(self) -> str:
        """Who vouches for the subject."""
        ...

    @property
    def subject(self) -> str:
        """Who acts."""
        ...

    @property
    def client_id(self) -> str | None:
        """The OAuth client."""
        ...

    @property
    def actors(self) -> Sequence[_Acting]:
        """Who acts for the subject, outermost first."""
        ...


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One decision, or one change of what decisions rest on.

    Attributes:
        call_id: the id of the call; its outcome, if it is told later, carries the same.
        subject: who acts; ``actors`` act for them, outermost first.
        resources: what is touched, as far as it was known when it was decided.
        reason: a sentence; for a refusal, the one that the caller was given.
        kind: ``decision``, or ``change`` for a change that an admin (or the host) made.
        outcome: ``ok`` or the code of an error, where it is known at once.
        address: where the request came from, if it came over a network.
        changes: for a ``change``: field to ``{"from": …, "to": …}``, or ``{}`` for a secret one
            (see ``changes_between``).
        details: what else is worth knowing: names, ids, scopes. Nothing secret.
    """

    call_id: str
    at: datetime
    tenant: str
    issuer: str
    subject: str
    door: Door
    action: str
    decision: Decision = "allowed"
    reason: str = ""
    resources: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    client_id: str | None = None
    run_id: str | None = None
    kind: Literal["decision", "change"] = "decision"
    outcome: str | None = None
    duration_ms: float | None = None
    address: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def by(
        cls,
        principal: Who,
        *,
        action: str,
        door: Door,
        at: datetime,
        decision: Decision = "allowed",
        reason: str = "",
        resources: Sequence[str] = (),
        call_id: str | None = None,
        run_id: str | None = None,
        kind: Literal["decision", "change"] = "decision",
        outcome: str | None = None,
        duration_ms: float | None = None,
        address: str | None = None,
        changes: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> AuditRecord:
        """The record of what a principal did; without ``call_id`` it gets one of its own."""
        return cls(
            call_id=call_id or new_call_id(),
            at=at,
            tenant=principal.tenant,
            issuer=principal.issuer,
            subject=principal.subject,
            door=door,
            action=action,
            decision=decision,
            reason=reason,
            resources=tuple(resources),
            actors=tuple(actor.subject for actor in principal.actors),
            client_id=principal.client_id,
            run_id=run_id,
            kind=kind,
            outcome=outcome,
            duration_ms=duration_ms,
            address=address,
            changes=changes or {},
            details=details or {},
        )


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What became of a call whose decision is stored already: ``ok`` or the code of its error."""

    call_id: str
    at: datetime
    tenant: str
    outcome: str
    duration_ms: float


Entry = AuditRecord | AuditOutcome


def new_call_id() -> str:
    """An id for a call, or for a change: ``call_`` and 96 random bits."""
    return f"call_{secrets.token_hex(12)}"


def changes_between(
    before: Mapping[str, Any], after: Mapping[str, Any], *, secret: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """What a change did, by field: ``{"from": …, "to": …}``, and ``{}`` where it is secret.

    A field that only one of both has is told without the other half. Values are JSON.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name in sorted({*before, *after}):
        if name in before and name in after and before[name] == after[name]:
            continue
        told = {
            half: side[name] for half, side in (("from", before), ("to", after)) if name in side
        }
        changes[name] = {} if name in secret else told
    return changes
