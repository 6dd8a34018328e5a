"""Grants and deny rules, as admins make and change them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from saaf_autogen.auth.administration.ledger import Change, Ledger
from saaf_autogen.auth.administration.merge import merge_patch, validated
from saaf_autogen.auth.administration.pages import Page, after_of, page_of
from saaf_autogen.auth.administration.repeats import UNKEYED, Request, earlier, remember
from saaf_autogen.auth.administration.versions import Entry, Expected
from saaf_autogen.auth.grantbook import RuleRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import Conflict, NotFound
from saaf_autogen.settings import DenySettings, DenyTerms, GrantSettings, GrantTerms
from saaf_autogen.settings.identity import Name

__all__ = ["Kind", "NewDeny", "NewGrant", "RuleAdministration", "RuleEntry"]

Kind = Literal["grant", "deny"]


class NewGrant(GrantTerms):
    """A grant to be made."""

    id: Name


class NewDeny(DenyTerms):
    """A deny rule to be made. It holds in the tenant of who makes it."""

    id: Name


class RuleEntry(Entry):
    """A grant or deny rule.

    Attributes:
        rule: what it says, as in ``saaf.yaml``; null for a stored one that cannot be read.
        origin: ``declared`` in ``saaf.yaml`` at ``place``, and read-only here; or ``managed``.
        state: whether it holds now, and why not: see ``warnings`` as well.
    """

    id: str
    kind: Kind
    origin: Literal["declared", "managed"]
    place: str | None = Field(description="file and line of a declared one")
    state: Literal["active", "scheduled", "expired", "shadowed", "broken"]
    warnings: list[str]
    rule: dict[str, Any] | None
    created_by: str
    created_at: datetime | None
    updated_at: datetime | None


class RuleAdministration:
    """The one door to changes of grants, or of deny rules. Synchronous: call it in a thread.

    Every method keeps to the tenant of ``actor`` and raises ``Forbidden`` for who is no admin;
    those that take ``expected`` raise ``PreconditionFailed`` when the rule is another version.

    Args:
        ledger: decides, and records.
        kind: of which rules this is the door.
    """

    def __init__(self, ledger: Ledger, kind: Kind) -> None:
        self._ledger = ledger
        self._kind: Kind = kind

    def list(
        self, actor: Principal, *, cursor: str | None = None, limit: int = 50
    ) -> Page[RuleEntry]:
        """Rules that hold in the tenant, declared and managed, by their ids."""
        with self._ledger.reading(actor, f"iam.list_{self._kind}s") as reading:
            found = reading.stores.grants.list(
                tenant=reading.tenant,
                kind=self._kind,
                after=after_of(cursor) or None,
                limit=limit + 1,
            )
        return page_of(found, limit, key=lambda rule: rule.cursor, show=_entry)

    def get(self, actor: Principal, rule_id: str) -> RuleEntry:
        """A rule; raises ``NotFound``."""
        with self._ledger.reading(actor, f"iam.read_{self._kind}") as reading:
            return self._get(reading, rule_id)

    def create(
        self, actor: Principal, body: Mapping[str, Any], request: Request = UNKEYED
    ) -> RuleEntry:
        """Make a rule, of members of ``NewGrant`` or ``NewDeny``.

        Raises:
            Conflict: the id is taken, by a declared rule maybe.
            InvalidArguments: the body is not valid, or makes no sense.
        """
        action = f"iam.create_{self._kind}"
        self._ledger.require(actor, action)
        new = self._new(body)
        with self._ledger.change(actor, action, f"{self._kind}:{new.id}") as change:
            made = earlier(change, action, request)
            if made is not None:
                return self._get(change, made)
            rule = self._rule(change, new.id, new.model_dump(mode="json", exclude={"id"}))
            change.stores.grants.add(rule, by=actor.subject)
            entry = self._get(change, new.id)
            change.tell(None, entry)
            remember(change, action, request, new.id)
        return entry

    def change(
        self, actor: Principal, rule_id: str, patch: Mapping[str, Any], expected: Expected
    ) -> RuleEntry:
        """Change a rule by a merge patch (RFC 7396) of what it says.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is declared.
            InvalidArguments: the result is not valid, or makes no sense.
        """
        action = f"iam.change_{self._kind}"
        with self._ledger.change(actor, action, f"{self._kind}:{rule_id}") as change:
            before = self._managed(change, rule_id, expected)
            terms = validated(self._terms, merge_patch(before.rule or {}, patch))
            rule = self._rule(change, rule_id, terms.model_dump(mode="json"))
            change.stores.grants.change(rule)
            after = self._get(change, rule_id)
            change.tell(before, after)
        return after

    def remove(self, actor: Principal, rule_id: str, expected: Expected) -> None:
        """Remove a rule; raises ``NotFound``, and ``Conflict`` for a declared one."""
        action = f"iam.remove_{self._kind}"
        with self._ledger.change(actor, action, f"{self._kind}:{rule_id}") as change:
            before = self._managed(change, rule_id, expected)
            change.stores.grants.remove(rule_id, tenant=change.tenant)
            change.tell(before, None)

    @property
    def _terms(self) -> type[GrantTerms] | type[DenyTerms]:
        return GrantTerms if self._kind == "grant" else DenyTerms

    def _new(self, body: Mapping[str, Any]) -> NewGrant | NewDeny:
        if self._kind == "grant":
            return validated(NewGrant, body)
        return validated(NewDeny, body)

    def _rule(
        self, change: Change, rule_id: str, terms: Mapping[str, Any]
    ) -> GrantSettings | DenySettings:
        whole = {**terms, "id": rule_id, "tenant": change.tenant}
        if self._kind == "grant":
            return validated(GrantSettings, whole)
        return validated(DenySettings, whole)

    def _get(self, change: Change, rule_id: str) -> RuleEntry:
        entry = _entry(change.stores.grants.get(rule_id, tenant=change.tenant))
        if entry.kind != self._kind:
            raise NotFound(f"There is no such {_WORDS[self._kind]}.")
        return entry

    def _managed(self, change: Change, rule_id: str, expected: Expected) -> RuleEntry:
        entry = self._get(change, rule_id)
        expected.check(entry)
        if entry.origin == "declared":
            raise Conflict(
                f"{rule_id} is declared at {entry.place or 'saaf.yaml'}, so it is read-only here.",
                remedy="Change it there, and start the host anew.",
            )
        return entry


_WORDS = {"grant": "grant", "deny": "deny rule"}


def _entry(record: RuleRecord) -> RuleEntry:
    rule = record.rule
    return RuleEntry(
        version=record.version,
        id=record.cursor,
        kind=record.kind,
        origin=record.origin,
        place=record.place,
        state=record.state,
        warnings=list(record.warnings),
        rule=None if rule is None else rule.model_dump(mode="json", exclude={"id", "tenant"}),
        created_by=record.created_by,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )
