"""Snowflake's own answers, in the columns that its documentation names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from saaf_autogen.errors import WarehouseFailed
from saaf_autogen.sql import Warehouse
from saaf_autogen.sql.guard import dialect_named
from saaf_autogen.sql.introspection import introspect, look_into

TABLES = [
    ("SALES", "CUSTOMERS", "table", "Who buys", 90),
    ("SALES", "LINES", "table", None, 5_000_000),
    ("SALES", "RECENT", "view", "", None),
]
COLUMNS = [
    ("SALES", "CUSTOMERS", "ID", "NUMBER", "NO", None, 38, 0),
    ("SALES", "CUSTOMERS", "EMAIL", "TEXT", "YES", "where to write", None, None),
    ("SALES", "LINES", "ORDER_NO", "NUMBER", "NO", None, 10, 0),
    ("SALES", "LINES", "LINE_NO", "NUMBER", "NO", None, 10, 0),
    ("SALES", "LINES", "CUSTOMER", "NUMBER", "YES", None, 38, 0),
    ("SALES", "LINES", "PRICE", "NUMBER", "YES", None, 12, 2),
    ("SALES", "RECENT", "AT", "TIMESTAMP_NTZ", "YES", None, None, None),
]
PRIMARY = [
    ("2024", "DB", "SALES", "LINES", "LINE_NO", 2, "PK_L", "false", None),
    ("2024", "DB", "SALES", "LINES", "ORDER_NO", 1, "PK_L", "false", None),
    ("2024", "DB", "SALES", "CUSTOMERS", "ID", 1, "PK_C", "false", None),
]
UNIQUE = [("2024", "DB", "SALES", "CUSTOMERS", "EMAIL", 1, "U_C", "false", None)]
_RULES = ("NO ACTION", "NO ACTION")
IMPORTED = [
    (
        "2024",
        "DB",
        "SALES",
        "CUSTOMERS",
        "ID",
        "DB",
        "SALES",
        "LINES",
        "CUSTOMER",
        1,
        *_RULES,
        "F1",
    ),
    ("2024", "OTHER", "X", "Y", "ID", "DB", "SALES", "LINES", "LINE_NO", 1, *_RULES, "F2"),
]


class Account:
    """Answers as an account does; ``refuses`` are the beginnings of what it refuses."""

    name = "snow"
    catalog = "DB"
    dialect = dialect_named("snowflake")

    def __init__(self, *refuses: str) -> None:
        self.refuses = refuses
        self.asked: list[str] = []

    async def inspect(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        if any(sql.strip().startswith(each) for each in self.refuses):
            raise WarehouseFailed("refused")
        answers: dict[str, list[tuple[Any, ...]]] = {
            "information_schema.tables": TABLES,
            "information_schema.columns": COLUMNS,
            "SHOW PRIMARY KEYS": PRIMARY,
            "SHOW UNIQUE KEYS": UNIQUE,
            "SHOW IMPORTED KEYS": IMPORTED,
            "approx_count_distinct": [(1000, *(3, 1, 90, 0) * 4)],
            "count(*) FROM (": [(7,)],
        }
        return next((rows for words, rows in answers.items() if words in sql), [(0, "1", 500)])


def account(*refuses: str) -> Warehouse:
    return cast("Warehouse", Account(*refuses))


async def test_tables_columns_and_keys_are_read() -> None:
    found = await introspect(account())
    lines = found.table("sales", "lines")
    customers = found.table("sales", "customers")
    assert lines is not None
    assert customers is not None
    assert lines.primary_key == ("ORDER_NO", "LINE_NO")
    assert [(key.table, key.columns, key.referred) for key in lines.foreign_keys] == [
        ("CUSTOMERS", ("CUSTOMER",), ("ID",))
    ], "a key into another database leads nowhere here"
    assert customers.unique_keys == (("EMAIL",),)
    assert customers.comment == "Who buys"
    types = {column.name: (column.type, column.nullable) for column in lines.columns}
    assert types["PRICE"] == ("NUMBER(12,2)", True)
    assert types["ORDER_NO"] == ("NUMBER(10,0)", False)


async def test_refused_keys_are_a_note() -> None:
    found = await introspect(account("SHOW PRIMARY", "SHOW IMPORTED"))
    assert [table.primary_key for table in found.tables] == [(), (), ()]
    assert found.tables[0].unique_keys == (("EMAIL",),)
    assert [note.partition(" was refused")[0] for note in found.notes] == [
        "SHOW PRIMARY KEYS",
        "SHOW IMPORTED KEYS",
    ]


async def test_rows_come_from_the_catalog_and_large_tables_are_looked_at_in_part() -> None:
    warehouse = account()
    found = await introspect(warehouse, only=["sales.lines"])
    profile = (await look_into(warehouse, found.tables))["sales", "lines"]
    assert (profile.rows, profile.estimated, profile.sampled) == (5_000_000, False, True)
    asked = [sql for sql in cast("Account", warehouse).asked if "approx_count_distinct" in sql]
    assert all("SAMPLE SYSTEM (4.0000)" in sql for sql in asked)
    assert asked
