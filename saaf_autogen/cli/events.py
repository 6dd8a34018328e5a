"""A run's events as lines for the terminal."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text

__all__ = ["describe_event"]

_WIDTH = 110


def describe_event(event: dict[str, Any]) -> Text | None:
    """One line for an event, or None for what only programs need."""
    kind, data = event["type"], event["data"]
    if kind == "message.delta":
        return None
    line = Text(f"{event['id']:>3}  ", style="dim")
    if kind == "tool.call":
        line.append(f"{data.get('name')}", style="cyan")
        line.append(f"  {_short(data.get('arguments'))}", style="dim")
    elif kind == "tool.result":
        failed = bool(data.get("is_error"))
        line.append("→ ", style="red" if failed else "green")
        line.append(_short(data.get("content")), style="red" if failed else "dim")
    elif kind == "message.completed":
        line.append(f"{data.get('source')}: ", style="bold")
        line.append(_short(data.get("content")))
    elif kind == "run.input_required":
        line.append(kind, style="magenta")
        line.append(f"  {data.get('source')}: {_short(data.get('prompt'))}")
    else:
        line.append(kind, style="magenta")
    return line


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
