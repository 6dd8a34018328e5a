"""The one place that decides who may do what to which data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from re import Pattern

from saaf_autogen.auth.access import (
    FALSE,
    TRUE,
    ColumnAccess,
    Mask,
    TableAccess,
    TableFacts,
    least,
)
from saaf_autogen.auth.algebra import Share, View, intersection, prune, union
from saaf_autogen.auth.details import detail_grants
from saaf_autogen.auth.grants import (
    Denial,
    Grant,
    compile_denial,
    compile_grant,
    pattern,
)
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.scopes import expand
from saaf_autogen.errors import InsufficientScope
from saaf_autogen.settings import DenySettings, GrantSettings

__all__ = ["AgentRights", "Decision", "Policy"]


@dataclass(frozen=True)
class AgentRights:
    """The most that a run of an agent may do.

    Attributes:
        scopes: the only scopes that it may use of its caller's.
        resources: patterns of the only resources that it may touch; None leaves it as far as its
            caller's grants reach.
    """

    scopes: frozenset[str]
    resources: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Decision:
    """The policy's answer, for refusals and for the audit.

    Attributes:
        allowed: whether it may be done at all.
        reason: a sentence.
        grants: ids of the grants that allowed it; a token's own are ``token-INDEX``.
        approval: whether an approval must be asked first.
        max_rows: the least limit on rows or records, or None.
    """

    allowed: bool
    reason: str
    grants: tuple[str, ...] = ()
    approval: bool = False
    max_rows: int | None = None


@dataclass(frozen=True)
class _Party:
    """One whose rights bound a call. ``grants`` None: it is bound by ``resources`` alone."""

    name: str
    grants: tuple[Grant, ...] | None
    resources: tuple[Pattern[str], ...] | None = None

    def reaches(self, resource: str) -> bool:
        return self.resources is None or any(item.fullmatch(resource) for item in self.resources)


class Policy:
    """Evaluates scopes, grants and deny rules. Default is to deny.

    A right is the intersection of up to three kinds of parties: the subject, everyone who acts
    for it, and the token.

    - The **subject** has the grants whose ``to`` means it: its groups, its ``users`` or
      ``clients`` name, or ``"*"``. ``to.agents`` gives a subject nothing.
    - Each **agent** in ``actors`` has its scopes and its ``resources``. As soon as one grant
      names it in ``to.agents``, it has only those grants and the ones to ``"*"``. An agent that
      is not in ``agents`` has nothing. A **client** that acts has the grants that mean it.
    - The **token** has its ``authorization_details``, when it carries any.

    A deny rule holds if it means the subject or anyone who acts, and nothing overrides it.

    Args:
        grants: the grants of ``saaf.yaml``.
        deny: its deny rules.
        agents: by agent id, without the ``agent:`` of subjects.

    Raises:
        ConfigurationError: a grant's row filter makes no sense.
    """

    def __init__(
        self,
        grants: Sequence[GrantSettings],
        deny: Sequence[DenySettings],
        agents: Mapping[str, AgentRights],
    ) -> None:
        self._grants = tuple(compile_grant(item) for item in grants)
        self._deny = tuple(compile_denial(item) for item in deny)
        self._agents = dict(agents)
        self._reach = {
            name: None if rights.resources is None else tuple(map(pattern, rights.resources))
            for name, rights in agents.items()
        }

    def effective_scopes(self, principal: Principal) -> frozenset[str]:
        """The token's scopes and what they imply, as far as every acting agent has them too."""
        scopes = expand(principal.scopes)
        for actor in principal.actors:
            kind, _, name = actor.subject.partition(":")
            if kind == "agent" and name in self._agents:
                scopes &= expand(self._agents[name].scopes)
            elif kind != "client":
                # A client's share was cut when the token was exchanged; anyone else is unknown.
                return frozenset()
        return scopes

    def require_scopes(self, principal: Principal, required: Iterable[str], *, action: str) -> None:
        """Check that the principal holds all scopes that an action needs.

        Raises:
            InsufficientScope: naming every scope that is missing.
        """
        missing = set(required) - self.effective_scopes(principal)
        if missing:
            raise InsufficientScope(missing, action=action)

    def table_access(
        self, principal: Principal, facts: TableFacts, verb: str = "select"
    ) -> TableAccess | None:
        """What the principal sees of a table, or None if for it there is no such table."""
        return self._table(principal, facts, verb)[0]

    def table_decision(
        self, principal: Principal, facts: TableFacts, verb: str = "select"
    ) -> Decision:
        """The same as a decision with its reason, for the audit and for explaining."""
        access, reason = self._table(principal, facts, verb)
        if access is None:
            return Decision(False, reason)
        return Decision(True, reason, access.grants, access.approval, access.max_rows)

    def resource_access(self, principal: Principal, resource: str, verb: str) -> Decision:
        """Whether the principal may do ``verb`` to a resource that is not a table.

        Only grants of the whole resource count: rows, columns and masks cannot be enforced on
        it, so a grant with any gives nothing here, and a deny rule on a part denies it all.
        """
        if any(rule.covers(resource) and _means(rule, principal) for rule in self._deny):
            return Decision(False, f"A deny rule covers {resource}.")
        views = []
        for party in self._parties(principal):
            if not party.reaches(resource):
                return Decision(False, f"{resource} is out of reach for {party.name}.")
            if party.grants is None:
                continue
            shares = prune(
                Share(grant.id, TRUE, {"": None}, grant.max_rows, grant.approval)
                for grant in party.grants
                if grant.covers(resource, verb) and grant.is_whole
            )
            view = union(shares)
            if view is None:
                return Decision(False, f"No grant of {party.name} covers {verb} on {resource}.")
            views.append(view)
        both = _together(views)
        if both is None:
            return Decision(False, f"No grant covers {verb} on {resource}.")
        return Decision(
            True, f"Granted by {', '.join(both.grants)}.", both.grants, both.approval, both.max_rows
        )

    def _table(
        self, principal: Principal, facts: TableFacts, verb: str
    ) -> tuple[TableAccess | None, str]:
        denied: set[str] = set()
        for rule in self._deny:
            if not (rule.covers(facts.resource) and _means(rule, principal)):
                continue
            if rule.columns is None:
                return None, f"A deny rule covers {facts.resource}."
            for column in facts.columns:
                if any(item.fullmatch(column.name) for item in rule.columns):
                    denied.add(column.name)
        views = []
        for party in self._parties(principal):
            if not party.reaches(facts.resource):
                return None, f"{facts.resource} is out of reach for {party.name}."
            if party.grants is None:
                continue
            view = union(
                [
                    _share(grant, principal, facts, denied)
                    for grant in party.grants
                    if grant.covers(facts.resource, verb)
                ]
            )
            if view is None:
                return None, f"No grant of {party.name} covers {verb} on {facts.resource}."
            views.append(view)
        both = _together(views)
        if both is None:
            return None, f"Together, the parties to this call see nothing of {facts.resource}."
        return _access(facts, both), f"Granted by {', '.join(both.grants)}."

    def _parties(self, principal: Principal) -> list[_Party]:
        own = tuple(item for item in self._grants if item.audience.has_subject(principal))
        parties = [_Party(principal.subject, own)]
        parties += [self._actor(actor.subject) for actor in principal.actors]
        if principal.token_grants is not None:
            parties.append(_Party("the token", detail_grants(principal.token_grants)))
        return parties

    def _actor(self, subject: str) -> _Party:
        kind, _, name = subject.partition(":")
        meant = tuple(item for item in self._grants if item.audience.has_actor(subject))
        if kind == "client":
            return _Party(subject, meant)
        if kind != "agent" or name not in self._agents:
            return _Party(subject, ())
        named = any(not item.audience.everyone for item in meant)
        return _Party(subject, meant if named else None, self._reach[name])


