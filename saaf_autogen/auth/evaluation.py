"""How a right comes about: the parties to a call, what each of their grants gives, deny rules.

One evaluation serves the decision and its explanation: a decision looks at the rules that may
concern a party, an explanation at all of them, by the same code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from re import Pattern
from typing import Literal

from saaf_autogen.auth.access import (
    FALSE,
    TRUE,
    ColumnAccess,
    Mask,
    TableAccess,
    TableFacts,
    least,
)
from saaf_autogen.auth.algebra import Share, View, intersection, union
from saaf_autogen.auth.grants import Denial, Grant, Names
from saaf_autogen.auth.principal import Principal

__all__ = [
    "DenialRuling",
    "Evaluation",
    "Party",
    "PartyKind",
    "PartyRuling",
    "Question",
    "Ruling",
    "Why",
    "Withheld",
    "evaluate",
]

PartyKind = Literal["subject", "agent", "client", "unknown", "token"]
Why = Literal[
    "tenant", "audience", "verb", "resource", "window", "when", "part", "columns", "rows", "covered"
]
"""Why a grant gives nothing: it is of another tenant, for others, for other verbs or resources,
not in force, its conditions are not met, it holds parts back of what has none, it shows no column,
no row, or nothing that another one of the party does not give."""

Withheld = Literal["allow", "tag", "deny"]
_WHOLE = ""


@dataclass(frozen=True)
class Question:
    """What is asked. ``facts`` None: the resource is no table, and is given whole or not at all."""

    principal: Principal
    resource: str
    verb: str
    facts: TableFacts | None
    now: datetime


@dataclass(frozen=True)
class Party:
    """One whose rights bound a call.

    Attributes:
        names: what it goes by in rules; None: the rules are its own, as those of a token.
        grants: those to look at; None: it is bound by ``resources`` alone.
        resources: the only ones within its reach; None: no bound.
    """

    name: str
    kind: PartyKind
    names: Names | None
    grants: tuple[Grant, ...] | None
    resources: tuple[Pattern[str], ...] | None = None

    def reaches(self, resource: str) -> bool:
        """Whether the resource is within its reach."""
        return self.resources is None or any(item.fullmatch(resource) for item in self.resources)


@dataclass(frozen=True)
class Ruling:
    """What one grant gives one party: ``share``, or nothing for the reason ``why``.

    ``withheld``: the columns that it does not show, each because it does not ``allow`` it, for a
    ``tag``, or for a rule that denies it (``deny``).
    """

    grant: Grant
    share: Share | None
    why: Why | None = None
    because: str = ""
    withheld: Mapping[str, Withheld] = field(default_factory=dict)


@dataclass(frozen=True)
class DenialRuling:
    """A deny rule that was looked at: the columns that it hits (None: everything), or why not."""

    denial: Denial
    hits: bool
    columns: tuple[str, ...] | None = None
    why: Why | None = None
    because: str = ""


@dataclass(frozen=True)
class PartyRuling:
    """What one party sees. ``view`` None with ``unbound``: it narrows nothing."""

    party: Party
    reaches: bool
    rulings: tuple[Ruling, ...]
    view: View | None
    unbound: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The answer, and how it came about. ``view`` None: no."""

    question: Question
    reason: str
    view: View | None
    parties: tuple[PartyRuling, ...] = ()
    denials: tuple[DenialRuling, ...] = ()
    denied: frozenset[str] = field(default_factory=frozenset)

    def access(self) -> TableAccess | None:
        """What is seen of the table, or None."""
        facts, view = self.question.facts, self.view
        if view is None or facts is None:
            return None
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


def evaluate(
    question: Question,
    parties: Sequence[Party],
    denials: Sequence[Denial],
    *,
    thorough: bool = False,
) -> Evaluation:
    """Decide a question.

    Args:
        question: what is asked.
        parties: everyone whose rights bound the call; the subject first.
        denials: the deny rules to look at.
        thorough: go on after the first refusal, so that all reasons are known.
    """
    rulings = tuple(_deny(rule, question, parties) for rule in denials)
    hits = [ruling for ruling in rulings if ruling.hits]
    denied = frozenset(name for ruling in hits for name in ruling.columns or ())
    reason = ""
    if any(ruling.columns is None for ruling in hits):
        reason = f"A deny rule covers {question.resource}."
    heard: list[PartyRuling] = []
    for party in parties:
        if reason and not thorough:
            break
        ruling = _hear(party, question, denied)
        heard.append(ruling)
        reason = reason or _refusal(ruling, question)
    view = None
    if not reason:
        view = _together([ruling.view for ruling in heard if ruling.view is not None])
        if view is None:
            reason = f"Together, the parties to this call see nothing of {question.resource}."
        else:
            reason = f"Granted by {', '.join(view.grants)}."
    return Evaluation(question, reason, view, tuple(heard), rulings, denied)


