"""Guarded queries: the only way from a caller's SQL to a warehouse."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.errors import SaafError, SqlRefused
from saaf_autogen.semantic.vocabulary import Vocabulary
from saaf_autogen.sql.guard import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.guard.plan import Scalar
from saaf_autogen.sql.stream import ArrowStream
from saaf_autogen.sql.warehouse import Column, QueryLimits, Session, Warehouse

__all__ = ["GuardedWarehouse", "QueryResult"]

_TYPES_FOR_S = 300.0


@dataclass(frozen=True)
class QueryResult:
    """What a caller gets.

    Attributes:
        columns: names and engine types.
        rows: JSON-able values.
        cut: a sentence on where the rows were cut, or None when they are whole.
        sql: the caller's own SQL.
        tables: visible names of the tables that were read.
    """

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    cut: str | None
    sql: str
    tables: tuple[str, ...]


class GuardedWarehouse:
    """A warehouse behind the guard.

    Args:
        warehouse: the engine.
        limits: the deployment's bounds; a call may ask for less, never for more.
        mask_key: the secret that ``hash`` masks are keyed with. Without one, pseudonyms change
            with each start of the host.
        physical: where a visible table really is, if not under its own name.
        max_cost: the most that the engine may expect of a query, in its own unit; see
            ``Estimate.cost``. Without one, no query is estimated.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        *,
        limits: QueryLimits | None = None,
        mask_key: str | None = None,
        physical: Mapping[str, PhysicalTable] | None = None,
        max_cost: float | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._max_cost = max_cost
        self._limits = limits or QueryLimits()
        self._physical = dict(physical or {})
        self._types: Mapping[tuple[str, str, str], Mapping[str, str]] = {}
        self._types_until = 0.0
        self._guard = Guard(
            warehouse.dialect,
            mask_key=mask_key or secrets.token_urlsafe(32),
            catalogs=frozenset({warehouse.name, warehouse.catalog}),
        )

    @property
    def warehouse(self) -> Warehouse:
        """The engine behind the guard."""
        return self._warehouse

    def plan(
        self,
        sql: str,
        *,
        visible: Mapping[str, TableAccess],
        parameters: Mapping[str, Scalar] | None = None,
        max_rows: int | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> Plan:
        """What a query would read, without running it.

        Args:
            sql: the caller's SQL.
            visible: what the caller may read, by ``SCHEMA.TABLE``. Nothing else exists for them.
            parameters: values for the named parameters of ``sql``.
            max_rows: the most rows that the caller wants.
            vocabulary: names of the semantic layer that ``sql`` may use.

        Raises:
            SqlRefused: the guard said no.
            ApprovalRequired: a table needs an approval.
        """
        most = self._limits.max_rows
        return self._guard.plan(
            sql,
            visible={name: self._table(name, access) for name, access in visible.items()},
            parameters=parameters,
            max_rows=most if max_rows is None else max(0, min(most, max_rows)),
            vocabulary=vocabulary,
        )

    async def run(
        self,
        sql: str,
        plan: Plan,
        *,
        timeout_s: float | None = None,
        session: Session | None = None,
    ) -> QueryResult:
        """Run a plan made from ``sql``.

        Args:
            sql: the caller's SQL, for the result.
            plan: from ``plan``, for the same caller.
            timeout_s: seconds; never more than the deployment allows.
            session: who asks, for row policies of the engine itself.

        Raises:
            SqlRefused: it is expected to cost too much, or see ``Warehouse.execute``.
            TimedOut, WarehouseFailed: see ``Warehouse.execute``.
        """
        await self._afford(plan, session)
        limits = self._bounded(plan, timeout_s)
        rows = await self._warehouse.execute(plan, limits=limits, session=session)
        # For the next plan: this caller does not wait for it before their rows are there.
        await self.learn_types()
        return QueryResult(rows.columns, rows.rows, rows.cut, sql, plan.tables)

    @asynccontextmanager
    async def stream(
        self, plan: Plan, *, timeout_s: float | None = None, session: Session | None = None
    ) -> AsyncIterator[ArrowStream]:
        """Run a plan and read its result as Arrow; arguments and errors as of ``run``."""
        await self._afford(plan, session)
        limits = self._bounded(plan, timeout_s)
        async with self._warehouse.stream(plan, limits=limits, session=session) as stream:
            yield stream

    async def query(
        self,
        sql: str,
        *,
        visible: Mapping[str, TableAccess],
        parameters: Mapping[str, Scalar] | None = None,
        max_rows: int | None = None,
        timeout_s: float | None = None,
        session: Session | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> QueryResult:
        """Plan and run; arguments and errors as of ``plan`` and ``run``."""
        plan = self.plan(
            sql,
            visible=visible,
            parameters=parameters,
            max_rows=max_rows,
            vocabulary=vocabulary,
        )
        return await self.run(sql, plan, timeout_s=timeout_s, session=session)

    async def _afford(self, plan: Plan, session: Session | None) -> None:
        """Refuse, before it runs, what the engine expects to cost more than it may."""
        if self._max_cost is None:
            return
        cost = (await self._warehouse.dry_run(plan, session=session)).cost
        if cost is None:
            raise SqlRefused(
                "The warehouse cannot say what the query would cost, so it is not run.",
                rule="cost",
                remedy="Write it another way, or ask an admin to look at the warehouse's max_cost.",
            )
        if cost > self._max_cost:
            raise SqlRefused(
                "The query would cost more than this warehouse allows, so it was not run.",
                rule="cost",
                remedy="Filter more, join by keys, or aggregate before joining.",
            )

    def _bounded(self, plan: Plan, timeout_s: float | None) -> QueryLimits:
        """The least of what the deployment, the plan's tables and the call allow."""
        limits = self._limits
        seconds = (limits.timeout_s, plan.timeout_s, timeout_s)
        sizes = (limits.max_bytes, plan.max_bytes)
        return replace(
            limits,
            timeout_s=min(limit for limit in seconds if limit is not None),
            max_bytes=min(limit for limit in sizes if limit is not None),
        )

    def _table(self, name: str, access: TableAccess) -> VisibleTable:
        physical = self._physical.get(name)
        if physical is None:
            schema, _, table = name.partition(".")
            physical = PhysicalTable(self._warehouse.catalog, schema, table)
        return VisibleTable(physical, access, self._types.get(physical.key, {}))

    async def learn_types(self) -> None:
        """Ask the engine which types its columns have, now and again.

        By them the guard knows filters that cannot fail, and need not be kept from hidden rows;
        without them queries are slower under a row policy, and no less safe.
        """
        if self._warehouse.dialect.fence != "offset" or time.monotonic() < self._types_until:
            return
        # A warehouse that does not answer is asked again as late as one that does.
        self._types_until = time.monotonic() + _TYPES_FOR_S
        try:
            schemas = await self._warehouse.schemas()
        except SaafError:
            self._types = {}
            return
        self._types = {
            schema.table.key: {column.name.lower(): column.type for column in schema.columns}
            for schema in schemas
        }
