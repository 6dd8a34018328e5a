"""Who acts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Actor", "Principal"]

Attribute = str | int | bool | tuple[str, ...]


class Actor(BaseModel):
    """A party that acts for the principal (RFC 8693 ``act``): an agent, or another client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str


class Principal(BaseModel):
    """Who acts: a user or a client, what a token lets them do, and who acts for them.

    A principal is immutable and is stored with a run as JSON (``model_dump_json``).

    Attributes:
        issuer: who vouches for ``subject``; ``local`` in process.
        tenant: the tenant that everything done is filed under.
        subject: ``client:ID`` for a client, otherwise the user's ``sub``. A user is always keyed
            by (issuer, subject).
        client_id: the OAuth client that the token was issued to.
        groups: groups of the subject, for grants.
        attributes: values that row filters name as ``$user.NAME``.
        scopes: the scopes of the token.
        token_grants: RFC 9396 ``authorization_details``; None when the token carries none.
        actors: who acts for the subject, outermost first (the ``act`` chain).
        token_id: ``jti`` of the token, so that its revocation stops what it started.
        family: ``fam`` of the token: the consent that it descends from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    tenant: str = "default"
    subject: str
    kind: Literal["user", "client"] = "client"
    client_id: str | None = None
    groups: frozenset[str] = frozenset()
    attributes: dict[str, Attribute] = {}
    scopes: frozenset[str] = frozenset()
    token_grants: tuple[dict[str, Any], ...] | None = None
    actors: tuple[Actor, ...] = ()
    token_id: str | None = None
    family: str | None = None

    @property
    def key(self) -> str:
        """What rows of this principal are owned by: tenant, issuer and subject."""
        return f"{self.tenant}|{self.issuer}|{self.subject}"
