"""Clients of the embedded issuer and their secrets."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tables import ClientRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer, digest, new_secret
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound
from saaf_autogen.settings import ClientSettings

__all__ = ["ClientRecord", "ClientStore", "NewClient"]

Authentication = Literal["secret", "private_key_jwt", "none"]
_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SECRET_PREFIX = "saaf_"  # noqa: S105 - a prefix by which secret scanners find leaked ones
_WEBHOOK_PREFIX = "whsec_"
_NOBODY = digest("no client has this secret")


@dataclass(frozen=True)
class NewClient:
    """The secrets of a client that was just made; they cannot be read again.

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


class ClientStore:
    """Keeps clients. Synchronous: call it in a thread from async code.

    Args:
        database: where they are kept.
        sealer: for callback secrets, which must be read back; client secrets are hashed.
        clock: for times of creation and of rotation.
        scopes: what ``add`` checks scopes against.
    """

    def __init__(
        self, database: Database, sealer: Sealer, clock: Clock, scopes: ScopeRegistry
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._scopes = scopes

    def ensure(
        self,
        declared: Sequence[ClientSettings],
        *,
        tenant: str = DEFAULT_TENANT,
        keep: Callable[[Sequence[NewClient]], None] | None = None,
    ) -> list[NewClient]:
        """Make the store follow ``saaf.yaml``, at each start.

        Missing clients are made, and only those are returned, by the one process that made them.
        Title, scopes, groups and attributes of declared ones are taken over; a declared client
        that left the file gets no more tokens until it comes back.

        ``keep`` is given the new secrets before the clients are committed: a host that dies or
        fails in between has made none, and makes them at its next start.
        """
        made: list[NewClient] = []
        with self._database.transaction() as session:
            for settings in declared:
                new, values = self._new_row(settings, tenant)
                if self._insert(session, {**values, "declared": True}):
                    made.append(new)
                    continue
                row = session.get_one(ClientRow, settings.id)
                if row.tenant != tenant:
                    raise Conflict(f"The client id {settings.id} belongs to another tenant.")
                row.declared, row.withdrawn_at = True, None
                for name, value in _declared_values(settings).items():
                    setattr(row, name, value)
            session.execute(
                update(ClientRow)
                .where(
                    ClientRow.tenant == tenant,
                    ClientRow.declared,
                    ClientRow.withdrawn_at.is_(None),
                    ClientRow.id.not_in([settings.id for settings in declared]),
                )
                .values(withdrawn_at=self._clock.now())
            )
            if made and keep:
                keep(made)
        return made

    def add(self, settings: ClientSettings, *, tenant: str = DEFAULT_TENANT) -> NewClient:
        """Make a client that ``saaf.yaml`` does not know.

        Raises:
            InvalidArguments: a scope is not known.
            Conflict: the id is taken.
        """
        unknown = self._scopes.unknown(settings.scopes)
        if unknown:
            raise InvalidArguments(
                f"There is no scope {', '.join(unknown)}.",
                remedy=f"Known: {', '.join(scope.name for scope in self._scopes)}.",
            )
        new, values = self._new_row(settings, tenant)
        with self._database.transaction() as session:
            if not self._insert(session, values):
                raise Conflict(f"There is a client {settings.id} already.", remedy="Choose an id.")
        return new

    def get(self, client_id: str, *, tenant: str = DEFAULT_TENANT) -> ClientRecord:
        """A client by its id.

        Raises:
            NotFound: there is none in this tenant.
        """
        with self._database.transaction(read=True) as session:
            return _record(_row(session, tenant, client_id))

    def list(self, *, tenant: str = DEFAULT_TENANT) -> list[ClientRecord]:
        """All clients of a tenant by their ids, disabled ones too."""
        query = select(ClientRow).where(ClientRow.tenant == tenant).order_by(ClientRow.id)
        with self._database.transaction(read=True) as session:
            return [_record(row) for row in session.scalars(query)]

    def disable(self, client_id: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Give it no more tokens; those it holds run out within minutes.

        Raises:
            NotFound: there is none in this tenant.
        """
        with self._database.transaction() as session:
            row = _row(session, tenant, client_id)
            row.disabled_at = row.disabled_at or self._clock.now()

    def authenticate(self, client_id: str, secret: str) -> ClientRecord | None:
        """The active client that these credentials belong to, or None.

        An unknown id takes the same comparisons as a known one.
        """
        with self._database.transaction(read=True) as session:
            row = session.get(ClientRow, client_id) if _ID.fullmatch(client_id) else None
            record = None if row is None else _record(row)
            current = (row.secret_hash if row else None) or _NOBODY
            previous = (row.previous_secret_hash if row else None) or _NOBODY
            until = row.previous_secret_expires_at if row else None
        offered = digest(secret) if secret.isprintable() else ""
        matches = hmac.compare_digest(offered, current)
        overlaps = hmac.compare_digest(offered, previous)
        overlaps &= until is not None and self._clock.now() < until
        if record is None or not record.active:
            return None
        return record if matches or overlaps else None

    def rotate_secret(
        self, client_id: str, *, overlap: timedelta = timedelta(), tenant: str = DEFAULT_TENANT
    ) -> str:
        """Replace the client's secret and return the new one; the old one lasts for ``overlap``.

        Raises:
            NotFound: there is no such client in this tenant.
        """
        secret = new_secret(_SECRET_PREFIX)
        with self._database.transaction() as session:
            row = _row(session, tenant, client_id)
            row.previous_secret_hash = row.secret_hash
            row.previous_secret_expires_at = self._clock.now() + overlap
            row.secret_hash = digest(secret)
        return secret

    def webhook_secret(self, tenant: str, client_id: str) -> str:
        """The secret with which this client's callbacks are signed.

        Raises:
            NotFound: there is no such client in this tenant.
        """
        with self._database.transaction(read=True) as session:
            sealed = _row(session, tenant, client_id).webhook_secret
        return self._sealer.open(sealed, context=_context(tenant, client_id)).decode()

    def rotate_webhook_secret(self, client_id: str, *, tenant: str = DEFAULT_TENANT) -> str:
        """Replace the callback secret and return the new one; the old one ends at once.

        Raises:
            NotFound: there is no such client in this tenant.
        """
        secret = _new_webhook_secret()
        with self._database.transaction() as session:
            row = _row(session, tenant, client_id)
            row.webhook_secret = self._seal(tenant, client_id, secret)
        return secret

    def _new_row(self, settings: ClientSettings, tenant: str) -> tuple[NewClient, dict[str, Any]]:
        now = self._clock.now()
        new = NewClient(settings.id, new_secret(_SECRET_PREFIX), _new_webhook_secret())
        return new, {
            "id": settings.id,
            "tenant": tenant,
            "secret_hash": digest(new.client_secret),
            "webhook_secret": self._seal(tenant, settings.id, new.webhook_secret),
            **_declared_values(settings),
            "declared": False,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }

    def _insert(self, session: Session, values: dict[str, Any]) -> bool:
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(ClientRow).values(values).on_conflict_do_nothing()
        return session.scalar(statement.returning(ClientRow.id)) is not None

    def _seal(self, tenant: str, client_id: str, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), context=_context(tenant, client_id))


def _row(session: Session, tenant: str, client_id: str) -> ClientRow:
    row = session.get(ClientRow, client_id) if _ID.fullmatch(client_id) else None
    if row is None or row.tenant != tenant:
        raise NotFound("There is no such client.", remedy="See `saaf clients list`.")
    return row


def _record(row: ClientRow) -> ClientRecord:
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


def _declared_values(settings: ClientSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude={"id", "tenant"})


def _new_webhook_secret() -> str:
    return _WEBHOOK_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _context(tenant: str, client_id: str) -> str:
    return f"webhook|{tenant}|{client_id}"
