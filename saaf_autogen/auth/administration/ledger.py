"""One transaction for an admin's change and for the record of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.audit.record import changes_between
from saaf_autogen.auth.administration.stores import OpenStores, Stores
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import Conflict, Forbidden, SaafError

__all__ = ["ADMIN", "AUDITOR", "Change", "LastHolder", "Ledger"]

ADMIN = "iam:admin"
AUDITOR = "audit:read"
_LOCK = 0x5AAF_1A00


class LastHolder(Conflict):
    """The change would leave nobody who can administrate the tenant."""


@dataclass
class Change:
    """A change that is under way.

    Attributes:
        actor: who makes it.
        now: when.
        session: its transaction.
        stores: the stores, as parts of that transaction.
        resources: what it touches, as the audit names it: ``client:ID``, ``user:usr_…``.
        details: what else the audit is to tell; never a secret.
        changes: the same by field, as ``changes_between`` gives it.
        after: called once it is committed.
    """

    actor: Principal
    now: datetime
    session: Session
    stores: Stores
    resources: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    after: list[Callable[[], None]] = field(default_factory=list)

    def tell(self, before: BaseModel | None, after: BaseModel | None) -> None:
        """Have the audit tell what this change does to an entry."""
        halves = [{} if one is None else one.model_dump(mode="json") for one in (before, after)]
        self.changes = changes_between(*halves)

    @property
    def tenant(self) -> str:
        """The only tenant that is read or changed."""
        return self.actor.tenant


class Ledger:
    """Decides whether an admin may act, does the change, and records both.

    Args:
        database: the store of everything that is administrated, and of the audit.
        open_stores: the stores over a database, or over one transaction of it.
        policy: which scopes who acts holds in effect.
        audit: where changes and refusals are recorded.
        clock: the time.
        settled: called after each change was committed, so that this process follows at once.
    """

    def __init__(
        self,
        database: Database,
        open_stores: OpenStores,
        *,
        policy: Policy,
        audit: AuditLog,
        clock: Clock,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._open_stores = open_stores
        self._policy = policy
        self._audit = audit
        self._settled = settled
        self.clock = clock

    def require(self, actor: Principal, action: str, *, scopes: tuple[str, ...] = (ADMIN,)) -> None:
        """Check that who acts may administrate; a refusal is recorded. Any one scope suffices.

        Raises:
            InsufficientScope: it holds none of the scopes.
            Forbidden: an agent or another client acts for it, or its token is narrowed by
                ``authorization_details``: such rights are about data, never about rights.
        """
        try:
            self._require(actor, action, scopes)
        except Forbidden as refusal:
            self.refuse(actor, action, refusal)
            raise

    def refuse(
        self, actor: Principal, action: str, refusal: SaafError, resources: tuple[str, ...] = ()
    ) -> None:
        """Record what was not allowed."""
        self._audit.write_blocking(
            AuditRecord.by(
                actor,
                action=action,
                resources=resources,
                decision="denied",
                reason=refusal.detail,
                door="admin",
                at=self.clock.now(),
            )
        )

    @contextmanager
    def change(self, actor: Principal, action: str, *resources: str) -> Iterator[Change]:
        """A change with its record: both are committed, or neither.

        Changes of one tenant come one after another, so that what was read within one still holds
        when it writes.

        Raises:
            Forbidden: as ``require``.
            AuditUnavailable: the change cannot be recorded, so it is not made.
        """
        self.require(actor, action)
        try:
            with self._database.transaction() as session:
                if not self._database.is_sqlite:
                    one_by_one = text("SELECT pg_advisory_xact_lock(:room, hashtext(:tenant))")
                    session.execute(one_by_one, {"room": _LOCK, "tenant": actor.tenant})
                stores = self._open_stores(self._database.joined(session))
                change = Change(actor, self.clock.now(), session, stores, list(resources))
                yield change
                session.flush()
                self._audit.append(session, self._allowed(change, action))
        except LastHolder as refusal:
            self.refuse(actor, action, refusal, resources)
            raise
        for each in (*change.after, self._settled):
            each()

    @contextmanager
    def reading(
        self, actor: Principal, action: str, *, scopes: tuple[str, ...] = (ADMIN,)
    ) -> Iterator[Change]:
        """What an admin reads: nothing is written, but for a refusal."""
        self.require(actor, action, scopes=scopes)
        with self._database.transaction(read=True) as session:
            stores = self._open_stores(self._database.joined(session))
            yield Change(actor, self.clock.now(), session, stores)

    def _require(self, actor: Principal, action: str, scopes: tuple[str, ...]) -> None:
        held = self._policy.effective_scopes(actor)
        if held.isdisjoint(scopes):
            self._policy.require_scopes(actor, scopes[:1], action=action)
        if actor.actors:
            raise Forbidden(
                f"{action} is not for agents, nor for clients that act for someone.",
                remedy="Call with a token of your own.",
            )
        if actor.token_grants is not None:
            raise Forbidden(
                f"{action} is not for a token that is narrowed by authorization_details.",
                remedy="Ask for a token without them.",
            )

    def _allowed(self, change: Change, action: str) -> AuditRecord:
        return AuditRecord.by(
            change.actor,
            action=action,
            resources=tuple(change.resources),
            decision="allowed",
            reason=f"{ADMIN} covers it",
            door="admin",
            at=self.clock.now(),
            kind="change",
            changes=change.changes,
            details=change.details,
        )
