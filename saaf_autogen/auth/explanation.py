"""Why a principal may or may not: who of those party to a call narrowed what, by which rules.

It tells of an ``Evaluation``, the very thing that decides, and judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import wrap
from typing import Any, Literal

from saaf_autogen.auth.access import TRUE, TableAccess, TableFacts
from saaf_autogen.auth.algebra import Share, View
from saaf_autogen.auth.evaluation import DenialRuling, Evaluation, PartyRuling, Ruling, Why
from saaf_autogen.auth.phrases import bounds_in_words, joined, predicate_in_words

__all__ = ["ColumnSight", "Explanation", "ScopeShare", "Sight"]

Sight = Literal["full", "masked", "hidden"]


@dataclass(frozen=True)
class ScopeShare:
    """Which of the needed scopes one party holds."""

    party: str
    held: frozenset[str]
    needed: frozenset[str]

    @property
    def missing(self) -> frozenset[str]:
        """Those that it does not hold."""
        return self.needed - self.held


@dataclass(frozen=True)
class ColumnSight:
    """How one column is seen.

    Attributes:
        seen: ``full`` where some row shows it unmasked, ``masked`` where none does, or ``hidden``.
        cases: in which rows by which mask, in words; the first that holds decides.
        grants: ids of those that show it.
        withheld: why it is hidden, as sentences.
    """

    name: str
    seen: Sight
    cases: tuple[tuple[str, str | None], ...] = ()
    grants: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A decision with all that led to it.

    Args:
        evaluation: the decision.
        column: the only one that is asked about, or None.
        action: what needs ``scopes``.
        scopes: by party, the scopes that are needed; empty if none are.
    """

    evaluation: Evaluation
    column: str | None = None
    action: str | None = None
    scopes: tuple[ScopeShare, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether it may be done: scopes, resource, and the column if one is asked about."""
        return not self.reason_against

    @property
    def reason(self) -> str:
        """A sentence."""
        return self.reason_against or self.evaluation.reason

    @cached_property
    def reason_against(self) -> str:
        """Why not, or nothing."""
        for share in self.scopes:
            if share.missing:
                missing = ", ".join(sorted(share.missing))
                return f"The scope {missing} is missing: {share.party} does not hold it."
        if self.evaluation.view is None:
            return self.evaluation.reason
        if self.column is not None and self.sight(self.column).seen == "hidden":
            return f"{self.column} is hidden: {'; '.join(self.sight(self.column).withheld)}."
        return ""

    @cached_property
    def access(self) -> TableAccess | None:
        """What is seen of a table; None if nothing is, or it is none."""
        return self.evaluation.access()

    @cached_property
    def columns(self) -> tuple[ColumnSight, ...]:
        """How each described column is seen, or the one that is asked about."""
        facts = self.evaluation.question.facts
        names = [column.name for column in facts.columns] if facts else []
        if self.column is not None and facts is not None:
            names = [self.column]
        return tuple(self.sight(name) for name in names)

    def sight(self, name: str) -> ColumnSight:
        """How a column is seen; one that is not described is hidden."""
        access = self.access.columns.get(name) if self.access else None
        if access is None:
            return ColumnSight(name, "hidden", withheld=self._withheld(name))
        grants = (
            ruling.grant.id
            for party in self.evaluation.parties
            for ruling in party.rulings
            if ruling.share is not None and name in ruling.share.columns
        )
        return ColumnSight(
            name,
            access.label,
            tuple((predicate_in_words(case.when), case.mask) for case in access.cases),
            tuple(dict.fromkeys(grants)),
        )

    def data(self) -> dict[str, Any]:
        """As a JSON object."""
        question, view = self.evaluation.question, self.evaluation.view
        principal = question.principal
        return {
            "principal": {
                "subject": principal.subject,
                "tenant": principal.tenant,
                "issuer": principal.issuer,
                "groups": sorted(principal.groups),
                "actors": [actor.subject for actor in principal.actors],
            },
            "action": self.action,
            "resource": question.resource,
            "verb": question.verb,
            "column": self.column,
            "at": question.now.isoformat(),
            "allowed": self.allowed,
            "reason": self.reason,
            "scopes": [
                {"party": x.party, "held": sorted(x.held), "missing": sorted(x.missing)}
                for x in self.scopes
            ],
            "parties": [_party(party) for party in self.evaluation.parties],
            "deny": [_denial(ruling) for ruling in self.evaluation.denials],
            "sees": None if view is None else _view(view, self.access),
            "columns": [_column(sight) for sight in self.columns],
        }

    def text(self, *, every_rule: bool = False) -> str:
        """As lines for a terminal.

        Rules that are for others, other verbs or resources are counted, unless ``every_rule``.
        """
        return "\n".join(_lines(self, every_rule=every_rule))

    def _withheld(self, name: str) -> tuple[str, ...]:
        facts = self.evaluation.question.facts
        if facts is None or all(column.name != name for column in facts.columns):
            return ("it is not described, so nobody sees it",)
        denials = [
            f"the deny rule {ruling.denial.id} hits it"
            for ruling in self.evaluation.denials
            if ruling.hits and (ruling.columns is None or name in ruling.columns)
        ]
        if denials:
            return tuple(denials)
        told: list[str] = []
        for party in self.evaluation.parties:
            told += _kept_by(party, name, facts)
        return tuple(told) or ("no row shows it to all parties",)


def _kept_by(party: PartyRuling, name: str, facts: TableFacts) -> list[str]:
    """Why a party does not see a column; nothing if it does."""
    who = party.party.name
    if not party.reaches:
        return [f"the table is out of reach for {who}"]
    if party.unbound or (party.view is not None and name in party.view.columns):
        return []
    told = []
    for ruling in party.rulings:
        grant, why = ruling.grant, ruling.withheld.get(name)
        if why == "allow":
            told.append(f"{grant.id} of {who} does not list it")
        elif why == "tag":
            (tags,) = (column.tags for column in facts.columns if column.name == name)
            held = sorted(grant.deny_tags & (tags | facts.tags))
            told.append(f"{grant.id} of {who} holds back what is tagged {joined(held, 'or')}")
        elif ruling.why in _ABOUT_IT:
            told.append(f"{grant.id} of {who} gives nothing: {ruling.because}")
    return told or [f"no grant of {who} covers the table"]


_ABOUT_IT: tuple[Why | None, ...] = ("window", "when", "part", "columns", "rows")
_ELSEWHERE: tuple[Why | None, ...] = ("tenant", "audience", "verb", "resource")


def _party(ruling: PartyRuling) -> dict[str, Any]:
    view = ruling.view
    return {
        "name": ruling.party.name,
        "kind": ruling.party.kind,
        "reaches": ruling.reaches,
        "narrows": not ruling.unbound,
        "grants": [_ruling(each) for each in ruling.rulings],
        "sees": None if view is None else _view(view, None),
    }


def _ruling(ruling: Ruling) -> dict[str, Any]:
    share = ruling.share
    return {
        "id": ruling.grant.id,
        "origin": "declared" if ruling.grant.declared else "managed",
        "holds": share is not None,
        "why": ruling.why,
        "because": ruling.because or None,
        "withheld": dict(ruling.withheld),
        "gives": None if share is None else _share(share),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "rows": predicate_in_words(share.rows),
        "columns": [name for name in share.columns if name],
        "masks": {name: mask for name, mask in share.columns.items() if mask},
        "limits": bounds_in_words(share.max_rows, share.bounds, approval=share.approval),
    }


def _denial(ruling: DenialRuling) -> dict[str, Any]:
    return {
        "id": ruling.denial.id,
        "origin": "declared" if ruling.denial.declared else "managed",
        "hits": ruling.hits,
        "columns": None if ruling.columns is None else list(ruling.columns),
        "why": ruling.why,
        "because": ruling.because or None,
    }


def _view(view: View, access: TableAccess | None) -> dict[str, Any]:
    bounds, rows = (view.bounds, view.max_rows)
    if access is not None:
        bounds, rows = access.bounds, access.max_rows
    return {
        "rows": predicate_in_words(view.rows),
        "columns": [name for name in view.columns if name],
        "limits": bounds_in_words(rows, bounds, approval=view.approval),
        "grants": list(view.grants),
    }


def _column(sight: ColumnSight) -> Mapping[str, Any]:
    return {
        "name": sight.name,
        "seen": sight.seen,
        "cases": [{"rows": rows, "mask": mask} for rows, mask in sight.cases],
        "grants": list(sight.grants),
        "withheld": list(sight.withheld),
    }


def _lines(told: Explanation, *, every_rule: bool) -> Iterator[str]:
    question = told.evaluation.question
    asked = f"{told.column} of {question.resource}" if told.column else question.resource
    may = "may" if told.allowed else "may not"
    yield f"{_mark(told.allowed)} {question.principal.subject} {may} {question.verb} {asked}"
    yield f"  {told.reason}"
    if told.scopes:
        yield ""
        yield f"Scopes{f' for {told.action}' if told.action else ''}"
        for share in told.scopes:
            yield f"  {_mark(not share.missing)} {share.party:<24} {_scopes(share)}"
    for party in told.evaluation.parties:
        yield ""
        yield from _party_lines(party, every_rule=every_rule)
    yield from _denial_lines(told.evaluation.denials, every_rule=every_rule)
    if told.columns:
        yield ""
        yield from _column_lines(told)


def _scopes(share: ScopeShare) -> str:
    if share.missing:
        return f"lacks {' '.join(sorted(share.missing))}"
    return f"holds {' '.join(sorted(share.held))}"


def _party_lines(ruling: PartyRuling, *, every_rule: bool) -> Iterator[str]:
    name, view = ruling.party.name, ruling.view
    if not ruling.reaches:
        yield f"{_mark(False)} {name}: out of its reach"
        return
    if ruling.unbound:
        yield f"{_mark(True)} {name}: no grant names it, so it narrows nothing here"
        return
    yield f"{_mark(view is not None)} {name}: {_seen(view, ruling)}"
    elsewhere = 0
    for each in ruling.rulings:
        if each.share is None and each.why in _ELSEWHERE and not every_rule:
            elsewhere += 1
            continue
        yield f"    {_mark(each.share is not None)} {each.grant.id:<22} {_said(each)}"
    if elsewhere:
        more = "1 more grant is" if elsewhere == 1 else f"{elsewhere} more grants are"
        yield f"    · {more} for others, or for other resources"


def _seen(view: View | None, ruling: PartyRuling) -> str:
    if view is None:
        return "sees nothing"
    limits = bounds_in_words(view.max_rows, view.bounds, approval=view.approval)
    columns = [name for name in view.columns if name]
    if not columns:
        return "; ".join(["all of it", *limits])
    rows = "all rows" if view.rows == TRUE else f"rows where {predicate_in_words(view.rows)}"
    more = {name for each in ruling.rulings for name in each.withheld} - set(columns)
    count = f"{len(columns)} of {len(columns) + len(more)} columns" if more else "all columns"
    return "; ".join([f"{count}, {rows}", *limits])


def _said(ruling: Ruling) -> str:
    if ruling.share is None:
        return ruling.because
    share = ruling.share
    told = [f"{name} as {mask}" for name, mask in share.columns.items() if mask]
    kept = sorted(name for name, why in ruling.withheld.items() if why != "deny")
    told += [f"without {joined(kept)}"] if kept else []
    limits = bounds_in_words(share.max_rows, share.bounds, approval=share.approval)
    rows = [] if share.rows == TRUE else [f"rows where {predicate_in_words(share.rows)}"]
    return "; ".join([*rows, *told, *limits]) or "all of it"


def _denial_lines(rulings: Sequence[DenialRuling], *, every_rule: bool) -> Iterator[str]:
    shown = [each for each in rulings if each.hits or every_rule or each.why not in _ELSEWHERE]
    if shown:
        yield ""
        yield "Deny rules"
    for each in shown:
        hit = "everything" if each.columns is None else joined(each.columns)
        told = f"denies {hit}" if each.hits else each.because
        yield f"  {'✗' if each.hits else '·'} {each.denial.id:<24} {told}"


def _column_lines(told: Explanation) -> Iterator[str]:
    alike: dict[tuple[bool, str], list[str]] = {}
    for sight in told.columns:
        how = "hidden: " + "; ".join(sight.withheld)
        if sight.seen != "hidden":
            ways = [_way(rows, mask) for rows, mask in sight.cases]
            how = f"{'; '.join(ways)}, by {joined(sight.grants)}"
        alike.setdefault((sight.seen != "hidden", how), []).append(sight.name)
    yield "Columns" if len(told.columns) > 1 else "Column"
    for (good, how), names in alike.items():
        yield f"  {_mark(good)} {how}"
        yield from (f"      {line}" for line in wrap(", ".join(names), 78))


def _way(rows: str, mask: str | None) -> str:
    shown = f"masked ({mask})" if mask else "in full"
    return shown if rows == "all rows" else f"{shown} where {rows}"


def _mark(good: bool) -> str:
    return "✓" if good else "✗"
