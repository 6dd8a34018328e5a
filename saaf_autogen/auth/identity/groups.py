"""Groups: what grants name, and scopes that their members share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.identity.names import clean_name
from saaf_autogen.auth.identity.tables import GroupRow, MembershipRow, UserRow
from saaf_autogen.auth.identity.users import checked_scopes
from saaf_autogen.auth.revisions import bump
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.clock import Clock
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, PreconditionFailed
from saaf_autogen.settings import GroupSettings

__all__ = ["GroupRecord", "GroupStore"]

_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_Step = tuple[tuple[str, str], Mapping[str, Any] | None]
"""Tenant and id of a group, and what the file says of it; None where it no longer has it."""
_PAGE = 201  # a page of 200, and whether there is another


@dataclass(frozen=True)
class GroupRecord:
    """A group.

    Attributes:
        declared: whether ``saaf.yaml`` says its title and scopes; its members are admins' matter.
        members: how many users were put in it here.
        version: counts changes of title and scopes, for ``ETag``.
        withdrawn_at: since when ``saaf.yaml`` no longer has it; until then it counts.
    """

    tenant: str
    id: str
    title: str
    scopes: tuple[str, ...]
    declared: bool
    members: int
    version: int
    created_at: datetime
    updated_at: datetime
    withdrawn_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether it counts."""
        return self.withdrawn_at is None


