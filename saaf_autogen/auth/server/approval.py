"""What a user approved, as codes, device codes and token families keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ApprovedOrder"]


@dataclass(frozen=True)
class ApprovedOrder:
    """The most that any token that grows from an approval may be.

    Attributes:
        scopes: approved ones; ``openid``, ``profile``, ``email``, ``offline_access`` among them.
        audience: the resources that access tokens are for (RFC 8707).
        details: RFC 9396 details, or None.
        nonce: for the ID token.
        auth_time: when the user signed in, in seconds since 1970.
        amr: how (RFC 8176): ``pwd``, ``pop`` for a passkey, ``fed`` for an upstream provider.
        session_id: the browser's session, the ``sid`` of ID tokens.
        dpop_jkt: the key that the code, and a public client's refresh tokens, are bound to.
    """

    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    details: tuple[dict[str, Any], ...] | None = None
    nonce: str | None = None
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    session_id: str | None = None
    dpop_jkt: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ApprovedOrder:
        """The order that ``to_json`` gave."""
        details = data.get("details")
        return cls(
            scopes=tuple(data["scopes"]),
            audience=tuple(data["audience"]),
            details=None if details is None else tuple(details),
            nonce=data.get("nonce"),
            auth_time=data.get("auth_time"),
            amr=tuple(data.get("amr", ())),
            session_id=data.get("session_id"),
            dpop_jkt=data.get("dpop_jkt"),
        )
