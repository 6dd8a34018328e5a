"""Statements made from others: parts of trees exchanged, names changed, words of the text moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tests.sql.attacks.case import Attack

__all__ = ["mutations"]

_NAMES = (
    *("flights", "people", "members", "nothing", "secrets", "vault", "keys", "secret_view", "f"),
    *("tailnum", "badge", "salary", "id", "note", "carrier", "email", "main", "public", "w", "p"),
    *("saaf_t1", "saaf_c1", "rowid", "ctid", "spy_any", "information_schema", "pg_class", "x"),
)
_FUNCTIONS = (
    *("spy", "spy_any", "query", "query_table", "read_text", "pg_read_file", "query_to_xml"),
    *("current_setting", "nextval", "pg_sleep", "lo_get", "to_json", "row_to_json", "lower"),
    *("count", "max", "unnest", "coalesce", "left", "struct_extract", "list", "array_agg"),
)
_SNIPPETS = (
    *("'", '"', "--", "/*", "*/", ";", "(", ")", ",", "$$", "$x$", ":p", "?", "$1", "%s", "E'"),
    *(".", "*", "::", "secrets", "vault.keys", "FROM secrets", "UNION SELECT v FROM secrets"),
    *("WITH secrets AS", "RECURSIVE", "LATERAL", "NATURAL", "TABLE secrets", "(TABLE secrets)"),
    *("OFFSET 0", "FOR UPDATE", "INTO x", "QUALIFY true", "AS secrets", "f.tailnum", "\0", "\\"),
    *("\u00a0", "\u200b", "ﬂ", "NULL", "ONLY", "PIVOT", "WHERE", "OR true", "AND 1/0 = 1"),
)
_MAX_CHARACTERS = 4_000
# Their values differ from one moment to the next, and so between two equal worlds.
_MOVING = ("random", "rand", "uuid", "now", "current_", "clock", "today", "timestamp(", "localtime")


def mutations(attacks: Sequence[Attack], random: Random, count: int) -> Iterator[Attack]:
    """Statements made from the ones of one dialect; as many as asked for."""
    dialect = attacks[0].dialect
    small = [a for a in attacks if len(a.sql) < _MAX_CHARACTERS and a.kind != "size"]
    # What may run is tried more often: what is refused as it is stays refused mostly.
    small += 3 * [attack for attack in small if not attack.refused]
    texts = [attack.sql for attack in small]
    trees = [tree for text in texts if (tree := _tree(text, dialect)) is not None]
    made = 0
    while made < count:
        text = (
            _changed_text(texts, random)
            if random.random() < 0.35
            else _changed_tree(trees, random, dialect)
        )
        if text is None or any(word in text.lower() for word in _MOVING):
            continue
        made += 1
        yield Attack(dialect, "mutation", text)


def _tree(text: str, dialect: str) -> exp.Expr | None:
    if not text.lstrip(" (").upper().startswith(("SELECT", "WITH", "FROM")):
        return None
    try:
        (tree,) = sqlglot.parse(text, read=dialect)
    # sqlglot fails in many ways on what is no SQL.
    except (SqlglotError, ValueError, TypeError, AttributeError, RecursionError, KeyError):
        return None
    return tree if isinstance(tree, exp.Query) else None


def _changed_tree(trees: Sequence[exp.Expr], random: Random, dialect: str) -> str | None:
    tree = random.choice(trees).copy()
    for _ in range(random.randint(1, 3)):
        nodes = list(tree.walk())
        node = random.choice(nodes)
        match random.randrange(5):
            case 0:
                _exchange(node, random.choice(trees), random)
            case 1:
                names = [n for n in nodes if isinstance(n, exp.Identifier)]
                if names:
                    random.choice(names).set("this", random.choice(_NAMES))
            case 2:
                calls = [n for n in nodes if isinstance(n, exp.Func) and n.parent is not None]
                if calls:
                    call = random.choice(calls)
                    inner = [a for a in call.iter_expressions() if isinstance(a, exp.Expr)]
                    name = random.choice(_FUNCTIONS)
                    call.replace(exp.Anonymous(this=name, expressions=[a.copy() for a in inner]))
            case 3:
                if node.args and node.parent is not None:
                    node.set(random.choice(list(node.args)), None)
            case _:
                if isinstance(node, exp.Query) and node.parent is not None:
                    other = random.choice(trees)
                    if isinstance(other, exp.Query):
                        node.replace(other.copy())
    try:
        return str(tree.sql(dialect, comments=random.random() < 0.5))[:_MAX_CHARACTERS]
    # A tree that no parser makes; its writers fail on it in any way.
    except Exception:
        return None


def _exchange(node: exp.Expr, other: exp.Expr, random: Random) -> None:
    """Put a part of another statement where a part of the same class was."""
    if node.parent is None:
        return
    alike = list(other.find_all(type(node)))
    wide = list(other.find_all(exp.Condition)) if isinstance(node, exp.Condition) else alike
    found = alike if alike and random.random() < 0.6 else wide
    if found:
        node.replace(random.choice(found).copy())


def _changed_text(texts: Sequence[str], random: Random) -> str:
    text = random.choice(texts)
    for _ in range(random.randint(1, 3)):
        words = text.split(" ")
        place = random.randrange(len(words))
        match random.randrange(4):
            case 0:
                words.insert(place, random.choice(_SNIPPETS))
            case 1:
                del words[place]
            case 2:
                words[place] = random.choice(random.choice(texts).split(" "))
            case _:
                other = random.choice(texts).split(" ")
                words = words[:place] + other[random.randrange(len(other)) :]
        text = " ".join(words)
    return text[:_MAX_CHARACTERS]
