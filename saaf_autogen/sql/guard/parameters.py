"""The caller's parameters: checked, and given names of ours in the query."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from sqlglot import exp

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.guard.names import Binder
from saaf_autogen.sql.guard.plan import Scalar
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.types import LARGE
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["bind_parameters", "check_parameters", "kinds_of"]

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_MAX_PARAMETERS = 100
_MAX_TEXT = 65_536


def check_parameters(parameters: Mapping[str, Scalar]) -> None:
    """Refuse names and values that no engine should be given.

    Raises:
        SqlRefused: rule ``parameter``.
    """
    if len(parameters) > _MAX_PARAMETERS:
        raise _wrong(f"More than {_MAX_PARAMETERS} parameters were passed.")
    for name, value in parameters.items():
        _check_value(name, value)


def kinds_of(parameters: Mapping[str, Scalar]) -> frozenset[tuple[str, str, bool]]:
    """All that a plan may depend on of some parameters, without their values."""
    return frozenset(
        (name, type(value).__name__, isinstance(value, int) and abs(value) >= LARGE)
        for name, value in parameters.items()
    )


def bind_parameters(
    query: exp.Expr, parameters: Mapping[str, Scalar], binder: Binder, refusals: Refusals
) -> None:
    """Give each parameter of the caller a name of ours, bound to its value.

    Raises:
        SqlRefused: rule ``parameter``.
    """
    unused = dict(parameters)
    for node in nodes_of(query):
        if not isinstance(node, exp.Placeholder):
            continue
        if node.name not in parameters:
            raise refusals.at(
                node,
                "parameter",
                f"No value was passed for the parameter :{node.name}.",
                remedy="Pass a value for each parameter that the SQL names.",
            )
        unused.pop(node.name, None)
        node.set("this", binder.bind_caller(node.name, parameters[node.name]).this)
    if unused:
        raise _wrong(f"The SQL has no parameter :{next(iter(unused))}.")


def _check_value(name: str, value: object) -> None:
    if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
        raise _wrong("A parameter's name is a word of at most 63 letters, digits and underscores.")
    if value is None or isinstance(value, bool | Decimal | date):
        return
    if isinstance(value, str):
        if len(value) > _MAX_TEXT or "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise _wrong(f"The text of :{name} is too long, or is not valid text.")
    elif isinstance(value, int):
        if abs(value) >= 2**127:
            raise _wrong(f"The number :{name} is too large.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _wrong(f"The number :{name} is not finite.")
    else:
        raise _wrong(f"The value of :{name} is not a scalar.")


def _wrong(detail: str) -> SqlRefused:
    return SqlRefused(
        detail,
        rule="parameter",
        remedy="Pass text, numbers, booleans, dates or null, one for each parameter of the SQL.",
    )
