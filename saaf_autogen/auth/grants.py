"""Grants as the policy uses them: compiled from ``saaf.yaml`` or from a token's details."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from saaf_autogen.auth.access import (
    FALSE,
    Comparison,
    Mask,
    Predicate,
    QueryBounds,
    Scalar,
    all_of,
)
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.settings import DenySettings, GrantSettings

__all__ = [
    "Audience",
    "Denial",
    "Fault",
    "Grant",
    "Reference",
    "RowTest",
    "audience_of",
    "compile_denial",
    "compile_grant",
    "pattern",
    "row_faults",
]

Operator = Literal["eq", "ne", "in", "lt", "lte", "gt", "gte"]
AttributeValue = str | int | bool | tuple[str, ...]
_REFERENCE = re.compile(r"\$user\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a part of a grant, and where in it."""

    place: tuple[str | int, ...]
    message: str
    remedy: str


@dataclass(frozen=True)
class Reference:
    """``$user.NAME``: the principal's attribute of that name."""

    name: str


@dataclass(frozen=True)
class RowTest:
    """One condition of a row filter, before the principal is known."""

    column: str
    operator: Operator
    operands: tuple[Scalar | Reference, ...]

    def resolve(self, attributes: Mapping[str, AttributeValue]) -> Predicate | None:
        """The condition for one principal, or None where it cannot be said.

        It cannot be said where an attribute is missing, or is a list and the operator is not
        ``in``; the grant then gives nothing, whatever the operator.
        """
        values: list[Scalar] = []
        for operand in self.operands:
            if not isinstance(operand, Reference):
                values.append(operand)
                continue
            value = attributes.get(operand.name)
            if value is None or (isinstance(value, tuple) and self.operator != "in"):
                return None
            values.extend(value if isinstance(value, tuple) else (value,))
        if self.operator == "in":
            kept = tuple(dict.fromkeys(values))
            return Comparison(self.column, "in", kept) if kept else FALSE
        return Comparison(self.column, self.operator, values[0])


@dataclass(frozen=True)
class Audience:
    """Whom a rule is for. ``"*"`` in a list means any of that kind."""

    everyone: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()

    def has_subject(self, principal: Principal) -> bool:
        """Whether the principal itself is meant, whoever acts for it.

        A user is meant by ``sub`` or by ``ISSUER|sub``; a client by its id. A client is never
        meant by ``users``, nor a user by ``clients``.
        """
        if self.everyone or _meets(self.groups, principal.groups):
            return True
        if principal.kind == "user":
            names = {principal.subject, f"{principal.issuer}|{principal.subject}"}
            return _meets(self.users, names)
        prefix, _, client = principal.subject.partition(":")
        return prefix == "client" and _meets(self.clients, {client})

    def has_actor(self, subject: str) -> bool:
        """Whether an acting party, ``agent:ID`` or ``client:ID``, is meant."""
        if self.everyone:
            return True
        kind, _, name = subject.partition(":")
        if kind == "agent":
            return _meets(self.agents, {name})
        return kind == "client" and _meets(self.clients, {name})


@dataclass(frozen=True)
class Grant:
    """A compiled grant.

    Attributes:
        allow: the columns it shows; None means every described one.
        masks: by the column's name in lower case.
        tests: all of them must hold for a row to exist.
    """

    id: str
    audience: Audience
    resource: re.Pattern[str]
    verbs: frozenset[str]
    allow: frozenset[str] | None = None
    masks: Mapping[str, Mask] = field(default_factory=dict)
    deny_tags: frozenset[str] = frozenset()
    tests: tuple[RowTest, ...] = ()
    max_rows: int | None = None
    approval: bool = False
    bounds: QueryBounds = field(default_factory=QueryBounds)

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
    """A compiled deny rule; names are compared without regard to case."""

    audience: Audience
    resource: re.Pattern[str]
    columns: tuple[re.Pattern[str], ...] | None = None

    def covers(self, resource: str) -> bool:
        """Whether it speaks of this resource."""
        return self.resource.fullmatch(resource) is not None


def pattern(text: str, *, fold: bool = False) -> re.Pattern[str]:
    """A pattern in which ``*`` alone is special and stands for any text, slashes included."""
    parts = ".*".join(re.escape(part) for part in text.split("*"))
    return re.compile(parts, re.DOTALL | (re.IGNORECASE if fold else 0))


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


def compile_grant(body: GrantSettings) -> Grant:
    """Make a grant ready for use.

    Raises:
        ConfigurationError: a row filter makes no sense; see ``row_faults``.
    """
    for fault in row_faults(body):
        where = ".".join(str(part) for part in fault.place)
        raise ConfigurationError(
            f"The grant {body.id} is not usable: {where}: {fault.message}.",
            remedy=fault.remedy or None,
        )
    columns = body.columns
    return Grant(
        id=body.id,
        audience=audience_of(body),
        resource=pattern(body.resource),
        verbs=frozenset(body.verbs),
        allow=None if columns.allow == "*" else frozenset(columns.allow),
        masks={column.casefold(): mask for column, mask in columns.mask.items()},
        deny_tags=frozenset(columns.deny_tags),
        tests=tuple(
            RowTest(column, operator, tuple(_operand(item) for item in _listed(operand)))
            for column, conditions in body.rows.items()
            for operator, operand in conditions.items()
        ),
        max_rows=body.limits.rows,
        approval=body.approval == "required",
        bounds=QueryBounds(
            body.limits.seconds,
            body.limits.bytes,
            tuple(map(tuple, body.limits.required_filters)),
        ),
    )


def compile_denial(rule: DenySettings) -> Denial:
    """Make a deny rule ready for use."""
    columns = rule.columns
    return Denial(
        audience=audience_of(rule),
        resource=pattern(rule.resource, fold=True),
        columns=None if columns is None else tuple(pattern(name, fold=True) for name in columns),
    )


def row_faults(body: GrantSettings) -> Iterator[Fault]:
    """What makes a row filter unusable.

    A list where the operator takes one value, a column without an operator, a number that is not
    finite, and text that starts with ``$`` but is no ``$user.NAME`` (``$$`` stands for a dollar).
    """
    for column, conditions in body.rows.items():
        if not conditions:
            yield Fault(("rows", column), "no operator is given", "write {eq: value}")
        for operator, operand in conditions.items():
            place = ("rows", column, operator)
            if isinstance(operand, list | tuple) and operator != "in":
                yield Fault(place, f"`{operator}` takes one value, not a list", "use `in`")
            for item in _listed(operand):
                if isinstance(item, float) and not math.isfinite(item):
                    yield Fault(place, "the number is not finite", "write a finite number")
                if isinstance(item, str) and not _is_readable(item):
                    yield Fault(
                        place,
                        f"{item!r} is no reference to an attribute",
                        "write $user.NAME, or $$ for a dollar sign",
                    )


def _is_readable(text: str) -> bool:
    dollar = text.startswith("$") and not text.startswith("$$")
    return not dollar or _REFERENCE.fullmatch(text) is not None


def _operand(item: object) -> Scalar | Reference:
    if isinstance(item, str):
        found = _REFERENCE.fullmatch(item)
        if found:
            return Reference(found[1])
        return item[1:] if item.startswith("$$") else item
    if isinstance(item, bool | int | float):
        return item
    raise ConfigurationError(f"A row filter compares with {type(item).__name__}.")


def _listed(operand: object) -> Sequence[object]:
    return operand if isinstance(operand, list | tuple) else (operand,)


def _meets(meant: frozenset[str], names: frozenset[str] | set[str]) -> bool:
    return bool(names) and ("*" in meant or not meant.isdisjoint(names))
