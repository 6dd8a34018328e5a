"""Clients of the embedded issuer and their secrets."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.client_record import (
    Authentication,
    ClientRecord,
    NewClient,
    client_record,
)
from saaf_autogen.auth.revisions import bump
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tables import ClientRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer, digest, new_secret
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, PreconditionFailed
from saaf_autogen.settings import ClientSettings

__all__ = ["Authentication", "ClientRecord", "ClientStore", "NewClient"]

_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SECRET_PREFIX = "saaf_"  # noqa: S105 - a prefix by which secret scanners find leaked ones
_WEBHOOK_PREFIX = "whsec_"
_NOBODY = digest("no client has this secret")
_REMEMBERED_S = 60.0
_MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    """A client as it was last read, with the SHA-256 of its secrets."""

    record: ClientRecord
    current: str
    previous: str
    previous_until: datetime | None
    stale_at: float


_UNKNOWN = _Known(ClientRecord("", "", "", (), disabled_at=datetime.min), _NOBODY, _NOBODY, None, 0)


class ClientStore:
    """Keeps clients. Synchronous: call it in a thread from async code.

    ``find`` and ``authenticate`` remember clients for a minute at most, so that a token request
    of a known client reads no database. Changes by this store are seen at once; those of others
    when ``flush`` is called, as the watch of the topic ``principals`` does within two seconds.

    Args:
        database: where they are kept.
        sealer: for callback secrets, which must be read back; client secrets are hashed.
        clock: for times of creation and of rotation.
        scopes: what ``add`` and ``change`` check scopes against.
    """

    def __init__(
        self, database: Database, sealer: Sealer, clock: Clock, scopes: ScopeRegistry
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._scopes = scopes
        self._known: dict[str, _Known] = {}

    def ensure(
        self,
        declared: Sequence[ClientSettings],
        *,
        builtin: Sequence[ClientSettings] = (),
        keep: Callable[[Sequence[NewClient]], None] | None = None,
    ) -> list[NewClient]:
        """Make the store follow ``saaf.yaml``, at each start.

        Missing clients are made, and only those are returned, by the one process that made them.
        All but the secrets of declared ones is taken over; a declared client that left the file
        gets no more tokens until it comes back. ``builtin`` ones are declared by the engine: they
        have no secrets to tell of, and a declared client of that id takes their place.

        ``keep`` is given the new secrets before the clients are committed: a host that dies or
        fails in between has made none, and makes them at its next start.

        Raises:
            Conflict: an id belongs to another tenant.
        """
        made: list[NewClient] = []
        ids = {settings.id for settings in declared}
        quiet = [settings for settings in builtin if settings.id not in ids]
        with self._database.transaction() as session:
            for settings in (*declared, *quiet):
                new, values = self._new_row(settings)
                if self._insert(session, {**values, "declared": True}):
                    bump(session, "principals", tenant=settings.tenant)
                    made.extend([new] if settings.id in ids else [])
                else:
                    self._declare(session, settings)
            self._withdraw(session, ids | {settings.id for settings in quiet})
            if made and keep:
                keep(made)
        self.flush()
        return made

    def add(
        self,
        settings: ClientSettings,
        *,
        tenant: str | None = None,
        registration_token: str | None = None,
    ) -> NewClient:
        """Make a client that ``saaf.yaml`` does not know, in the tenant of its settings.

        Args:
            settings: what it is and may do.
            tenant: instead of the one that the settings name.
            registration_token: with which the client, which registered itself, may read and
                change its registration (RFC 7592); only its SHA-256 is kept.

        Raises:
            InvalidArguments: a scope is not known.
            Conflict: the id is taken.
        """
        settings = _of_tenant(settings, tenant)
        self._require_known(settings.scopes)
        new, values = self._new_row(settings)
        if registration_token is not None:
            values["registration_token_hash"] = digest(registration_token)
        with self._database.transaction() as session:
            bump(session, "principals", tenant=settings.tenant)
            if not self._insert(session, values):
                raise Conflict(f"There is a client {settings.id} already.", remedy="Choose an id.")
        return new

    def get(self, client_id: str, *, tenant: str = DEFAULT_TENANT) -> ClientRecord:
        """A client by its id.

        Raises:
            NotFound: there is none in this tenant.
        """
        with self._database.transaction(read=True) as session:
            return client_record(_row(session, tenant, client_id))

    def find(self, client_id: str) -> ClientRecord | None:
        """The client of that id, of whichever tenant, active or not; from memory if it is there."""
        known = self._look(client_id)
        return known.record if known else None

    def list(
        self, *, tenant: str = DEFAULT_TENANT, after: str = "", limit: int | None = None
    ) -> list[ClientRecord]:
        """Clients of a tenant by their ids, disabled ones too; those whose id is past ``after``."""
        query = select(ClientRow).where(ClientRow.tenant == tenant, ClientRow.id > after)
        query = query.order_by(ClientRow.id).limit(limit)
        with self._database.transaction(read=True) as session:
            return [client_record(row) for row in session.scalars(query)]

    def change(
        self, settings: ClientSettings, *, tenant: str | None = None, version: int | None = None
    ) -> ClientRecord:
        """Let a client that an admin made be as ``settings`` say; its secrets stay.

        Args:
            settings: what it is and may do from now on.
            tenant: instead of the one that the settings name.
            version: the one that is changed; None means whichever it is.

        Raises:
            NotFound: there is none of that id in this tenant.
            PreconditionFailed: it is of another version by now.
            Conflict: ``saaf.yaml`` says what it may do.
            InvalidArguments: a scope is not known.
        """
        settings = _of_tenant(settings, tenant)
        self._require_known(settings.scopes)
        with self._database.transaction() as session:
            row = _row(session, settings.tenant, settings.id, version)
            _require_managed(row)
            for name, value in _declared_values(settings).items():
                setattr(row, name, value)
            if settings.authentication == "secret" and row.secret_hash is None:
                # Nobody knows it: `rotate_secret` makes one that is told.
                row.secret_hash = digest(new_secret(_SECRET_PREFIX))
            self._count(session, row)
            record = client_record(row)
        self.flush()
        return record

    def disable(
        self, client_id: str, *, tenant: str = DEFAULT_TENANT, version: int | None = None
    ) -> None:
        """Give it no more tokens; those it holds run out within minutes.

        Raises:
            NotFound: there is none in this tenant.
            PreconditionFailed: it is of another version by now.
        """
        with self._database.transaction() as session:
            row = self._count(session, _row(session, tenant, client_id, version))
            row.disabled_at = row.disabled_at or self._clock.now()
        self.flush()

    def enable(
        self, client_id: str, *, tenant: str = DEFAULT_TENANT, version: int | None = None
    ) -> None:
        """Take back an admin's ``disable``; one that left ``saaf.yaml`` stays without tokens.

        Raises:
            NotFound: there is none in this tenant.
            PreconditionFailed: it is of another version by now.
        """
        with self._database.transaction() as session:
            self._count(session, _row(session, tenant, client_id, version)).disabled_at = None
        self.flush()

    def remove(
        self, client_id: str, *, tenant: str = DEFAULT_TENANT, version: int | None = None
    ) -> None:
        """Remove a client that an admin made, or that registered itself.

        What it was given ends with it: a family or consent that is older than its client, as one
        of the same id that is made later, counts for nothing.

        Raises:
            NotFound: there is none in this tenant.
            PreconditionFailed: it is of another version by now.
            Conflict: ``saaf.yaml`` declares it.
        """
        with self._database.transaction() as session:
            row = _row(session, tenant, client_id, version)
            _require_managed(row)
            session.delete(row)
            bump(session, "principals", tenant=tenant)
        self.flush()

    def authenticate(self, client_id: str, secret: str) -> ClientRecord | None:
        """The active client that these credentials belong to, or None.

        Only one whose ``authentication`` is ``secret``. An unknown id takes the same reads and
        comparisons as a known one.
        """
        known = self._look(client_id)
        if known is not None and _fits(known, secret, self._clock.now()):
            return known.record
        # Refused from memory alone, a new secret or an enabled client would seem not to work.
        self._known.pop(client_id, None)
        known = self._look(client_id)
        fits = _fits(known or _UNKNOWN, secret, self._clock.now())
        return known.record if known and fits else None

    def registered(self, client_id: str, registration_token: str) -> ClientRecord | None:
        """The active client that registered itself and got this token (RFC 7592), or None."""
        with self._database.transaction(read=True) as session:
            row = session.get(ClientRow, client_id) if _ID.fullmatch(client_id) else None
            kept = (row.registration_token_hash if row else None) or _NOBODY
            record = client_record(row) if row else None
        offered = digest(registration_token) if registration_token.isprintable() else ""
        matches = hmac.compare_digest(offered, kept)
        return record if matches and record is not None and record.active else None

    def remembers(self, client_id: str, secret: str) -> bool:
        """Whether ``authenticate`` would say yes without reading the store."""
        known = self._known.get(client_id)
        if known is None or self._clock.monotonic() >= known.stale_at:
            return False
        return _fits(known, secret, self._clock.now())

    def flush(self) -> None:
        """Forget what was read; safe from any thread."""
        self._known = {}

    def rotate_secret(
        self,
        client_id: str,
        *,
        overlap: timedelta = timedelta(),
        tenant: str = DEFAULT_TENANT,
        version: int | None = None,
    ) -> str:
        """Replace the client's secret and return the new one; the old one lasts for ``overlap``.

        Raises:
            NotFound: there is no such client in this tenant.
            PreconditionFailed: it is of another version by now.
            Conflict: it does not prove who it is by a secret.
        """
        secret = new_secret(_SECRET_PREFIX)
        with self._database.transaction() as session:
            row = _row(session, tenant, client_id, version)
            if row.authentication != "secret":
                raise Conflict(
                    f"The client {client_id} has no secret.",
                    remedy="It is public, or proves who it is by a key of its own.",
                )
            row.previous_secret_hash = row.secret_hash
            row.previous_secret_expires_at = self._clock.now() + overlap
            row.secret_hash = digest(secret)
            self._count(session, row)
        self.flush()
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
            row = self._count(session, _row(session, tenant, client_id))
            row.webhook_secret = self._seal(tenant, client_id, secret)
        return secret

    def _look(self, client_id: str) -> _Known | None:
        # Taken before the read: what `flush` throws away meanwhile must not be written anew.
        remembered = self._known
        known = remembered.get(client_id)
        if known is not None and self._clock.monotonic() < known.stale_at:
            return known
        if not _ID.fullmatch(client_id):
            return None
        with self._database.transaction(read=True) as session:
            row = session.get(ClientRow, client_id)
            known = None if row is None else self._remembered(row)
        if known is not None and len(remembered) < _MAX_REMEMBERED:
            remembered[client_id] = known
        return known

    def _remembered(self, row: ClientRow) -> _Known:
        return _Known(
            record=client_record(row),
            current=row.secret_hash or _NOBODY,
            previous=row.previous_secret_hash or _NOBODY,
            previous_until=row.previous_secret_expires_at,
            stale_at=self._clock.monotonic() + _REMEMBERED_S,
        )

    def _declare(self, session: Session, settings: ClientSettings) -> None:
        row = session.get_one(ClientRow, settings.id)
        if row.tenant != settings.tenant:
            raise Conflict(f"The client id {settings.id} belongs to another tenant.")
        values = {**_declared_values(settings), "declared": True, "withdrawn_at": None}
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if settings.authentication == "secret" and row.secret_hash is None:
            changed["secret_hash"] = row.secret_hash = digest(new_secret(_SECRET_PREFIX))
        if changed:
            self._count(session, row)

    def _withdraw(self, session: Session, declared: set[str]) -> None:
        query = select(ClientRow).where(
            ClientRow.declared, ClientRow.withdrawn_at.is_(None), ClientRow.id.not_in(declared)
        )
        for row in session.scalars(query):
            self._count(session, row).withdrawn_at = self._clock.now()

    def _new_row(self, settings: ClientSettings) -> tuple[NewClient, dict[str, Any]]:
        now = self._clock.now()
        secret = new_secret(_SECRET_PREFIX) if settings.authentication == "secret" else ""
        new = NewClient(settings.id, secret, _new_webhook_secret())
        return new, {
            "id": settings.id,
            "tenant": settings.tenant,
            "secret_hash": digest(secret) if secret else None,
            "webhook_secret": self._seal(settings.tenant, settings.id, new.webhook_secret),
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

    def _count(self, session: Session, row: ClientRow) -> ClientRow:
        """The row as one that changes, which others are to see."""
        row.version += 1
        row.updated_at = self._clock.now()
        bump(session, "principals", tenant=row.tenant)
        return row

    def _require_known(self, scopes: Sequence[str]) -> None:
        unknown = self._scopes.unknown(scopes)
        if unknown:
            raise InvalidArguments(
                f"There is no scope {', '.join(unknown)}.",
                remedy=f"Known: {', '.join(scope.name for scope in self._scopes)}.",
            )

    def _seal(self, tenant: str, client_id: str, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), context=_context(tenant, client_id))


def _fits(known: _Known, secret: str, now: datetime) -> bool:
    offered = digest(secret) if secret.isprintable() else ""
    matches = hmac.compare_digest(offered, known.current)
    overlaps = hmac.compare_digest(offered, known.previous)
    overlaps &= known.previous_until is not None and now < known.previous_until
    usable = known.record.active and known.record.authentication == "secret"
    return (matches or overlaps) and usable


def _row(session: Session, tenant: str, client_id: str, version: int | None = None) -> ClientRow:
    # Locked where rows can be, so that two who change it see one another's versions.
    row = None
    if _ID.fullmatch(client_id):
        row = session.get(ClientRow, client_id, with_for_update=version is not None or None)
    if row is None or row.tenant != tenant:
        raise NotFound("There is no such client.", remedy="See `saaf clients list`.")
    if version is not None and row.version != version:
        raise PreconditionFailed(
            f"The client {client_id} is of version {row.version} by now.",
            remedy="Read it again, and change what it is now.",
        )
    return row


def _require_managed(row: ClientRow) -> None:
    if row.declared and row.withdrawn_at is None:
        raise Conflict(
            f"The client {row.id} is declared in saaf.yaml, which says what it may do.",
            remedy="Change it there, and start the host anew.",
        )


def _of_tenant(settings: ClientSettings, tenant: str | None) -> ClientSettings:
    return settings if tenant is None else settings.model_copy(update={"tenant": tenant})


def _declared_values(settings: ClientSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude={"id", "tenant"})


def _new_webhook_secret() -> str:
    return _WEBHOOK_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _context(tenant: str, client_id: str) -> str:
    return f"webhook|{tenant}|{client_id}"
