"""Users, as admins make and change them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from saaf_autogen.auth.administration.guard import keep_an_admin
from saaf_autogen.auth.administration.ledger import Change, Ledger
from saaf_autogen.auth.administration.merge import merge_patch, validated
from saaf_autogen.auth.administration.pages import Page, after_of, page_of
from saaf_autogen.auth.administration.repeats import UNKEYED, Request, earlier, remember
from saaf_autogen.auth.administration.versions import Entry, Expected
from saaf_autogen.auth.identity.password_rules import check_password
from saaf_autogen.auth.identity.passwords import Passwords
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.identity.users import UserChange
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.settings.identity import Attribute, Name

__all__ = [
    "ListedUser",
    "MadeUser",
    "NewUser",
    "OneTimeLink",
    "UserAdministration",
    "UserEntry",
    "UserTerms",
]


class UserTerms(BaseModel):
    """What admins say of a user.

    Attributes:
        groups: groups that the user is put in here; those of a provider come on top.
        scopes: given to the person, beside those of groups.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str | None = None
    name: str = ""
    email: str | None = None
    email_verified: bool = False
    groups: list[Name] = []
    scopes: list[str] = []
    attributes: dict[str, Attribute] = {}


class NewUser(UserTerms):
    """A user to be made; without a password, a one-time link comes back, by which to choose one."""

    username: str
    password: str | None = Field(default=None, description="to be told to the user by you")


class UserEntry(Entry):
    """A user without credentials.

    Attributes:
        issuer: who vouches for them: ``local``, or an upstream provider.
        groups: those that they are put in here; ``upstream_groups`` their provider named.
        scopes: their own; ``effective_scopes`` include those of groups.
        active: whether they may sign in.
    """

    id: str
    issuer: str
    username: str | None
    name: str
    email: str | None
    email_verified: bool
    groups: list[str]
    upstream_groups: list[str]
    scopes: list[str]
    effective_scopes: list[str]
    attributes: dict[str, Any]
    has_password: bool
    active: bool
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None


class ListedUser(UserEntry):
    """A user in a list, with what changes at each sign-in and is no part of the ETag."""

    signed_in_at: datetime | None


class OneTimeLink(BaseModel):
    """A link by which a user chooses a password, once; in this answer and in none after it."""

    url: str | None = Field(description="null when the request is repeated")
    expires_at: datetime | None


class MadeUser(BaseModel):
    """A user who was made, and how to let them in."""

    user: UserEntry
    invitation: OneTimeLink | None = Field(
        default=None, description="null if a password was given, or the request is repeated"
    )


