"""Tables of the authorization server. Of codes and tokens, SHA-256 alone is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from saaf_autogen.auth.tables import CLIENT_ID
from saaf_autogen.db import Base, UtcTime, tenant_column

__all__ = ["CodeRow", "ConsentRow", "DeviceCodeRow", "FamilyRow", "RefreshTokenRow"]


class CodeRow(Base):
    """An authorization code; ``order`` is what was approved (``ApprovedOrder`` as JSON)."""

    __tablename__ = "authorization_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    client_id: Mapped[str] = mapped_column(CLIENT_ID)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    family_id: Mapped[str] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(128))
    order: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class FamilyRow(Base):
    """What grew from one consent: all refresh tokens and access tokens that descend from it.

    ``order`` is the widest that any token of it may be. Access tokens name it in ``fam``.
    """

    __tablename__ = "token_families"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    client_id: Mapped[str] = mapped_column(CLIENT_ID, index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    order: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    used_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_because: Mapped[str | None] = mapped_column(String(40))


class RefreshTokenRow(Base):
    """A refresh token: good for one use, which makes the next."""

    __tablename__ = "refresh_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    family_id: Mapped[str] = mapped_column(
        ForeignKey("token_families.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class DeviceCodeRow(Base):
    """A device that waits for a person (RFC 8628); ``order`` as it was asked, then as approved."""

    __tablename__ = "device_codes"

    device_code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    user_code: Mapped[str] = mapped_column(String(16), unique=True)
    client_id: Mapped[str] = mapped_column(CLIENT_ID)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    order: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(12), default="pending")
    interval_s: Mapped[int] = mapped_column(Integer, default=5)
    polled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class ConsentRow(Base):
    """What a user allowed a client, so that the same is not asked again."""

    __tablename__ = "consents"

    tenant: Mapped[str] = tenant_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    client_id: Mapped[str] = mapped_column(CLIENT_ID, primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    details: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
