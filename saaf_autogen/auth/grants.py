"""Grants as the policy uses them: compiled from ``saaf.yaml``, the store, or a token's details."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from saaf_autogen.auth.access import FALSE, Mask, Predicate, QueryBounds, all_of
from saaf_autogen.auth.conditions import (
    AttributeTest,
    AttributeValue,
    Fault,
    RowTest,
    attribute_tests,
    condition_faults,
    row_tests,
)
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.windows import ALWAYS, WeeklyHours, Window, zone_of
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.settings import DenySettings, GrantSettings

__all__ = [
    "Audience",
    "Denial",
    "Grant",
    "Names",
    "audience_of",
    "compile_denial",
    "compile_grant",
    "grant_faults",
    "pattern",
    "window_of",
]


@dataclass(frozen=True)
class Names:
    """What one party to a call goes by in the ``to`` of rules."""

    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()

    @classmethod
    def of_subject(cls, principal: Principal, home: Container[str] | None) -> Names:
        """Of the principal itself, whoever acts for it.

        A user goes by ``ISSUER|sub`` and a client by ``ISSUER|ID``; by ``sub`` or ID alone only
        where the issuer is one of ``home`` (None: any), so that no other issuer can give somebody
        the name of someone here. A client is never meant by ``users``, nor a user by ``clients``.
        """
        if principal.kind == "user":
            return cls(principal.groups, users=_known_as(principal.subject, principal, home))
        prefix, _, client = principal.subject.partition(":")
        known = _known_as(client, principal, home) if prefix == "client" else frozenset()
        return cls(principal.groups, clients=known)

    @classmethod
    def of_actor(cls, subject: str, principal: Principal, home: Container[str] | None) -> Names:
        """Of one who acts for the principal: ``agent:ID`` or ``client:ID``."""
        kind, _, name = subject.partition(":")
        if kind == "agent":
            return cls(agents=frozenset({name}))
        if kind == "client":
            return cls(clients=_known_as(name, principal, home))
        return cls()


@dataclass(frozen=True)
class Audience:
    """Whom a rule is for. ``"*"`` in a list means any of that kind."""

    everyone: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()

    def has(self, names: Names) -> bool:
        """Whether a party of these names is meant."""
        return (
            self.everyone
            or _meets(self.groups, names.groups)
            or _meets(self.users, names.users)
            or _meets(self.clients, names.clients)
            or _meets(self.agents, names.agents)
        )


@dataclass(frozen=True)
class Grant:
    """A compiled grant.

    Attributes:
        tenant: the only one in which it holds; None for what a token carries itself.
        resource: what it covers; ``covered`` is the same as it was written.
        allow: the columns it shows; None means every described one.
        masks: by the column's name in lower case.
        tests: all of them must hold for a row to exist.
        when: all of them must hold of the principal's attributes.
        declared: whether it stands in ``saaf.yaml``.
    """

    id: str
    audience: Audience
    resource: re.Pattern[str]
    verbs: frozenset[str]
    covered: str = ""
    tenant: str | None = None
    allow: frozenset[str] | None = None
    masks: Mapping[str, Mask] = field(default_factory=dict)
    deny_tags: frozenset[str] = frozenset()
    tests: tuple[RowTest, ...] = ()
    max_rows: int | None = None
    approval: bool = False
    bounds: QueryBounds = field(default_factory=QueryBounds)
    window: Window = ALWAYS
    when: tuple[AttributeTest, ...] = ()
    declared: bool = True

    def covers(self, resource: str, verb: str) -> bool:
        """Whether it speaks of this verb on this resource."""
        return verb in self.verbs and self.resource.fullmatch(resource) is not None

    @property
    def is_whole(self) -> bool:
        """Whether it gives the resource as a whole, without a part held back."""
        parts = self.masks or self.deny_tags or self.tests
        return self.allow is None and not parts and self.bounds == QueryBounds()

    def rows_for(self, attributes: Mapping[str, AttributeValue]) -> Predicate:
        """The rows that it gives to a principal with these attributes."""
        found = [test.resolve(attributes) for test in self.tests]
        return all_of(*(FALSE if item is None else item for item in found))


@dataclass(frozen=True)
class Denial:
    """A compiled deny rule; names are compared without regard to case.

    ``tenant`` None: it holds in every one. ``id`` is for people; a rule without one has a number.
    """

    audience: Audience
    resource: re.Pattern[str]
    columns: tuple[re.Pattern[str], ...] | None = None
    id: str = "deny"
    covered: str = ""
    tenant: str | None = None
    window: Window = ALWAYS
    declared: bool = True

    def covers(self, resource: str) -> bool:
        """Whether it speaks of this resource."""
        return self.resource.fullmatch(resource) is not None


def pattern(text: str, *, fold: bool = False) -> re.Pattern[str]:
    """A pattern in which ``*`` alone is special and stands for any text, slashes included.

    It matches in linear time, whoever wrote it: each part is sought once, from the left, and what
    was found is not given back. That loses no match, for the last part alone must be at the end.
    """
    first, *parts = (re.escape(part) for part in text.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in parts[:-1] if part)
    last = f".*{parts[-1]}" if parts else ""
    return re.compile(first + middle + last, re.DOTALL | (re.IGNORECASE if fold else 0))


def audience_of(rule: GrantSettings | DenySettings) -> Audience:
    """Whom a rule of ``saaf.yaml`` is for."""
    if rule.to == "*":
        return Audience(everyone=True)
    return Audience(
        groups=frozenset(rule.to.groups),
        users=frozenset(rule.to.users),
        clients=frozenset(rule.to.clients),
        agents=frozenset(rule.to.agents),
    )


def window_of(rule: GrantSettings | DenySettings) -> Window:
    """When a rule holds; raises ``ValueError`` for a time zone that there is not."""
    if isinstance(rule, DenySettings):
        return ALWAYS if rule.expires_at is None else Window(expires_at=_utc(rule.expires_at))
    hours = None if rule.hours is None else WeeklyHours.of(rule.hours)
    window = Window(_utc(rule.starts_at), _utc(rule.expires_at), hours)
    return ALWAYS if window.is_always else window


def compile_grant(body: GrantSettings, *, declared: bool = True) -> Grant:
    """Make a grant ready for use.

    Raises:
        ConfigurationError: it makes no sense; see ``grant_faults``.
    """
    for fault in grant_faults(body):
        where = ".".join(str(part) for part in fault.place)
        raise ConfigurationError(
            f"The grant {body.id} is not usable: {where}: {fault.message}.",
            remedy=fault.remedy or None,
        )
    columns = body.columns
    return Grant(
        id=body.id,
        tenant=body.tenant,
        audience=audience_of(body),
        resource=pattern(body.resource),
        covered=body.resource,
        verbs=frozenset(body.verbs),
        allow=None if columns.allow == "*" else frozenset(columns.allow),
        masks={column.casefold(): mask for column, mask in columns.mask.items()},
        deny_tags=frozenset(columns.deny_tags),
        tests=row_tests(body.rows),
        max_rows=body.limits.rows,
        approval=body.approval == "required",
        bounds=QueryBounds(
            body.limits.seconds,
            body.limits.bytes,
            tuple(map(tuple, body.limits.required_filters)),
        ),
        window=window_of(body),
        when=attribute_tests(body.when),
        declared=declared,
    )


def compile_denial(rule: DenySettings, *, name: str | None = None, declared: bool = True) -> Denial:
    """Make a deny rule ready for use; ``name`` is what one without id is called."""
    columns = rule.columns
    return Denial(
        id=rule.id or name or "deny",
        tenant=rule.tenant,
        audience=audience_of(rule),
        resource=pattern(rule.resource, fold=True),
        covered=rule.resource,
        columns=None if columns is None else tuple(pattern(name, fold=True) for name in columns),
        window=window_of(rule),
        declared=declared,
    )


def grant_faults(body: GrantSettings) -> Iterator[Fault]:
    """What makes a grant unusable, whatever the deployment: conditions, hours and dates."""
    yield from condition_faults("rows", body.rows)
    yield from condition_faults("when", body.when)
    if body.hours is not None:
        try:
            zone_of(body.hours.zone)
        except ValueError as error:
            yield Fault(("hours", "zone"), str(error), "write an IANA name: Europe/Berlin")
        if not body.hours.days:
            yield Fault(("hours", "days"), "the hours are on no day", "name days: [mon, tue]")
        for key in ("start", "end"):
            if getattr(body.hours, key).tzinfo is not None:
                message = f"`{key}` has an offset of its own"
                yield Fault(("hours", key), message, "write 09:00; `zone` says where")
    if body.starts_at and body.expires_at and body.starts_at >= body.expires_at:
        yield Fault(("expires_at",), "it ends before it starts", "end it later than `starts_at`")


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _known_as(name: str, principal: Principal, home: Container[str] | None) -> frozenset[str]:
    full = f"{principal.issuer}|{name}"
    bare = home is None or principal.issuer in home
    return frozenset({name, full}) if bare else frozenset({full})


def _meets(meant: frozenset[str], names: frozenset[str]) -> bool:
    return bool(names) and ("*" in meant or not meant.isdisjoint(names))
