"""A run's state, kept as what each turn changed in it.

A team's state holds its whole conversation. Written whole after each turn, a run of n turns would
write n² bytes; written as changes, what is stored grows as the conversation does.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from saaf_autogen.runs.tables import RunRow, TurnRow
from saaf_autogen.runs.text import clean_json

__all__ = ["add_turn", "apply_change", "change_between", "state_of"]

_SET, _FIELDS, _GONE, _MORE = "=", "k", "-", "+"


def change_between(before: Any, after: Any) -> dict[str, Any] | None:
    """What turns one JSON value into another, or None when they are equal.

    ``{"=": value}`` replaces, ``{"k": {name: change}, "-": [names]}`` changes fields of an object,
    ``{"+": [items]}`` adds to the end of an array.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        return _fields(before, after)
    if isinstance(before, list) and isinstance(after, list):
        count = len(before)
        if len(after) > count and count and _same(before, after[:count]):
            return {_MORE: after[count:]}
    return None if _same(before, after) else {_SET: after}


def apply_change(before: Any, change: dict[str, Any] | None) -> Any:
    """The value after a change; ``before`` may be altered."""
    if change is None:
        return before
    if _SET in change:
        return change[_SET]
    if _MORE in change:
        before.extend(change[_MORE])
        return before
    for name in change.get(_GONE, ()):
        del before[name]
    for name, inner in change.get(_FIELDS, {}).items():
        before[name] = apply_change(before.get(name), inner)
    return before


def add_turn(
    session: Session, row: RunRow, before: Any, after: dict[str, Any], now: datetime
) -> None:
    """Store what the turn ``row.turn`` changed."""
    turn = {
        "run_id": row.id,
        "turn": row.turn,
        "tenant": row.tenant,
        "change": clean_json(change_between(before, after)),
        "at": now,
    }
    # On the connection itself: the session would first write what is not whole yet.
    session.connection().execute(insert(TurnRow), turn)


def state_of(session: Session, run_id: str) -> dict[str, Any] | None:
    """The state after the last finished turn, or None before the first."""
    query = select(TurnRow.change).where(TurnRow.run_id == run_id).order_by(TurnRow.turn)
    state: dict[str, Any] | None = None
    for change in session.scalars(query):
        state = apply_change(state, change)
    return state


def _fields(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any] | None:
    changes = {
        name: change
        for name, value in after.items()
        if (change := change_between(before[name], value) if name in before else {_SET: value})
        is not None
    }
    gone = [name for name in before if name not in after]
    if not changes and not gone:
        return None
    return {_FIELDS: changes} | ({_GONE: gone} if gone else {})


def _same(before: Any, after: Any) -> bool:
    # In JSON, 1 and true are not the same, nor are 1 and 1.0 to whoever reads them; in Python
    # they are equal, at whatever depth.
    if type(before) is not type(after) or before != after:
        return False
    return not isinstance(before, list) or json.dumps(before) == json.dumps(after)
