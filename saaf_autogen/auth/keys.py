"""Keys that sign tokens: made at first start, sealed in the store, rotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, cast, get_args

from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.tables import KeyState, SigningKeyRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Unavailable

__all__ = [
    "ALGORITHM",
    "MAX_KEY_AGE",
    "Algorithm",
    "KeyRecord",
    "KeySource",
    "SigningKeys",
]

Algorithm = Literal["ES256", "RS256"]
ALGORITHM: Algorithm = "ES256"
"""Signs access tokens. ``RS256`` and, for clients that ask for it, ``ES256`` sign ID tokens."""
MAX_KEY_AGE = timedelta(days=90)
"""A key that signed for so long is replaced by the next one."""

# Tokens live an hour at most: see ``OAuthSettings.access_token_s``.
_KEPT_AFTER_RETIREMENT = timedelta(hours=2)
_RSA_BITS = 2048
Key = ECKey | RSAKey


class KeySource(Protocol):
    """Where a verifier finds public keys."""

    def verification_key(self, kid: str) -> ECKey | None:
        """The key of that id for access tokens, or None."""
        ...


@dataclass(frozen=True)
class KeyRecord:
    """A key without its private part."""

    kid: str
    algorithm: Algorithm
    state: KeyState
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None


@dataclass(frozen=True)
class _Rings:
    """The keys of all algorithms as they were last read. They count as equal by their records."""

    records: tuple[KeyRecord, ...]
    current: Mapping[str, Key] = field(compare=False)
    public: Mapping[str, Key] = field(compare=False)
    jwks: Mapping[str, Any] = field(compare=False)


class SigningKeys:
    """The issuer's keys: for each algorithm one ``current`` signs, one ``next`` is published ahead.

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
        self._rings: _Rings | None = None

    def load(self) -> bool:
        """Read the keys; True if they differ from before.

        Those that are missing are made, and those that signed for ``MAX_KEY_AGE`` are replaced.
        Safe when several processes do it at once: all end up with the same set.
        """
        with self._database.transaction(read=True) as session:
            rows = self._rows(session)
        if self._needs_care(rows):
            # RSA keys take a while to make: not while the store waits.
            made = {alg: [_new(alg), _new(alg)] for alg in get_args(Algorithm)}
            with self._database.transaction() as session:
                for algorithm in get_args(Algorithm):
                    self._care(session, algorithm, made[algorithm])
                rows = self._rows(session)
        records = tuple(_record(row) for row in rows)
        if self._rings is not None and self._rings.records == records:
            return False
        self._rings = self._open_all(rows, records)
        return True

    def rotate(
        self, algorithms: Sequence[Algorithm] = get_args(Algorithm), *, compromised: bool = False
    ) -> None:
        """Let the next key sign, retire the current one and publish a new next one.

        Retired keys stay published for two hours, longer than any token lives. ``compromised``
        drops every key that there is instead: each token that they signed is refused from now on.
        """
        made = {algorithm: [_new(algorithm), _new(algorithm)] for algorithm in algorithms}
        with self._database.transaction() as session:
            for algorithm in algorithms:
                if compromised:
                    session.execute(
                        delete(SigningKeyRow).where(
                            SigningKeyRow.tenant == DEFAULT_TENANT, SigningKeyRow.alg == algorithm
                        )
                    )
                    self._add(session, "current", algorithm, made[algorithm][0])
                    self._add(session, "next", algorithm, made[algorithm][1])
                else:
                    self._promote(session, algorithm, made[algorithm][0])
        self.load()

    def signing_key(self, algorithm: Algorithm = ALGORITHM) -> Key:
        """The current private key; its ``kid`` goes into each token's header."""
        return self._loaded().current[algorithm]

    def verification_key(self, kid: str) -> ECKey | None:
        """The public key of that id, or None if it is none that signs access tokens."""
        key = self._loaded().public.get(kid)
        return key if isinstance(key, ECKey) else None

    def public_key(self, kid: str) -> Key | None:
        """The public key of that id, of any algorithm, or None."""
        return self._loaded().public.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517)."""
        return dict(self._loaded().jwks)

    def records(self) -> list[KeyRecord]:
        """The keys that are published, without their private parts."""
        return list(self._loaded().records)

    def _loaded(self) -> _Rings:
        if self._rings is None:
            raise Unavailable("The signing keys are not loaded yet.")
        return self._rings

    def _rows(self, session: Session) -> list[SigningKeyRow]:
        """All keys but those that retired so long ago that no token of theirs is left."""
        since = self._clock.now() - _KEPT_AFTER_RETIREMENT
        query = select(SigningKeyRow).where(
            SigningKeyRow.tenant == DEFAULT_TENANT,
            SigningKeyRow.alg.in_(get_args(Algorithm)),
            SigningKeyRow.retired_at.is_(None) | (SigningKeyRow.retired_at >= since),
        )
        order = (SigningKeyRow.alg, SigningKeyRow.created_at, SigningKeyRow.kid)
        query = query.order_by(*order).execution_options(populate_existing=True)
        return list(session.scalars(query))

    def _needs_care(self, rows: Sequence[SigningKeyRow]) -> bool:
        wanted = {(alg, state) for alg in get_args(Algorithm) for state in ("current", "next")}
        return bool(wanted - {(row.alg, row.state) for row in rows}) or any(
            self._is_old(row) for row in rows
        )

    def _is_old(self, row: SigningKeyRow) -> bool:
        since = row.activated_at or row.created_at
        return row.state == "current" and self._clock.now() - since >= MAX_KEY_AGE

    def _care(self, session: Session, algorithm: Algorithm, made: list[Key]) -> None:
        self._lock(session, algorithm)
        rows = [row for row in self._rows(session) if row.alg == algorithm]
        if any(self._is_old(row) for row in rows):
            self._promote(session, algorithm, made[0])
            return
        states = {row.state for row in rows}
        for state, key in zip(("current", "next"), made, strict=True):
            if state not in states:
                self._add(session, cast(KeyState, state), algorithm, key)

    def _promote(self, session: Session, algorithm: Algorithm, made: Key) -> None:
        now = self._clock.now()
        mine = (SigningKeyRow.tenant == DEFAULT_TENANT, SigningKeyRow.alg == algorithm)
        self._lock(session, algorithm)
        retire = update(SigningKeyRow).where(*mine, SigningKeyRow.state == "current")
        session.execute(retire.values(state="retired", retired_at=now))
        activate = update(SigningKeyRow).where(*mine, SigningKeyRow.state == "next")
        session.execute(activate.values(state="current", activated_at=now))
        self._add(session, "next", algorithm, made)
        session.execute(
            delete(SigningKeyRow).where(
                *mine, SigningKeyRow.retired_at < now - _KEPT_AFTER_RETIREMENT
            )
        )

    def _lock(self, session: Session, algorithm: Algorithm) -> None:
        # Two who rotate at once do it one after the other; SQLite has one writer anyway.
        if not self._database.is_sqlite:
            locked = select(SigningKeyRow.kid).where(
                SigningKeyRow.tenant == DEFAULT_TENANT,
                SigningKeyRow.alg == algorithm,
                SigningKeyRow.state == "current",
            )
            session.execute(locked.with_for_update()).all()

    def _add(self, session: Session, state: KeyState, algorithm: Algorithm, key: Key) -> None:
        kid = _kid(key)
        now = self._clock.now()
        dialect = sqlite if self._database.is_sqlite else postgresql
        session.execute(
            dialect.insert(SigningKeyRow)
            .values(
                kid=kid,
                tenant=DEFAULT_TENANT,
                alg=algorithm,
                private_key=self._sealer.seal(key.as_pem(private=True), context=_context(kid)),
                state=state,
                created_at=now,
                activated_at=now if state == "current" else None,
            )
            .on_conflict_do_nothing()
        )

    def _open_all(self, rows: Sequence[SigningKeyRow], records: tuple[KeyRecord, ...]) -> _Rings:
        known = self._rings.public if self._rings else {}
        public = {row.kid: known.get(row.kid) or _public(self._open(row)) for row in rows}
        return _Rings(
            records=records,
            current={row.alg: self._open(row) for row in rows if row.state == "current"},
            public=public,
            jwks={
                "keys": [
                    {**public[row.kid].as_dict(private=False), "alg": row.alg, "use": "sig"}
                    for row in rows
                ]
            },
        )

    def _open(self, row: SigningKeyRow) -> Key:
        pem = self._sealer.open(row.private_key, context=_context(row.kid))
        kind = RSAKey if row.alg == "RS256" else ECKey
        return kind.import_key(pem, {"kid": row.kid})


def _new(algorithm: Algorithm) -> Key:
    if algorithm == "RS256":
        return RSAKey.generate_key(_RSA_BITS, auto_kid=True)
    return ECKey.generate_key("P-256", auto_kid=True)


def _public(key: Key) -> Key:
    if isinstance(key, RSAKey):
        return RSAKey.import_key(key.public_key, {"kid": _kid(key)})
    return ECKey.import_key(key.public_key, {"kid": _kid(key)})


def _record(row: SigningKeyRow) -> KeyRecord:
    return KeyRecord(
        kid=row.kid,
        algorithm=cast(Algorithm, row.alg),
        state=cast(KeyState, row.state),
        created_at=row.created_at,
        activated_at=row.activated_at,
        retired_at=row.retired_at,
    )


def _kid(key: Key) -> str:
    key.ensure_kid()
    return str(key.kid)


def _context(kid: str) -> str:
    return f"signing-key|{kid}"
