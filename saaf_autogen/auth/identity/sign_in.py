"""Signing in with a password."""

from __future__ import annotations

import asyncio

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.identity.backoff import Backoff
from saaf_autogen.auth.identity.password_rules import MAX_LENGTH, check_password
from saaf_autogen.auth.identity.passwords import Passwords
from saaf_autogen.auth.identity.users import UserRecord, UserStore
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.errors import Forbidden, RateLimited, Unauthenticated
from saaf_autogen.settings import SignInSettings

__all__ = ["SignIn", "principal_of"]


class SignIn:
    """Finds out who somebody is by user name and password.

    Args:
        users: who there is.
        passwords: verifies, a few at a time.
        backoff: makes those wait who guess.
        audit: where each answer is recorded; none is given that is not.
        settings: whether passwords are taken at all.
        issuer: who vouches for users here: the public address.
        name: of the deployment, which is no password.
        clock: the time.
    """

    def __init__(
        self,
        users: UserStore,
        passwords: Passwords,
        backoff: Backoff,
        audit: AuditLog,
        settings: SignInSettings,
        *,
        issuer: str,
        name: str,
        clock: Clock,
    ) -> None:
        self._name = name
        self._users = users
        self._passwords = passwords
        self._backoff = backoff
        self._audit = audit
        self._settings = settings
        self._issuer = issuer
        self._clock = clock

    async def with_password(self, username: str, password: str, address: str) -> UserRecord:
        """The active user with this name and password; the caller starts their session.

        Unknown names, users without a password, disabled users and wrong passwords are answered
        alike, after one hash each. An attempt within a wait is neither looked at nor recorded.

        Raises:
            Unauthenticated: it is not so.
            RateLimited: this account or address must wait, even with the right password, or too
                many people sign in at once; ``retry_after`` says how long.
            Forbidden: passwords are not taken here.
            AuditUnavailable: it cannot be recorded.
        """
        self._require_passwords()
        self._audit.require_room()
        user, stored, fresh = await self._look(username, password, address)
        await self._audit.write(self._record(user, address, "sign_in", allowed=True))
        if fresh and stored:
            await asyncio.to_thread(self._users.rehash, user.id, stored, fresh)
        return user

    async def change_password(
        self, user: UserRecord, current: str, new: str, address: str
    ) -> UserRecord:
        """Replace a password that its user knows; all their sessions and tokens end.

        The caller starts a new session. Guesses at ``current`` are counted as at sign-in.

        Raises:
            Unauthenticated: ``current`` is not right.
            InvalidArguments: ``new`` may not become a password.
            RateLimited: as for ``with_password``.
            Forbidden: passwords are not taken here, or the user has none.
        """
        self._require_passwords()
        if user.username is None or not user.has_password:
            raise Forbidden("This user has no password.", remedy="Sign in another way.")
        about = [user.username, user.email or "", self._name]
        prepared = check_password(new, about=about)
        found, _, _ = await self._look(user.username, current, address)
        hashed = await self._passwords.hash(prepared)
        await self._audit.write(self._record(found, address, "change_password", allowed=True))
        return await asyncio.to_thread(
            self._users.set_password, found.id, hashed, tenant=found.tenant
        )

    def _require_passwords(self) -> None:
        if not self._settings.password:
            raise Forbidden("This host takes no passwords.", remedy="Sign in another way.")

    async def _look(
        self, username: str, password: str, address: str
    ) -> tuple[UserRecord, str | None, str | None]:
        """The user of a right password, with its hash, and a new one if that is of old kind."""
        attempt = await asyncio.to_thread(self._backoff.begin, username, address)
        found = await asyncio.to_thread(self._users.credentials, username)
        user, stored = found if found else (None, None)
        offered = password if len(password) <= 4 * MAX_LENGTH else ""
        try:
            matches, fresh = await self._passwords.verify(offered, stored)
        except RateLimited:
            await asyncio.to_thread(self._backoff.withdraw, attempt)
            raise
        if user is None or not user.active or not matches:
            self._audit.note(self._record(user, address, "sign_in", allowed=False))
            raise Unauthenticated(
                "The user name or the password is not right.",
                remedy="Try again; an admin can send you a link for a new password.",
            )
        await asyncio.to_thread(self._backoff.succeeded, attempt)
        return user, stored, fresh

    def _record(
        self, user: UserRecord | None, address: str, action: str, *, allowed: bool
    ) -> AuditRecord:
        # A name that nobody has is not recorded: people type passwords into the wrong field.
        who = principal_of(user, self._issuer) if user else _stranger(self._issuer)
        return AuditRecord.by(
            who,
            action=action,
            door="page",
            at=self._clock.now(),
            decision="allowed" if allowed else "denied",
            reason="The password is right." if allowed else _why_not(user),
            resources=(f"user:{user.id}",) if user else (),
            address=address[:64],
        )


def principal_of(user: UserRecord, issuer: str) -> Principal:
    """A user as who acts, on pages: with no scopes, because no client acts for them."""
    return Principal(
        issuer=issuer,
        tenant=user.tenant,
        subject=user.id,
        kind="user",
        groups=frozenset(user.groups),
    )


def _stranger(issuer: str) -> Principal:
    return Principal(issuer=issuer, subject="nobody", kind="user")


def _why_not(user: UserRecord | None) -> str:
    if user is None:
        return "There is no such user."
    return "The password is not right." if user.active else "The user is disabled."
