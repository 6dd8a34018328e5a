"""All grants and deny rules: those of ``saaf.yaml``, read-only, and those that admins manage."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Text, cast, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.conditions import Fault
from saaf_autogen.auth.declared_rules import DeclaredRule, DeclaredRules
from saaf_autogen.auth.findings import Known, rule_faults
from saaf_autogen.auth.grants import (
    Audience,
    Denial,
    Grant,
    compile_denial,
    compile_grant,
    grant_faults,
    pattern,
    window_of,
)
from saaf_autogen.auth.identity.tables import GroupRow
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.revisions import bump
from saaf_autogen.auth.rules import RuleSet
from saaf_autogen.auth.tables import ClientRow, GrantRow
from saaf_autogen.clock import Clock
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import (
    ConfigurationError,
    Conflict,
    InvalidArguments,
    NotFound,
    PreconditionFailed,
)
from saaf_autogen.settings import DenySettings, GrantSettings, Settings

__all__ = ["GrantBook", "RuleKind", "RuleRecord"]

Rule = GrantSettings | DenySettings
RuleKind = Literal["grant", "deny"]
_SHADOWED = "~"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RuleRecord:
    """A grant or deny rule as admins see it.

    Attributes:
        tenant: None for a declared deny rule that holds in every one.
        rule: what it says; None for a stored one that cannot be read.
        state: ``active``; ``scheduled`` and ``expired`` by its dates; ``shadowed`` where
            ``saaf.yaml`` declares the same id; ``broken`` where what is stored cannot be read.
        place: of a declared one, such as ``saaf.yaml:42``.
        warnings: sentences on what makes it do nothing, or more than it says.
        version: counts changes; 1 for declared ones.
    """

    id: str
    tenant: str | None
    kind: RuleKind
    origin: Literal["declared", "managed"]
    rule: Rule | None
    state: Literal["active", "scheduled", "expired", "shadowed", "broken"] = "active"
    place: str | None = None
    warnings: tuple[str, ...] = ()
    version: int = 1
    created_by: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def cursor(self) -> str:
        """What it is called among all rules: its id; with ``~`` after it if it is shadowed."""
        return self.id + (_SHADOWED if self.state == "shadowed" else "")


@dataclass(frozen=True)
class _Stored:
    """A row, with its body as the text that it is."""

    tenant: str
    id: str
    kind: str
    body: str
    version: int
    created_by: str
    created_at: datetime
    updated_at: datetime

    @cached_property
    def content(self) -> dict[str, Any] | None:
        """The body, or None if it is no JSON object."""
        try:
            found = json.loads(self.body)
        except (ValueError, TypeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class GrantBook:
    """Keeps the rules and hands them to the policy. Synchronous: call it in a thread.

    A change bumps the revision ``grants`` in its transaction; ``load`` makes it hold here, and
    elsewhere when the watch of that topic calls it.

    Ids are unique in a tenant, over declared and managed rules. Where a declared rule comes with
    the id of a managed one, the declared one holds: a managed grant then gives nothing, and a
    managed deny rule goes on to deny. A stored grant that cannot be read gives nothing; a stored
    deny rule that cannot be read denies everything in its tenant, for nobody knows what it meant.

    Args:
        database: where managed rules are kept.
        clock: for their times and states.
        policy: is given all rules by ``load``.
        declared: the rules of ``saaf.yaml``.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policy: Policy,
        declared: DeclaredRules | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy
        self._declared = declared or DeclaredRules.of(Settings())
        self._loading = threading.Lock()
        self._loaded: Sequence[_Stored] | None = None

    def over(self, database: Database) -> GrantBook:
        """This book over another view of its store, such as one ``joined`` to a transaction."""
        return GrantBook(database, self._clock, self._policy, self._declared)

    def within(self, session: Session) -> GrantBook:
        """This book as part of a transaction that is under way; call ``load`` once it is done."""
        return self.over(self._database.joined(session))

    def load(self) -> None:
        """Read the store and have the policy decide by what it says."""
        # One at a time, or what was read first could come to hold last.
        with self._loading:
            with self._database.transaction(read=True) as session:
                rows = _rows(session)
            if rows == self._loaded:
                return
            rules = [self._compiled(row) for row in rows]
            declared = self._declared.compiled
            self._policy.replace(
                RuleSet(
                    (*declared.grants, *(rule for rule in rules if isinstance(rule, Grant))),
                    (*declared.denials, *(rule for rule in rules if isinstance(rule, Denial))),
                )
            )
            self._loaded = rows

    def list(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        kind: RuleKind | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[RuleRecord]:
        """Rules that hold in a tenant, declared and managed, by ``cursor``.

        Args:
            tenant: of which.
            kind: only grants, or only deny rules.
            after: the ``cursor`` of the last one of the page before.
            limit: how many.
        """
        with self._database.transaction(read=True) as session:
            known = self._known(session, tenant)
            rows = _rows(session, GrantRow.tenant == tenant)
        records = [self._managed(row, known) for row in rows]
        mine = (each for each in self._declared.rules if each.holds_in(tenant))
        records += [self._declared_record(each, known) for each in mine]
        wanted = [
            record
            for record in records
            if (kind is None or record.kind == kind) and (after is None or record.cursor > after)
        ]
        return sorted(wanted, key=lambda record: record.cursor)[: max(limit, 0)]

    def get(self, rule_id: str, *, tenant: str = DEFAULT_TENANT) -> RuleRecord:
        """A rule by its id, a shadowed one by its ``cursor``; raises ``NotFound``."""
        shadowed = rule_id.endswith(_SHADOWED)
        declared = self._declared.find(rule_id.removesuffix(_SHADOWED), tenant=tenant)
        with self._database.transaction(read=True) as session:
            known = self._known(session, tenant)
            if declared is not None and not shadowed:
                return self._declared_record(declared, known)
            if shadowed != (declared is not None):
                raise _no_rule(rule_id)
            return self._managed(_row(session, tenant, rule_id.removesuffix(_SHADOWED)), known)

    def add(self, rule: Rule, *, by: str) -> RuleRecord:
        """Make a managed rule with its ``id`` and ``tenant``, which a deny rule needs here too.

        Raises:
            InvalidArguments: it makes no sense, such as a row filter without operator.
            Conflict: the id is taken; the remedy names file and line of a declared one.
        """
        rule_id, tenant = self._checked(rule)
        now = self._clock.now()
        values = {
            "tenant": tenant,
            "id": rule_id,
            "kind": _kind(rule),
            "body": _body(rule),
            "version": 1,
            "created_by": by,
            "created_at": now,
            "updated_at": now,
        }
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(GrantRow).values(values).on_conflict_do_nothing()
        with self._database.transaction() as session:
            if session.scalar(statement.returning(GrantRow.id)) is None:
                raise Conflict(f"There is a rule {rule_id} already.", remedy="Choose another id.")
            bump(session, "grants", tenant=tenant)
            return self._managed(_row(session, tenant, rule_id), self._known(session, tenant))

    def change(self, rule: Rule, *, expected: int | None = None) -> RuleRecord:
        """Replace what a managed rule of that id, tenant and kind says.

        Raises:
            NotFound: there is none.
            Conflict: it is declared, or of the other kind.
            PreconditionFailed: its version is not ``expected``.
            InvalidArguments: as ``add``.
        """
        rule_id, tenant = self._checked(rule)
        with self._database.transaction() as session:
            kind, version = _lock(session, tenant, rule_id, expected)
            if kind != _kind(rule):
                raise Conflict(
                    f"{rule_id} is a {kind}, and not a {_kind(rule)}.",
                    remedy="Remove it, and make the other.",
                )
            session.execute(
                update(GrantRow)
                .where(GrantRow.tenant == tenant, GrantRow.id == rule_id)
                .values(body=_body(rule), version=version + 1, updated_at=self._clock.now())
            )
            bump(session, "grants", tenant=tenant)
            return self._managed(_row(session, tenant, rule_id), self._known(session, tenant))

    def remove(
        self, rule_id: str, *, tenant: str = DEFAULT_TENANT, expected: int | None = None
    ) -> None:
        """Remove a managed rule, a broken one too; a shadowed one by its ``cursor``.

        Raises:
            NotFound: there is none.
            Conflict: it is declared.
            PreconditionFailed: its version is not ``expected``.
        """
        shadowed, name = rule_id.endswith(_SHADOWED), rule_id.removesuffix(_SHADOWED)
        declared = self._declared.find(name, tenant=tenant)
        if declared is not None and not shadowed:
            raise _read_only(declared)
        if shadowed and declared is None:
            raise _no_rule(rule_id)
        with self._database.transaction() as session:
            _lock(session, tenant, name, expected)
            mine = (GrantRow.tenant == tenant, GrantRow.id == name)
            session.execute(delete(GrantRow).where(*mine))
            bump(session, "grants", tenant=tenant)

    def _checked(self, rule: Rule) -> tuple[str, str]:
        """The id and the tenant of a rule that makes sense and is nobody else's."""
        if rule.id is None or rule.tenant is None:
            raise InvalidArguments("A managed rule needs an id and a tenant.")
        faults = list(grant_faults(rule)) if isinstance(rule, GrantSettings) else []
        if rule.tenant not in self._declared.settings.tenants:
            faults.append(Fault(("tenant",), f"there is no tenant {rule.tenant}", "see `tenants`"))
        if faults:
            told = [
                {"field": ".".join(map(str, fault.place)), "message": fault.message}
                for fault in faults
            ]
            raise InvalidArguments(
                f"The rule makes no sense: {'; '.join(map(_told, faults))}.",
                extra={"faults": told},
            )
        declared = self._declared.find(rule.id, tenant=rule.tenant)
        if declared is not None:
            raise _read_only(declared)
        return rule.id, rule.tenant

    def _known(self, session: Session, tenant: str) -> Known:
        settings = self._declared.settings
        clients = session.scalars(select(ClientRow.id).where(ClientRow.tenant == tenant))
        groups = set(session.scalars(select(GroupRow.id).where(GroupRow.tenant == tenant)))
        for held in session.scalars(select(ClientRow.groups).where(ClientRow.tenant == tenant)):
            groups.update(held)
        return Known(
            settings.tenants,
            settings.warehouses,
            {*clients, *(client.id for client in settings.clients)},
            self._declared.agents,
            groups | set(_declared_groups(settings)),
            self._declared.tables,
        )

    def _declared_record(self, each: DeclaredRule, known: Known) -> RuleRecord:
        rule = each.rule
        return RuleRecord(
            id=each.name,
            tenant=rule.tenant,
            kind=_kind(rule),
            origin="declared",
            rule=rule,
            state=self._state(rule),
            place=each.place,
            warnings=tuple(map(_told, rule_faults(rule, known))),
            created_by="saaf.yaml",
        )

    def _managed(self, row: _Stored, known: Known) -> RuleRecord:
        rule = _read(row)
        declared = self._declared.find(row.id, tenant=row.tenant)
        state: Literal["active", "scheduled", "expired", "shadowed", "broken"]
        warnings: list[str] = []
        if rule is not None:
            state = self._state(rule)
            warnings = [_told(fault) for fault in rule_faults(rule, known)]
        else:
            state = "broken"
            effect = "gives nothing" if row.kind == "grant" else "denies everything"
            warnings = [f"what is stored cannot be read, so it {effect}: remove it"]
        if declared is not None:
            state = "shadowed"
            effect = "gives nothing" if row.kind == "grant" else "still denies"
            warnings.append(f"{declared.place} declares a rule of this id, so this one {effect}")
        return RuleRecord(
            id=row.id,
            tenant=row.tenant,
            kind="grant" if row.kind == "grant" else "deny",
            origin="managed",
            rule=rule,
            state=state,
            warnings=tuple(warnings),
            version=row.version,
            created_by=row.created_by,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    def _state(self, rule: Rule) -> Literal["active", "scheduled", "expired"]:
        window, now = window_of(rule), self._clock.now()
        if window.has_ended(now):
            return "expired"
        return "scheduled" if window.starts_at and now < window.starts_at else "active"

    def _compiled(self, row: _Stored) -> Grant | Denial:
        rule = _read(row)
        shadow = self._declared.find(row.id, tenant=row.tenant)
        if rule is None:
            _log.error("the stored rule %s of the tenant %s cannot be read", row.id, row.tenant)
        elif shadow is not None:
            _log.warning("%s shadows the stored rule %s of %s", shadow.place, row.id, row.tenant)
        if row.kind == "grant":
            if shadow is not None or not isinstance(rule, GrantSettings):
                return _giving_nothing(row)
            return compile_grant(rule, declared=False)
        if not isinstance(rule, DenySettings):
            everyone = Audience(everyone=True)
            return Denial(everyone, pattern("*"), None, row.id, "*", row.tenant, declared=False)
        return compile_denial(rule, declared=False)


def _rows(session: Session, *conditions: ColumnElement[bool]) -> list[_Stored]:
    """Stored rules. The body is read as text, because what was edited by hand may be no JSON."""
    query = (
        select(
            GrantRow.tenant,
            GrantRow.id,
            GrantRow.kind,
            cast(GrantRow.body, Text),
            GrantRow.version,
            GrantRow.created_by,
            GrantRow.created_at,
            GrantRow.updated_at,
        )
        .where(*conditions)
        .order_by(GrantRow.tenant, GrantRow.id)
    )
    return [_Stored(*row) for row in session.execute(query)]


def _row(session: Session, tenant: str, rule_id: str) -> _Stored:
    found = _rows(session, GrantRow.tenant == tenant, GrantRow.id == rule_id)
    if not found:
        raise _no_rule(rule_id)
    return found[0]


def _giving_nothing(row: _Stored) -> Grant:
    """A grant for nothing, which still names the agents that it named: they stay bound."""
    to = (row.content or {}).get("to")
    named = to.get("agents") if isinstance(to, dict) else None
    agents = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return Grant(
        row.id,
        Audience(agents=frozenset(agents)),
        pattern(""),
        frozenset(),
        tenant=row.tenant,
        declared=False,
    )


def _read(row: _Stored) -> Rule | None:
    """What a row says, or None if nobody can tell."""
    if row.content is None:
        return None
    whole = {**row.content, "id": row.id, "tenant": row.tenant}
    try:
        if row.kind == "deny":
            return DenySettings.model_validate(whole)
        rule = GrantSettings.model_validate(whole) if row.kind == "grant" else None
        if rule is not None:
            compile_grant(rule)
    except (ValidationError, ConfigurationError):
        return None
    return rule


def _lock(session: Session, tenant: str, rule_id: str, expected: int | None) -> tuple[str, int]:
    """Kind and version of a stored rule, which nobody else changes until the commit."""
    query = select(GrantRow.kind, GrantRow.version).where(
        GrantRow.tenant == tenant, GrantRow.id == rule_id
    )
    row = session.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise _no_rule(rule_id)
    kind, version = row
    if expected is not None and version != expected:
        raise PreconditionFailed(
            f"{rule_id} is at version {version}, and not at {expected}.",
            remedy="Read it again, and make the change on what it is now.",
        )
    return kind, version


def _declared_groups(settings: Settings) -> Iterator[str]:
    """Groups of ``saaf.yaml``, and those that tokens of other issuers may bring."""
    for group in settings.groups:
        yield group.id
    for client in settings.clients:
        yield from client.groups
    for issuer in settings.issuers:
        yield from issuer.claims.group_names.values()
    for provider in settings.sign_in.providers:
        yield from provider.claims.group_names.values()
    if settings.local:
        yield from settings.local.principal.groups


def _kind(rule: Rule) -> RuleKind:
    return "grant" if isinstance(rule, GrantSettings) else "deny"


def _body(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude={"id", "tenant"}, exclude_unset=True)


def _told(fault: Fault) -> str:
    where = ".".join(map(str, fault.place))
    return f"{where}: {fault.message}" if where else fault.message


def _read_only(declared: DeclaredRule) -> Conflict:
    return Conflict(
        f"{declared.name} is declared in saaf.yaml, so it is read-only here.",
        remedy=f"Change it at {declared.place}, and start the host anew.",
    )


def _no_rule(rule_id: str) -> NotFound:
    return NotFound(f"There is no managed rule {rule_id}.", remedy="List them: /v1/admin/grants.")
