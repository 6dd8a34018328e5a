"""Joins: relationships of the semantic layer by name, and which tables a join repeats."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from saaf_autogen.semantic.vocabulary import Relation, Vocabulary
from saaf_autogen.sql.guard.definitions import qualified
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.sources import Frame, JoinStep, Reference, Source

__all__ = ["conjuncts", "expand_relations", "repeating"]


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition of which all must hold."""
    waiting = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, exp.Paren | exp.Where):
            waiting.append(part.this)
        elif isinstance(part, exp.And):
            waiting += [part.expression, part.this]
        elif isinstance(part, exp.Expr):
            yield part


def expand_relations(frame: Frame, vocabulary: Vocabulary, refusals: Refusals) -> None:
    """``JOIN airlines USING (flights_airlines)`` joins as that relationship says.

    Raises:
        SqlRefused: rule ``join_condition``: the relationship does not fit, or tables that a
            relationship joins have no condition at all.
    """
    for step in frame.joins:
        join = step.join
        using = join.args.get("using") or []
        if len(using) == 1 and not _is_column(using[0].name, step):
            named = using[0].name.lower()
            known = [item for item in vocabulary.relations if item.name.lower() == named]
            if known:
                _apply(step, frame, known, using[0], refusals)
        elif not using and not join.args.get("on") and not (join.kind or join.method):
            _require_condition(step, frame, vocabulary, refusals)


def repeating(frame: Frame, anchor: Source) -> Source | None:
    """A source that may put several rows beside one of ``anchor``; None where none can.

    Every other source must be met by equality with all columns of one of its keys.
    """
    tests = list(_equalities(frame))
    reached = [anchor, *(item for item in frame.sources if item.filters)]
    waiting = [item for item in frame.sources if item not in reached]
    before = -1
    while len(waiting) != before:
        before = len(waiting)
        for source in list(waiting):
            if source.single or _is_unique(source, reached, tests, frame):
                reached.append(source)
                waiting.remove(source)
    return waiting[0] if waiting else None


def _is_unique(
    source: Source,
    reached: list[Source],
    tests: list[tuple[exp.Expr, exp.Expr, list[Source] | None]],
    frame: Frame,
) -> bool:
    met: set[str] = set()
    for column, value, only in tests:
        if frame.owner(column) is source and (only is None or source in only):
            owners = [frame.owner(part) for part in value.find_all(exp.Column)]
            # A value of another collation is equal to several of a key's.
            whole = not value.find(exp.Query, exp.Collate, exp.Rand)
            if whole and all(owner in reached for owner in owners):
                met.add(column.name.lower())
    return any(
        met.issuperset(name.lower() for name in key)
        for logical in source.logical
        for key in logical.keys
    )


def _equalities(frame: Frame) -> Iterator[tuple[exp.Expr, exp.Expr, list[Source] | None]]:
    """Pairs (column, value) that are equal, and the sources that they narrow; None for all."""
    for part in conjuncts(frame.select.args.get("where")):
        yield from ((*pair, None) for pair in _sides(part))
    for step in frame.joins:
        side = str(step.join.side or "").upper()
        only = {"LEFT": step.right, "RIGHT": step.left, "FULL": []}.get(side)
        for part in conjuncts(step.join.args.get("on")):
            yield from ((*pair, only) for pair in _sides(part))
        for name in step.join.args.get("using") or []:
            left, right = _holder(name.name, step.left), _holder(name.name, step.right)
            if left is not None and right is not None:
                one, two = (qualified(name.name, item, name) for item in (left, right))
                yield from ((*pair, only) for pair in ((one, two), (two, one)))


def _sides(part: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    if isinstance(part, exp.EQ):
        yield part.this, part.expression
        yield part.expression, part.this


def _holder(name: str, sources: list[Source]) -> Source | None:
    """The only one of some sources with a real column of this name."""
    if any(item.columns is None for item in sources):
        return None
    holders = [item for item in sources if name.lower() in (item.columns or ())]
    return holders[0] if len(holders) == 1 else None


def _is_column(name: str, step: JoinStep) -> bool:
    """Whether USING may mean a real column of both sides."""
    return all(
        any(item.columns is None or name.lower() in item.columns for item in side)
        for side in (step.left, step.right)
    )


def _fits(relation: Relation, left: Source, right: Source) -> list[tuple[str, str]]:
    """Pairs of columns (left, right) by which a relation joins two sources, if it does."""
    ones = {item.name.lower() for item in left.logical}
    others = {item.name.lower() for item in right.logical}
    if relation.left.lower() in ones and relation.right.lower() in others:
        return list(relation.pairs)
    if relation.right.lower() in ones and relation.left.lower() in others:
        return [(two, one) for one, two in relation.pairs]
    return []


def _apply(
    step: JoinStep,
    frame: Frame,
    known: list[Relation],
    name: exp.Identifier,
    refusals: Refusals,
) -> None:
    fitting = [
        (left, right, pairs)
        for relation in known
        for left in step.left
        for right in step.right
        if (pairs := _fits(relation, left, right))
    ]
    if len(fitting) != 1:
        relation = known[0]
        raise refusals.at(
            name,
            "join_condition",
            f"The relationship {relation.name} joins {relation.left} with {relation.right}"
            + (", of which there is more than one here." if fitting else ", and not these."),
            remedy=f"Write the condition: ON {_condition(relation)}.",
        )
    left, right, pairs = fitting[0]
    tests: list[exp.Expr] = []
    for one, two in pairs:
        sides = qualified(one, left, name), qualified(two, right, name)
        tests.append(exp.EQ(this=sides[0], expression=sides[1]))
        # Either may be a computed field.
        frame.columns += [Reference(side, "ON") for side in sides]
    condition: exp.Expr = tests[0]
    for test in tests[1:]:
        condition = exp.And(this=condition, expression=test)
    step.join.set("using", None)
    step.join.set("on", condition)


def _require_condition(
    step: JoinStep, frame: Frame, vocabulary: Vocabulary, refusals: Refusals
) -> None:
    """Refuse every pair of rows of tables that a relationship joins: nobody means that."""
    for relation in vocabulary.relations:
        for left in step.left:
            for right in step.right:
                if _fits(relation, left, right) and not _is_linked(right, frame):
                    raise refusals.at(
                        right.node,
                        "join_condition",
                        f"{right.alias.name} is joined without a condition.",
                        remedy=f"Write JOIN … USING ({relation.name}), that is ON "
                        f"{_condition(relation)}; or CROSS JOIN if you mean every pair.",
                    )


def _is_linked(source: Source, frame: Frame) -> bool:
    parts = list(conjuncts(frame.select.args.get("where")))
    parts += [part for step in frame.joins for part in conjuncts(step.join.args.get("on"))]
    for part in parts:
        owners = {frame.owner(column) for column in part.find_all(exp.Column)}
        if None in owners or (source in owners and len(owners) > 1):
            return True
    return any(
        source in (*step.left, *step.right) and step.join.args.get("using") for step in frame.joins
    )


def _condition(relation: Relation) -> str:
    return " AND ".join(
        f"{relation.left}.{one} = {relation.right}.{two}" for one, two in relation.pairs
    )
