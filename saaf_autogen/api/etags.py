"""Entity tags (RFC 9110, section 13): answers that did not change, and changes of what was seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response

from saaf_autogen.auth.administration.versions import ANY, Entry, Expected, tag_of
from saaf_autogen.errors import InvalidRequest, PreconditionRequired

__all__ = ["IF_MATCH", "NOT_MODIFIED", "IfMatch", "OptionalIfMatch", "tagged"]

_TAGS = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*')

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing changed since the answer with the ETag of If-None-Match"}
}
_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "ETag of what you read, or `*` for whatever it is now",
    "schema": {"type": "string"},
    "example": '"3-5f0c3a1b9d2e4f687a90"',
}
IF_MATCH: dict[str, Any] = {"parameters": [_PARAMETER]}
"""What OpenAPI tells of an operation that needs the header."""


def _if_match(request: Request) -> Expected:
    lines = request.headers.getlist("if-match")
    if not lines:
        raise PreconditionRequired(
            "This change came without the header If-Match.",
            remedy="Send the ETag of what you read, or * to change whatever it is now.",
        )
    return _expected(lines)


def _optional_if_match(request: Request) -> Expected:
    lines = request.headers.getlist("if-match")
    return _expected(lines) if lines else ANY


IfMatch = Annotated[Expected, Depends(_if_match)]
"""What the caller saw; without the header the answer is 428 (RFC 6585)."""

OptionalIfMatch = Annotated[Expected, Depends(_optional_if_match)]
"""The same, where the header may be left out."""


def tagged(request: Request, entry: Entry, *, status: int = 200, location: str = "") -> Response:
    """An entry with its ETag, or 304 to a GET whose If-None-Match names it."""
    tag = tag_of(entry)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if location:
        headers["Location"] = location
    lines = request.headers.getlist("if-none-match")
    if request.method == "GET" and lines and _names(lines, tag):
        return Response(status_code=304, headers=headers)
    return JSONResponse(entry.model_dump(mode="json"), status, headers)


def _names(lines: Sequence[str], tag: str) -> bool:
    tags = {part.strip().removeprefix("W/") for line in lines for part in line.split(",")}
    return "*" in tags or tag in tags


def _expected(lines: Sequence[str]) -> Expected:
    """The tags that count: If-Match compares strongly, so that a weak one matches nothing."""
    if [line.strip() for line in lines] == ["*"]:
        return ANY
    parts = [part for line in lines for part in line.split(",")]
    if not all(_TAGS.fullmatch(part) for part in parts):
        raise InvalidRequest(
            "The header If-Match holds no entity tags.",
            remedy='Send the ETag as it came, with its quotes: If-Match: "…".',
        )
    return Expected(frozenset(part.strip() for part in parts))
