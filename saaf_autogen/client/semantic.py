"""The semantic layer in a caller's hands: tables, contexts, and SQL on the metadata."""

from __future__ import annotations

from typing import Any, Protocol

from saaf_autogen.actions.spec import ActionOutcome

__all__ = ["ActionCaller", "Semantic"]

_PAGE = 200
Scalar = str | int | float | bool | None


class ActionCaller(Protocol):
    """What the semantic layer needs of a host, near or far."""

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """Call an action by its name."""
        ...


class Semantic:
    """What the caller may see of the semantic layer, near or far."""

    def __init__(self, host: ActionCaller) -> None:
        self._host = host

    async def tables(self, warehouse: str | None = None) -> list[dict[str, Any]]:
        """Every table that you may see: name, description, synonyms, tags, resource."""
        found: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {"limit": _PAGE}
        if warehouse is not None:
            arguments["warehouse"] = warehouse
        while True:
            outcome = await self._host.call("semantic.list_tables", arguments)
            found += outcome.value
            if not outcome.value or (outcome.cut is None and len(outcome.value) < _PAGE):
                return found
            arguments["after"] = found[-1]["resource"]

    async def table(self, name: str, warehouse: str | None = None) -> dict[str, Any]:
        """All that you may see of a table: columns, keys, hints, joins, metrics, filters."""
        return await self._value("semantic.describe_table", table=name, warehouse=warehouse)

    async def context(
        self, question: str, *, warehouse: str | None = None, token_budget: int = 1_500
    ) -> dict[str, Any]:
        """What a model should read before it writes SQL for a question."""
        return await self._value(
            "semantic.context", question=question, warehouse=warehouse, token_budget=token_budget
        )

    async def query(self, sql: str, **parameters: Scalar) -> list[dict[str, Any]]:
        """Rows of one SELECT on the metadata's tables, as dicts by column name.

        The tables are ``semantic.tables``, ``.fields``, ``.relationships``, ``.metrics``,
        ``.filters`` and ``.examples``; they hold what you may see. The dialect is SQLite's.

        Raises:
            SqlRefused: the SQL is no query on these tables.
        """
        value = await self._value("semantic.query", sql=sql, parameters=parameters or None)
        return [dict(zip(value["columns"], row, strict=True)) for row in value["rows"]]

    async def _value(self, action: str, **arguments: Any) -> dict[str, Any]:
        given = {name: value for name, value in arguments.items() if value is not None}
        value: dict[str, Any] = (await self._host.call(action, given)).value
        return value
