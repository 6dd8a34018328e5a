"""What the guard must know of one dialect. Everything else in it is the same for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sqlglot import exp

from saaf_autogen.auth.access import Mask

__all__ = ["Dialect", "Masker"]

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII)


class Masker(Protocol):
    """Renders a mask in one dialect."""

    def __call__(self, mask: Mask, column: exp.Expr, key: exp.Expr) -> exp.Expr:
        """The masked ``column``; ``key`` is the bound secret that pseudonyms are made with."""
        ...


@dataclass(frozen=True, eq=False)
class Dialect:
    """Facts of one SQL dialect; every list says what is allowed, never what is not.

    Attributes:
        name: the name by which sqlglot knows it.
        default_schema: where a bare table name is looked up.
        operations: functions that sqlglot knows by type.
        functions: further functions, by lower-case name.
        table_functions: what may stand in FROM besides tables, queries, VALUES and UNNEST.
        rows: of ``functions``, those that may stand in FROM, too.
        types: what a value may be cast to.
        mask: renders masks.
        fold: what the engine makes of a name without quotes; ``keep`` if it disregards case.
        fence: how a caller's filter is kept from hidden rows, where its errors would tell of
            them. ``offset``: ``OFFSET 0`` stops the engine from moving filters below a row
            policy. ``value``: where no such barrier is known, each column is
            ``CASE WHEN policy THEN column END``, so that a filter sees only NULL wherever it runs.
        opaque: what a column is wrapped in so that the engine forgets its least and its greatest
            value, for engines that leave conditions out by them: they know of hidden rows, too.
        placeholder: how a named parameter is written in a plan, with ``{}`` for its name.
        percent: whether the driver wants each other ``%`` doubled.
        shapes: parts of nodes that pass in this dialect, on top of those that pass in all.
        acting: names, in capitals, that after a dot are no column but change something.
        reparsed: whether a plan is parsed once more and its tables compared, for engines that
            cannot be asked which tables they see.
    """

    name: str
    default_schema: str
    operations: frozenset[type[exp.Expr]]
    functions: frozenset[str]
    table_functions: frozenset[type[exp.Expr]]
    types: frozenset[exp.DType]
    mask: Masker
    rows: frozenset[str] = frozenset()
    fold: Literal["keep", "lower", "upper"] = "keep"
    fence: Literal["offset", "value"] = "offset"
    opaque: type[exp.Expr] | None = None
    placeholder: str = ":{}"
    percent: bool = False
    shapes: Mapping[type[exp.Expr], frozenset[str]] = field(default_factory=dict)
    acting: frozenset[str] = frozenset()
    reparsed: bool = False

    def folded(self, name: str) -> str:
        """What the engine makes of ``name`` written without quotes."""
        if self.fold == "keep":
            return name
        return name.upper() if self.fold == "upper" else name.lower()

    def stored(self, name: str) -> str:
        """How the engine spells a name of the semantic layer.

        An engine that folds to capitals means those by a plain name in small letters.
        """
        plain = self.fold == "upper" and name.islower() and _PLAIN.fullmatch(name)
        return name.upper() if plain else name

    def key(self, name: str) -> str:
        """What two names have in common if they mean the same."""
        return name.lower() if self.fold == "keep" else name
