"""A user as the rest of the host sees one, read in a single query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, func, or_, select, type_coerce
from sqlalchemy.orm import Session, aliased

from saaf_autogen.auth.identity.tables import GroupRow, MembershipRow, UserRow

__all__ = ["ADMIN", "LOCAL", "UserRecord", "group_columns", "user_record", "user_records"]

ADMIN = "iam:admin"
"""The scope that no group gives to whom a provider alone put in it: a group of theirs that is
called as one here must make nobody an admin. ``scope_names`` of the provider may say so."""

LOCAL = "local"
"""The issuer of users who sign in here."""


@dataclass(frozen=True)
class UserRecord:
    """A person without their credentials.

    Attributes:
        id: ``usr_…``: the ``sub`` of tokens.
        issuer: who vouches for them: ``local``, or the upstream provider's issuer.
        subject: who they are there; for local users, their id.
        username: what a local user signs in with, folded; None for users of a provider.
        groups: groups they were put in here, and those that their provider named; sorted.
        memberships: those of ``groups`` that they were put in here.
        own_scopes: given to the person, not to a group.
        scopes: ``own_scopes`` and those of all groups, but ``ADMIN`` of ``memberships`` alone;
            only scopes that this host knows.
        attributes: values that row filters name as ``$user.NAME``.
        version: counts an admin's changes, for ``ETag``.
    """

    id: str
    tenant: str
    issuer: str
    subject: str
    username: str | None
    name: str
    email: str | None
    email_verified: bool
    groups: tuple[str, ...]
    memberships: tuple[str, ...]
    own_scopes: tuple[str, ...]
    scopes: frozenset[str]
    attributes: Mapping[str, Any]
    has_password: bool
    version: int
    created_at: datetime
    updated_at: datetime
    signed_in_at: datetime | None
    disabled_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether they may sign in, and what they started may go on."""
        return self.disabled_at is None

    @property
    def title(self) -> str:
        """What to call them on a page: name, user name or id."""
        return self.name or self.username or self.id


def group_columns(dialect: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """For a query on ``UserRow``: ids of the groups a user is in, and the scopes of all groups.

    Both are JSON arrays (the second of pairs of id and scopes), or null for none. Groups that left
    ``saaf.yaml`` count for nothing.
    """
    group, membership = aliased(GroupRow), aliased(MembershipRow)
    mine = (
        select(membership.group_id)
        .where(membership.user_id == UserRow.id, membership.tenant == UserRow.tenant)
        .correlate(UserRow)
    )
    upstream: Any
    if dialect == "sqlite":
        collect: Callable[[Any], Any] = lambda column: func.json_group_array(column)  # noqa: E731
        pair: Any = func.json_array(group.id, func.json(group.scopes))
        names = func.json_each(UserRow.upstream_groups).table_valued("value")
        upstream = select(names.c.value)
    else:
        collect = lambda column: func.json_agg(column)  # noqa: E731
        pair = func.json_build_array(group.id, group.scopes)
        upstream = select(func.json_array_elements_text(UserRow.upstream_groups).column_valued())
    known = (group.tenant == UserRow.tenant, group.withdrawn_at.is_(None))
    memberships = select(collect(group.id)).where(*known, group.id.in_(mine))
    named = or_(group.id.in_(mine), group.id.in_(upstream.correlate(UserRow)))
    granted = select(collect(pair)).where(*known, named)
    return (
        type_coerce(memberships.correlate(UserRow).scalar_subquery(), JSON),
        type_coerce(granted.correlate(UserRow).scalar_subquery(), JSON),
    )


def user_record(
    row: UserRow,
    memberships: list[str] | None,
    granted: list[tuple[str, list[str]]] | None,
    knows: Callable[[str], bool],
) -> UserRecord:
    """The record of a row and of what ``group_columns`` gave with it.

    ``knows`` tells whether this host knows a scope; others are left out.
    """
    mine = sorted(memberships or ())
    given = {
        scope
        for group, scopes in granted or ()
        for scope in scopes
        if scope != ADMIN or group in mine
    }
    return UserRecord(
        id=row.id,
        tenant=row.tenant,
        issuer=row.issuer,
        subject=row.subject,
        username=row.username,
        name=row.name,
        email=row.email,
        email_verified=row.email_verified,
        groups=tuple(sorted({*mine, *row.upstream_groups})),
        memberships=tuple(mine),
        own_scopes=tuple(row.scopes),
        scopes=frozenset(scope for scope in {*row.scopes, *given} if knows(scope)),
        attributes=dict(row.attributes),
        has_password=row.password_hash is not None,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        signed_in_at=row.signed_in_at,
        disabled_at=row.disabled_at,
    )


def user_records(
    session: Session, knows: Callable[[str], bool], query: Callable[[Any], Select[Any]]
) -> list[UserRecord]:
    """The users of a query, each with groups and scopes.

    ``query`` is given a select on ``UserRow`` and adds its conditions, order and limit.
    """
    columns = group_columns(session.get_bind().dialect.name)
    # What was changed in this session by SQL must be read anew.
    statement = query(select(UserRow, *columns)).execution_options(populate_existing=True)
    session.flush()
    return [
        user_record(row, memberships, granted, knows)
        for row, memberships, granted in session.execute(statement)
    ]
