"""Rows, matches and refusals in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from saaf_autogen.teams.offline.matching import Match

__all__ = [
    "ANSWERED",
    "DECLINED",
    "FAILED",
    "NOTE",
    "say_declined",
    "say_failed",
    "say_rows",
]

NOTE = "I am the offline model, which is no LLM: I only answer what a verified query answers."
ANSWERED = "Verified question:"
DECLINED = "Not without a model:"
FAILED = "The deployment refused:"
_SENTENCE_ROWS = 3
_TABLE_ROWS = 10
_CELL_CHARS = 80


def say_rows(value: Mapping[str, Any], match: Match, cut: str | None) -> str:
    """The answer to a question whose query gave ``value``, as ``warehouse.query`` returns it."""
    columns = [
        str(column.get("name", "")) if isinstance(column, Mapping) else str(column)
        for column in _list(value.get("columns"))
    ]
    rows = [row for row in _list(value.get("rows")) if isinstance(row, list | tuple)]
    count = value.get("row_count")
    total = count if isinstance(count, int) and count >= len(rows) else len(rows)
    parts = [_answer(columns, rows, total)]
    cut = cut or (value.get("cut") if isinstance(value.get("cut"), str) else None)
    if cut:
        parts.append(f"The result was cut: {_line(cut)}")
    asked = f"{ANSWERED} “{_line(match.verified.question)}”"
    if match.values:
        said = ", ".join(f"{name} = {_cell(item)}" for name, item in match.values.items())
        asked += f" with {said}"
    parts.append(f"{asked}. Rows: {total}.")
    parts.append(NOTE)
    return "\n\n".join(parts)


def say_declined(match: Match | None, reason: str | None = None) -> str:
    """Why a question is not answered, and what would help."""
    if match is None:
        said = reason or "no verified question is near this one."
        return f"{DECLINED} {said}\n\n{NOTE}"
    nearest = f"the nearest verified question is “{_line(match.verified.question)}”"
    reasons = []
    if match.unplaced:
        reasons.append(f"I could not place {_quoted(match.unplaced)}")
    if match.beyond:
        reasons.append(f"it speaks of {_quoted(match.beyond)}, which yours does not")
    for parameter in match.missing:
        hint = "" if parameter.example is None else f", such as {_cell(parameter.example)}"
        reasons.append(f"say which {_label(parameter.name)} you mean{hint}")
    reasons += [f"say which value is the {_label(known.name)}" for known in match.ambiguous]
    if match.reordered:
        reasons.append("its words stand in another order, which changes what is compared")
    return f"{DECLINED} {'; '.join(reasons)}; {nearest}.\n\n{NOTE}"


def say_failed(content: str) -> str:
    """What a tool refused, in the words of its error document."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    detail = "the tool gave no reason that can be shown."
    remedy = ""
    if isinstance(said, Mapping) and isinstance(said.get("detail"), str):
        detail = _line(said["detail"])
        remedy = f" {_line(said['remedy'])}" if isinstance(said.get("remedy"), str) else ""
    return f"{FAILED} {detail}{remedy}\n\n{NOTE}"


def _answer(columns: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    if not rows:
        return "No rows match."
    if len(rows) == 1 and len(columns) == 1:
        return f"{_label(columns[0])}: **{_cell(rows[0][0])}**."
    if len(rows) <= _SENTENCE_ROWS and len(columns) <= 4:
        said = [
            ", ".join(
                f"{_label(name)}: **{_cell(item)}**"
                for name, item in zip(columns, row, strict=False)
            )
            for row in rows
        ]
        return "; ".join(said) + "."
    head = f"{total} rows" if total <= _TABLE_ROWS else f"{total} rows, of which the first {{}}"
    shown = rows[:_TABLE_ROWS]
    lines = [
        head.format(len(shown)) + ":",
        "",
        "| " + " | ".join(_label(name) for name in columns) + " |",
        "|" + " --- |" * len(columns),
        *("| " + " | ".join(_cell(item) for item in row) + " |" for row in shown),
    ]
    return "\n".join(lines)


def _label(name: str) -> str:
    return _cell(name.replace("_", " "))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1e15 else round(value, 4)
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    text = _line(str(value)).replace("|", "\\|")
    return text if len(text) <= _CELL_CHARS else text[: _CELL_CHARS - 1] + "…"


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[:500]


def _quoted(words: Sequence[str]) -> str:
    unique = list(dict.fromkeys(_cell(word) for word in words))[:6]
    return ", ".join(f"'{word}'" for word in unique)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
