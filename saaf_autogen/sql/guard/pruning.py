"""Which columns of a table a query can possibly use: the others need not be projected."""

from __future__ import annotations

from collections.abc import Collection

from sqlglot import exp

from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["Mentions"]


def _counts_rows(star: exp.Expr) -> bool:
    """Whether a star asks for rows and not for their columns: COUNT(*), EXISTS (SELECT * …)."""
    select = star.parent
    return isinstance(select, exp.Count) or (
        isinstance(select, exp.Select) and isinstance(select.parent, exp.Exists)
    )


class Mentions:
    """The names in a query, before its tables are replaced.

    A column whose name occurs nowhere can only be reached by what names no columns: a star, a
    natural join, or a table's alias that stands for whole rows. With one of those, all are kept.
    """

    def __init__(self, query: exp.Expr) -> None:
        self._names: set[str] = set()
        self._all = False
        aliases: set[str] = set()
        bare: set[str] = set()
        for node in nodes_of(query):
            if isinstance(node, exp.Identifier):
                self._names.add(node.name.lower())
            elif isinstance(node, exp.Star):
                self._all = self._all or not _counts_rows(node)
            elif isinstance(node, exp.Join):
                self._all = self._all or node.method.upper() == "NATURAL"
            elif isinstance(node, exp.Column) and not node.args.get("table"):
                bare.add(node.name.lower())
            elif isinstance(node, exp.Table | exp.Subquery | exp.CTE | exp.Lateral):
                aliases.add(node.alias_or_name.lower())
        self._all = self._all or bool(aliases & bare)

    def kept(self, columns: Collection[str], *, renamed: bool) -> frozenset[str]:
        """Those of ``columns`` to project; at least one, where there are any.

        Args:
            columns: the names of a table's columns, in order.
            renamed: whether the table's alias gives them other names, by their places.
        """
        if self._all or renamed:
            return frozenset(columns)
        kept = frozenset(name for name in columns if name.lower() in self._names)
        return kept or frozenset(list(columns)[:1])
