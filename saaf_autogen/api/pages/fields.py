"""Fields of forms and of addresses, each of them once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from saaf_autogen.errors import InvalidRequest, PayloadTooLarge

__all__ = ["MAX_FORM_BYTES", "Fields", "posted_fields", "query_fields", "read_fields"]

MAX_FORM_BYTES = 65_536
_MAX_FIELDS = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Fields(Mapping[str, str]):
    """Fields by name; one that is not there reads as the empty text with ``text``."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = dict(pairs)

    def __getitem__(self, name: str) -> str:
        return self._pairs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def text(self, name: str) -> str:
        """The field's value, or the empty text."""
        return self._pairs.get(name, "")


def read_fields(encoded: str) -> Fields:
    """The fields of a query or of a form's body.

    Raises:
        InvalidRequest: one is repeated, holds control characters, or it is no UTF-8.
    """
    try:
        pairs = parse_qsl(
            encoded, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise InvalidRequest("The form cannot be read.", remedy="Go back and try again.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest("A field of the form came twice.", remedy="Go back and try again.")
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise InvalidRequest("A field holds control characters.", remedy="Leave them out.")
    return Fields(found)


def query_fields(request: Request) -> Fields:
    """The fields of a request's address."""
    return read_fields(request.url.query)


async def posted_fields(request: Request) -> Fields:
    """The fields of a request's form.

    Raises:
        InvalidRequest: it is no form, or not a clean one.
        PayloadTooLarge: it is over ``MAX_FORM_BYTES``.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidRequest("This page takes a form.", remedy="Use the page's own form.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise PayloadTooLarge("The form is too large.")
    try:
        return read_fields(body.decode("ascii"))
    except UnicodeDecodeError:
        raise InvalidRequest("The form cannot be read.", remedy="Go back and try again.") from None