class UserAdministration:
    """The one door to changes of users. Synchronous: call it in a thread.

    Every method keeps to the tenant of ``actor`` and raises ``Forbidden`` for who is no admin;
    those that take ``expected`` raise ``PreconditionFailed`` when the user is another version.
    """

    def __init__(self, ledger: Ledger, passwords: Passwords, *, url: str) -> None:
        self._ledger = ledger
        self._passwords = passwords
        self._url = url

    def list(
        self,
        actor: Principal,
        *,
        search: str | None = None,
        group: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ListedUser]:
        """Users by their ids; those whose user name, name or e-mail begins with ``search``."""
        with self._ledger.reading(actor, "iam.list_users") as reading:
            # One more than a page tells whether there is another; a store's page may be smaller.
            found = reading.stores.users.list(
                tenant=reading.tenant,
                after=after_of(cursor),
                limit=limit + 1,
                search=search,
                group=group,
            )
        return page_of(found, limit, key=lambda user: user.id, show=_listed)

    def get(self, actor: Principal, user_id: str) -> UserEntry:
        """A user; raises ``NotFound``."""
        with self._ledger.reading(actor, "iam.read_user") as reading:
            return _get(reading, user_id)

    def create(
        self, actor: Principal, body: Mapping[str, Any], request: Request = UNKEYED
    ) -> MadeUser:
        """Make a user who signs in here.

        Args:
            actor: who acts.
            body: members of ``NewUser``.
            request: its Idempotency-Key.

        Raises:
            Conflict: the user name is taken, in whichever tenant.
            InvalidArguments: the body is not valid, or names what there is not.
        """
        action = "iam.create_user"
        self._ledger.require(actor, action)
        new = validated(NewUser, body)
        hashed = self._hashed(new)
        with self._ledger.change(actor, action) as change:
            made = earlier(change, action, request)
            if made is not None:
                return MadeUser(user=_get(change, made))
            record = change.stores.users.add(
                new.username,
                tenant=change.tenant,
                name=new.name,
                email=new.email,
                scopes=new.scopes,
                groups=new.groups,
                attributes=new.attributes,
                password_hash=hashed,
            )
            if new.email_verified:
                verified: UserChange = {"email_verified": True}
                change.stores.users.change(record.id, verified, tenant=change.tenant)
            link = None if hashed else self._link(change, record.id)
            entry = _get(change, record.id)
            change.resources = [f"user:{record.id}"]
            change.tell(None, entry)
            remember(change, action, request, record.id)
        return MadeUser(user=entry, invitation=link)

    def change(
        self, actor: Principal, user_id: str, patch: Mapping[str, Any], expected: Expected
    ) -> UserEntry:
        """Change a user by a merge patch (RFC 7396) of their terms.

        Raises:
            NotFound: there is none of that id.
            Conflict: their provider says this of them, the user name is taken, or nobody could
                administrate any more.
            InvalidArguments: the result is not valid.
        """
        with self._ledger.change(actor, "iam.change_user", f"user:{user_id}") as change:
            before = _get(change, user_id)
            expected.check(before)
            shown = before.model_dump(mode="json", include=set(UserTerms.model_fields))
            merged = merge_patch(shown, patch)
            after_terms = validated(UserTerms, merged).model_dump()
            wanted = _differences(before, after_terms)
            if wanted.get("username", "") is None:
                raise InvalidArguments("A user who signs in here has a user name.")
            if "email" in wanted and patch.get("email_verified"):
                wanted["email_verified"] = True
            with keep_an_admin(change):
                if wanted:
                    change.stores.users.change(user_id, wanted, tenant=change.tenant)
            after = _get(change, user_id)
            change.tell(before, after)
        return after

    def disable(self, actor: Principal, user_id: str, expected: Expected) -> UserEntry:
        """Let them sign in no more, and end their sessions and connections at once."""
        with self._ledger.change(actor, "iam.disable_user", f"user:{user_id}") as change:
            before = _get(change, user_id)
            expected.check(before)
            with keep_an_admin(change):
                change.stores.users.disable(user_id, tenant=change.tenant)
            after = _get(change, user_id)
            change.tell(before, after)
        return after

    def enable(self, actor: Principal, user_id: str, expected: Expected) -> UserEntry:
        """Let them sign in again; what was ended stays ended."""
        with self._ledger.change(actor, "iam.enable_user", f"user:{user_id}") as change:
            before = _get(change, user_id)
            expected.check(before)
            change.stores.users.enable(user_id, tenant=change.tenant)
            after = _get(change, user_id)
            change.tell(before, after)
        return after

    def remove(self, actor: Principal, user_id: str, expected: Expected) -> None:
        """Remove them with their sessions, passkeys, consents and tokens; runs and audit stay."""
        with self._ledger.change(actor, "iam.remove_user", f"user:{user_id}") as change:
            before = _get(change, user_id)
            expected.check(before)
            with keep_an_admin(change):
                change.stores.users.remove(user_id, tenant=change.tenant)
            change.tell(before, None)

    def sign_out(self, actor: Principal, user_id: str) -> UserEntry:
        """End all their sessions and connections; they may sign in again."""
        with self._ledger.change(actor, "iam.sign_user_out", f"user:{user_id}") as change:
            entry = _get(change, user_id)
            stores = change.stores
            ended = {
                "sessions": stores.sessions.end_all(user_id, tenant=change.tenant),
                "connections": stores.families.revoke_all(
                    "admin revoked it", user_id=user_id, tenant=change.tenant
                ),
            }
            change.details = {"ended": ended}
        return entry

    def reset_link(self, actor: Principal, user_id: str, request: Request = UNKEYED) -> OneTimeLink:
        """A link by which the user chooses a new password; the old one counts until then.

        Raises:
            NotFound: there is none of that id.
            Conflict: they sign in with a provider, or are disabled.
        """
        action = "iam.reset_password"
        with self._ledger.change(actor, action, f"user:{user_id}") as change:
            _get(change, user_id)
            if earlier(change, action, request) is not None:
                return OneTimeLink(url=None, expires_at=None)
            link = self._link(change, user_id)
            change.details = {"expires_at": str(link.expires_at)}
            remember(change, action, request, user_id)
        return link

    def _hashed(self, new: NewUser) -> str | None:
        if new.password is None:
            return None
        about = [each for each in (new.username, new.name, new.email) if each]
        # Before the transaction: a hash takes its time on purpose.
        return self._passwords.hash_blocking(check_password(new.password, about=about))

    def _link(self, change: Change, user_id: str) -> OneTimeLink:
        offered = change.stores.invitations.invite(
            user_id, tenant=change.tenant, session=change.session
        )
        address = f"{self._url}/invitation?token={quote(offered.token)}"
        return OneTimeLink(url=address, expires_at=offered.expires_at)


def _get(change: Change, user_id: str) -> UserEntry:
    found = change.stores.users.get(user_id, tenant=change.tenant)
    if found is None:
        raise NotFound("There is no such user.", remedy="See GET /v1/admin/users.")
    return UserEntry.model_validate(_shown(found))


def _differences(before: UserEntry, after: Mapping[str, Any]) -> UserChange:
    changed: UserChange = {}
    for name, value in after.items():
        old = getattr(before, name)
        same = sorted(old) == sorted(set(value)) if name in ("groups", "scopes") else old == value
        if not same:
            changed[name] = value  # type: ignore[literal-required]  # names of UserTerms
    return changed


def _listed(record: UserRecord) -> ListedUser:
    return ListedUser.model_validate({**_shown(record), "signed_in_at": record.signed_in_at})


def _shown(record: UserRecord) -> dict[str, Any]:
    """A record as entries show it; lists sorted, so that equal users have equal ETags."""
    same = (
        *("id", "issuer", "username", "name", "email", "email_verified", "has_password"),
        *("active", "version", "created_at", "updated_at", "disabled_at"),
    )
    return {
        **{name: getattr(record, name) for name in same},
        "groups": sorted(record.memberships),
        "upstream_groups": sorted(set(record.groups) - set(record.memberships)),
        "scopes": sorted(record.own_scopes),
        "effective_scopes": sorted(record.scopes),
        "attributes": dict(record.attributes),
    }
