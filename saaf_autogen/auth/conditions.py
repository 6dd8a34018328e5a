"""Conditions of grants: on the columns of a row, and on the attributes of a principal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from saaf_autogen.auth.access import FALSE, Comparison, Predicate, Scalar
from saaf_autogen.errors import ConfigurationError

__all__ = [
    "AttributeTest",
    "AttributeValue",
    "Condition",
    "Conditions",
    "Fault",
    "Operator",
    "Reference",
    "RowTest",
    "attribute_tests",
    "condition_faults",
    "row_tests",
]

Operator = Literal["eq", "ne", "in", "lt", "lte", "gt", "gte"]
AttributeValue = str | int | bool | tuple[str, ...]
Conditions = Mapping[str, Mapping[Operator, object]]
"""As ``saaf.yaml`` has them: operators and operands by column or attribute."""

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
class Condition:
    """An operator and what it compares with, before the principal is known."""

    operator: Operator
    operands: tuple[Scalar | Reference, ...]

    def values(self, attributes: Mapping[str, AttributeValue]) -> tuple[Scalar, ...] | None:
        """The operands for one principal, or None where they cannot be said.

        They cannot where an attribute is missing, or is a list and the operator is not ``in``.
        """
        if self.unsaid(attributes) is not None:
            return None
        values: list[Scalar] = []
        for operand in self.operands:
            if isinstance(operand, Reference):
                value = attributes[operand.name]
                values.extend(value if isinstance(value, tuple) else (value,))
            else:
                values.append(operand)
        return tuple(values)

    def unsaid(self, attributes: Mapping[str, AttributeValue]) -> str | None:
        """The first attribute for which ``values`` cannot be said, or None."""
        for operand in self.operands:
            if isinstance(operand, Reference):
                value = attributes.get(operand.name)
                if value is None or (isinstance(value, tuple) and self.operator != "in"):
                    return operand.name
        return None


@dataclass(frozen=True)
class RowTest(Condition):
    """A condition on a column of a row."""

    column: str = ""

    def resolve(self, attributes: Mapping[str, AttributeValue]) -> Predicate | None:
        """The condition for one principal, or None where it cannot be said.

        The grant then gives nothing, whatever the operator.
        """
        values = self.values(attributes)
        if values is None:
            return None
        if self.operator == "in":
            kept = tuple(dict.fromkeys(values))
            return Comparison(self.column, "in", kept) if kept else FALSE
        return Comparison(self.column, self.operator, values[0])


@dataclass(frozen=True)
class AttributeTest(Condition):
    """A condition on an attribute of the principal (``when``)."""

    attribute: str = ""

    def why_not(self, attributes: Mapping[str, AttributeValue]) -> str | None:
        """Why it is not met, as the end of a sentence; None if it is.

        A missing attribute meets nothing, not even ``ne``; nor does a value of another type than
        what it is compared with. A list meets ``in`` alone, by any of its members.
        """
        mine, wanted = attributes.get(self.attribute), self.values(attributes)
        if mine is None:
            return f"the attribute {self.attribute} is missing"
        if wanted is None:
            return f"what {self.attribute} is compared with is missing, or is a list"
        members: tuple[Scalar, ...] = mine if isinstance(mine, tuple) else (mine,)
        if isinstance(mine, tuple) and self.operator != "in":
            return f"the attribute {self.attribute} is a list, which {self.operator} never meets"
        if any(_holds(member, self.operator, other) for member in members for other in wanted):
            return None
        return f"the attribute {self.attribute} is not as asked"


def row_tests(rows: Conditions) -> tuple[RowTest, ...]:
    """The tests of a grant's ``rows``, all of which must hold."""
    return tuple(
        RowTest(operator, _operands(operand), column)
        for column, conditions in rows.items()
        for operator, operand in conditions.items()
    )


def attribute_tests(when: Conditions) -> tuple[AttributeTest, ...]:
    """The tests of a grant's ``when``, all of which must hold."""
    return tuple(
        AttributeTest(operator, _operands(operand), attribute)
        for attribute, conditions in when.items()
        for operator, operand in conditions.items()
    )


def condition_faults(key: str, conditions: Conditions) -> Iterator[Fault]:
    """What makes ``rows`` or ``when`` (the ``key``) unusable.

    A list where the operator takes one value, a name without an operator, a number that is not
    finite, and text that starts with ``$`` but is no ``$user.NAME`` (``$$`` stands for a dollar).
    """
    for name, tests in conditions.items():
        if not tests:
            yield Fault((key, name), "no operator is given", "write {eq: value}")
        for operator, operand in tests.items():
            place = (key, name, operator)
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


def _holds(mine: Scalar, operator: Operator, wanted: Scalar) -> bool:
    if _kind(mine) != _kind(wanted):
        return False
    if operator in ("eq", "in"):
        return mine == wanted
    if operator == "ne":
        return mine != wanted
    if isinstance(mine, bool):
        return False
    if isinstance(mine, str) and isinstance(wanted, str):
        return _ordered((mine > wanted) - (mine < wanted), operator)
    if isinstance(mine, int | float) and isinstance(wanted, int | float):
        return _ordered((mine > wanted) - (mine < wanted), operator)
    return False


def _ordered(order: int, operator: Operator) -> bool:
    return {"lt": order < 0, "lte": order <= 0, "gt": order > 0, "gte": order >= 0}[operator]


def _kind(value: Scalar) -> str:
    # To Python True is 1; to a person who wrote a condition it is not.
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | Decimal):
        return "number"
    return "date" if isinstance(value, date | datetime) else "text"


def _is_readable(text: str) -> bool:
    dollar = text.startswith("$") and not text.startswith("$$")
    return not dollar or _REFERENCE.fullmatch(text) is not None


def _operands(operand: object) -> tuple[Scalar | Reference, ...]:
    return tuple(_operand(item) for item in _listed(operand))


def _operand(item: object) -> Scalar | Reference:
    if isinstance(item, str):
        found = _REFERENCE.fullmatch(item)
        if found:
            return Reference(found[1])
        return item[1:] if item.startswith("$$") else item
    if isinstance(item, bool | int | float):
        return item
    raise ConfigurationError(f"A condition compares with {type(item).__name__}.")


def _listed(operand: object) -> Sequence[object]:
    return operand if isinstance(operand, list | tuple) else (operand,)
