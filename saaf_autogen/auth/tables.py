"""Tables that the whole room shares; those of one feature stand in its folder."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from saaf_autogen.db import Base, UtcTime, tenant_column

__all__ = [
    "CLIENT_ID",
    "ClientRow",
    "GrantRow",
    "KeyState",
    "OneTimeRow",
    "RevisionRow",
    "RevokedTokenRow",
    "SigningKeyRow",
]

KeyState = Literal["next", "current", "retired"]
CLIENT_ID = String(512)
"""Wide enough for the address of a client id metadata document."""


class ClientRow(Base):
    """A client of the embedded issuer.

    Ids are unique over all tenants, because a token request names none.
    ``previous_secret_hash`` is still taken until ``previous_secret_expires_at``, so that a secret
    can be replaced without an outage. ``withdrawn_at`` is set while a declared client is gone from
    ``saaf.yaml``; ``disabled_at`` is an admin's word, which no file takes back. A client with
    ``registration_token_hash`` registered itself (RFC 7591). ``version`` counts an admin's changes.
    """

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    title: Mapped[str] = mapped_column(Text, default="")
    authentication: Mapped[str] = mapped_column(String(24), default="secret")
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_secret_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    webhook_secret: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    groups: Mapped[list[str]] = mapped_column(JSON)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    jwks_uri: Mapped[str | None] = mapped_column(Text)
    id_algorithm: Mapped[str] = mapped_column(String(16), default="RS256")
    requires_dpop: Mapped[bool] = mapped_column(default=False)
    requires_par: Mapped[bool] = mapped_column(default=False)
    first_party: Mapped[bool] = mapped_column(default=False)
    introspects: Mapped[bool] = mapped_column(default=False)
    registration_token_hash: Mapped[str | None] = mapped_column(String(64))
    declared: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(Integer, default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SigningKeyRow(Base):
    """A key of the issuer; the private part is sealed.

    At most one key of an algorithm is ``next`` and one is ``current``: two processes that start
    at once cannot both make one.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index(
            "uq_signing_keys_tenant_alg_state",
            "tenant",
            "alg",
            "state",
            unique=True,
            sqlite_where=text("state <> 'retired'"),
            postgresql_where=text("state <> 'retired'"),
        ),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    alg: Mapped[str] = mapped_column(String(16))
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    activated_at: Mapped[datetime | None] = mapped_column(UtcTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcTime)


class RevokedTokenRow(Base):
    """The ``jti`` of an access token that was revoked, or the ``fam`` of all tokens of a family.

    An admin's word is of ``TENANT|JTI`` instead, so that it reaches no other tenant's token.

    It is kept until ``expires_at``, which lies past the end of any run that the token may have
    started.
    """

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(String(128), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    revoked_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class GrantRow(Base):
    """A grant or deny rule that an admin made; those of ``saaf.yaml`` are not stored.

    ``body`` is the JSON of ``GrantSettings`` or ``DenySettings``, by ``kind``.
    """

    __tablename__ = "grants"

    tenant: Mapped[str] = tenant_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class OneTimeRow(Base):
    """Something that counts once: a pushed request, an assertion's ``jti``, an invitation.

    ``name`` is the SHA-256 of what the other side holds.
    """

    __tablename__ = "one_time_values"

    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class RevisionRow(Base):
    """How often a topic changed, so that other processes see that they must read it anew."""

    __tablename__ = "revisions"

    tenant: Mapped[str] = tenant_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
