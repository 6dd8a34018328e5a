"""One attack: a statement, and what it is after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from saaf_autogen.sql.guard.plan import Scalar

__all__ = ["Attack", "Corpus", "attacks"]


@dataclass(frozen=True)
class Attack:
    """A statement that a caller with few rights sends.

    Attributes:
        dialect: sqlglot's name of it.
        kind: the class of attack it belongs to.
        sql: the statement.
        refused: whether it must be refused; else it may run, and then it must tell nothing.
        rule: the rule that must refuse it, where only that one is right.
        parameters: values of its named parameters.
    """

    dialect: str
    kind: str
    sql: str
    refused: bool = False
    rule: str | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.dialect}: {self.kind}: {self.sql[:200]}"


# By kind: texts, or texts with the values of their parameters.
Corpus = Mapping[str, tuple[str | tuple[str, dict[str, Scalar]], ...]]


def attacks(
    dialect: str, corpus: Corpus, *, refused: bool = False, by_rule: bool = False
) -> Iterator[Attack]:
    """The attacks of a corpus; ``by_rule`` says that its kinds are the rules that refuse them."""
    for kind, entries in corpus.items():
        for entry in entries:
            sql, parameters = (entry, {}) if isinstance(entry, str) else entry
            rule = kind if by_rule else None
            yield Attack(dialect, kind, sql, refused or by_rule, rule, parameters)
