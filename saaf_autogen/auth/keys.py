"""Keys that sign access tokens: made at first start, sealed in the store, rotated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from joserfc.jwk import ECKey
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.tables import KeyState, SigningKeyRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Unavailable

__all__ = ["ALGORITHM", "KeySource", "SigningKeys"]

ALGORITHM = "ES256"
_KEPT_AFTER_RETIREMENT = timedelta(hours=1)


class KeySource(Protocol):
    """Where a verifier finds public keys."""

    def verification_key(self, kid: str) -> ECKey | None:
        """The key of that id, or None."""
        ...


@dataclass(frozen=True)
class _Ring:
    """The keys as they were last read."""

    current: ECKey
    public: Mapping[str, ECKey]


class SigningKeys:
    """The issuer's keys: one ``current`` that signs, one ``next`` that is published ahead.

    The store is read by ``load`` alone (synchronous: call it in a thread); all else answers from
    memory.

    Args:
        database: where they are kept.
        sealer: seals their private parts.
        clock: for their times.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._ring: _Ring | None = None

    def load(self) -> bool:
        """Read the keys, making those that are missing; True if they differ from before.

        Safe when several processes do it at once: all end up with the same set.
        """
        with self._database.transaction(read=True) as session:
            rows = self._rows(session)
        if {"current", "next"} - {row.state for row in rows}:
            with self._database.transaction() as session:
                self._add(session, "current")
                self._add(session, "next")
                rows = self._rows(session)
        before = set(self._ring.public) if self._ring else None
        signing = self._ring.current.kid if self._ring else None
        current = next(row for row in rows if row.state == "current")
        if before == {row.kid for row in rows} and signing == current.kid:
            return False
        keys = {row.kid: self._open(row) for row in rows}
        self._ring = _Ring(
            current=keys[current.kid],
            public={kid: _public(key) for kid, key in keys.items()},
        )
        return True

    def rotate(self) -> None:
        """Let the next key sign, retire the current one and publish a new next one.

        Retired keys stay published for an hour, far longer than a token lives.
        """
        now = self._clock.now()
        with self._database.transaction() as session:
            rows = {row.state: row for row in self._rows(session) if row.state != "retired"}
            rows["current"].state, rows["current"].retired_at = "retired", now
            session.flush()
            rows["next"].state, rows["next"].activated_at = "current", now
            session.flush()
            self._add(session, "next")
            session.execute(
                delete(SigningKeyRow).where(SigningKeyRow.retired_at < now - _KEPT_AFTER_RETIREMENT)
            )
        self.load()

    def signing_key(self) -> ECKey:
        """The current private key; its ``kid`` goes into each token's header."""
        return self._loaded().current

    def verification_key(self, kid: str) -> ECKey | None:
        """The public key of that id, or None."""
        return self._loaded().public.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517)."""
        return {
            "keys": [
                {**key.as_dict(private=False), "alg": ALGORITHM, "use": "sig"}
                for key in self._loaded().public.values()
            ]
        }

    def _loaded(self) -> _Ring:
        if self._ring is None:
            raise Unavailable("The signing keys are not loaded yet.")
        return self._ring

    def _rows(self, session: Session) -> list[SigningKeyRow]:
        query = select(SigningKeyRow).where(
            SigningKeyRow.tenant == DEFAULT_TENANT, SigningKeyRow.alg == ALGORITHM
        )
        return list(session.scalars(query.order_by(SigningKeyRow.created_at, SigningKeyRow.kid)))

    def _add(self, session: Session, state: KeyState) -> None:
        key = ECKey.generate_key("P-256", auto_kid=True)
        kid = _kid(key)
        now = self._clock.now()
        dialect = sqlite if self._database.is_sqlite else postgresql
        session.execute(
            dialect.insert(SigningKeyRow)
            .values(
                kid=kid,
                tenant=DEFAULT_TENANT,
                alg=ALGORITHM,
                private_key=self._sealer.seal(key.as_pem(private=True), context=_context(kid)),
                state=state,
                created_at=now,
                activated_at=now if state == "current" else None,
            )
            .on_conflict_do_nothing()
        )

    def _open(self, row: SigningKeyRow) -> ECKey:
        pem = self._sealer.open(row.private_key, context=_context(row.kid))
        return ECKey.import_key(pem, {"kid": row.kid})


def _public(key: ECKey) -> ECKey:
    return ECKey.import_key(key.public_key, {"kid": _kid(key)})


def _kid(key: ECKey) -> str:
    key.ensure_kid()
    return str(key.kid)


def _context(kid: str) -> str:
    return f"signing-key|{kid}"
