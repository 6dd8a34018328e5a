"""Back-off: who failed to sign in of late waits longer each time; nobody is locked out for good."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.identity.names import fold_username
from saaf_autogen.auth.identity.tables import SignInFailureRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest
from saaf_autogen.db import Database
from saaf_autogen.errors import RateLimited

__all__ = ["Attempt", "Backoff", "Counted"]

ACCOUNT_FREE = 5
"""The failures of an account from which on it waits."""

ADDRESS_FREE = 20
"""The same for an address, which many people of an office may share."""

LONGEST_S = 900
_FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True)
class Counted:
    """One row that an attempt was counted in.

    Attributes:
        name: of the row.
        failures: what it had with this attempt.
        wait_before: until when it waited before.
    """

    name: str
    failures: int
    wait_before: datetime


@dataclass(frozen=True)
class Attempt:
    """A sign-in that is under way, counted as failed until it succeeds."""

    account: Counted
    address: Counted


class Backoff:
    """Counts failures by account and by address, over all processes.

    An attempt is counted before its password is looked at: of a hundred guesses at once, no more
    are looked at than one after the other. An attempt within the wait is not looked at, whatever
    its password, and does not make the wait longer. Synchronous: call it in a thread.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, username: str, address: str) -> Attempt:
        """Count an attempt. Names that nobody has are counted as well.

        Raises:
            RateLimited: the account or the address must wait; ``retry_after`` says how long.
        """
        names = digest(f"account|{fold_username(username)}"), digest(_place(address))
        now = self._clock.now()
        old = (
            select(SignInFailureRow.name)
            .where(SignInFailureRow.updated_at <= now - _FORGOTTEN)
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction() as session:
            session.execute(delete(SignInFailureRow).where(SignInFailureRow.name.in_(old)))
            # Always the account first, so that no two attempts wait for one another.
            account = self._count(session, names[0], ACCOUNT_FREE, now)
            place = self._count(session, names[1], ADDRESS_FREE, now)
        return Attempt(account, place)

    def succeeded(self, attempt: Attempt) -> None:
        """Forget the account's failures, and that this attempt was counted at its address.

        Other failures of the address stay: an own account helps nobody to guess at others.
        """
        with self._database.transaction() as session:
            rows = SignInFailureRow
            session.execute(delete(rows).where(rows.name == attempt.account.name))
            _undo(session, attempt.address)

    def withdraw(self, attempt: Attempt) -> None:
        """Forget that an attempt was counted whose password was not looked at."""
        with self._database.transaction() as session:
            _undo(session, attempt.account)
            _undo(session, attempt.address)

    def forget(self, username: str) -> None:
        """Forget an account's failures: it has a new password, or an admin vouches for it."""
        with self._database.transaction() as session:
            name = digest(f"account|{fold_username(username)}")
            session.execute(delete(SignInFailureRow).where(SignInFailureRow.name == name))

    def _count(self, session: Session, name: str, free: int, now: datetime) -> Counted:
        dialect = sqlite if self._database.is_sqlite else postgresql
        rows = SignInFailureRow
        before = session.scalar(select(rows.wait_until).where(rows.name == name)) or now
        statement = dialect.insert(rows).values(
            name=name, failures=1, wait_until=now, updated_at=now
        )
        # The row stays locked until the end of the transaction, so the wait fits the count.
        failures: int | None = session.scalar(
            statement.on_conflict_do_update(
                index_elements=[rows.name],
                set_={"failures": rows.failures + 1, "updated_at": now},
                where=rows.wait_until <= now,
            ).returning(rows.failures)
        )
        if failures is None:
            until = session.scalar(select(rows.wait_until).where(rows.name == name)) or now
            raise _must_wait((until - now).total_seconds())
        if failures >= free:
            wait = timedelta(seconds=min(2 ** min(failures - free, 16), LONGEST_S))
            session.execute(update(rows).where(rows.name == name).values(wait_until=now + wait))
        return Counted(name, failures, before)


def _undo(session: Session, counted: Counted) -> None:
    rows = SignInFailureRow
    # Failures that were counted since keep the wait that they made.
    alone = rows.failures == counted.failures
    session.execute(
        update(rows)
        .where(rows.name == counted.name, rows.failures > 0)
        .values(
            failures=rows.failures - 1,
            wait_until=case((alone, counted.wait_before), else_=rows.wait_until),
        )
    )


def _place(address: str) -> str:
    """The address as it is counted: of IPv6 the /64, which one person has whole."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address|{address[:64]}"
    if isinstance(known, ipaddress.IPv6Address):
        known = known.ipv4_mapped or ipaddress.IPv6Address(int(known) >> 64 << 64)
    return f"address|{known}"


def _must_wait(seconds: float) -> RateLimited:
    wait = max(1, math.ceil(seconds))
    return RateLimited(
        "Signing in failed too often.",
        remedy=f"Wait {wait} seconds, then try again.",
        extra={"retry_after": wait},
    )
