"""sqlglot under a limit on its work.

Its parser tries a type before it tries a function, so ``DATE(DATE(DATE(…`` doubles its work with
each level; its generator writes the arguments of some functions twice or thrice. Both took hours
over a hundred characters, and whoever plans in an event loop would have stopped the whole host.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel
from sqlglot.tokenizer_core import Token

from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["TooMuchWork", "generate", "parse"]

# Ordinary queries take at most 3 steps a token to read, and 8 a node to write.
_STEPS_PER_TOKEN = 20
_STEPS_PER_NODE = 30
_STEPS_AT_LEAST = 2_000


class TooMuchWork(Exception):
    """More steps than any ordinary query of this size takes."""


def parse(tokens: list[Token], sql: str, dialect: str) -> list[exp.Expr | None]:
    """The statements of a text that was split into words.

    Raises:
        TooMuchWork: it takes too many steps.
        SqlglotError: it cannot be parsed. On odd input sqlglot fails in other ways, too.
    """
    parser = _parser(dialect)(dialect=dialect)
    parser.steps_left = _STEPS_PER_TOKEN * len(tokens) + _STEPS_AT_LEAST
    statements: list[exp.Expr | None] = parser.parse(tokens, sql)
    return statements


def generate(query: exp.Expr, dialect: str) -> str:
    """The text of a tree, every name quoted and without comments; the tree may be changed.

    Raises:
        TooMuchWork: it takes too many steps.
    """
    generator = _generator(dialect)(
        dialect=dialect,
        identify=True,
        comments=False,
        # What it has to say of odd functions would put the caller's text into the host's log.
        unsupported_level=ErrorLevel.IGNORE,
    )
    generator.steps_left = _STEPS_PER_NODE * len(nodes_of(query)) + _STEPS_AT_LEAST
    text: str = generator.generate(query, copy=False)
    return text


@cache
def _parser(dialect: str) -> type[Any]:
    base: type[Any] = Dialect.get_or_raise(dialect).parser_class
    # Its builder copies an argument, so that the tree itself doubles with each level.
    functions = {name: make for name, make in base.FUNCTIONS.items() if name != "SORT_ARRAY"}
    # The warning of syntax that it does not know quotes the caller's text in the host's log.
    quiet = {"_warn_unsupported": lambda _: None}
    return type(base.__name__, (_counted(base, "_advance"),), {"FUNCTIONS": functions, **quiet})


@cache
def _generator(dialect: str) -> type[Any]:
    return _counted(Dialect.get_or_raise(dialect).generator_class, "sql")


def _counted(base: type[Any], method: str) -> type[Any]:
    """``base`` with a ``method`` that costs a step each time; ``steps_left`` says how many."""
    original = getattr(base, method)

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise TooMuchWork
        return original(self, *args, **kwargs)

    return type(base.__name__, (base,), {"steps_left": _STEPS_AT_LEAST, method: counted})
