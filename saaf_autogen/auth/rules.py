"""All grants and deny rules of a host at one time, and a quick way to those that may concern one.

A ``RuleSet`` never changes; the policy holds one and replaces it as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from saaf_autogen.auth.grants import (
    Audience,
    Denial,
    Grant,
    Names,
    compile_denial,
    compile_grant,
)
from saaf_autogen.settings import DenySettings, GrantSettings

__all__ = ["RuleSet"]

RuleT = TypeVar("RuleT", Grant, Denial)
_ANY = "*"
_EVERYONE = ("everyone", _ANY)
_KINDS = ("groups", "users", "clients", "agents")


class _Index(Generic[RuleT]):
    """Rules by whom they name: what it gives is every rule that may be meant, and a few more."""

    def __init__(self, rules: Sequence[RuleT]) -> None:
        self._by_tenant: dict[str | None, dict[tuple[str, str], dict[int, RuleT]]] = {}
        for number, rule in enumerate(rules):
            names = self._by_tenant.setdefault(rule.tenant, {})
            for key in _keys(rule.audience):
                names.setdefault(key, {})[number] = rule

    def find(self, tenant: str, names: Sequence[Names]) -> tuple[RuleT, ...]:
        """The rules that may mean one of these names, in the order in which they were given."""
        found: dict[int, RuleT] = {}
        for of in (tenant, None):
            listed = self._by_tenant.get(of)
            if listed:
                for key in _wanted(names):
                    rules = listed.get(key)
                    if rules:
                        found.update(rules)
        return tuple(found[number] for number in sorted(found))


def _keys(audience: Audience) -> Iterator[tuple[str, str]]:
    if audience.everyone:
        yield _EVERYONE
    for kind in _KINDS:
        for name in getattr(audience, kind):
            yield kind, name


def _wanted(names: Sequence[Names]) -> Iterator[tuple[str, str]]:
    yield _EVERYONE
    for each in names:
        for kind in _KINDS:
            held: frozenset[str] = getattr(each, kind)
            if held:
                yield kind, _ANY
                for name in held:
                    yield kind, name


class RuleSet:
    """Rules, compiled and indexed.

    Args:
        grants: in the order of their precedence, which decides nothing but the order of reasons.
        denials: the deny rules.
    """

    def __init__(self, grants: Iterable[Grant] = (), denials: Iterable[Denial] = ()) -> None:
        self.grants = tuple(grants)
        self.denials = tuple(denials)
        self._grants = _Index(self.grants)
        self._denials = _Index(self.denials)
        windows = [grant.window for grant in self.grants] + [rule.window for rule in self.denials]
        self._timed = tuple(window for window in windows if not window.is_always)
        self._agents = frozenset(
            (grant.tenant, agent) for grant in self.grants for agent in grant.audience.agents
        )

    @classmethod
    def declared(cls, grants: Iterable[GrantSettings], deny: Iterable[DenySettings]) -> RuleSet:
        """The rules of ``saaf.yaml``.

        Raises:
            ConfigurationError: a grant makes no sense.
        """
        return cls(
            (compile_grant(item) for item in grants),
            (compile_denial(item, name=f"deny[{index}]") for index, item in enumerate(deny)),
        )

    def grants_for(self, tenant: str, *names: Names) -> tuple[Grant, ...]:
        """Those that may mean one of these names, whether or not they hold now."""
        return self._grants.find(tenant, names)

    def denials_for(self, tenant: str, *names: Names) -> tuple[Denial, ...]:
        """Those that may mean one of these names, of that tenant or of all."""
        return self._denials.find(tenant, names)

    def names_agent(self, tenant: str, agent: str) -> bool:
        """Whether any grant of the tenant names the agent, be it in force or not.

        An agent that was bound by a grant does not become free when that grant expires.
        """
        return (tenant, agent) in self._agents or (tenant, _ANY) in self._agents

    def in_force(self, now: datetime) -> tuple[tuple[bool, ...], datetime | None]:
        """Which of the rules with a window hold, and until when that cannot change."""
        holding = tuple(window.why_not(now) is None for window in self._timed)
        ends = (window.next_change(now) for window in self._timed)
        return holding, min((end for end in ends if end is not None), default=None)
