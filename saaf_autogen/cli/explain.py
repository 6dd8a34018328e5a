"""``saaf explain``: why somebody may, or may not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.rights import open_rights

__all__ = ["Asked", "explain"]

_COLOURS = {"✓": "bold green", "✗": "bold red", "·": "dim"}


@dataclass(frozen=True)
class Asked:
    """What the command was asked; each is an option of that name."""

    principal: str
    resource: str
    action: str | None = None
    verb: str | None = None
    column: str | None = None
    agent: str | None = None
    scopes: Sequence[str] | None = None
    groups: Sequence[str] = ()
    attributes: Sequence[str] = ()
    tenant: str = "default"


def explain(
    project: Path | None, asked: Asked, *, every_rule: bool = False, as_json: bool = False
) -> bool:
    """Print who narrowed what; True if it may be done."""
    with open_rights(project) as rights:
        principal = rights.principal(
            asked.principal,
            tenant=asked.tenant,
            agent=asked.agent,
            scopes=asked.scopes or None,
            groups=asked.groups,
            attributes=dict(_pair(each) for each in asked.attributes),
        )
        told = rights.explain(
            principal,
            action=asked.action,
            resource=asked.resource,
            verb=asked.verb,
            column=asked.column,
        )
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print(json.dumps(told.data(), indent=2, ensure_ascii=False), markup=False)
    else:
        # A user is told by the name that was asked for, not by an id.
        text = told.text(every_rule=every_rule).replace(principal.subject, asked.principal)
        _show(console, text)
    return told.allowed


def _show(console: Console, told: str) -> None:
    for number, line in enumerate(told.splitlines()):
        text = Text(line)
        mark = line.lstrip()[:1]
        if mark in _COLOURS:
            at = line.index(mark)
            text.stylize(_COLOURS[mark], at, at + 1)
        if number == 0 or not line.startswith(" "):
            text.stylize("bold")
        console.print(text)


def _pair(text: str) -> tuple[str, str | tuple[str, ...]]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise InvalidArguments(f"{text!r} is no NAME=VALUE.", remedy="Write --attribute carrier=UA")
    return name, tuple(value.split(",")) if "," in value else value
