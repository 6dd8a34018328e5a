"""Paths into the claims of a token, as ``saaf.yaml`` writes them."""

from __future__ import annotations

import re

__all__ = ["claim_path"]

_NAME = r'(?:"[^"]+"|[^".\s]+)'
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME})*")
_PART = re.compile(_NAME)


def claim_path(text: str) -> tuple[str, ...]:
    """The member names of a path: ``realm_access.roles``, ``"https://acme.com/groups"``.

    Raises:
        ValueError: it is no path.
    """
    if not _PATH.fullmatch(text):
        raise ValueError(
            f"{text!r} is no path of claims; write names with dots between them, and a name that "
            "has dots itself in quotes: '\"https://acme.com/groups\"'"
        )
    return tuple(part.strip('"') for part in _PART.findall(text))
