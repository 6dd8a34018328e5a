"""What tables and columns say of themselves: weighted fields for BM25, and sentences for vectors.

All of it comes from one caller's view, so that nothing hidden is indexed, embedded or found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saaf_autogen.semantic.visible import VisibleField, VisibleTable
from saaf_autogen.semantic.words import split_words, stems

__all__ = ["field_fields", "field_text", "table_fields", "table_texts"]

_LONGEST_NOTE = 200
_LONGEST_TEXT = 1_200


def table_fields(table: VisibleTable) -> Iterator[tuple[float, str]]:
    """A table with all its columns as fields for BM25.

    Descriptions weigh little: they hold many words that no question means.
    """
    yield 4.0, table.base_table
    own = _own_name(table)
    if own:
        yield 4.0, own
    if _schema(table):
        yield 1.5, _schema(table)
    for synonym in table.synonyms:
        yield 3.0, synonym
    yield 0.4, table.description or ""
    for field in table.fields:
        for weight, text in field_fields(field):
            yield weight / 2, text
    for named in (*table.filters, *table.metrics):
        yield 1.5, named.name
        for synonym in named.synonyms:
            yield 1.0, synonym
        yield 0.2, named.description or ""


def field_fields(field: VisibleField) -> Iterator[tuple[float, str]]:
    """A column as fields for BM25."""
    yield 4.0, field.name
    if field.label != field.name:
        yield 4.0, field.label
    for synonym in field.synonyms:
        yield 3.0, synonym
    for value, words in field.values.items():
        yield 1.0, " ".join((value, *words))
    for value in field.sample_values:
        yield 1.0, str(value)
    yield 0.4, field.description or ""


def table_texts(table: VisibleTable) -> tuple[str, str]:
    """A table as two texts for vectors: by its own name, and within its schema."""
    columns = ", ".join(_plain(field.label) for field in table.fields)
    name = " ".join(filter(None, (_plain(table.base_table), _own_name(table))))
    notes = [_others(table.synonyms, name), (table.description or "")[:_LONGEST_NOTE]]
    text = ". ".join(filter(None, [name, *notes]))
    whole = f"{text}: {columns}"[:_LONGEST_TEXT]
    schema = _schema(table)
    return whole, f"{_plain(schema)} {whole}" if schema else whole


def field_text(table: VisibleTable, field: VisibleField) -> str:
    """A column as a text for vectors, with the name of its table."""
    name = _plain(field.label)
    said = [f"{_plain(table.base_table)} {name}", _others(field.synonyms, name)]
    said.append((field.description or "")[:_LONGEST_NOTE])
    return ". ".join(filter(None, said))


def _others(synonyms: Iterable[str], name: str) -> str:
    """The synonyms that say more than the name does."""
    return ", ".join(word for word in synonyms if not set(stems(word)) <= set(stems(name)))


def _schema(table: VisibleTable) -> str:
    """The schema, where SQL must name it: a default one says nothing."""
    return table.schema if "." in table.sql_name else ""


def _own_name(table: VisibleTable) -> str:
    """The words of the logical name that base table and schema do not have already."""
    known = {*stems(table.base_table), *stems(table.schema)}
    words = split_words(table.name)
    return " ".join(word.lower() for word in words if not set(stems(word)) <= known)


def _plain(name: str) -> str:
    return " ".join(_words(name)).lower()


def _words(name: str) -> Iterable[str]:
    for part in name.split():
        yield from split_words(part)
