"""Whether a tenant has an admin, and what the first one is given."""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, cast, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.records import ADMIN
from saaf_autogen.auth.identity.tables import GroupRow, MembershipRow, UserRow
from saaf_autogen.auth.identity.users import UserRecord, UserStore
from saaf_autogen.errors import NotFound

__all__ = ["ADMIN", "ADMINS", "ADMIN_SCOPES", "has_admin", "make_admin"]

ADMINS = "admins"
ADMIN_SCOPES = (
    ADMIN,
    "audit:read",
    "agents:run",
    "results:read",
    "runs:cancel",
    "runs:input",
    "runs:read",
    "semantic:edit",
    "semantic:read",
    "threads:read",
)
"""What the group ``admins`` is made with: to manage and to look around. Data needs grants."""


def has_admin(session: Session, tenant: str) -> bool:
    """Whether an active user of a tenant holds ``iam:admin``, by themselves or as a member."""
    groups = select(GroupRow.id).where(
        GroupRow.tenant == tenant, GroupRow.withdrawn_at.is_(None), _names(GroupRow.scopes, ADMIN)
    )
    wide = list(session.scalars(groups))
    member = exists().where(
        MembershipRow.user_id == UserRow.id,
        MembershipRow.tenant == tenant,
        MembershipRow.group_id.in_(wide),
    )
    query = select(UserRow.id).where(
        UserRow.tenant == tenant,
        UserRow.disabled_at.is_(None),
        or_(_names(UserRow.scopes, ADMIN), member),
    )
    return session.scalar(query.limit(1)) is not None


def make_admin(user: UserRecord, users: UserStore, groups: GroupStore) -> UserRecord:
    """Put a user into the group ``admins``, which is made if it is missing.

    A group of that name that gives no ``iam:admin`` stays as it is: the user gets the scope.
    """
    if groups.get(ADMINS, tenant=user.tenant) is None:
        groups.add(ADMINS, tenant=user.tenant, title="Administrators", scopes=ADMIN_SCOPES)
    group = groups.get(ADMINS, tenant=user.tenant)
    if group and group.active:
        groups.add_member(ADMINS, user.id, tenant=user.tenant)
    made = users.get(user.id)
    if made and ADMIN not in made.scopes:
        own = {*made.own_scopes, ADMIN}
        made = users.change(user.id, {"scopes": own}, tenant=user.tenant)
    if made is None:
        raise NotFound("There is no such user.")
    return made


def _names(column: InstrumentedAttribute[list[str]], value: str) -> ColumnElement[bool]:
    """Whether a JSON array of names has this one; names have no quotes and no escapes."""
    return cast(column, String).contains(f'"{value}"', autoescape=True)
