"""Text and JSON that cross the border to models and tools: cleaned, and errors in one shape."""

from __future__ import annotations

import json
import re
from typing import Any

from saaf_autogen.errors import SaafError

__all__ = ["clean", "clean_value", "error_content", "parse_content", "value_content"]

# Lone surrogates break UTF-8 encoders and databases, NUL breaks PostgreSQL's text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with lone surrogates and NUL replaced by U+FFFD; itself where it has none."""
    if text.isascii() and "\0" not in text:
        return text  # most are, and Python knows it of every text
    return _UNSTORABLE.sub("\ufffd", text) if _UNSTORABLE.search(text) else text


def clean_value(value: Any) -> Any:
    """A JSON value with all its strings and keys cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_value(item) for item in value]
    return value


def value_content(value: Any, cut: str | None = None) -> str:
    """A tool's value as the JSON text that a model reads; says where it was cut."""
    whole = value if cut is None else {"value": value, "cut": cut}
    return json.dumps(clean_value(whole), ensure_ascii=False, default=str)


def error_content(error: Exception) -> str:
    """A failure as the JSON text that a model reads; the words of foreign errors stay out."""
    if isinstance(error, SaafError):
        said: dict[str, Any] = {"error": error.code, "detail": clean(error.detail)}
        if error.remedy:
            said["remedy"] = clean(error.remedy)
    else:
        said = {
            "error": "internal",
            "detail": "The tool failed for a reason that is not shown here.",
            "remedy": "Do not repeat the call unchanged.",
        }
    return json.dumps(said, ensure_ascii=False)


def parse_content(text: str) -> Any:
    """JSON text as its value, any other text as it is."""
    try:
        return clean_value(json.loads(text))
    except (ValueError, RecursionError):
        return clean(text)
