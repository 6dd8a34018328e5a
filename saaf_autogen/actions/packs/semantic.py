"""Actions on the semantic layer: which data there is, what it means, how to ask for it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from saaf_autogen.actions.context import ActionContext
from saaf_autogen.actions.declaration import action

__all__ = ["Metadata", "context", "describe_table", "list_tables", "query"]

READ = ["semantic:read"]
Scalar = str | int | float | bool | None


class Metadata(BaseModel):
    """Rows of a query on the metadata, and where they were cut."""

    columns: list[str]
    rows: list[list[Any]]
    row_count: int = Field(description="how many rows are here")
    cut: str | None = Field(description="where the result was cut, or null when it is whole")


@action(scopes=READ, effect="read")
def list_tables(
    ctx: ActionContext,
    warehouse: Annotated[
        str | None, Field(description="only this warehouse's; leave out for all")
    ] = None,
    after: Annotated[
        str | None, Field(description="resource of the last table that you have; lists go on there")
    ] = None,
    limit: Annotated[int, Field(ge=1, le=1_000, description="at most so many")] = 200,
) -> list[dict[str, Any]]:
    """List the tables that you may see, with a description of each."""
    return ctx.semantic.list_tables(warehouse, after=after, limit=limit)


@action(scopes=READ, effect="read")
def describe_table(
    table: Annotated[str, Field(description="the table's name, as semantic.list_tables gives it")],
    ctx: ActionContext,
    warehouse: Annotated[
        str | None, Field(description="where several warehouses have a table of this name")
    ] = None,
) -> dict[str, Any]:
    """Describe a table: its columns and their meaning, hints, joins, metrics and filters."""
    return ctx.semantic.describe_table(table, warehouse)


@action(scopes=READ, effect="read")
async def context(
    question: Annotated[str, Field(description="the user's question, in their own words")],
    ctx: ActionContext,
    warehouse: Annotated[
        str | None, Field(description="which warehouse; leave out when there is one")
    ] = None,
    token_budget: Annotated[
        int, Field(ge=100, le=20_000, description="the most tokens of the text, as estimated")
    ] = 1_500,
) -> dict[str, Any]:
    """Get what is needed to write SQL for a question.

    Returns the tables and columns that matter, hints, joins, and verified queries near the
    question, for the dialect of the warehouse. Call it before you write SQL.
    """
    return await ctx.semantic_context(question, warehouse, token_budget=token_budget)


@action(scopes=READ, effect="read")
def query(
    sql: Annotated[str, Field(description="one SELECT in SQLite's dialect; values as :name")],
    ctx: ActionContext,
    parameters: Annotated[
        dict[str, Scalar] | None, Field(description="values of the :name parameters")
    ] = None,
) -> Metadata:
    """Search the metadata with SQL: what there is and what it means, never the warehouse's rows.

    Tables: semantic.tables, semantic.fields, semantic.relationships, semantic.metrics,
    semantic.filters, semantic.examples. Lists in them are JSON text, which json_each opens.
    """
    found = ctx.query_metadata(sql, parameters or {})
    rows = [list(row) for row in found.rows]
    return Metadata(columns=list(found.columns), rows=rows, row_count=len(rows), cut=found.cut)
