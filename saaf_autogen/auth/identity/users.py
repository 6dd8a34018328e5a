"""Users: people who sign in, and what they may do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypedDict

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from saaf_autogen.auth.identity.names import (
    clean_attributes,
    clean_email,
    clean_name,
    clean_username,
    fold_username,
    presentable,
    presentable_all,
)
from saaf_autogen.auth.identity.records import LOCAL, UserRecord, user_records
from saaf_autogen.auth.identity.tables import GroupRow, MembershipRow, SessionRow, UserRow
from saaf_autogen.auth.revisions import bump
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.clock import Clock
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, PreconditionFailed

__all__ = ["LOCAL", "OnEnd", "UserChange", "UserRecord", "UserStore", "checked_scopes"]

OnEnd = Callable[[Database, str], None]
"""Told, within the transaction, of a user whose sign-ins end: disabled, removed, or with a new
password. Its database is joined to that transaction."""

_PAGE = 201  # a page of 200, and whether there is another
_ID_LENGTH = 64


class UserChange(TypedDict, total=False):
    """What ``UserStore.change`` sets; what is not named stays.

    ``groups`` are all groups that they are put in here; those of a provider are not touched.
    """

    username: str
    name: str
    email: str | None
    email_verified: bool
    scopes: Collection[str]
    attributes: Mapping[str, Any]
    groups: Collection[str]


class UserStore:
    """Keeps users. Synchronous: call it in a thread from async code.

    Args:
        database: where they are kept; one ``joined`` to a transaction makes changes part of it.
        clock: for the times of changes.
        scopes: what scopes are checked against.
        on_end: ends what a user started elsewhere, such as token families.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        scopes: ScopeRegistry,
        *,
        on_end: OnEnd | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._scopes = scopes
        self._on_end = on_end

    def within(self, session: Session) -> UserStore:
        """This store as part of a transaction that is under way."""
        database = self._database.joined(session)
        return UserStore(database, self._clock, self._scopes, on_end=self._on_end)

    def add(
        self,
        username: str,
        *,
        tenant: str = DEFAULT_TENANT,
        name: str = "",
        email: str | None = None,
        scopes: Collection[str] = (),
        groups: Collection[str] = (),
        attributes: Mapping[str, Any] | None = None,
        password_hash: str | None = None,
    ) -> UserRecord:
        """Make a user who signs in here; without ``password_hash`` they need an invitation.

        Raises:
            InvalidArguments: a name, scope, group or attribute is not valid.
            Conflict: the user name is taken, in this tenant or another.
        """
        now, user_id = self._clock.now(), new_user_id()
        row = {
            "id": user_id,
            "tenant": tenant,
            "issuer": LOCAL,
            "subject": user_id,
            "username": clean_username(username),
            "name": clean_name(name),
            "email": clean_email(email),
            "email_verified": False,
            "password_hash": password_hash,
            "password_changed_at": now if password_hash else None,
            "scopes": checked_scopes(self._scopes, scopes),
            "attributes": clean_attributes(attributes or {}),
            "upstream_groups": [],
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        with self._changing(tenant) as session:
            if not _insert(session, row):
                raise _name_taken()
            self._join(session, user_id, tenant, groups)
            return self._one(session, user_id)

    def get(self, user_id: str, *, tenant: str | None = None) -> UserRecord | None:
        """A user by id; with ``tenant``, of that one alone. None if there is none."""
        if not 0 < len(user_id) <= _ID_LENGTH or not user_id.isprintable():
            return None
        with self._database.transaction(read=True) as session:
            found = self._find(session, UserRow.id == user_id)
        return found if found and tenant in (None, found.tenant) else None

    def find_by_name(self, username: str, *, tenant: str | None = None) -> UserRecord | None:
        """A user by the name that they sign in with, however it is written."""
        found = self.credentials(username)
        return found[0] if found and tenant in (None, found[0].tenant) else None

    def credentials(self, username: str) -> tuple[UserRecord, str | None] | None:
        """A user by name, with the hash of their password, if they have one."""
        folded = fold_username(username)
        if not folded or len(folded) > 120 or "\0" in folded or not folded.isprintable():
            return None
        with self._database.transaction(read=True) as session:
            found = self._find(session, UserRow.username == folded)
            if found is None:
                return None
            row = session.get_one(UserRow, found.id)
            return found, row.password_hash

    def list(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        after: str | None = None,
        limit: int = 50,
        group: str | None = None,
        search: str | None = None,
    ) -> list[UserRecord]:
        """Users of a tenant by id, disabled ones too.

        Args:
            tenant: whose.
            after: the last id of the page before.
            limit: how many, at most 200.
            group: only those that are put in this group here.
            search: only those whose user name, name or e-mail begins with this.
        """
        conditions = [UserRow.tenant == tenant]
        if after:
            conditions.append(UserRow.id > after)
        if group is not None:
            members = select(MembershipRow.user_id).where(
                MembershipRow.tenant == tenant, MembershipRow.group_id == group
            )
            conditions.append(UserRow.id.in_(members))
        if search:
            start = fold_username(search)
            told = (UserRow.username, func.lower(UserRow.name), func.lower(UserRow.email))
            conditions.append(or_(*(each.startswith(start, autoescape=True) for each in told)))
        with self._database.transaction(read=True) as session:
            return user_records(
                session,
                self._scopes.__contains__,
                lambda query: (
                    query.where(*conditions).order_by(UserRow.id).limit(min(max(limit, 1), _PAGE))
                ),
            )

    def change(
        self,
        user_id: str,
        change: UserChange,
        *,
        tenant: str = DEFAULT_TENANT,
        expected: int | None = None,
    ) -> UserRecord:
        """Change what is named.

        Name, e-mail, scopes and attributes of a provider's user follow the provider at each
        sign-in: give such a user rights by groups.

        Args:
            user_id: who.
            change: what to set.
            tenant: whose user it must be.
            expected: the version that the change is of.

        Raises:
            NotFound: there is no such user in this tenant.
            PreconditionFailed: they changed since that version.
            InvalidArguments: a value is not valid.
            Conflict: the user name is taken, or the provider says what this is.
        """
        with self._changing(tenant) as session:
            row = self._locked(session, user_id, tenant, expected)
            if row.issuer != LOCAL and set(change) - {"groups"}:
                raise Conflict(
                    "This user's provider says this of them, at each sign-in.",
                    remedy="Change it there, or put the user in a group here.",
                )
            values = self._values(change)
            try:
                with session.begin_nested():
                    for name, value in values.items():
                        setattr(row, name, value)
            except IntegrityError:
                raise _name_taken() from None
            if "groups" in change:
                session.execute(delete(MembershipRow).where(MembershipRow.user_id == row.id))
                self._join(session, row.id, tenant, change["groups"])
            return self._changed(session, row)

    def disable(
        self, user_id: str, *, tenant: str = DEFAULT_TENANT, expected: int | None = None
    ) -> UserRecord:
        """Let them sign in no more, and end their sessions and what ``on_end`` ends, at once.

        Raises:
            NotFound: there is no such user in this tenant.
            PreconditionFailed: they changed since that version.
        """
        with self._changing(tenant) as session:
            row = self._locked(session, user_id, tenant, expected)
            row.disabled_at = row.disabled_at or self._clock.now()
            self._end(session, row.id)
            return self._changed(session, row)

    def enable(
        self, user_id: str, *, tenant: str = DEFAULT_TENANT, expected: int | None = None
    ) -> UserRecord:
        """Let them sign in again; what was ended stays ended.

        Raises:
            NotFound: there is no such user in this tenant.
            PreconditionFailed: they changed since that version.
        """
        with self._changing(tenant) as session:
            row = self._locked(session, user_id, tenant, expected)
            row.disabled_at = None
            return self._changed(session, row)

    def remove(
        self, user_id: str, *, tenant: str = DEFAULT_TENANT, expected: int | None = None
    ) -> None:
        """Remove them, and all that is theirs alone: sessions, passkeys, consents, tokens.

        Raises:
            NotFound: there is no such user in this tenant.
            PreconditionFailed: they changed since that version.
        """
        with self._changing(tenant) as session:
            row = self._locked(session, user_id, tenant, expected)
            self._end(session, row.id)
            session.execute(delete(UserRow).where(UserRow.id == row.id))

    def set_password(
        self, user_id: str, password_hash: str | None, *, tenant: str = DEFAULT_TENANT
    ) -> UserRecord:
        """Give a local user a new password, or none; their sessions and tokens end.

        Raises:
            NotFound: there is no such user in this tenant.
            Conflict: they are a provider's user.
        """
        with self._changing(tenant) as session:
            row = self._locked(session, user_id, tenant, None)
            if row.issuer != LOCAL:
                raise Conflict("This user signs in with a provider.", remedy="Set it there.")
            row.password_hash = password_hash
            row.password_changed_at = self._clock.now()
            self._end(session, row.id)
            return self._changed(session, row)

    def rehash(self, user_id: str, old: str, new: str) -> None:
        """Put a stronger hash of the same password in place of ``old``, if that is still there."""
        with self._database.transaction() as session:
            session.execute(
                update(UserRow)
                .where(UserRow.id == user_id, UserRow.password_hash == old)
                .values(password_hash=new)
            )

    def provision(
        self,
        issuer: str,
        subject: str,
        *,
        tenant: str,
        name: str = "",
        email: str | None = None,
        email_verified: bool = False,
        groups: Iterable[str] = (),
        attributes: Mapping[str, Any] | None = None,
        scopes: Iterable[str] = (),
    ) -> UserRecord:
        """The user whom a provider vouches for, made at their first sign-in, and as it says now.

        They are found by (``issuer``, ``subject``) alone. A disabled one stays disabled: see
        ``active``.

        Raises:
            InvalidArguments: issuer, subject, a scope or an attribute is not valid.
            Conflict: they are a user of another tenant.
        """
        fit = 0 < len(subject) <= 255 and subject.isprintable()
        if issuer in (LOCAL, "") or not fit:
            raise InvalidArguments("The provider named no usable subject.")
        now = self._clock.now()
        told = {
            "name": presentable(name),
            "email": _email_or_none(email),
            "email_verified": email_verified and _email_or_none(email) is not None,
            "scopes": checked_scopes(self._scopes, scopes),
            "attributes": clean_attributes(attributes or {}),
            "upstream_groups": presentable_all(groups),
        }
        made = {"id": new_user_id(), "tenant": tenant, "issuer": issuer, "subject": subject}
        times = {"version": 1, "created_at": now, "updated_at": now}
        known = self._as_told(issuer, subject, tenant, told)
        if known:
            return known
        with self._changing(tenant) as session:
            fresh = _insert(session, {**made, **told, **times})
            query = select(UserRow).where(UserRow.issuer == issuer, UserRow.subject == subject)
            row = session.scalars(query.with_for_update()).one()
            if row.tenant != tenant:
                raise Conflict("This user belongs to another tenant.")
            if fresh:
                return self._one(session, row.id)
            for each, value in told.items():
                setattr(row, each, value)
            return self._changed(session, row)

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[Session]:
        """The transaction of a change.

        It locks the revision first, so that changes of a tenant come one after another and no two
        wait for one another.
        """
        with self._database.transaction() as session:
            bump(session, "principals", tenant=tenant)
            yield session

    def _as_told(
        self, issuer: str, subject: str, tenant: str, told: Mapping[str, Any]
    ) -> UserRecord | None:
        """A provider's user of whom nothing is new."""
        query = select(UserRow).where(
            UserRow.issuer == issuer, UserRow.subject == subject, UserRow.tenant == tenant
        )
        with self._database.transaction(read=True) as session:
            row = session.scalar(query)
            if row is None or any(getattr(row, name) != value for name, value in told.items()):
                return None
            return self._one(session, row.id)

    def _values(self, change: UserChange) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if "username" in change:
            values["username"] = clean_username(change["username"])
        if "name" in change:
            values["name"] = clean_name(change["name"])
        if "email" in change:
            values |= {"email": clean_email(change["email"]), "email_verified": False}
        if "email_verified" in change:
            values["email_verified"] = change["email_verified"]
        if "scopes" in change:
            values["scopes"] = checked_scopes(self._scopes, change["scopes"])
        if "attributes" in change:
            values["attributes"] = clean_attributes(change["attributes"])
        return values

    def _join(self, session: Session, user_id: str, tenant: str, groups: Collection[str]) -> None:
        wanted = sorted(set(groups))
        query = select(GroupRow.id).where(
            GroupRow.tenant == tenant, GroupRow.withdrawn_at.is_(None), GroupRow.id.in_(wanted)
        )
        # None of them may be removed until this is committed.
        missing = sorted(set(wanted) - set(session.scalars(query.with_for_update(read=True))))
        if missing:
            raise InvalidArguments(
                f"There is no group {', '.join(missing)}.", remedy="See `saaf groups list`."
            )
        now = self._clock.now()
        rows = [
            {"tenant": tenant, "group_id": group, "user_id": user_id, "created_at": now}
            for group in wanted
        ]
        if rows:
            statement = _dialect(session).insert(MembershipRow).values(rows)
            session.execute(statement.on_conflict_do_nothing())

    def _locked(self, session: Session, user_id: str, tenant: str, expected: int | None) -> UserRow:
        fit = 0 < len(user_id) <= _ID_LENGTH and user_id.isprintable()
        row = session.get(UserRow, user_id, with_for_update=True) if fit else None
        if row is None or row.tenant != tenant:
            raise NotFound("There is no such user.", remedy="See `saaf users list`.")
        if expected is not None and row.version != expected:
            raise PreconditionFailed(
                "The user changed in the meantime.", remedy="Read it again and repeat the change."
            )
        return row

    def _changed(self, session: Session, row: UserRow) -> UserRecord:
        row.version += 1
        row.updated_at = self._clock.now()
        return self._one(session, row.id)

    def _end(self, session: Session, user_id: str) -> None:
        session.execute(
            update(SessionRow)
            .where(SessionRow.user_id == user_id, SessionRow.ended_at.is_(None))
            .values(ended_at=self._clock.now())
        )
        if self._on_end:
            self._on_end(self._database.joined(session), user_id)

    def _find(self, session: Session, *conditions: Any) -> UserRecord | None:
        found = user_records(
            session, self._scopes.__contains__, lambda query: query.where(*conditions)
        )
        return found[0] if found else None

    def _one(self, session: Session, user_id: str) -> UserRecord:
        found = self._find(session, UserRow.id == user_id)
        if found is None:
            raise NotFound("There is no such user.", remedy="See `saaf users list`.")
        return found


def new_user_id() -> str:
    """``usr_`` and 96 random bits: never the ``sub`` of a client, which begins with ``client:``."""
    return f"usr_{secrets.token_hex(12)}"


def checked_scopes(registry: ScopeRegistry, scopes: Iterable[str]) -> list[str]:
    """The scopes, sorted, each once.

    Raises:
        InvalidArguments: nobody declares one of them.
    """
    wanted = sorted(set(scopes))
    unknown = registry.unknown(wanted)
    if unknown:
        raise InvalidArguments(
            f"There is no scope {', '.join(unknown)}.",
            remedy=f"Known: {', '.join(scope.name for scope in registry)}.",
        )
    return wanted


def _dialect(session: Session) -> ModuleType:
    return sqlite if session.get_bind().dialect.name == "sqlite" else postgresql


def _insert(session: Session, values: Mapping[str, Any]) -> bool:
    statement = _dialect(session).insert(UserRow).values(values).on_conflict_do_nothing()
    return session.scalar(statement.returning(UserRow.id)) is not None


def _email_or_none(email: str | None) -> str | None:
    try:
        return clean_email(email)
    except InvalidArguments:
        return None


def _name_taken() -> Conflict:
    return Conflict("This user name is taken.", remedy="Choose another one.")
