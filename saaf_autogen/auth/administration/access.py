"""Who may see what, and why: the policy's own answers, about others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saaf_autogen.auth.access import TableFacts
from saaf_autogen.auth.administration.ledger import Change, Ledger
from saaf_autogen.auth.administration.pages import after_of, cursor_of
from saaf_autogen.auth.client_record import ClientRecord
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.errors import NotFound
from saaf_autogen.settings.identity import Attribute, Name

__all__ = [
    "AccessAdministration",
    "ExplainRequest",
    "Explained",
    "Sight",
    "Sights",
    "Whom",
]

Verb = Literal["select", "read", "write"]
Resource = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*://\S+$", max_length=1_000)]
_EXAMINED = 500
"""Principals that one page asks the policy about, at most."""

_EXAMPLE: dict[str, Any] = {
    "principal": {"user_id": "usr_4f1d0c2b9a8e7f6d5c4b3a29"},
    "action": "warehouse.query",
    "resource": "wh://main/sales.orders",
    "column": "email",
}


class Whom(BaseModel):
    """About whom: a user or a client of the tenant, or anyone of these groups and attributes.

    Attributes:
        scopes: those of the token; absent: all that the user or client may have.
        agent: the agent that acts for them, whose rights bound them.
    """

    model_config = ConfigDict(extra="forbid")

    user_id: str | None = Field(default=None, max_length=64)
    client_id: str | None = Field(default=None, max_length=63)
    groups: list[Name] | None = None
    attributes: dict[str, Attribute] | None = None
    scopes: list[str] | None = None
    agent: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> Whom:
        made_up = self.groups is not None or self.attributes is not None
        if sum((self.user_id is not None, self.client_id is not None, made_up)) != 1:
            raise ValueError("name one of `user_id`, `client_id`, or `groups` with `attributes`")
        return self


class ExplainRequest(BaseModel):
    """Principal × action × resource.

    Attributes:
        action: whose scopes count as well; without one, the data alone is explained.
        verb: ``select`` for tables, else ``read`` or ``write``.
        column: of the table; absent: all of them.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    principal: Whom
    resource: Resource
    verb: Verb = "select"
    action: str | None = Field(default=None, max_length=200)
    column: str | None = Field(default=None, max_length=255)


class Explained(BaseModel):
    """The decision with all that led to it, party by party and rule by rule."""

    explanation: dict[str, Any]
    text: str


class Sight(BaseModel):
    """Someone who sees the column, or the resource.

    Attributes:
        seen: ``full`` where some row shows it unmasked, else ``masked``.
        cases: in which rows by which mask; the first that holds decides.
        grants: ids of those that show it.
    """

    kind: Literal["user", "client"]
    id: str
    name: str
    active: bool
    seen: Literal["full", "masked"]
    rows: str
    cases: list[dict[str, Any]]
    grants: list[str]
    reason: str


class Sights(BaseModel):
    """Those of a page who see it; a page may be empty and not the last: go on by the cursor."""

    data: list[Sight]
    next_cursor: str | None = None


