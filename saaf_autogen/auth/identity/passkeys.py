"""Passkeys: signing in by a key that stays in a person's device (WebAuthn level 3)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.identity.names import presentable
from saaf_autogen.auth.identity.records import LOCAL
from saaf_autogen.auth.identity.sign_in import principal_of
from saaf_autogen.auth.identity.tables import PasskeyRow
from saaf_autogen.auth.identity.users import UserRecord, UserStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import ConfigurationError, Conflict, InvalidArguments, Unauthenticated

__all__ = ["PASSKEY_AMR", "PasskeyRecord", "Passkeys"]

PASSKEY_AMR = ("pop", "user", "mfa")
"""What a sign-in by passkey is, in the terms of RFC 8176: a key, somebody there, and their PIN,
finger or face, which the device asks for each time."""

_CHALLENGE_LASTS = timedelta(minutes=5)
_MOST = 20
_LONGEST = 65_536
Ceremony = Literal["passkey-add", "passkey-sign-in"]


@dataclass(frozen=True)
class PasskeyRecord:
    """A passkey of a user; ``used_at`` is None until the first sign-in with it."""

    id: str
    tenant: str
    user_id: str
    title: str
    transports: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None


class Passkeys:
    """Adds passkeys and signs in by them, without a user name. Synchronous: call it in a thread.

    Each ceremony is two calls: ``…_options`` gives what the browser is asked, as the JSON of
    WebAuthn (``PublicKeyCredentialCreationOptionsJSON``, ``…RequestOptionsJSON``); the other takes
    what it answers (``PublicKeyCredential.toJSON()``). ``binding`` is a secret value of the
    browser's that is the same in both: what one browser was asked, no other can answer.

    Args:
        database: where they are kept.
        users: whose they are.
        audit: where each addition, removal and sign-in is recorded.
        issuer: the public address, to which passkeys are bound.
        name: of the deployment, for the browser to show.
        clock: the time.

    Raises:
        ConfigurationError: the package ``webauthn`` is missing, or browsers know no passkeys at
            such an address.
    """

    def __init__(
        self,
        database: Database,
        users: UserStore,
        audit: AuditLog,
        *,
        issuer: str,
        name: str,
        clock: Clock,
    ) -> None:
        _require_package()
        self._host, self._origin = _relying_party(issuer)
        self._database = database
        self._users = users
        self._audit = audit
        self._issuer = issuer
        self._name = name
        self._clock = clock

    def add_options(self, user: UserRecord, *, binding: str) -> dict[str, Any]:
        """What the browser is asked in order to make a passkey for a user.

        Raises:
            Conflict: they have as many as they may, or are a provider's user.
        """
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers import structs

        _require_local(user)
        known = self._known(user)
        if len(known) >= _MOST:
            raise Conflict(f"{_MOST} passkeys are the most.", remedy="Remove one first.")
        options = generate_registration_options(
            rp_id=self._host,
            rp_name=self._name,
            user_id=user.id.encode(),
            user_name=user.username or user.title,
            user_display_name=user.title,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(id=_bytes(each.id)) for each in known
            ],
        )
        told: dict[str, Any] = json.loads(options_to_json(options))
        self._ask("passkey-add", told["challenge"], f"{binding}|{user.id}")
        return told

    def add(
        self,
        user: UserRecord,
        credential: str,
        *,
        binding: str,
        title: str = "",
        address: str = "",
    ) -> PasskeyRecord:
        """Keep the passkey that the browser made. The caller made sure that it is their session.

        Raises:
            InvalidArguments: it is not what was asked for, or was asked too long ago.
            Conflict: it is known already, they have as many as they may, or are a provider's user.
        """
        _require_local(user)
        from webauthn import verify_registration_response
        from webauthn.helpers import (
            decode_credential_public_key,
            decoded_public_key_to_cryptography,
        )

        with _understood(self._refuse_addition):
            body, challenge = _parsed(credential)
            if not self._asked("passkey-add", challenge, f"{binding}|{user.id}"):
                self._refuse_addition()
            made = verify_registration_response(
                credential=body,
                expected_challenge=_bytes(challenge),
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            )
            # A key that verifies nothing would make a passkey that never opens anything.
            decoded_public_key_to_cryptography(
                decode_credential_public_key(made.credential_public_key)
            )
            if body["id"] != _text(made.credential_id) or len(made.credential_id) > 1023:
                self._refuse_addition()
        row = {
            "id": _text(made.credential_id),
            "tenant": user.tenant,
            "user_id": user.id,
            "title": presentable(title, 60),
            "public_key": made.credential_public_key,
            "sign_count": made.sign_count,
            "transports": _transports(body),
            "created_at": self._clock.now(),
        }
        return self._keep(user, row, address)

    def sign_in_options(self, *, binding: str) -> dict[str, Any]:
        """What the browser is asked in order to sign in by any passkey for this host."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        options = generate_authentication_options(
            rp_id=self._host, user_verification=UserVerificationRequirement.REQUIRED
        )
        told: dict[str, Any] = json.loads(options_to_json(options))
        self._ask("passkey-sign-in", told["challenge"], binding)
        return told

    def sign_in(self, credential: str, *, binding: str, address: str = "") -> UserRecord:
        """The active user whose passkey answered; the caller starts their session.

        Raises:
            Unauthenticated: the answer is not right, for whatever reason.
            AuditUnavailable: it cannot be recorded.
        """
        from webauthn import verify_authentication_response

        self._audit.require_room()
        with _understood(_refuse_sign_in):
            body, challenge = _parsed(credential)
            if not self._asked("passkey-sign-in", challenge, binding):
                _refuse_sign_in()
            row = self._row(body)
            verified = verify_authentication_response(
                credential=body,
                expected_challenge=_bytes(challenge),
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        user = self._users.get(row.user_id, tenant=row.tenant)
        if user is None or not user.active or user.issuer != LOCAL:
            _refuse_sign_in()
        if not self._used(row, verified.new_sign_count):
            _refuse_sign_in()
        self._audit.write_blocking(self._record(user, "sign_in", "The passkey is right.", address))
        return user

    def list(self, user: UserRecord) -> list[PasskeyRecord]:
        """A user's passkeys, the oldest first."""
        return [_record(row) for row in self._known(user)]

    def remove(self, user: UserRecord, passkey_id: str, *, address: str = "") -> bool:
        """Remove a passkey of a user; False if they have no such one."""
        with self._database.transaction() as session:
            gone = session.execute(
                delete(PasskeyRow)
                .where(
                    PasskeyRow.id == passkey_id,
                    PasskeyRow.user_id == user.id,
                    PasskeyRow.tenant == user.tenant,
                )
                .returning(PasskeyRow.id)
            ).first()
            if gone is not None:
                record = self._record(user, "remove_passkey", "Their own.", address, change=True)
                self._audit.append(session, record)
        return gone is not None

    def _known(self, user: UserRecord) -> Sequence[PasskeyRow]:
        query = (
            select(PasskeyRow)
            .where(PasskeyRow.user_id == user.id, PasskeyRow.tenant == user.tenant)
            .order_by(PasskeyRow.created_at, PasskeyRow.id)
        )
        with self._database.transaction(read=True) as session:
            return session.scalars(query).all()

    def _row(self, body: dict[str, Any]) -> PasskeyRow:
        """The passkey that an answer names; the device must name its user as well."""
        with self._database.transaction(read=True) as session:
            row = session.get(PasskeyRow, str(body.get("id"))[:1400].replace("\0", ""))
        handle = body["response"].get("userHandle")
        if row is None or not handle or _bytes(handle) != row.user_id.encode():
            _refuse_sign_in()
        return row

    def _keep(self, user: UserRecord, row: dict[str, Any], address: str) -> PasskeyRecord:
        dialect = sqlite if self._database.is_sqlite else postgresql
        count = select(func.count()).where(PasskeyRow.user_id == user.id)
        with self._database.transaction() as session:
            made = session.scalar(
                dialect.insert(PasskeyRow)
                .values(row)
                .on_conflict_do_nothing()
                .returning(PasskeyRow)
            )
            if made is None or (session.scalar(count) or 0) > _MOST:
                raise Conflict("This passkey is known already.", remedy="Use another device.")
            record = self._record(user, "add_passkey", "Their own.", address, change=True)
            self._audit.append(session, record)
            return _record(made)

    def _used(self, row: PasskeyRow, count: int) -> bool:
        """Count a use; False if it was counted further in the meantime: a copy, or a replay."""
        with self._database.transaction() as session:
            return (
                session.scalar(
                    update(PasskeyRow)
                    .where(PasskeyRow.id == row.id, PasskeyRow.sign_count == row.sign_count)
                    .values(sign_count=count, used_at=self._clock.now())
                    .returning(PasskeyRow.id)
                )
                is not None
            )

    def _ask(self, ceremony: Ceremony, challenge: str, binding: str) -> None:
        once = OneTimeStore(self._database, self._clock)
        expires_at = self._clock.now() + _CHALLENGE_LASTS
        once.put(ceremony, f"{challenge}|{binding}", expires_at=expires_at)

    def _asked(self, ceremony: Ceremony, challenge: str, binding: str) -> bool:
        once = OneTimeStore(self._database, self._clock)
        return once.take(ceremony, f"{challenge}|{binding}") is not None

    def _record(
        self, user: UserRecord, action: str, reason: str, address: str, *, change: bool = False
    ) -> AuditRecord:
        return AuditRecord.by(
            principal_of(user, self._issuer),
            action=action,
            door="page",
            at=self._clock.now(),
            reason=reason,
            resources=(f"user:{user.id}",),
            kind="change" if change else "decision",
            address=address[:64],
        )

    def _refuse_addition(self) -> NoReturn:
        raise InvalidArguments(
            "The passkey is not what was asked for, or was made too late.", remedy="Try it again."
        )


def _require_local(user: UserRecord) -> None:
    if user.issuer != LOCAL:
        # Whoever has left there could come in here for ever.
        raise Conflict(
            "This user signs in with a provider, which must be asked each time.",
            remedy="Add the passkey there.",
        )


def _refuse_sign_in() -> NoReturn:
    raise Unauthenticated("The passkey was not accepted.", remedy="Try it again, or another way.")


@contextmanager
def _understood(refuse: Any) -> Iterator[None]:
    """Refuse what is no answer to what was asked, in one way for all reasons."""
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        yield
    except (WebAuthnException, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # Beside its own errors the package lets those of the parsers below it through: the bytes
        # are the other side's.
        refuse()


def _parsed(credential: str) -> tuple[dict[str, Any], str]:
    """The answer, and the challenge that it says it answers."""
    if len(credential) > _LONGEST:
        raise ValueError("too long")
    body = json.loads(credential)
    client_data = json.loads(_bytes(body["response"]["clientDataJSON"]))
    challenge = client_data["challenge"]
    if not isinstance(body, dict) or not isinstance(challenge, str) or len(challenge) > 200:
        raise TypeError("not an answer")
    return body, challenge


def _transports(body: dict[str, Any]) -> list[str]:
    known = {"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"}
    named = body["response"].get("transports")
    return sorted(known.intersection(named)) if isinstance(named, list) else []


def _relying_party(issuer: str) -> tuple[str, str]:
    """The host to which passkeys are bound, and the origin of its pages."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
        named = False
    except ValueError:
        named = bool(host)
    local = host == "localhost" or host.endswith(".localhost")
    if not named or not (parts.scheme == "https" or local):
        raise ConfigurationError(
            f"Browsers know no passkeys at {issuer}.",
            remedy="Set server.url to an https address with a host name, or to "
            "http://localhost:PORT; or switch sign_in.passkeys off.",
        )
    port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    return host, f"{parts.scheme}://{host}{port}"


def _require_package() -> None:
    try:
        import webauthn  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigurationError(
            "Passkeys need the package webauthn, which is not installed.",
            remedy="Install saaf-autogen[passkeys], or switch sign_in.passkeys off.",
        ) from None


def _bytes(text: str) -> bytes:
    from webauthn.helpers import base64url_to_bytes

    return base64url_to_bytes(text)


def _text(data: bytes) -> str:
    from webauthn.helpers import bytes_to_base64url

    return bytes_to_base64url(data)


def _record(row: PasskeyRow) -> PasskeyRecord:
    return PasskeyRecord(
        id=row.id,
        tenant=row.tenant,
        user_id=row.user_id,
        title=row.title,
        transports=tuple(row.transports),
        created_at=row.created_at,
        used_at=row.used_at,
    )
