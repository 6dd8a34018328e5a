"""Renders tables, joins, hints and examples as text for a prompt, within a token budget."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from saaf_autogen.semantic.retrieval import Retrieval
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.visible import VisibleField, VisibleTable
from saaf_autogen.semantic.words import stems

__all__ = ["estimate_tokens", "render"]

_EXAMPLES = 3
_EXAMPLE_SCORE = 0.3
_VALUES = 24
# Tables of more columns show those that matter: the first ones the rest too, where there is room.
_WIDE = 24
_ALWAYS = 12
_FIRST = 5
_TITLES = (
    "-- joins",
    "-- hints",
    "-- filters: their names are conditions, as in WHERE name",
    "-- metrics: write AGG(name)",
    "-- examples",
)
_JOINS, _HINTS, _FILTERS, _METRICS, _SAMPLES = range(5)


def estimate_tokens(text: str) -> int:
    """A cautious estimate without a tokenizer: 3.5 characters to a token."""
    return -(-len(text) * 2 // 7)


def render(view: SemanticView, found: Retrieval, token_budget: int) -> str:
    """The text for a prompt: what the question needs first, until the budget is spent.

    Args:
        view: what the caller may see.
        found: what the question needs; at least one table.
        token_budget: bound in estimated tokens.
    """
    return _Rendering(view, found, token_budget).text()


@dataclass(frozen=True)
class _Piece:
    """Something that may be shown: how soon it is needed (less is sooner), and what it costs.

    A table, or a column of it in full, or the columns of a wide one that were left out, or a line
    of a section; all but the first only with the table that they name.
    """

    need: int
    text: str
    table: int = -1
    column: int = -1
    section: int = -1
    saves: str = ""
    rest: bool = False


class _Rendering:
    def __init__(self, view: SemanticView, found: Retrieval, budget: int) -> None:
        self._view = view
        self._found = found
        self._budget = budget
        self._ranks = {table.name: rank for rank, table in enumerate(found.tables)}
        self._warehouse = found.tables[0].warehouse
        self._said = {slot.text.casefold() for slot in found.question.slots}
        self._named = {
            rank: named
            for rank, table in enumerate(found.tables)
            if (named := self._narrow(rank, table)) is not None
        }
        self._asked = {item for word in found.question.words for item in stems(word.text)}

    def text(self) -> str:
        first = self._found.tables[0]
        head = f"-- warehouse {first.warehouse}, {first.dialect} SQL, named parameters :name"
        tables: set[int] = set()
        whole: set[int] = set()
        columns: set[tuple[int, int]] = set()
        sections: dict[int, list[str]] = {}
        # In characters; the title of each section is taken off beforehand.
        left = self._budget * 7 // 2 - len(head) - sum(len(title) + 1 for title in _TITLES)
        for piece in sorted(self._pieces(), key=lambda item: item.need):
            cost = len(piece.text) + 1 - len(piece.saves)
            part = piece.column >= 0 or piece.section >= 0 or piece.rest
            if cost > left or (part and piece.table >= 0 and piece.table not in tables):
                continue
            left -= cost
            if piece.section >= 0:
                sections.setdefault(piece.section, []).append(piece.text)
            elif piece.column >= 0:
                columns.add((piece.table, piece.column))
            elif piece.rest:
                whole.add(piece.table)
            else:
                tables.add(piece.table)
        lines = [head]
        for rank in sorted(tables):
            shown = {column for table, column in columns if table == rank}
            named = None if rank in whole else self._named.get(rank)
            lines.append(self._table(self._found.tables[rank], shown, named))
        for section in sorted(sections):
            lines += [_TITLES[section], *sections[section]]
        return "\n".join(lines)

    def _pieces(self) -> Iterator[_Piece]:
        for rank, table in enumerate(self._found.tables):
            named = self._named.get(rank)
            yield _Piece(4 * rank, self._table(table, set(), named), table=rank)
            if named is not None and rank < _FIRST:
                left = (field for at, field in enumerate(table.fields) if at not in named)
                yield _Piece(45 + 10 * rank, "".join(map(_brief, left)), table=rank, rest=True)
            yield from self._columns(rank, table)
            for hint in table.hints:
                text = f"{table.sql_name}: {hint}"
                yield _Piece(15 + 12 * rank, text, table=rank, section=_HINTS)
            for section, items in ((_FILTERS, table.filters), (_METRICS, table.metrics)):
                for item in items:
                    text = f"{table.sql_name}.{item.name}: {item.expr}"
                    asked = self._is_asked(item.name, *item.synonyms)
                    # What the question names by its own words is short, and worth more than
                    # a second table.
                    need = (6 if asked else 38) + 10 * rank
                    yield _Piece(need, text, table=rank, section=section)
        yield from self._joins()
        for metric in self._view.metrics:
            if metric.warehouse == self._warehouse:
                yield _Piece(70, f"{metric.name}: {metric.expr}", section=_METRICS)
        for warehouse, text in self._view.instructions:
            if warehouse == self._warehouse:
                yield _Piece(14, text, section=_HINTS)
        for index, near in enumerate(self._found.queries[:_EXAMPLES]):
            if near.score >= _EXAMPLE_SCORE:
                text = f"-- {near.query.question}\n{' '.join(near.query.sql.split())};"
                yield _Piece((5, 25, 55)[index], text, section=_SAMPLES)

    def _joins(self) -> Iterator[_Piece]:
        for item in self._found.joins:
            names = [
                self._found.tables[self._ranks[name]].sql_name for name in (item.left, item.right)
            ]
            pairs = (f"{names[0]}.{left} = {names[1]}.{right}" for left, right in item.pairs)
            kind = f" -- {item.relationship_type}" if item.relationship_type else ""
            last = max(self._ranks[item.left], self._ranks[item.right])
            yield _Piece(4 * last + 1, " AND ".join(pairs) + kind, table=last, section=_JOINS)

    def _columns(self, rank: int, table: VisibleTable) -> Iterator[_Piece]:
        scores = self._found.columns
        essential = self._essential(rank, table)
        keys = [(table.warehouse, table.name, field.name) for field in table.fields]
        order = sorted(range(len(keys)), key=lambda index: -scores.get(keys[index], 0.0))
        named = self._named.get(rank)
        for place, index in enumerate(order):
            if rank >= _FIRST and named is not None and index not in named:
                continue
            field = table.fields[index]
            need = (22 + place if keys[index] in scores else 60 + place) + 8 * rank
            if field.name in essential:
                need = 6 + rank
            saves = _brief(field) if named is None or index in named else ""
            text = _full(field, self._note(field))
            yield _Piece(need, text, table=rank, column=index, saves=saves)

    def _narrow(self, rank: int, table: VisibleTable) -> set[int] | None:
        """The columns of a wide table that are named at any rate; None where all are."""
        if len(table.fields) <= (_WIDE if rank < _FIRST else _ALWAYS):
            return None
        keys = set(table.primary_key)
        for item in self._found.joins:
            for ours, theirs in item.pairs:
                keys |= {
                    name
                    for name, end in ((ours, item.left), (theirs, item.right))
                    if end == table.name
                }
        scores = self._found.columns
        order = sorted(
            range(len(table.fields)),
            key=lambda at: -scores.get((table.warehouse, table.name, table.fields[at].name), 0.0),
        )
        return {
            *order[: _ALWAYS if rank < _FIRST else _ALWAYS // 2],
            *(at for at, field in enumerate(table.fields) if {field.name, field.label} & keys),
        }

    def _essential(self, rank: int, table: VisibleTable) -> set[str]:
        """Columns of the nearest example, and those whose values the question names."""
        near = self._found.queries[0] if self._found.queries else None
        is_near = near is not None and near.score >= _EXAMPLE_SCORE
        in_example = near is not None and is_near and table.name in near.query.tables
        if not in_example and (rank > 0 or is_near):
            return set()
        prefix = f"column:{table.name}."
        asked = {kind for slot in self._found.question.slots for kind in slot.kinds}
        names = {kind.removeprefix(prefix) for kind in asked if kind.startswith(prefix)}
        if near is not None and in_example:
            names |= set(re.findall(r"\w+", near.query.sql))
        return names

    def _table(self, table: VisibleTable, shown: set[int], named: set[int] | None) -> str:
        note = f" -- {table.description}" if table.description else ""
        if table.rows == "some":
            note += " (You see a part of its rows.)"
        lines = [f"{table.sql_name}({note}"]
        lines += [
            _full(field, self._note(field))
            for index, field in enumerate(table.fields)
            if index in shown
        ]
        rest = "".join(
            _brief(field)
            for index, field in enumerate(table.fields)
            if index not in shown and (named is None or index in named)
        )
        if named is not None and (hidden := len(table.fields) - len(named | shown)):
            rest += f" … and {hidden} more: semantic.describe_table"
        return "\n".join([*lines, *([f"  {rest.strip()}"] if rest else []), ")"])

    def _note(self, field: VisibleField) -> str:
        parts: list[str] = []
        if field.computed:
            parts.append(f"Computed: {field.expr}.")
        if field.access == "masked":
            parts.append("Masked.")
        if field.description:
            parts.append(field.description)
        said = [word for word in field.synonyms if self._is_asked(word)]
        if said:
            parts.append(f"Also: {', '.join(said)}.")
        values = self._values(field)
        if values:
            parts.append(f"{'One of' if field.is_enum else 'Such as'} {values}.")
        return " ".join(parts)

    def _values(self, field: VisibleField) -> str:
        """All values of an enum; of another column those that the question names, or samples."""
        if not field.sample_values and not field.values:
            return ""
        known = [str(value) for value in field.sample_values]
        if not field.is_enum:
            said = [
                value
                for value, words in field.values.items()
                if self._said & {value.casefold(), *(word.casefold() for word in words)}
            ]
            known = list(dict.fromkeys([*said, *known[:3]]))
        shown: list[str] = []
        for value in known[:_VALUES]:
            words = field.values.get(value, ())
            shown.append(f"{value} ({words[0]})" if words else value)
        return ", ".join([*shown, *(["…"] if len(known) > _VALUES else [])])

    def _is_asked(self, *words: str) -> bool:
        return any(not self._asked.isdisjoint(stems(word)) for word in words)


def _full(field: VisibleField, note: str) -> str:
    return f"  {field.name} {field.data_type},{f' -- {note}' if note else ''}"


def _brief(field: VisibleField) -> str:
    return f" {field.name} {field.data_type},"
