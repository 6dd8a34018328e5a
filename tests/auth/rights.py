"""A table, principals and rules in few words, for tests of the policy."""

from __future__ import annotations

from typing import Any

from saaf_autogen.auth.access import ColumnFacts, TableAccess, TableFacts
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.settings import DenySettings, GrantSettings

FLIGHTS = "wh://nyc/main.flights"
FACTS = TableFacts(
    FLIGHTS,
    (
        ColumnFacts("carrier", "VARCHAR"),
        ColumnFacts("origin", "VARCHAR"),
        ColumnFacts("tailnum", "VARCHAR", frozenset({"confidential"})),
        ColumnFacts("email", "VARCHAR", frozenset({"pii"})),
    ),
)


def grant(name: str, /, to: Any = "*", resource: str = FLIGHTS, **more: Any) -> GrantSettings:
    return GrantSettings.model_validate({"id": name, "to": to, "resource": resource, **more})


def deny(resource: str = FLIGHTS, to: Any = "*", **more: Any) -> DenySettings:
    return DenySettings.model_validate({"to": to, "resource": resource, **more})


def client(name: str = "ann", **more: Any) -> Principal:
    return Principal(issuer="local", subject=f"client:{name}", client_id=name, **more)


def user(name: str = "ann", **more: Any) -> Principal:
    return Principal(issuer="https://idp", subject=name, kind="user", **more)


def acting(*agents: str, **more: Any) -> Principal:
    return client(actors=tuple(Actor(subject=f"agent:{name}") for name in agents), **more)


def policy(*rules: GrantSettings | DenySettings, **agents: AgentRights) -> Policy:
    grants = [rule for rule in rules if isinstance(rule, GrantSettings)]
    return Policy(grants, [rule for rule in rules if isinstance(rule, DenySettings)], agents)


def seen(access: TableAccess | None) -> list[str]:
    return [] if access is None else list(access.columns)


def whole(access: TableAccess | None) -> TableAccess:
    assert access is not None
    return access
