"""Two small tables, and their rows as Python knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

__all__ = ["TABLES", "Kind", "Table", "Value", "create", "sql_type"]

Kind = Literal["int", "text", "date", "moment", "num", "float"]
Value = int | float | str | Decimal | date | datetime | None


@dataclass(frozen=True)
class Table:
    """Columns in order, and rows."""

    columns: Mapping[str, Kind]
    rows: tuple[tuple[Value, ...], ...]


# Few values, so that comparisons hit; every note is found once, so that it tells its row. The last
# rows of each table, whose `k` is z, hold what expressions fail on and the extremes of the columns:
# a grant that hides them hides every reason to fail.
_CLEAN = tuple(
    (
        i,
        ("a", "b", "c", None)[i % 4],
        (1, 2, 3, None)[i % 4],
        (-7, 5, 8, 40)[(i * 3) % 4],
        ("1", "2", None, "3")[(i * 5) % 4],
        None if i == 7 else date(2010 + i % 4, 1 + i % 12, 1 + i % 28),
        None if i == 3 else datetime(2010 + i % 3, 6, 1, i % 24, 30),
        (Decimal("1.00"), Decimal("12.50"), Decimal("-3.25"), None)[i % 4],
        (2.0, 1.5, -2.25, None)[(i * 2) % 4],
        f"secret_t{i}",
    )
    for i in range(1, 11)
)
_FAILING = tuple(
    (
        i,
        "z",
        0,
        (2_147_483_647, 424_242, -2_147_483_648)[i % 3],
        ("x", "2013-01-01", "")[i % 3],
        date(2019, 1, i),
        datetime(2019, 1, i, 12),
        Decimal("9999999999.99"),
        (0.0, 1e300, -1.0)[i % 3],
        f"secret_t{i}",
    )
    for i in range(11, 15)
)
TABLES: Mapping[str, Table] = {
    "t": Table(
        {
            "id": "int",
            "k": "text",
            "n": "int",
            "x": "int",
            "s": "text",
            "d": "date",
            "at": "moment",
            "m": "num",
            "g": "float",
            "note": "text",
        },
        _CLEAN + _FAILING,
    ),
    "u": Table(
        {"id": "int", "k": "text", "v": "int", "w": "text", "d": "date"},
        tuple(
            (
                i * 2 % 11,
                ("a", "b", "z", None, "c")[i % 5],
                (0, 1, None, 10, -1)[(i * 2) % 5] if i % 5 != 2 else 2_147_483_647,
                f"secret_u{i}",
                date(2010 + i % 3, 2, 1 + i) if i % 5 != 2 else date(2019, 3, i),
            )
            for i in range(1, 10)
        ),
    ),
}


def sql_type(kind: Kind) -> str:
    """How both engines call it."""
    return {
        "int": "INTEGER",
        "text": "VARCHAR",
        "date": "DATE",
        "moment": "TIMESTAMP",
        "num": "DECIMAL(12,2)",
        "float": "DOUBLE PRECISION",
    }[kind]


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