def _means(rule: Denial, principal: Principal) -> bool:
    audience = rule.audience
    return audience.has_subject(principal) or any(
        audience.has_actor(actor.subject) for actor in principal.actors
    )


def _share(grant: Grant, principal: Principal, facts: TableFacts, denied: Collection[str]) -> Share:
    columns: dict[str, Mask | None] = {}
    for column in facts.columns:
        allowed = grant.allow is None or column.name in grant.allow
        tagged = not grant.deny_tags.isdisjoint(column.tags | facts.tags)
        if allowed and not tagged and column.name not in denied:
            columns[column.name] = grant.masks.get(column.name.casefold())
    described = {column.name for column in facts.columns}
    # A filter on a column that nobody described cannot be trusted to hold: it gives no rows.
    known = all(test.column in described for test in grant.tests)
    rows = grant.rows_for(principal.attributes) if known else FALSE
    return Share(grant.id, rows, columns, grant.max_rows, grant.approval, grant.bounds)


def _together(views: Sequence[View]) -> View | None:
    both: View | None = views[0]
    for view in views[1:]:
        both = None if both is None else intersection(both, view)
    return both


def _access(facts: TableFacts, view: View) -> TableAccess:
    return TableAccess(
        resource=facts.resource,
        columns={
            column.name: ColumnAccess(column.name, view.columns[column.name])
            for column in facts.columns
            if column.name in view.columns
        },
        rows=view.rows,
        max_rows=least(view.max_rows, facts.max_rows),
        approval=view.approval,
        grants=view.grants,
        bounds=view.bounds.with_(facts.bounds),
    )