class AccessAdministration:
    """Tells what the policy decides about users and clients of the actor's tenant.

    Synchronous: call it in a thread. Every method raises ``Forbidden`` for who is no admin.

    Args:
        ledger: decides who may ask.
        policy: is asked.
        issuer: who vouches for users and clients here.
        tables: described tables by resource.
        scopes_of: scopes of an action; raises ``NotFound``.
    """

    def __init__(
        self,
        ledger: Ledger,
        policy: Policy,
        *,
        issuer: str,
        tables: Mapping[str, TableFacts],
        scopes_of: Callable[[str], Iterable[str]],
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._issuer = issuer
        self._tables = tables
        self._scopes_of = scopes_of

    def explain(self, actor: Principal, request: ExplainRequest) -> Explained:
        """Why they may or may not; raises ``NotFound`` for whom or what there is not."""
        with self._ledger.reading(actor, "iam.explain") as reading:
            principal = self._principal(reading, request.principal)
        scopes = tuple(self._scopes_of(request.action)) if request.action else ()
        told = self._policy.explain(
            principal,
            request.resource,
            request.verb,
            self._tables.get(request.resource),
            request.column,
            scopes=scopes,
            action=request.action,
        )
        return Explained(explanation=told.data(), text=told.text())

    def who_sees(
        self,
        actor: Principal,
        resource: str,
        *,
        column: str | None = None,
        verb: Verb = "select",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Sights:
        """Users and clients of the tenant who see a column of a table, or a resource.

        Users of other issuers who never signed in here are not known here and not listed.

        Raises:
            NotFound: the column or the table is not described.
        """
        facts = self._tables.get(resource)
        found: list[Sight] = []
        with self._ledger.reading(actor, "iam.who_sees") as reading:
            self._require_described(resource, column, facts)
            examined, last = 0, ""
            for key, who, principal in self._everyone(reading, after_of(cursor)):
                if examined == _EXAMINED or len(found) == limit:
                    return Sights(data=found, next_cursor=cursor_of(last))
                examined, last = examined + 1, key
                sight = self._sight(who, principal, resource, column, verb, facts)
                if sight is not None:
                    found.append(sight)
        return Sights(data=found)

    def _require_described(
        self, resource: str, column: str | None, facts: TableFacts | None
    ) -> None:
        if facts is None and (column is not None or resource.startswith("wh://")):
            raise NotFound(
                f"No table {resource} is described, so nobody sees it.",
                remedy="Describe it in semantic/, or name one that is.",
            )
        if column is not None and facts and all(each.name != column for each in facts.columns):
            raise NotFound(
                f"{resource} has no described column {column}, so nobody sees it.",
                remedy="Describe it in semantic/, or name one that is.",
            )

    def _sight(
        self,
        who: ClientRecord | UserRecord,
        principal: Principal,
        resource: str,
        column: str | None,
        verb: Verb,
        facts: TableFacts | None,
    ) -> Sight | None:
        # The decision is a hundredth of its explanation, and most people see nothing.
        if facts is not None and self._policy.table_access(principal, facts, verb) is None:
            return None
        told = self._policy.explain(principal, resource, verb, facts, column)
        if not told.allowed:
            return None
        cases: list[dict[str, Any]] = []
        seen: Literal["full", "masked"] = "full"
        grants: Iterable[str] = ((view := told.evaluation.view) and view.grants) or ()
        if column is not None:
            sight = told.sight(column)
            seen = "masked" if sight.seen == "masked" else "full"
            cases = [{"rows": rows, "mask": mask} for rows, mask in sight.cases]
            grants = sight.grants
        data = told.data()["sees"] or {}
        return Sight(
            kind="user" if isinstance(who, UserRecord) else "client",
            id=who.id,
            name=who.title or who.id,
            active=who.active,
            seen=seen,
            rows=str(data.get("rows", "")),
            cases=cases,
            grants=list(grants),
            reason=told.reason,
        )

    def _everyone(
        self, reading: Change, after: str
    ) -> Iterator[tuple[str, ClientRecord | UserRecord, Principal]]:
        """Clients, then users, each with its place in the order; past ``after``."""
        kind, _, place = after.partition(":")
        if kind != "user":
            for client in reading.stores.clients.list(tenant=reading.tenant, after=place):
                yield f"client:{client.id}", client, self._client(client)
            place = ""
        while True:
            users = reading.stores.users.list(tenant=reading.tenant, after=place, limit=200)
            for user in users:
                yield f"user:{user.id}", user, self._user(user)
            if len(users) < 200:
                return
            place = users[-1].id

    def _principal(self, reading: Change, whom: Whom) -> Principal:
        if whom.client_id is not None:
            principal = self._client(
                reading.stores.clients.get(whom.client_id, tenant=reading.tenant)
            )
        elif whom.user_id is not None:
            user = reading.stores.users.get(whom.user_id, tenant=reading.tenant)
            if user is None:
                raise NotFound("There is no such user.", remedy="See GET /v1/admin/users.")
            principal = self._user(user)
        else:
            principal = Principal(
                issuer=self._issuer,
                tenant=reading.tenant,
                subject="somebody",
                kind="user",
                groups=frozenset(whom.groups or ()),
                attributes=_attributes(whom.attributes or {}),
                scopes=frozenset(whom.scopes or ()),
            )
        changes: dict[str, Any] = {}
        if whom.scopes is not None and principal.subject != "somebody":
            changes["scopes"] = principal.scopes & frozenset(whom.scopes)
        if whom.agent is not None:
            changes["actors"] = (Actor(subject=f"agent:{whom.agent}"),)
        return principal.model_copy(update=changes)

    def _client(self, client: ClientRecord) -> Principal:
        return Principal(
            issuer=self._issuer,
            tenant=client.tenant,
            subject=f"client:{client.id}",
            kind="client",
            client_id=client.id,
            groups=frozenset(client.groups),
            attributes=_attributes(client.attributes),
            scopes=frozenset(client.scopes),
        )

    def _user(self, user: UserRecord) -> Principal:
        return Principal(
            issuer=self._issuer,
            tenant=user.tenant,
            subject=user.id,
            kind="user",
            groups=frozenset(user.groups),
            attributes=_attributes(user.attributes),
            scopes=user.scopes,
        )


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
