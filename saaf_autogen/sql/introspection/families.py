"""Kinds of values, read off the engines' many names for types."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Family", "family_of", "plain_type"]

Family = Literal["number", "text", "time", "boolean", "other"]

_NUMBERS = frozenset(
    """
    number numeric decimal dec bignumeric bigdecimal int integer bigint smallint tinyint mediumint
    byteint hugeint uinteger ubigint usmallint utinyint uhugeint float double real int2 int4 int8
    int16 int32 int64 int128 float4 float8 float64 long short byte serial bigserial smallserial
    bignum varint
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_TEXTS = frozenset(
    """
    varchar char character text string bpchar nvarchar nchar varchar2 nvarchar2 citext name uuid
    enum tinytext mediumtext longtext clob uniqueidentifier sysname
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_TIMES = frozenset(
    """
    date time datetime timestamp timestamptz timetz timestamp_ntz timestamp_ltz timestamp_tz
    timestamp_s timestamp_ms timestamp_ns smalldatetime datetime2 datetimeoffset timestampntz
    timestampltz
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_BOOLEANS = frozenset({"boolean", "bool", "bit", "logical"})
_WORD = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)")
_LONGEST = 120


def family_of(type_name: str) -> Family:
    """What kind of values a type holds; a list, a struct or an unknown type is ``other``."""
    if type_name.rstrip().endswith("]"):
        return "other"
    found = _WORD.match(type_name)
    word = found.group(1).lower() if found else ""
    if word in _NUMBERS:
        return "number"
    if word in _TEXTS:
        return "text"
    if word in _TIMES:
        return "time"
    return "boolean" if word in _BOOLEANS else "other"


def plain_type(type_name: str) -> str:
    """The type as a semantic file says it: no labels of an enumeration, no endless struct."""
    found = _WORD.match(type_name)
    word = found.group(1) if found else "UNKNOWN"
    if word.lower() == "enum":
        return "VARCHAR"
    return type_name if len(type_name) <= _LONGEST else word
