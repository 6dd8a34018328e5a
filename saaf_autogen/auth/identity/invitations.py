"""One-time links: the first admin, invitations of users, new passwords."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.identity.backoff import Backoff
from saaf_autogen.auth.identity.first_admin import has_admin, make_admin
from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.password_rules import check_password
from saaf_autogen.auth.identity.passwords import Passwords
from saaf_autogen.auth.identity.sign_in import principal_of
from saaf_autogen.auth.identity.tables import UserRow
from saaf_autogen.auth.identity.users import LOCAL, UserRecord, UserStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.revisions import bump
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest, new_secret
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound
from saaf_autogen.settings import SignInSettings

__all__ = ["Invitation", "Invitations", "Invited", "Purpose"]

Purpose = Literal["first-admin", "invitation", "password-reset"]
_PREFIXES: dict[str, Purpose] = {
    "setup_": "first-admin",
    "invite_": "invitation",
    "reset_": "password-reset",
}
_LIFETIMES: dict[Purpose, timedelta] = {
    "first-admin": timedelta(days=7),
    "invitation": timedelta(days=7),
    "password-reset": timedelta(hours=2),
}


@dataclass(frozen=True)
class Invited:
    """A token that was just made; it is told this once, and good for one use.

    Its bearer may become the user: it goes to them alone, and into no log.
    """

    token: str
    purpose: Purpose
    expires_at: datetime


@dataclass(frozen=True)
class Invitation:
    """What a token is good for. ``user`` is None for the first admin, who is yet to be made."""

    purpose: Purpose
    tenant: str
    user: UserRecord | None


class Invitations:
    """Makes and redeems one-time tokens. ``redeem…`` are coroutines; the rest is synchronous.

    Args:
        database: where all of this is kept.
        users: who there is.
        groups: where the group ``admins`` is.
        passwords: hashes.
        backoff: forgets failures of an account that has a new password.
        audit: where each redemption is recorded, in its own transaction.
        settings: whether passwords and passkeys are taken.
        issuer: who vouches for users here: the public address.
        name: of the deployment, which is no password.
        clock: the time.
    """

    def __init__(
        self,
        database: Database,
        users: UserStore,
        groups: GroupStore,
        passwords: Passwords,
        backoff: Backoff,
        audit: AuditLog,
        settings: SignInSettings,
        *,
        issuer: str,
        name: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._groups = groups
        self._passwords = passwords
        self._backoff = backoff
        self._audit = audit
        self._settings = settings
        self._issuer = issuer
        self._name = name
        self._clock = clock

    def lacks_admin(self, *, tenant: str = DEFAULT_TENANT) -> bool:
        """Whether a first admin may still be made."""
        with self._database.transaction() as session:
            return not has_admin(session, tenant)

    def first_admin(self, *, tenant: str = DEFAULT_TENANT) -> Invited | None:
        """A token that makes the first admin; earlier ones end. None if there is an admin.

        None as well where nobody could sign in with what the token makes.
        """
        if not (self._settings.password or self._settings.passkeys):
            return None
        with self._database.transaction() as session:
            # The row of the revision is locked from here: one first admin at a time.
            bump(session, "principals", tenant=tenant)
            if has_admin(session, tenant):
                return None
            once = OneTimeStore(self._database.joined(session), self._clock)
            once.clear("first-admin", tenant=tenant)
            return self._offer(once, "first-admin", tenant, {})

    def invite(
        self, user_id: str, *, tenant: str = DEFAULT_TENANT, session: Session | None = None
    ) -> Invited:
        """A token with which a user sets their password and signs in: their first, or a new one.

        What the user has stays as it is until the token is redeemed. Setting a password by any
        token ends all others of the user.

        Args:
            user_id: whose.
            tenant: of which the user must be.
            session: a transaction that this becomes part of.

        Raises:
            NotFound: there is no such user in this tenant.
            Conflict: they are disabled, or a provider's user.
        """
        database = self._database if session is None else self._database.joined(session)
        with database.transaction() as within:
            row = within.get(UserRow, user_id) if user_id.isprintable() else None
            if row is None or row.tenant != tenant:
                raise NotFound("There is no such user.", remedy="See `saaf users list`.")
            if row.issuer != LOCAL:
                raise Conflict(
                    "This user signs in with a provider.", remedy="Nothing is to be set."
                )
            if row.disabled_at is not None:
                raise Conflict("This user is disabled.", remedy="Enable them first.")
            purpose: Purpose = "invitation" if row.password_changed_at is None else "password-reset"
            data = {"user": row.id, "since": _since(row)}
            once = OneTimeStore(self._database.joined(within), self._clock)
            return self._offer(once, purpose, tenant, data)

    def find(self, token: str) -> Invitation | None:
        """What a token is good for, which it stays; None if it is good for nothing (any more)."""
        with self._database.transaction(read=True) as session:
            return self._find(session, token, take=False)

    async def redeem(self, token: str, *, password: str | None, address: str = "") -> UserRecord:
        """Set the password of an invited user, who then counts as signed in.

        Sessions and tokens that the user had end. Of many redemptions at once, one succeeds.

        Args:
            token: of an invitation or of a new password.
            password: the new one; None for none, if passkeys are taken here: the caller then lets
                them add one in their new session.
            address: from where, for the audit.

        Raises:
            NotFound: the token is good for nothing (any more).
            InvalidArguments: the password may not become one.
            RateLimited: too many hashes are being made.
        """
        found = await asyncio.to_thread(self.find, token)
        if found is None or found.user is None:
            raise _no_token()
        hashed = await self._hash(password, found.user.username or "", found.user.email)
        return await asyncio.to_thread(self._redeem, token, hashed, address)

    async def redeem_first_admin(
        self,
        token: str,
        *,
        username: str,
        password: str | None,
        name: str = "",
        email: str | None = None,
        address: str = "",
    ) -> UserRecord:
        """Make the first admin, in the group ``admins``. Of many redemptions at once, one succeeds.

        A name or password that cannot be taken leaves the token as it is.

        Raises:
            NotFound: the token is good for nothing (any more), or there is an admin by now.
            InvalidArguments: a name or the password may not become one.
            Conflict: the user name is taken.
            RateLimited: too many hashes are being made.
        """
        found = await asyncio.to_thread(self.find, token)
        if found is None or found.purpose != "first-admin":
            raise _no_token()
        hashed = await self._hash(password, username, email)

        def work() -> UserRecord:
            with self._database.transaction() as session:
                bump(session, "principals", tenant=found.tenant)
                if has_admin(session, found.tenant) or not self._find(session, token, take=True):
                    raise _no_token()
                users, groups = self._users.within(session), self._groups.within(session)
                user = users.add(
                    username, tenant=found.tenant, name=name, email=email, password_hash=hashed
                )
                user = make_admin(user, users, groups)
                self._record(session, user, "redeem_first_admin", address)
                return user

        return await asyncio.to_thread(work)

    def _redeem(self, token: str, hashed: str | None, address: str) -> UserRecord:
        with self._database.transaction() as session:
            found = self._find(session, token, take=True)
            if found is None or found.user is None:
                raise _no_token()
            user = self._users.within(session).set_password(
                found.user.id, hashed, tenant=found.tenant
            )
            self._record(session, user, f"redeem_{found.purpose.replace('-', '_')}", address)
        self._backoff.forget(user.username or "")
        return user

    def _find(self, session: Session, token: str, *, take: bool) -> Invitation | None:
        purpose = _PREFIXES.get(token[: token.find("_") + 1])
        if purpose is None or len(token) > 64 or not token.isprintable():
            return None
        database = self._database.joined(session)
        once = OneTimeStore(database, self._clock)
        data = once.take(purpose, token) if take else once.peek(purpose, token)
        if data is None:
            return None
        if purpose == "first-admin":
            return Invitation(purpose, data["tenant"], None)
        row = session.get(UserRow, data["user"], with_for_update=take or None)
        if row is None or row.disabled_at is not None or _since(row) != data["since"]:
            return None
        user = self._users.within(session).get(row.id, tenant=data["tenant"])
        return Invitation(purpose, data["tenant"], user) if user else None

    def _offer(
        self, once: OneTimeStore, purpose: Purpose, tenant: str, data: dict[str, str]
    ) -> Invited:
        prefix = next(each for each, named in _PREFIXES.items() if named == purpose)
        token = new_secret(prefix)
        expires_at = self._clock.now() + _LIFETIMES[purpose]
        told = {**data, "tenant": tenant}
        once.put(purpose, token, expires_at=expires_at, data=told, tenant=tenant)
        return Invited(token, purpose, expires_at)

    async def _hash(self, password: str | None, username: str, email: str | None) -> str | None:
        if password is None and self._settings.passkeys:
            return None
        if password is None or not self._settings.password:
            raise InvalidArguments(
                "A password cannot be set here." if password else "A password is missing.",
                remedy="Use a passkey." if self._settings.passkeys else "Choose one.",
            )
        about = [username, email or "", self._name]
        return await self._passwords.hash(check_password(password, about=about))

    def _record(self, session: Session, user: UserRecord, action: str, address: str) -> None:
        record = AuditRecord.by(
            principal_of(user, self._issuer),
            action=action,
            door="page",
            at=self._clock.now(),
            reason="The one-time token is right.",
            resources=(f"user:{user.id}",),
            kind="change",
            address=address[:64],
        )
        self._audit.append(session, record)


def _since(row: UserRow) -> str:
    """What differs once the password was set again, by whichever link."""
    changed = row.password_changed_at.isoformat() if row.password_changed_at else ""
    return digest(f"{changed}|{row.password_hash or ''}")


def _no_token() -> NotFound:
    return NotFound(
        "This link was used already, or it has expired.",
        remedy="Ask an admin for a new one; for the first admin, start the host again.",
    )
