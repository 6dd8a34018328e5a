"""Grants in words, for pages on which people decide: no ids, no SQL."""

from __future__ import annotations

from collections.abc import Iterable

from saaf_autogen.auth.access import TableFacts
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal

__all__ = ["grants_in_words"]


def grants_in_words(
    policy: Policy, principal: Principal, resources_known: Iterable[TableFacts], *, limit: int = 40
) -> list[str]:
    """A sentence for each resource that the principal reaches.

    Args:
        policy: decides what is reached.
        principal: as the token would make it: its scopes, groups, ``token_grants``, no actors.
        resources_known: the described tables (``catalog.facts.values()``).
        limit: the most sentences; the last one then tells how many more there are.
    """
    raise NotImplementedError
