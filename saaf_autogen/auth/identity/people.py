"""The parts of this room, wired."""

from __future__ import annotations

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.identity.backoff import Backoff
from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.invitations import Invitations
from saaf_autogen.auth.identity.passkeys import Passkeys
from saaf_autogen.auth.identity.passwords import Passwords
from saaf_autogen.auth.identity.sessions import SessionStore
from saaf_autogen.auth.identity.sign_in import SignIn
from saaf_autogen.auth.identity.users import OnEnd, UserStore
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import NotFound
from saaf_autogen.settings import Settings

__all__ = ["People"]


class People:
    """Users, groups, and all the ways in which a person comes to be signed in.

    Args:
        database: where all of it is kept.
        settings: the deployment's: groups and how people sign in.
        scopes: the scopes that this host knows.
        audit: where sign-ins are recorded.
        issuer: who vouches for users here: the public address.
        clock: the time.
        on_end: ends what a user started elsewhere, such as token families.

    Raises:
        ConfigurationError: passkeys are switched on and cannot be had.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        scopes: ScopeRegistry,
        audit: AuditLog,
        *,
        issuer: str,
        clock: Clock,
        on_end: OnEnd | None = None,
    ) -> None:
        rules = settings.sign_in
        self.users = UserStore(database, clock, scopes, on_end=on_end)
        self.groups = GroupStore(database, clock, scopes)
        self.groups.ensure(settings.groups)
        self.sessions = SessionStore(database, clock, rules, scopes)
        self.passwords = Passwords()
        self.backoff = Backoff(database, clock)
        self.sign_in = SignIn(
            self.users,
            self.passwords,
            self.backoff,
            audit,
            rules,
            issuer=issuer,
            name=settings.name,
            clock=clock,
        )
        self.invitations = Invitations(
            database,
            self.users,
            self.groups,
            self.passwords,
            self.backoff,
            audit,
            rules,
            issuer=issuer,
            name=settings.name,
            clock=clock,
        )
        self._passkeys = (
            Passkeys(
                database,
                self.users,
                audit,
                issuer=issuer,
                name=settings.name,
                clock=clock,
            )
            if rules.passkeys
            else None
        )

    @property
    def passkeys(self) -> Passkeys:
        """Passkeys.

        Raises:
            NotFound: they are switched off.
        """
        if self._passkeys is None:
            raise NotFound("This host takes no passkeys.", remedy="Sign in another way.")
        return self._passkeys

    def close(self) -> None:
        """Stop the threads that hash."""
        self.passwords.close()
