"""Scopes: the names that gate actions, and what each of them is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from saaf_autogen.errors import ConfigurationError

__all__ = ["IDENTITY_SCOPES", "IMPLIED", "SCOPES", "Scope", "ScopeRegistry", "expand", "is_scope"]

_GRAMMAR = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)?:[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Scope:
    """A scope and one line on what it lets its holder do."""

    name: str
    description: str


SCOPES: tuple[Scope, ...] = (
    Scope("warehouse:query", "Query the warehouses, within the data that is granted."),
    Scope("semantic:read", "Read what the semantic layer says of granted tables."),
    Scope("semantic:edit", "Change descriptions, hints and verified queries."),
    Scope("results:read", "Read and search your own large results."),
    Scope("rag:read", "Search document collections, within the data that is granted."),
    Scope("rag:write", "Add documents to collections."),
    Scope("agents:run", "Start runs of agents."),
    Scope("runs:read", "Read your own runs and their events."),
    Scope("runs:cancel", "Cancel your own runs."),
    Scope("runs:input", "Answer what your own runs wait for."),
    Scope("runs:prioritize", "Start runs that go before those of others."),
    Scope("threads:read", "Read your own threads."),
    Scope("approvals:decide", "Decide on actions that wait for an approval."),
    Scope("webhooks:manage", "Manage where callbacks go and their secrets."),
    Scope("schedules:manage", "Manage runs that start on a schedule."),
    Scope("audit:read", "Read the audit log."),
    Scope("iam:admin", "Manage clients, users, groups and grants."),
)
"""Every scope that the engine itself knows. There are no wildcards."""

IDENTITY_SCOPES: tuple[Scope, ...] = (
    Scope("openid", "Know who you are here."),
    Scope("profile", "Read your name and user name."),
    Scope("email", "Read your e-mail address."),
    Scope("offline_access", "Stay connected when you are away."),
)
"""Scopes of OpenID Connect: about the person, never about an action. Any client may ask a user
for them."""

IMPLIED: Mapping[str, frozenset[str]] = {"semantic:edit": frozenset({"semantic:read"})}
"""Scopes that come with another one; one level deep."""


def is_scope(name: str) -> bool:
    """Whether a name follows the grammar ``area[.connector]:verb``."""
    return _GRAMMAR.fullmatch(name) is not None


def expand(names: Iterable[str]) -> frozenset[str]:
    """The scopes with all that they imply."""
    return _expanded(frozenset(names))


@lru_cache(maxsize=4096)
def _expanded(held: frozenset[str]) -> frozenset[str]:
    return held.union(*(IMPLIED.get(name, frozenset()) for name in held))


class ScopeRegistry:
    """The scopes of one host: the static ones and those that its action packs declare.

    Args:
        packs: scopes of packs, each named ``tools.PACK:VERB``.
    """

    def __init__(self, packs: Iterable[Scope] = ()) -> None:
        self._scopes = {scope.name: scope for scope in SCOPES}
        for scope in packs:
            self.declare(scope)

    def declare(self, scope: Scope) -> None:
        """Add a pack's scope; saying the same twice is fine.

        Raises:
            ConfigurationError: the name is malformed or outside ``tools.``, it has no
                description, or another description was given before.
        """
        if not is_scope(scope.name) or not scope.name.startswith("tools."):
            raise ConfigurationError(
                f"{scope.name!r} is no scope that a pack can declare.",
                remedy="Name it tools.PACK:VERB, such as tools.slack:send.",
            )
        if not scope.description.strip():
            raise ConfigurationError(f"The scope {scope.name} has no description.")
        if self._scopes.setdefault(scope.name, scope) != scope:
            raise ConfigurationError(
                f"The scope {scope.name} is declared twice, with different descriptions."
            )

    def __contains__(self, name: object) -> bool:
        return name in self._scopes

    def __iter__(self) -> Iterator[Scope]:
        return iter(self._scopes.values())

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that nobody declared, sorted."""
        return tuple(sorted({name for name in names if name not in self._scopes}))

    def descriptions(self) -> dict[str, str]:
        """Name to description, as OpenAPI's OAuth2 flows want it."""
        return {scope.name: scope.description for scope in self}
