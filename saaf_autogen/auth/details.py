"""RFC 9396 ``authorization_details`` of type ``saaf_data``: a token's own, narrower grants.

A detail has the members of a grant that say what is given, and its type::

    {"type": "saaf_data", "resource": "wh://nyc/main.flights", "rows": {"carrier": {"eq": "UA"}}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from saaf_autogen.auth.grants import Grant, compile_grant, grant_faults
from saaf_autogen.settings import GrantSettings

__all__ = ["DETAIL_TYPE", "MAX_DETAILS_BYTES", "detail_grants", "read_details"]

DETAIL_TYPE = "saaf_data"
MAX_DETAILS_BYTES = 2048
_MAX_DETAILS = 32
# A token ends by itself, and is of one tenant and one subject: the rest of a grant is not for it.
_MEMBERS = frozenset({"resource", "verbs", "columns", "rows", "limits", "approval"})
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def read_details(text: str) -> tuple[dict[str, Any], ...]:
    """The details that a token request asks for, checked and without their defaults.

    Raises:
        ValueError: they cannot be honoured; the message is a sentence for the caller, in the
            characters that RFC 6749 allows.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_DETAILS_BYTES:
        raise ValueError(f"authorization_details is over {MAX_DETAILS_BYTES} bytes.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("authorization_details is not JSON.") from error
    if any(_UNCLEAN.search(part) for part in _texts(value)):
        raise ValueError("authorization_details holds control characters.")
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_DETAILS:
        raise ValueError(f"authorization_details is not an array of 1 to {_MAX_DETAILS} objects.")
    details = []
    for index, item in enumerate(value):
        grant = _grant(item, index) if isinstance(item, dict) else None
        if grant is None:
            raise ValueError(f"authorization_details[{index}] is no usable {DETAIL_TYPE} object.")
        kept = grant.model_dump(mode="json", exclude_unset=True, include=set(_MEMBERS))
        details.append({"type": DETAIL_TYPE, **kept})
    return tuple(details)


def detail_grants(details: Sequence[Mapping[str, Any]]) -> tuple[Grant, ...]:
    """A token's details as grants; one that cannot be understood gives nothing."""
    return tuple(
        grant
        for index, item in enumerate(details)
        if (grant := _compiled(json.dumps(item), index)) is not None
    )


@lru_cache(maxsize=1024)
def _compiled(text: str, index: int) -> Grant | None:
    """The grant of a detail, remembered: a token's details come with each of its calls."""
    body = _grant(json.loads(text), index)
    return None if body is None else replace(compile_grant(body, declared=False), tenant=None)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)


def _grant(item: Mapping[str, Any], index: int) -> GrantSettings | None:
    members = dict(item)
    if members.pop("type", None) != DETAIL_TYPE or not members.keys() <= _MEMBERS:
        return None
    try:
        grant = GrantSettings.model_validate({**members, "id": f"token-{index}", "to": "*"})
    except ValidationError:
        return None
    return None if any(grant_faults(grant)) else grant
