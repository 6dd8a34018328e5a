"""The action that queries a warehouse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from saaf_autogen.actions.context import ActionContext
from saaf_autogen.actions.declaration import action

__all__ = ["Column", "Table", "query"]

Scalar = str | int | float | bool | None


class Column(BaseModel):
    """A column of a result."""

    name: str
    type: str


class Table(BaseModel):
    """Rows of a query, and where they were cut."""

    columns: list[Column]
    rows: list[list[Any]]
    row_count: int = Field(description="how many rows are here")
    cut: str | None = Field(description="where the result was cut, or null when it is whole")
    sql: str
    warehouse: str


async def _tables_of(ctx: ActionContext, arguments: Mapping[str, Any]) -> Sequence[str]:
    """The tables that the SQL reads; the guard refuses those that are not granted."""
    source = ctx.warehouse(arguments["warehouse"])
    # In a thread: planning long SQL would hold up every other caller.
    return await asyncio.to_thread(
        source.resources,
        arguments["sql"],
        arguments["parameters"] or {},
        max_rows=arguments["max_rows"],
    )


@action(scopes=["warehouse:query"], effect="read", resources=_tables_of)
async def query(
    sql: Annotated[str, Field(description="one SELECT; values as :name parameters")],
    ctx: ActionContext,
    parameters: Annotated[
        dict[str, Scalar] | None, Field(description="values of the :name parameters")
    ] = None,
    warehouse: Annotated[
        str | None, Field(description="which warehouse; leave out when there is one")
    ] = None,
    max_rows: Annotated[int | None, Field(ge=1, description="cut the result here")] = None,
) -> Table:
    """Run one read-only SQL query on a warehouse and get its rows.

    Only the tables, columns and rows that you were granted exist. Ask semantic.context first for
    the tables, the dialect and verified queries.
    """
    source = ctx.warehouse(warehouse)
    result = await source.execute(sql, parameters or {}, max_rows=max_rows)
    return Table(
        columns=[Column(name=each.name, type=each.type) for each in result.columns],
        rows=[list(row) for row in result.rows],
        row_count=len(result.rows),
        cut=result.cut,
        sql=sql,
        warehouse=source.name,
    )
