"""All grants and deny rules of a host at one time, and a quick way to those that may concern one.

A ``RuleSet`` never changes; the policy holds one and replaces it as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from saaf_autogen.auth.grants import (
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


@dataclass(frozen=True)
class _Listed(Generic[RuleT]):
    number: int
    rule: RuleT


class _Index(Generic[RuleT]):
    """Rules by whom they name: what it gives is every rule that may be meant, and a few more."""

    def __init__(self, rules: Sequence[RuleT]) -> None:
        self._by_name: dict[tuple[str | None, str, str], list[_Listed[RuleT]]] = {}
        for number, rule in enumerate(rules):
            for key in _keys(rule):
                self._by_name.setdefault(key, []).append(_Listed(number, rule))

    def find(self, tenant: str, names: Sequence[Names]) -> tuple[RuleT, ...]:
        """The rules that may mean one of these names, in the order in which they were given."""
        found: dict[int, RuleT] = {}
        for of in (tenant, None):
            self._collect(found, (of, "everyone", _ANY))
            for each in names:
                for kind in ("groups", "users", "clients", "agents"):
                    held: frozenset[str] = getattr(each, kind)
                    for name in held:
                        self._collect(found, (of, kind, name))
                    if held:
                        self._collect(found, (of, kind, _ANY))
        return tuple(found[number] for number in sorted(found))

    def _collect(self, found: dict[int, RuleT], key: tuple[str | None, str, str]) -> None:
        for listed in self._by_name.get(key, ()):
            found[listed.number] = listed.rule


def _keys(rule: Grant | Denial) -> Iterator[tuple[str | None, str, str]]:
    audience = rule.audience
    if audience.everyone:
        yield rule.tenant, "everyone", _ANY
    for kind in ("groups", "users", "clients", "agents"):
        for name in getattr(audience, kind):
            yield rule.tenant, kind, name


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
