"""Groups and who is in them, as admins make and change them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from saaf_autogen.auth.administration.guard import keep_an_admin
from saaf_autogen.auth.administration.ledger import Change, Ledger
from saaf_autogen.auth.administration.merge import patched, validated
from saaf_autogen.auth.administration.pages import Page, after_of, page_of
from saaf_autogen.auth.administration.repeats import UNKEYED, Request, earlier, remember
from saaf_autogen.auth.administration.versions import Entry, Expected
from saaf_autogen.auth.identity.groups import GroupRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import NotFound
from saaf_autogen.settings import GroupTerms
from saaf_autogen.settings.identity import Name

__all__ = ["GroupAdministration", "GroupEntry", "ListedGroup", "NewGroup"]


class NewGroup(GroupTerms):
    """A group to be made."""

    id: Name


class GroupEntry(Entry):
    """A group.

    Attributes:
        declared: whether ``saaf.yaml`` says its title and scopes, which are read-only here then;
            its members are managed here all the same.
        active: false for a declared one that left ``saaf.yaml``: it counts for nothing.
    """

    id: str
    title: str
    scopes: list[str]
    declared: bool
    active: bool
    created_at: datetime
    updated_at: datetime


class ListedGroup(GroupEntry):
    """A group in a list, with how many members it has, which is no part of the ETag."""

    members: int


class GroupAdministration:
    """The one door to changes of groups. Synchronous: call it in a thread.

    Every method keeps to the tenant of ``actor`` and raises ``Forbidden`` for who is no admin;
    those that take ``expected`` raise ``PreconditionFailed`` when the group is another version.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(
        self, actor: Principal, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ListedGroup]:
        """Groups by their ids."""
        with self._ledger.reading(actor, "iam.list_groups") as reading:
            found = reading.stores.groups.list(
                tenant=reading.tenant, after=after_of(cursor), limit=limit + 1
            )
        return page_of(found, limit, key=lambda group: group.id, show=_listed)

    def get(self, actor: Principal, group_id: str) -> GroupEntry:
        """A group; raises ``NotFound``."""
        with self._ledger.reading(actor, "iam.read_group") as reading:
            return _get(reading, group_id)

    def create(
        self, actor: Principal, body: Mapping[str, Any], request: Request = UNKEYED
    ) -> GroupEntry:
        """Make a group, of members of ``NewGroup``.

        Raises:
            Conflict: the tenant has one of that id.
            InvalidArguments: the body is not valid, or names a scope that is not known.
        """
        action = "iam.create_group"
        self._ledger.require(actor, action)
        new = validated(NewGroup, body)
        with self._ledger.change(actor, action, f"group:{new.id}") as change:
            made = earlier(change, action, request)
            if made is not None:
                return _get(change, made)
            change.stores.groups.add(
                new.id, tenant=change.tenant, title=new.title, scopes=new.scopes
            )
            entry = _get(change, new.id)
            change.tell(None, entry)
            remember(change, action, request, new.id)
        return entry

    def change(
        self, actor: Principal, group_id: str, patch: Mapping[str, Any], expected: Expected
    ) -> GroupEntry:
        """Change a group by a merge patch (RFC 7396) of its terms.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is declared, or nobody could administrate any more.
            InvalidArguments: the result is not valid.
        """
        with self._ledger.change(actor, "iam.change_group", f"group:{group_id}") as change:
            before = _get(change, group_id)
            expected.check(before)
            terms = patched(GroupTerms(title=before.title, scopes=before.scopes), patch)
            with keep_an_admin(change):
                change.stores.groups.change(
                    group_id, title=terms.title, scopes=terms.scopes, tenant=change.tenant
                )
            after = _get(change, group_id)
            change.tell(before, after)
        return after

    def remove(self, actor: Principal, group_id: str, expected: Expected) -> None:
        """Remove a group; its members lose its scopes and what grants give it.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is declared, or nobody could administrate any more.
        """
        with self._ledger.change(actor, "iam.remove_group", f"group:{group_id}") as change:
            before = _get(change, group_id)
            expected.check(before)
            with keep_an_admin(change):
                change.stores.groups.remove(group_id, tenant=change.tenant)
            change.tell(before, None)

    def add_member(
        self, actor: Principal, group_id: str, user_id: str, expected: Expected
    ) -> GroupEntry:
        """Put a user in a group; ``expected`` is of the group: of what its members may do.

        Raises:
            NotFound: there is no such group or user.
        """
        resources = (f"group:{group_id}", f"user:{user_id}")
        with self._ledger.change(actor, "iam.add_member", *resources) as change:
            entry = _get(change, group_id)
            expected.check(entry)
            change.stores.groups.add_member(group_id, user_id, tenant=change.tenant)
        return entry

    def remove_member(
        self, actor: Principal, group_id: str, user_id: str, expected: Expected
    ) -> GroupEntry:
        """Take a user out of a group.

        Raises:
            NotFound: there is no such group or user.
            Conflict: nobody could administrate any more.
        """
        resources = (f"group:{group_id}", f"user:{user_id}")
        with self._ledger.change(actor, "iam.remove_member", *resources) as change:
            entry = _get(change, group_id)
            expected.check(entry)
            with keep_an_admin(change):
                change.stores.groups.remove_member(group_id, user_id, tenant=change.tenant)
        return entry


def _get(change: Change, group_id: str) -> GroupEntry:
    found = change.stores.groups.get(group_id, tenant=change.tenant)
    if found is None:
        raise NotFound("There is no such group.", remedy="See GET /v1/admin/groups.")
    return GroupEntry.model_validate(_shown(found))


def _listed(record: GroupRecord) -> ListedGroup:
    return ListedGroup.model_validate({**_shown(record), "members": record.members})


def _shown(record: GroupRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in GroupEntry.model_fields}
