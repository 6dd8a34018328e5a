"""What people are called, cleaned: user names, names to show, e-mail addresses, attributes."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from saaf_autogen.errors import InvalidArguments

__all__ = [
    "clean_attributes",
    "clean_email",
    "clean_name",
    "clean_username",
    "fold_username",
    "presentable",
    "presentable_all",
]

_NAME_LENGTH = 200
_USERNAME_LENGTH = 120
_EMAIL_LENGTH = 320
_ATTRIBUTES = 100
_ATTRIBUTES_BYTES = 16_384
_EMAIL = re.compile(r"[^\s@<>\"(),;:\\]+@[^\s@<>\"(),;:\\]+")
_MARKS = frozenset("._-@+'")


def fold_username(text: str) -> str:
    """The form in which user names are compared: NFKC, case-folded (as RFC 8265 prepares them)."""
    folded = unicodedata.normalize("NFKC", text.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


def clean_username(text: str) -> str:
    """A user name as it is stored: folded.

    Raises:
        InvalidArguments: it is empty, too long, or has characters that are no letters, digits,
            or one of ``. _ - @ + '``.
    """
    folded = fold_username(text)
    fine = all(char in _MARKS or unicodedata.category(char)[0] in "LNM" for char in folded)
    if not folded or len(folded) > _USERNAME_LENGTH or not fine:
        raise InvalidArguments(
            f"This is no user name: one has 1 to {_USERNAME_LENGTH} letters and digits.",
            remedy="Use letters, digits and . _ - @ + ', without spaces.",
        )
    return folded


def clean_name(text: str) -> str:
    """A name to show: NFC, without leading and trailing space; ``""`` is one.

    Raises:
        InvalidArguments: it is too long or has control or formatting characters.
    """
    cleaned = unicodedata.normalize("NFC", text.strip())
    if len(cleaned) > _NAME_LENGTH or not all(_shows(char) for char in cleaned):
        raise InvalidArguments(
            "This name cannot be shown.",
            remedy=f"Use at most {_NAME_LENGTH} characters, none of them a control character.",
        )
    return cleaned


def clean_email(text: str | None) -> str | None:
    """An e-mail address in NFC, or None for none. It is never what a user is found by.

    Raises:
        InvalidArguments: it is none.
    """
    if text is None or not text.strip():
        return None
    cleaned = unicodedata.normalize("NFC", text.strip())
    fine = _EMAIL.fullmatch(cleaned) and all(_shows(char) for char in cleaned)
    if not fine or len(cleaned) > _EMAIL_LENGTH:
        raise InvalidArguments("This is no e-mail address.", remedy="Write it as name@host.")
    return cleaned


def clean_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that row filters may name, as JSON holds them.

    Raises:
        InvalidArguments: a value is no text, whole number, truth value or list of texts, or they
            are too many or too large.
    """
    cleaned: dict[str, Any] = {}
    for name, value in attributes.items():
        listed = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        if not (listed or isinstance(value, str | int)) or not _attribute_name(name):
            raise InvalidArguments(
                "An attribute cannot be kept.",
                remedy="Name it with 1 to 63 letters, digits, _ and -; its value is a text, a "
                "whole number, true or false, or a list of texts.",
            )
        cleaned[name] = list(value) if listed else value
    if len(cleaned) > _ATTRIBUTES or len(json.dumps(cleaned)) > _ATTRIBUTES_BYTES:
        raise InvalidArguments(
            "These are too many attributes.",
            remedy=f"Keep at most {_ATTRIBUTES}, of at most {_ATTRIBUTES_BYTES} bytes in all.",
        )
    return cleaned


def presentable(text: str | None, length: int = _NAME_LENGTH) -> str:
    """Foreign text made fit to show and to keep, whatever it was: never a reason to refuse."""
    shown = "".join(char if _shows(char) else " " for char in text or "")
    return unicodedata.normalize("NFC", " ".join(shown.split()))[:length].strip()


def presentable_all(texts: Iterable[str], *, most: int = 500, length: int = 255) -> list[str]:
    """Foreign names, each of them exactly as it is or not at all; sorted, and so many at most."""
    fit = {each for each in texts if each and presentable(each, length) == each}
    return sorted(fit)[:most]


def _attribute_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", name) is not None


def _shows(char: str) -> bool:
    # C*: control, format (such as those that turn the direction), surrogate, private, unassigned.
    return unicodedata.category(char)[0] != "C" and unicodedata.category(char) not in ("Zl", "Zp")
