"""The one place that decides who may do what to which data."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from saaf_autogen.auth.access import TableAccess, TableFacts
from saaf_autogen.auth.details import detail_grants
from saaf_autogen.auth.evaluation import Evaluation, Party, Question, evaluate
from saaf_autogen.auth.explanation import Explanation, ScopeShare
from saaf_autogen.auth.grants import Grant, Names, pattern
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.rules import RuleSet
from saaf_autogen.auth.scopes import expand
from saaf_autogen.clock import Clock, SystemClock
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
class _State:
    """The rules at a time: ``edition`` is that of [``since``, ``until``)."""

    rules: RuleSet
    edition: int
    holding: tuple[bool, ...]
    since: datetime
    until: datetime | None

    def spans(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)


class Policy:
    """Evaluates scopes, grants and deny rules. Default is to deny.

    A right is the intersection of up to three kinds of parties: the subject, everyone who acts
    for it, and the token.

    - The **subject** has the grants of its tenant whose ``to`` means it: its groups, its
      ``users`` or ``clients`` name, or ``"*"``. ``to.agents`` gives a subject nothing.
    - Each **agent** in ``actors`` has its scopes and its ``resources``. As soon as one grant of
      the tenant names it in ``to.agents``, in force or not, it has only those grants and the ones
      to ``"*"``. An agent that is not in ``agents`` has nothing. A **client** that acts has the
      grants that mean it.
    - The **token** has its ``authorization_details``, when it carries any.

    A grant holds within its window and for principals whose attributes meet its ``when``. A deny
    rule holds if it means the subject or anyone who acts, and nothing overrides it.

    For any number of threads; every answer is by one set of rules, never by parts of two.

    Args:
        grants: the grants of ``saaf.yaml``.
        deny: its deny rules.
        agents: by agent id, without the ``agent:`` of subjects.
        clock: for windows.
        home: issuers whose subjects rules may name without their issuer; None: any.

    Raises:
        ConfigurationError: a grant's conditions make no sense.
    """

    def __init__(
        self,
        grants: Sequence[GrantSettings],
        deny: Sequence[DenySettings],
        agents: Mapping[str, AgentRights],
        *,
        clock: Clock | None = None,
        home: Container[str] | None = None,
    ) -> None:
        self._agents = dict(agents)
        self._agent_scopes = {name: expand(rights.scopes) for name, rights in agents.items()}
        self._reach = {
            name: None if rights.resources is None else tuple(map(pattern, rights.resources))
            for name, rights in agents.items()
        }
        self._clock = clock or SystemClock()
        self._home = home
        self._lock = threading.Lock()
        self._state = self._stated(RuleSet.declared(grants, deny), 0)

    @property
    def rules(self) -> RuleSet:
        """All rules, those that do not hold now among them."""
        return self._state.rules

    def replace(self, rules: RuleSet) -> None:
        """Decide by other rules from now on."""
        with self._lock:
            self._state = self._stated(rules, self._state.edition + 1)

    def edition(self) -> int:
        """A number that is another one as soon as a right may be.

        It changes with the rules and whenever one begins or ceases to hold. What is remembered of
        a decision is good only as long as the number that was read *before* deciding.
        """
        now = self._clock.now()
        if not self._state.spans(now):
            with self._lock:
                old, new = self._state, self._stated(self._state.rules, self._state.edition)
                changed = old.holding != new.holding
                edition = old.edition + changed
                self._state = _State(new.rules, edition, new.holding, new.since, new.until)
        return self._state.edition

    def effective_scopes(self, principal: Principal) -> frozenset[str]:
        """The token's scopes and what they imply, as far as every acting agent has them too."""
        scopes = expand(principal.scopes)
        for actor in principal.actors:
            kind, _, name = actor.subject.partition(":")
            if kind == "agent" and name in self._agent_scopes:
                scopes &= self._agent_scopes[name]
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
        return self._decide(principal, facts.resource, verb, facts).access()

    def table_decision(
        self, principal: Principal, facts: TableFacts, verb: str = "select"
    ) -> Decision:
        """The same as a decision with its reason, for the audit and for explaining."""
        evaluation = self._decide(principal, facts.resource, verb, facts)
        access = evaluation.access()
        if access is None:
            return Decision(False, evaluation.reason)
        return Decision(True, evaluation.reason, access.grants, access.approval, access.max_rows)

    def resource_access(self, principal: Principal, resource: str, verb: str) -> Decision:
        """Whether the principal may do ``verb`` to a resource that is not a table.

        Only grants of the whole resource count: rows, columns and masks cannot be enforced on
        it, so a grant with any gives nothing here, and a deny rule on a part denies it all.
        """
        evaluation = self._decide(principal, resource, verb, None)
        view = evaluation.view
        if view is None:
            return Decision(False, evaluation.reason)
        return Decision(True, evaluation.reason, view.grants, view.approval, view.max_rows)

    def covered(self, principal: Principal) -> dict[str, list[str]]:
        """What grants of the parties to a call cover beside tables: pattern to verbs.

        These are candidates, to be told to people; ``resource_access`` decides on each.
        """
        found: dict[str, list[str]] = {}
        for party in self._parties(principal, self._state.rules):
            for grant in party.grants or ():
                if not grant.covered.startswith("wh://"):
                    verbs = found.setdefault(grant.covered, [])
                    verbs += sorted(grant.verbs - set(verbs))
        return found

    def explain(
        self,
        principal: Principal,
        resource: str,
        verb: str,
        facts: TableFacts | None = None,
        column: str | None = None,
        *,
        scopes: Iterable[str] = (),
        action: str | None = None,
    ) -> Explanation:
        """The decision with everything that led to it: every rule of the tenant, party by party.

        Args:
            principal: who asks; with ``actors`` and ``token_grants`` as its call would have them.
            resource: of what.
            verb: ``select`` for tables, else ``read`` or ``write``.
            facts: of the table; None where the resource is none.
            column: tell of this column alone; one that is not described is never shown.
            scopes: those that ``action`` needs.
            action: what it is called.
        """
        rules, now = self._state.rules, self._clock.now()
        question = Question(principal, resource, verb, facts, now)
        mine = tuple(rule for rule in rules.grants if rule.tenant == principal.tenant)
        parties = self._parties(principal, rules, among=mine)
        denials = [rule for rule in rules.denials if rule.tenant in (None, principal.tenant)]
        evaluation = evaluate(question, parties, denials, thorough=True)
        shares = self._scope_shares(principal, frozenset(scopes))
        return Explanation(evaluation, column=column, action=action, scopes=shares)

    def _decide(
        self, principal: Principal, resource: str, verb: str, facts: TableFacts | None
    ) -> Evaluation:
        rules = self._state.rules
        parties = self._parties(principal, rules)
        names = [party.names for party in parties if party.names is not None]
        denials = rules.denials_for(principal.tenant, *names)
        question = Question(principal, resource, verb, facts, self._clock.now())
        return evaluate(question, parties, denials)

    def _parties(
        self, principal: Principal, rules: RuleSet, *, among: tuple[Grant, ...] | None = None
    ) -> list[Party]:
        """Everyone whose rights bound a call, with ``among``, or the grants that may mean them."""

        def grants_for(names: Names) -> tuple[Grant, ...]:
            return rules.grants_for(principal.tenant, names) if among is None else among

        names = Names.of_subject(principal, self._home)
        parties = [Party(principal.subject, "subject", names, grants_for(names))]
        for actor in principal.actors:
            kind, _, name = actor.subject.partition(":")
            names = Names.of_actor(actor.subject, principal, self._home)
            if kind == "client":
                parties.append(Party(actor.subject, "client", names, grants_for(names)))
            elif kind == "agent" and name in self._agents:
                bound = rules.names_agent(principal.tenant, name)
                grants = grants_for(names) if bound else None
                parties.append(Party(actor.subject, "agent", names, grants, self._reach[name]))
            else:
                parties.append(Party(actor.subject, "unknown", names, ()))
        if principal.token_grants is not None:
            details = detail_grants(principal.token_grants)
            parties.append(Party("the token", "token", None, details))
        return parties

    def _scope_shares(self, principal: Principal, needed: frozenset[str]) -> tuple[ScopeShare, ...]:
        shares = [ScopeShare("the token", needed & expand(principal.scopes), needed)]
        for actor in principal.actors:
            kind, _, name = actor.subject.partition(":")
            if kind != "client":
                held = self._agent_scopes.get(name, frozenset()) if kind == "agent" else frozenset()
                shares.append(ScopeShare(actor.subject, needed & held, needed))
        return tuple(shares) if needed else ()

    def _stated(self, rules: RuleSet, edition: int) -> _State:
        now = self._clock.now()
        holding, until = rules.in_force(now)
        return _State(rules, edition, holding, now, until)
