"""The tables of this room: clients, signing keys, revoked tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from saaf_autogen.db import Base, UtcTime, tenant_column

__all__ = ["ClientRow", "KeyState", "RevokedTokenRow", "SigningKeyRow"]

KeyState = Literal["next", "current", "retired"]


class ClientRow(Base):
    """A client of the embedded issuer.

    Ids are unique over all tenants, because a token request names none.
    ``previous_secret_hash`` is still taken until ``previous_secret_expires_at``, so that a secret
    can be replaced without an outage. ``withdrawn_at`` is set while a declared client is gone from
    ``saaf.yaml``; ``disabled_at`` is an admin's word, which no file takes back.
    """

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    title: Mapped[str] = mapped_column(Text, default="")
    secret_hash: Mapped[str] = mapped_column(String(64))
    previous_secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_secret_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    webhook_secret: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    groups: Mapped[list[str]] = mapped_column(JSON)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    declared: Mapped[bool] = mapped_column(default=False)
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
    """The id of an access token that was revoked before it expired."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    revoked_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