class GroupStore:
    """Keeps groups and who is in them. Synchronous: call it in a thread from async code.

    Args:
        database: where they are kept; one ``joined`` to a transaction makes changes part of it.
        clock: for the times of changes.
        scopes: what scopes are checked against.
    """

    def __init__(self, database: Database, clock: Clock, scopes: ScopeRegistry) -> None:
        self._database = database
        self._clock = clock
        self._scopes = scopes

    def within(self, session: Session) -> GroupStore:
        """This store as part of a transaction that is under way."""
        return GroupStore(self._database.joined(session), self._clock, self._scopes)

    def ensure(self, declared: Sequence[GroupSettings]) -> None:
        """Make the store follow ``saaf.yaml``, at each start; members stay as they are.

        A group that left the file counts for nothing until it is back.

        Raises:
            InvalidArguments: a scope is not known.
        """
        wanted = {
            (each.tenant, each.id): {
                "title": each.title,
                "scopes": checked_scopes(self._scopes, each.scopes),
            }
            for each in declared
        }
        with self._database.transaction(read=True) as session:
            tenants = {tenant for (tenant, _), _ in self._steps(session, wanted)}
        if not tenants:
            return
        with self._database.transaction() as session:
            for tenant in sorted(tenants):
                bump(session, "principals", tenant=tenant)
            for (tenant, group_id), told in self._steps(session, wanted):
                self._follow(session, tenant, group_id, told)

    def add(
        self,
        group_id: str,
        *,
        tenant: str = DEFAULT_TENANT,
        title: str = "",
        scopes: Collection[str] = (),
    ) -> GroupRecord:
        """Make a group.

        Raises:
            InvalidArguments: the id or a scope is not valid.
            Conflict: there is one, or one that ``saaf.yaml`` declared once.
        """
        if not _ID.fullmatch(group_id):
            raise InvalidArguments(
                "This is no id of a group.",
                remedy="Use 1 to 63 lower-case letters, digits, _ and -, a letter first.",
            )
        with self._changing(tenant) as session:
            if not self._insert(session, tenant, group_id, title=clean_name(title), scopes=scopes):
                raise Conflict(
                    f"There is a group {group_id} already, or was one in saaf.yaml.",
                    remedy="Choose an id, or remove that group first.",
                )
            return _one(session, tenant, group_id)

    def get(self, group_id: str, *, tenant: str = DEFAULT_TENANT) -> GroupRecord | None:
        """A group by id, or None."""
        if not _ID.fullmatch(group_id):
            return None
        with self._database.transaction(read=True) as session:
            return _find(session, tenant, group_id)

    def list(
        self, *, tenant: str = DEFAULT_TENANT, after: str | None = None, limit: int = 50
    ) -> list[GroupRecord]:
        """Groups of a tenant by id, those that left ``saaf.yaml`` too.

        Args:
            tenant: whose.
            after: the last id of the page before.
            limit: how many, at most 200.
        """
        query = _counted().where(GroupRow.tenant == tenant).order_by(GroupRow.id)
        if after:
            query = query.where(GroupRow.id > after)
        with self._database.transaction(read=True) as session:
            rows = session.execute(query.limit(min(max(limit, 1), _PAGE))).all()
        return [_record(row, count) for row, count in rows]

    def change(
        self,
        group_id: str,
        *,
        title: str | None = None,
        scopes: Collection[str] | None = None,
        tenant: str = DEFAULT_TENANT,
        expected: int | None = None,
    ) -> GroupRecord:
        """Change title or scopes; what is None stays.

        Raises:
            NotFound: there is no such group in this tenant.
            Conflict: ``saaf.yaml`` says what it is.
            PreconditionFailed: it changed since that version.
            InvalidArguments: a scope is not known.
        """
        with self._changing(tenant) as session:
            row = _locked(session, tenant, group_id, expected)
            _require_managed(row)
            if title is not None:
                row.title = clean_name(title)
            if scopes is not None:
                row.scopes = checked_scopes(self._scopes, scopes)
            row.version += 1
            row.updated_at = self._clock.now()
            session.flush()
            return _one(session, tenant, group_id)

    def remove(
        self, group_id: str, *, tenant: str = DEFAULT_TENANT, expected: int | None = None
    ) -> None:
        """Remove a group, and that users are in it.

        Raises:
            NotFound: there is no such group in this tenant.
            Conflict: ``saaf.yaml`` has it.
            PreconditionFailed: it changed since that version.
        """
        with self._changing(tenant) as session:
            row = _locked(session, tenant, group_id, expected)
            if row.withdrawn_at is None:
                _require_managed(row)
            self._forget_members(session, tenant, group_id)
            session.delete(row)

    def add_member(self, group_id: str, user_id: str, *, tenant: str = DEFAULT_TENANT) -> bool:
        """Put a user in a group; False if they were in it.

        Raises:
            NotFound: there is no such group or user in this tenant.
        """
        with self._changing(tenant) as session:
            row = _locked(session, tenant, group_id, None)
            if row.withdrawn_at is not None:
                raise _no_group()
            _require_user(session, tenant, user_id)
            dialect = sqlite if self._database.is_sqlite else postgresql
            statement = dialect.insert(MembershipRow).values(
                tenant=tenant, group_id=group_id, user_id=user_id, created_at=self._clock.now()
            )
            made = session.scalar(
                statement.on_conflict_do_nothing().returning(MembershipRow.user_id)
            )
            if made is None:
                return False
            self._touch(session, [user_id])
            return True

    def remove_member(self, group_id: str, user_id: str, *, tenant: str = DEFAULT_TENANT) -> bool:
        """Take a user out of a group; False if they were not in it.

        Raises:
            NotFound: there is no such group or user in this tenant.
        """
        with self._changing(tenant) as session:
            _locked(session, tenant, group_id, None)
            _require_user(session, tenant, user_id)
            gone = session.execute(
                delete(MembershipRow)
                .where(
                    MembershipRow.tenant == tenant,
                    MembershipRow.group_id == group_id,
                    MembershipRow.user_id == user_id,
                )
                .returning(MembershipRow.user_id)
            ).first()
            if gone is None:
                return False
            self._touch(session, [user_id])
            return True

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[Session]:
        """The transaction of a change.

        It locks the revision first, so that changes of a tenant come one after another and no two
        wait for one another.
        """
        with self._database.transaction() as session:
            bump(session, "principals", tenant=tenant)
            yield session

    def _steps(
        self, session: Session, wanted: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> Sequence[_Step]:
        """What is to be done so that the store follows the file."""
        rows = {(row.tenant, row.id): row for row in session.scalars(select(GroupRow))}
        fresh = [
            (key, told)
            for key, told in wanted.items()
            if not _is_as_told(rows.pop(key, None), told)
        ]
        gone = [row for row in rows.values() if row.declared and row.withdrawn_at is None]
        return [*fresh, *(((row.tenant, row.id), None) for row in gone)]

    def _follow(
        self, session: Session, tenant: str, group_id: str, told: Mapping[str, Any] | None
    ) -> None:
        row = session.get(GroupRow, (tenant, group_id))
        if row is None and told:
            self._insert(session, tenant, group_id, declared=True, **told)
            return
        if row is None:
            return
        for name, value in (told or {}).items():
            setattr(row, name, value)
        row.declared = True
        row.withdrawn_at = None if told else self._clock.now()
        row.version += 1
        row.updated_at = self._clock.now()

    def _insert(
        self,
        session: Session,
        tenant: str,
        group_id: str,
        *,
        title: str,
        scopes: Collection[str],
        declared: bool = False,
    ) -> bool:
        now = self._clock.now()
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(GroupRow).values(
            tenant=tenant,
            id=group_id,
            title=title,
            scopes=checked_scopes(self._scopes, scopes),
            declared=declared,
            version=1,
            created_at=now,
            updated_at=now,
        )
        made = session.scalar(statement.on_conflict_do_nothing().returning(GroupRow.id))
        if made is not None:
            # A group that is new has no members, whatever was left of another of its name.
            self._forget_members(session, tenant, group_id)
        return made is not None

    def _forget_members(self, session: Session, tenant: str, group_id: str) -> None:
        gone = session.scalars(
            delete(MembershipRow)
            .where(MembershipRow.tenant == tenant, MembershipRow.group_id == group_id)
            .returning(MembershipRow.user_id)
        )
        self._touch(session, list(gone))

    def _touch(self, session: Session, user_ids: Sequence[str]) -> None:
        """Count a change of users whose groups changed: what they may do is part of them."""
        session.execute(
            update(UserRow)
            .where(UserRow.id.in_(user_ids))
            .values(version=UserRow.version + 1, updated_at=self._clock.now())
        )


def _is_as_told(row: GroupRow | None, told: Mapping[str, Any]) -> bool:
    if row is None or not row.declared or row.withdrawn_at is not None:
        return False
    return all(getattr(row, name) == value for name, value in told.items())


def _counted() -> Select[GroupRow, int]:
    members = (
        select(func.count())
        .select_from(MembershipRow)
        .where(MembershipRow.tenant == GroupRow.tenant, MembershipRow.group_id == GroupRow.id)
        .scalar_subquery()
    )
    return select(GroupRow, members.label("members"))


def _find(session: Session, tenant: str, group_id: str) -> GroupRecord | None:
    query = _counted().where(GroupRow.tenant == tenant, GroupRow.id == group_id)
    found = session.execute(query.execution_options(populate_existing=True)).first()
    return _record(found[0], found[1]) if found else None


def _one(session: Session, tenant: str, group_id: str) -> GroupRecord:
    found = _find(session, tenant, group_id)
    if found is None:
        raise _no_group()
    return found


def _locked(session: Session, tenant: str, group_id: str, expected: int | None) -> GroupRow:
    fit = _ID.fullmatch(group_id)
    row = session.get(GroupRow, (tenant, group_id), with_for_update=True) if fit else None
    if row is None:
        raise _no_group()
    if expected is not None and row.version != expected:
        raise PreconditionFailed(
            "The group changed in the meantime.", remedy="Read it again and repeat the change."
        )
    return row


def _require_managed(row: GroupRow) -> None:
    if row.declared:
        raise Conflict(
            f"saaf.yaml declares the group {row.id}, so it is changed there alone.",
            remedy="Edit `groups` of saaf.yaml and start the host again.",
        )


def _require_user(session: Session, tenant: str, user_id: str) -> None:
    fit = len(user_id) <= 64 and user_id.isprintable()
    query = select(UserRow.id).where(UserRow.id == user_id, UserRow.tenant == tenant)
    if not fit or session.scalar(query) is None:
        raise NotFound("There is no such user.", remedy="See `saaf users list`.")


def _no_group() -> NotFound:
    return NotFound("There is no such group.", remedy="See `saaf groups list`.")


def _record(row: GroupRow, members: int) -> GroupRecord:
    return GroupRecord(
        tenant=row.tenant,
        id=row.id,
        title=row.title,
        scopes=tuple(row.scopes),
        declared=row.declared,
        members=members,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        withdrawn_at=row.withdrawn_at,
    )
