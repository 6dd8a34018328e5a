"""A client of the authorization server, and the secrets that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from saaf_autogen.auth.tables import ClientRow

__all__ = ["Authentication", "ClientRecord", "NewClient", "client_record"]

Authentication = Literal["secret", "private_key_jwt", "none"]


@dataclass(frozen=True)
class NewClient:
    """The secrets of a client that was just made; they cannot be read again.

    ``client_secret`` is empty for clients that prove who they are in another way, or not at all.
    ``webhook_secret`` has the form of Standard Webhooks: ``whsec_`` and 32 bytes in base64.
    """

    id: str
    client_secret: str
    webhook_secret: str


@dataclass(frozen=True)
class ClientRecord:
    """A client without its secrets.

    Attributes:
        authentication: ``secret``, ``private_key_jwt`` or ``none`` (a public client).
        jwks: the client's public keys, or None if they are at ``jwks_uri``.
        requires_dpop: whether it gets sender-constrained tokens alone (RFC 9449).
        requires_par: whether its authorization requests must be pushed (RFC 9126).
        first_party: the deployment's own: users are not asked to consent.
        introspects: may ask about any token of its tenant (RFC 7662), not only about its own.
        origin: ``declared`` in ``saaf.yaml``, made by an ``admin``, ``registered`` by itself
            (RFC 7591), or read from a ``document`` at its id (then it is stored nowhere).
        version: counts changes, for ``ETag``.
        disabled_at: since when it gets no tokens, by an admin or because it left ``saaf.yaml``.
    """

    id: str
    tenant: str
    title: str
    scopes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    authentication: Authentication = "secret"
    grant_types: tuple[str, ...] = ("client_credentials",)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    id_algorithm: str = "RS256"
    requires_dpop: bool = False
    requires_par: bool = False
    first_party: bool = False
    introspects: bool = False
    origin: Literal["declared", "admin", "registered", "document"] = "admin"
    version: int = 1
    created_at: datetime = datetime.min
    updated_at: datetime = datetime.min
    disabled_at: datetime | None = None

    @property
    def declared(self) -> bool:
        """Whether ``saaf.yaml`` says what it may do."""
        return self.origin == "declared"

    @property
    def active(self) -> bool:
        """Whether it may get tokens."""
        return self.disabled_at is None

    @property
    def vouched_for(self) -> bool:
        """Whether an operator or admin made it; if not, anybody may have."""
        return self.origin in ("declared", "admin")

    def serves(self, tenant: str) -> bool:
        """Whether users of a tenant may use it; a client of a document belongs to none."""
        return self.origin == "document" or self.tenant == tenant

    def within(self, tenant: str) -> ClientRecord:
        """Itself, as what is filed under a tenant that it serves names it."""
        return replace(self, tenant=tenant) if self.origin == "document" else self


def client_record(row: ClientRow) -> ClientRecord:
    """The record of a row."""
    ends = [at for at in (row.disabled_at, row.withdrawn_at) if at is not None]
    return ClientRecord(
        id=row.id,
        tenant=row.tenant,
        title=row.title,
        scopes=tuple(row.scopes),
        groups=tuple(row.groups),
        attributes=dict(row.attributes),
        authentication=cast(Authentication, row.authentication),
        grant_types=tuple(row.grant_types),
        redirect_uris=tuple(row.redirect_uris),
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        id_algorithm=row.id_algorithm,
        requires_dpop=row.requires_dpop,
        requires_par=row.requires_par,
        first_party=row.first_party,
        introspects=row.introspects,
        origin=_origin(row),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_at=min(ends, default=None),
    )


def _origin(row: ClientRow) -> Literal["declared", "admin", "registered"]:
    if row.declared:
        return "declared"
    return "registered" if row.registration_token_hash else "admin"
