"""YAML as scaffolding writes it: for people, one key a line, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from saaf_autogen.project.scaffolding.drafts import (
    SECTIONS,
    FieldDraft,
    RelationshipDraft,
    TableDraft,
)

__all__ = [
    "SAMPLED",
    "field_lines",
    "flow",
    "relationship_lines",
    "samples_mark",
    "scalar",
    "table_lines",
]

# What stands behind sample values that no person has touched, before their digest.
SAMPLED = "# sampled "
_WIDE = 1 << 20
_PLAIN = re.compile(r"[^\W\d][\w./+-]*(?: [\w./+&()-]+)*|\d[\w.-]*")
# What some reader of YAML 1.1 or 1.2 takes for a number or a time.
_NUMBERLIKE = re.compile(r"[-+.]?\d[\d_.:,a-fA-FoOxX+-]*")


def scalar(value: Any) -> str:
    """One value; text is quoted unless every reader of YAML takes it for text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return yaml.safe_dump(value).splitlines()[0]
    return _text(str(value))


@lru_cache(maxsize=4096)
def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _NUMBERLIKE.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    if text.isprintable() and '"' in text:
        return "'" + text.replace("'", "''") + "'"
    # Marks of direction and the like are invisible, and would show a reader another text.
    plain = not any(unicodedata.category(letter) == "Cf" for letter in text)
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=plain, width=_WIDE)
    return quoted.removesuffix("\n")


def flow(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def samples_mark(data: Mapping[str, Any]) -> str:
    """The comment behind sample values of the machine's own; it fits these values alone."""
    content = [bool(data.get("is_enum")), list(data.get("sample_values", ()))]
    digest = hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()
    return f"{SAMPLED}{digest[:8]}"


def field_lines(draft: FieldDraft) -> list[str]:
    """A field as an item of its section; a secret as a comment."""
    if draft.sensitivity == "secret":
        return [f"# - {flow(draft.data)}  # looks secret: uncomment to describe it"]
    lines = _lines(draft.data)
    if "description" not in draft.data:
        lines.insert(3, "# description:")
    if draft.sampled:
        lines = [
            f"{line}  {samples_mark(draft.data)}" if line.startswith("sample_values:") else line
            for line in lines
        ]
    return _item(lines)


def table_lines(draft: TableDraft, today: str) -> list[str]:
    """A table as an item of ``tables``."""
    lines = _lines(draft.data)
    if "description" not in draft.data:
        lines.insert(1, "# description:")
    if draft.size:
        lines.insert(1, f"# {draft.size} on {today}")
    for section in SECTIONS:
        items = [each for each in draft.fields if each.section == section]
        # A list of comments alone would be no list.
        if any(each.sensitivity != "secret" for each in items):
            lines.append(f"{section}:")
        for each in sorted(items, key=lambda each: each.sensitivity == "secret"):
            lines += field_lines(each)
    return _item(lines)


def relationship_lines(draft: RelationshipDraft) -> list[str]:
    """A relationship as an item of ``relationships``."""
    return _item(_lines(draft.data))


def _lines(data: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {flow(value)}" for key, value in data.items()]


def _item(lines: list[str]) -> list[str]:
    return [f"{'- ' if index == 0 else '  '}{line}" for index, line in enumerate(lines)]
