"""Idempotency keys of admins: a request that is sent again makes nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from saaf_autogen.auth.administration.ledger import Change
from saaf_autogen.crypto import digest
from saaf_autogen.errors import IdempotencyMismatch

__all__ = ["UNKEYED", "Request", "earlier", "remember"]

_PURPOSE = "admin request"
_KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Request:
    """What was asked with an Idempotency-Key; without one, nothing is remembered."""

    key: str | None = None
    body: Mapping[str, Any] | None = None


UNKEYED = Request()
"""A request that, sent again, is another one."""


def earlier(change: Change, action: str, request: Request) -> str | None:
    """The id of what this key made before, or None. Each admin has keys of its own.

    Raises:
        IdempotencyMismatch: the key belongs to another request.
    """
    if request.key is None:
        return None
    known = change.stores.once.peek(_PURPOSE, _name(change, request.key))
    if known is None:
        return None
    if known["fingerprint"] != _fingerprint(action, request):
        raise IdempotencyMismatch(
            "This Idempotency-Key was used before, for another request.",
            remedy="Use a new key for a new request.",
        )
    change.details = {"repeated": True}
    return str(known["made"])


def remember(change: Change, action: str, request: Request, made: str) -> None:
    """Keep, within the change, what the key made; for a day."""
    if request.key is None:
        return
    change.stores.once.put(
        _PURPOSE,
        _name(change, request.key),
        expires_at=change.now + _KEPT,
        data={"fingerprint": _fingerprint(action, request), "made": made},
        tenant=change.tenant,
    )


def _name(change: Change, key: str) -> str:
    return json.dumps([change.actor.key, change.actor.client_id, key])


def _fingerprint(action: str, request: Request) -> str:
    return digest(json.dumps([action, request.body], sort_keys=True, default=str))