def _hear(party: Party, question: Question, denied: Collection[str]) -> PartyRuling:
    if not party.reaches(question.resource):
        return PartyRuling(party, False, (), None)
    if party.grants is None:
        return PartyRuling(party, True, (), None, unbound=True)
    rulings = [_rule(grant, party, question, denied) for grant in party.grants]
    shares = [ruling.share for ruling in rulings if ruling.share is not None]
    view = union(shares)
    kept = () if view is None else view.grants
    because = "another grant of this party gives all of it"
    told = (
        ruling
        if ruling.share is None or ruling.grant.id in kept
        else Ruling(ruling.grant, None, "covered", because)
        for ruling in rulings
    )
    return PartyRuling(party, True, tuple(told), view)


def _refusal(ruling: PartyRuling, question: Question) -> str:
    if not ruling.reaches:
        return f"{question.resource} is out of reach for {ruling.party.name}."
    if ruling.view is None and not ruling.unbound:
        return f"No grant of {ruling.party.name} covers {question.verb} on {question.resource}."
    return ""


def _rule(grant: Grant, party: Party, question: Question, denied: Collection[str]) -> Ruling:
    """What a grant gives a party; the checks go from what says least to what says most."""
    principal = question.principal
    if grant.tenant is not None and grant.tenant != principal.tenant:
        return Ruling(grant, None, "tenant", f"it is of the tenant {grant.tenant}")
    if party.names is not None and not grant.audience.has(party.names):
        return Ruling(grant, None, "audience", "it is for others")
    if question.verb not in grant.verbs:
        verbs = ", ".join(sorted(grant.verbs))
        return Ruling(grant, None, "verb", f"it is for {verbs}")
    if grant.resource.fullmatch(question.resource) is None:
        return Ruling(grant, None, "resource", f"it is for {grant.covered}")
    late = grant.window.why_not(question.now)
    if late is not None:
        return Ruling(grant, None, "window", late)
    for test in grant.when:
        unmet = test.why_not(principal.attributes)
        if unmet is not None:
            return Ruling(grant, None, "when", unmet)
    if question.facts is None:
        return _whole(grant)
    return _part(grant, question.facts, principal, denied)


def _whole(grant: Grant) -> Ruling:
    """Rows, columns and masks cannot be enforced on what is no table."""
    if not grant.is_whole:
        because = "it holds parts back, which only a table has"
        return Ruling(grant, None, "part", because)
    return Ruling(grant, Share(grant.id, TRUE, {_WHOLE: None}, grant.max_rows, grant.approval))


def _part(grant: Grant, facts: TableFacts, principal: Principal, denied: Collection[str]) -> Ruling:
    columns: dict[str, Mask | None] = {}
    withheld: dict[str, Withheld] = {}
    for column in facts.columns:
        if column.name in denied:
            withheld[column.name] = "deny"
        elif not (grant.allow is None or column.name in grant.allow):
            withheld[column.name] = "allow"
        elif grant.deny_tags and not grant.deny_tags.isdisjoint(column.tags | facts.tags):
            withheld[column.name] = "tag"
        else:
            columns[column.name] = grant.masks.get(column.name.casefold()) if grant.masks else None
    if not columns:
        return Ruling(grant, None, "columns", "it shows none of its columns", withheld)
    rows = TRUE
    if grant.tests:
        described = {column.name for column in facts.columns}
        # A filter on a column that nobody described cannot be trusted to hold: it gives no rows.
        known = all(test.column in described for test in grant.tests)
        rows = grant.rows_for(principal.attributes) if known else FALSE
        if rows == FALSE:
            because = _no_rows(grant, described, principal)
            return Ruling(grant, None, "rows", because, withheld)
    share = Share(grant.id, rows, columns, grant.max_rows, grant.approval, grant.bounds)
    return Ruling(grant, share, withheld=withheld)


def _no_rows(grant: Grant, described: Collection[str], principal: Principal) -> str:
    for test in grant.tests:
        if test.column not in described:
            return f"it filters rows by {test.column}, which is not described"
        missing = test.unsaid(principal.attributes)
        if missing is not None:
            return (
                f"its rows depend on the attribute {missing}, which is missing or no single value"
            )
    return "its row filter leaves no rows"


def _deny(rule: Denial, question: Question, parties: Sequence[Party]) -> DenialRuling:
    if rule.tenant is not None and rule.tenant != question.principal.tenant:
        return DenialRuling(rule, False, None, "tenant", f"it is of the tenant {rule.tenant}")
    if not any(each.names is not None and rule.audience.has(each.names) for each in parties):
        return DenialRuling(rule, False, None, "audience", "it is for others")
    if not rule.covers(question.resource):
        return DenialRuling(rule, False, None, "resource", f"it is for {rule.covered}")
    late = rule.window.why_not(question.now)
    if late is not None:
        return DenialRuling(rule, False, None, "window", late)
    # What has no columns is denied as a whole by a rule on some of them.
    if rule.columns is None or question.facts is None:
        return DenialRuling(rule, True)
    hit = tuple(
        column.name
        for column in question.facts.columns
        if any(item.fullmatch(column.name) for item in rule.columns)
    )
    because = "" if hit else "the table has none of its columns"
    return DenialRuling(rule, bool(hit), hit, None if hit else "columns", because)


def _together(views: Sequence[View]) -> View | None:
    both: View | None = views[0] if views else None
    for view in views[1:]:
        both = None if both is None else intersection(both, view)
    return both
