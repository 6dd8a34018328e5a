"""Access rules of other projects as grants of ``saaf.yaml``: exactly, or not at all.

Grants of one caller add up, cell by cell. Two of them with neither's columns inside the other's
would put columns side by side that the source never shows together, so such a second grant is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.semantic.formats.builder import HIDDEN, TableBuilder, Target
from saaf_autogen.semantic.formats.source import Node

__all__ = ["GrantDraft", "GrantWriter"]

_SIMPLE = re.compile(r"[^\s*/]+")
_GROUP = re.compile(r"[^\s*]+")


@dataclass
class GrantDraft:
    """One grant on its way.

    Attributes:
        groups: who gets it; empty means everyone.
        columns: visible physical columns, each with its mask or None.
        rows: conditions by column and operator.
    """

    node: Node
    id: str
    table: TableBuilder
    groups: Sequence[str] = ()
    columns: dict[str, str | None] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def test(self, column: str, operator: str, value: Any) -> bool:
        """Add a condition; False where the column has one of that operator already."""
        tests = self.rows.setdefault(column, {})
        if operator in tests and tests[operator] != value:
            return False
        tests[operator] = value
        return True

    def shows_all_of(self, other: GrantDraft) -> bool:
        """Whether each column of the other is here, shown no less."""
        return all(
            name in self.columns and (self.columns[name] is None or self.columns[name] == mask)
            for name, mask in other.columns.items()
        )


@dataclass
class GrantWriter:
    """The grants of one import."""

    node: Node
    target: Target
    drafts: list[GrantDraft] = field(default_factory=list)

    def add(self, draft: GrantDraft) -> bool:
        """Take a grant; False, reported, where it cannot stand beside the others."""
        base = draft.table.base
        if not self.target.warehouse:
            remedy = "import again with --warehouse NAME"
            draft.node.deny(None, f"{draft.id} became no grant: it needs a warehouse", remedy)
            return False
        if not all(_SIMPLE.fullmatch(name) for name in (base.schema_name, base.table)):
            message = f"{draft.id} became no grant: its table's name is a pattern in grants"
            draft.node.deny(None, message, "give the table a plain name")
            return False
        if not all(_GROUP.fullmatch(group) for group in draft.groups):
            message = f"{draft.id} became no grant: a group's name has blanks or stars"
            draft.node.deny(None, message, "give the group a plain name")
            return False
        if not draft.columns:
            message = f"{draft.id} became no grant: it shows no column of the table itself"
            remedy = "grants give columns; give the ones that its measures read, if you may"
            draft.node.deny(None, message, remedy)
            return False
        for other in self.drafts:
            same = other.table.base == base
            if same and not (draft.shows_all_of(other) or other.shows_all_of(draft)):
                message = (
                    f"{draft.id} became no grant: who also holds {other.id} would see columns of "
                    "both side by side"
                )
                remedy = "write it by hand, for groups that share no member"
                draft.node.deny(None, message, remedy)
                return False
        self.drafts.append(draft)
        return True

    def documents(self) -> list[dict[str, Any]]:
        """The grants as ``saaf.yaml`` says them, each with an id of its own."""
        taken: set[str] = set()
        made: list[dict[str, Any]] = []
        for draft in self.drafts:
            base, made_id = draft.table.base, _slug(draft.id, taken)
            grant: dict[str, Any] = {
                "id": made_id,
                "to": {"groups": list(draft.groups)} if draft.groups else "*",
                "resource": f"wh://{self.target.warehouse}/{base.schema_name}.{base.table}",
                # Columns are listed, so that one described later is not shown by this grant.
                "columns": {"allow": list(draft.columns)},
            }
            masks = {name: mask for name, mask in draft.columns.items() if mask is not None}
            if masks:
                grant["columns"]["mask"] = masks
            grant["columns"]["deny_tags"] = [HIDDEN]
            if draft.rows:
                grant["rows"] = draft.rows
            made.append(grant)
        return made


def _slug(text: str, taken: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-") or "grant"
    plain = plain if plain[0].isalpha() else f"g-{plain}"
    name, number = plain[:58], 1
    while name in taken:
        number += 1
        name = f"{plain[:58]}-{number}"
    taken.add(name)
    return name
