"""What the guard must know of one dialect. Everything else in it is the same for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from saaf_autogen.auth.access import Mask

__all__ = ["Dialect", "Masker"]


class Masker(Protocol):
    """Renders a mask in one dialect."""

    def __call__(self, mask: Mask, column: exp.Expr, key: exp.Expr) -> exp.Expr:
        """The masked ``column``; ``key`` is the bound secret that pseudonyms are made with."""
        ...


@dataclass(frozen=True)
class Dialect:
    """Facts of one SQL dialect; every list says what is allowed, never what is not.

    Attributes:
        name: the name by which sqlglot knows it.
        default_schema: where a bare table name is looked up.
        operations: functions that sqlglot knows by type.
        functions: further functions, by lower-case name.
        table_functions: what may stand in FROM besides tables, queries, VALUES and UNNEST.
        types: what a value may be cast to.
        mask: renders masks.
        fence: whether ``OFFSET 0`` keeps this engine from moving a caller's filter below a row
            policy, where its errors would tell of hidden rows.
    """

    name: str
    default_schema: str
    operations: frozenset[type[exp.Expr]]
    functions: frozenset[str]
    table_functions: frozenset[type[exp.Expr]]
    types: frozenset[exp.DType]
    mask: Masker
    fence: bool = True
