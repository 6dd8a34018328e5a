"""Actions on the semantic layer: which data there is, what it means, how to ask for it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from saaf_autogen.actions.context import ActionContext
from saaf_autogen.actions.declaration import action

__all__ = ["context", "describe_table", "list_tables"]

READ = ["semantic:read"]


@action(scopes=READ, effect="read")
def list_tables(ctx: ActionContext) -> list[dict[str, Any]]:
    """List the tables that you may see, with a description of each."""
    return ctx.semantic.list_tables()


@action(scopes=READ, effect="read")
def describe_table(
    table: Annotated[str, Field(description="the table's name, as semantic.list_tables gives it")],
    ctx: ActionContext,
) -> dict[str, Any]:
    """Describe a table: its columns and their meaning, hints, joins, metrics and filters."""
    return ctx.semantic.describe_table(table)


@action(scopes=READ, effect="read")
def context(
    question: Annotated[str, Field(description="the user's question, in their own words")],
    ctx: ActionContext,
    warehouse: Annotated[
        str | None, Field(description="which warehouse; leave out when there is one")
    ] = None,
) -> dict[str, Any]:
    """Get what is needed to write SQL for a question.

    Returns the tables and columns that matter, hints, joins, and verified queries near the
    question, for the dialect of the warehouse. Call it before you write SQL.
    """
    return ctx.semantic_context(question, warehouse)
