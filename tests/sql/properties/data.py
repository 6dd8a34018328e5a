"""Two small tables, and their rows as Python knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

__all__ = ["TABLES", "Kind", "Table", "Value", "create", "sql_type"]

Kind = Literal["int", "text", "date", "moment"]
Value = int | str | date | datetime | None


@dataclass(frozen=True)
class Table:
    """Columns in order, and rows."""

    columns: Mapping[str, Kind]
    rows: tuple[tuple[Value, ...], ...]


# Few values, so that comparisons hit; every note is found once, so that it tells its row. Some
# texts are numbers or dates and some are not, some numbers are zero: expressions fail on them.
TABLES: Mapping[str, Table] = {
    "t": Table(
        {"id": "int", "k": "text", "n": "int", "x": "int", "s": "text", "d": "date", "note": "text"},
        tuple(
            (
                i,
                ("a", "b", "c", None)[i % 4],
                (0, 1, 2, 3, None)[i % 5],
                (-7, 0, 424_242, 5, 2_147_483_647)[(i * 3) % 5],
                ("1", "2", "x", "2013-01-01", None, "")[(i * 5) % 6],
                None if i == 7 else date(2010 + i % 4, 1 + i % 12, 1 + i % 28),
                f"secret_t{i}",
            )
            for i in range(1, 15)
        ),
    ),
    "u": Table(
        {"id": "int", "k": "text", "v": "int", "w": "text", "d": "date"},
        tuple(
            (
                i * 2 % 11,
                ("a", "b", "d", None, "c")[i % 5],
                (0, 1, None, 10, -1)[(i * 2) % 5],
                f"secret_u{i}",
                date(2010 + i % 3, 2, 1 + i),
            )
            for i in range(1, 10)
        ),
    ),
}


def sql_type(kind: Kind) -> str:
    """How both engines call it."""
    return {"int": "INTEGER", "text": "VARCHAR", "date": "DATE", "moment": "TIMESTAMP"}[kind]


def create(name: str, table: Table, *, replace: bool = False) -> str:
    """SQL that makes the table with its rows."""
    columns = ", ".join(f'"{column}" {sql_type(kind)}' for column, kind in table.columns.items())
    kinds = list(table.columns.values())
    rows = ", ".join(
        f"({', '.join(_literal(v, k) for v, k in zip(row, kinds, strict=True))})"
        for row in table.rows
    )
    made = f'CREATE {"OR REPLACE " if replace else ""}TABLE "{name}" ({columns})'
    return f'{made}; INSERT INTO "{name}" VALUES {rows}' if rows else made


def _literal(value: Value, kind: Kind) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "''")
    return f"CAST('{text}' AS {sql_type(kind)})"
