"""What a handler is given: data as its caller may see it, and nothing else."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from typing import Any

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.context import ContextBuilder
from saaf_autogen.semantic.metadata import MetadataResult
from saaf_autogen.semantic.metadata_cache import MetadataCache
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.vocabulary import Vocabulary
from saaf_autogen.sql.guard.plan import Plan, Scalar
from saaf_autogen.sql.positional import name_positional
from saaf_autogen.sql.query import GuardedWarehouse, QueryResult
from saaf_autogen.sql.stream import ArrowStream
from saaf_autogen.sql.warehouse import Session

__all__ = ["ActionContext", "CallerWarehouse", "ContextFactory"]

_VIEWS_KEPT = 256


class CallerWarehouse:
    """A warehouse as one caller sees it: granted tables, columns and rows."""

    def __init__(
        self,
        name: str,
        guarded: GuardedWarehouse,
        visible: Mapping[str, TableAccess],
        session: Session | None = None,
        vocabulary: Callable[[], Vocabulary] = Vocabulary,
    ) -> None:
        self.name = name
        self._guarded = guarded
        self._visible = visible
        self._session = session
        self._vocabulary = vocabulary
        self._plans: dict[str, Plan] = {}

    async def query(self, sql: str, *values: Scalar, **named: Scalar) -> list[dict[str, Any]]:
        """Rows as dicts by column name.

        Args:
            sql: one SELECT, with ``?`` or ``:name`` where values go.
            *values: for each ``?``, in order.
            **named: for each ``:name``.

        Raises:
            SqlRefused: it is not allowed, or names what the caller may not see.
            WarehouseFailed, TimedOut: the engine failed.
        """
        sql, parameters = self._named(sql, values, named)
        result = await self.execute(sql, parameters)
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]

    @asynccontextmanager
    async def arrow(self, sql: str, *values: Scalar, **named: Scalar) -> AsyncIterator[ArrowStream]:
        """The result as Arrow record batches, read while the engine still works.

        ``async with warehouse.arrow("select …") as stream: table = await stream.table()``, or
        ``async for batch in stream``. Arguments, limits and errors as of ``query``.
        """
        sql, parameters = self._named(sql, values, named)
        plan = await asyncio.to_thread(self._plan, sql, parameters, None)
        async with self._guarded.stream(plan, session=self._session) as stream:
            yield stream

    async def execute(
        self, sql: str, parameters: Mapping[str, Scalar], *, max_rows: int | None = None
    ) -> QueryResult:
        """As ``query``, with columns, types and where the rows were cut."""
        plan = await asyncio.to_thread(self._plan, sql, parameters, max_rows)
        return await self._guarded.run(sql, plan, session=self._session)

    def resources(
        self, sql: str, parameters: Mapping[str, Scalar], *, max_rows: int | None = None
    ) -> tuple[str, ...]:
        """The resources that a query reads; raises ``SqlRefused`` where it may not."""
        return self._plan(sql, parameters, max_rows).resources

    def _named(
        self, sql: str, values: Sequence[Scalar], named: Mapping[str, Scalar]
    ) -> tuple[str, Mapping[str, Scalar]]:
        if values and named:
            raise InvalidArguments("Pass values by position or by name, not both.")
        if not values:
            return sql, named
        return name_positional(sql, values, self._guarded.warehouse.dialect.name)

    def _plan(self, sql: str, parameters: Mapping[str, Scalar], max_rows: int | None) -> Plan:
        # Deciding and running ask for the same plan, within one call.
        key = repr((sql, sorted(parameters.items(), key=lambda item: item[0]), max_rows))
        if key not in self._plans:
            self._plans[key] = self._guarded.plan(
                sql,
                visible=self._visible,
                parameters=parameters,
                max_rows=max_rows,
                vocabulary=self._vocabulary(),
            )
        return self._plans[key]


class ActionContext:
    """One call, as its handler sees it. Built by invoke alone.

    Attributes:
        principal: who calls.
        call_id: the call's id in audit and logs.
        run_id: the run that it belongs to, if any.
        idempotency_key: for systems that remember keys: a UUID of this call, the same whenever it
            is repeated. None in a ``read``.
        semantic: the semantic layer as the caller may see it.
        clock: the time.
    """

    def __init__(
        self,
        *,
        principal: Principal,
        call_id: str,
        run_id: str | None,
        clock: Clock,
        data: CallerData,
        warehouses: Mapping[str, GuardedWarehouse],
    ) -> None:
        self.principal = principal
        self.call_id = call_id
        self.run_id = run_id
        self.clock = clock
        self.idempotency_key: str | None = None
        self._data = data
        self._warehouses = warehouses
        self._opened: dict[str, CallerWarehouse] = {}

    @property
    def semantic(self) -> SemanticView:
        """The semantic layer as the caller may see it."""
        return self._data.view

    async def semantic_context(
        self, question: str, warehouse: str | None = None, *, token_budget: int = 1_500
    ) -> dict[str, Any]:
        """What is needed to write SQL for a question, of what the caller may see."""
        # The first view of a thousand tables takes a second to build.
        view = await asyncio.to_thread(lambda: self._data.view)
        return await self._data.contexts.context(
            question, view, warehouse=warehouse, token_budget=token_budget
        )

    def query_metadata(
        self, sql: str, parameters: Mapping[str, str | int | float | bool | None]
    ) -> MetadataResult:
        """One query on the semantic layer's tables, which hold what the caller may see.

        Raises:
            SqlRefused, InvalidArguments: it is no query on these tables, or not valid.
            PayloadTooLarge, TimedOut: it asks for too much.
        """
        return self._data.metadata.query(self._data.view, sql, parameters)

    def warehouse(self, name: str | None = None) -> CallerWarehouse:
        """A warehouse by its name, which may be left out where there is one.

        Raises:
            NotFound: there is none of this name.
            InvalidArguments: there are several and none was named.
        """
        known = self._visible_warehouses()
        if name is None and len(known) == 1:
            (name,) = known
        if name is None and known:
            raise InvalidArguments(
                "Which warehouse is meant?", remedy=f"Name one: {', '.join(known)}."
            )
        if name not in known:
            raise NotFound(
                f"There is no warehouse {name[:100]!r} with tables that you may read."
                if name
                else "There is no warehouse with tables that you may read.",
                remedy=f"There are: {', '.join(known)}." if known else "Ask an admin for a grant.",
            )
        if name not in self._opened:
            prefix = f"wh://{name}/"
            visible = {
                resource.removeprefix(prefix): access
                for resource, access in self._data.access.items()
                if resource.startswith(prefix)
            }
            who = self.principal
            self._opened[name] = CallerWarehouse(
                name,
                self._warehouses[name],
                visible,
                Session(who.tenant, who.issuer, who.subject),
                partial(self._vocabulary, name),
            )
        return self._opened[name]

    def _vocabulary(self, warehouse: str) -> Vocabulary:
        return self._data.view.vocabulary(warehouse)

    def _visible_warehouses(self) -> list[str]:
        """A warehouse of which the caller sees no table does not exist for them either."""
        return [
            name
            for name in sorted(self._warehouses)
            if any(resource.startswith(f"wh://{name}/") for resource in self._data.access)
        ]


class CallerData:
    """What one principal may see: tables by resource, and the semantic layer made of them."""

    def __init__(
        self,
        access: Mapping[str, TableAccess],
        catalog: SemanticCatalog,
        contexts: ContextBuilder,
        metadata: MetadataCache,
    ) -> None:
        self.access = access
        self.contexts = contexts
        self.metadata = metadata
        self._catalog = catalog

    @cached_property
    def view(self) -> SemanticView:
        """The semantic layer, built when it is first asked for."""
        return SemanticView(self._catalog, self.access)


class ContextFactory:
    """Builds the context of each call; what a principal may see is worked out once."""

    def __init__(
        self,
        *,
        policy: Policy,
        catalog: SemanticCatalog,
        warehouses: Mapping[str, GuardedWarehouse],
        clock: Clock,
        contexts: ContextBuilder | None = None,
    ) -> None:
        self._policy = policy
        self._catalog = catalog
        self._warehouses = warehouses
        self._clock = clock
        self._contexts = contexts or ContextBuilder()
        self._metadata = MetadataCache(clock=clock)
        self._kept: OrderedDict[str, CallerData] = OrderedDict()
        # The very object that called last: its data without writing the principal out.
        self._last: dict[int, tuple[Principal, int, CallerData]] = {}

    def build(self, principal: Principal, call_id: str, run_id: str | None) -> ActionContext:
        """The context of one call."""
        return ActionContext(
            principal=principal,
            call_id=call_id,
            run_id=run_id,
            clock=self._clock,
            data=self._data_of(principal),
            warehouses=self._warehouses,
        )

    def close(self) -> None:
        """Free what was built for callers."""
        self._metadata.close()

    def _data_of(self, principal: Principal) -> CallerData:
        # Read before deciding: what is kept under an edition may be newer than it, never older.
        edition = self._policy.edition()
        last = self._last.get(id(principal))
        if last is not None and last[0] is principal and last[1] == edition:
            return last[2]
        # Which token it came with decides nothing of what is seen.
        who = principal.model_dump_json(exclude={"token_id", "family", "client_id"})
        key = f"{edition} {who}"
        data = self._kept.pop(key, None)
        if data is None:
            access = {
                resource: decided
                for resource, facts in self._catalog.facts.items()
                if (decided := self._policy.table_access(principal, facts)) is not None
            }
            data = CallerData(access, self._catalog, self._contexts, self._metadata)
        self._kept[key] = data
        if len(self._last) >= _VIEWS_KEPT:
            self._last.clear()
        self._last[id(principal)] = (principal, edition, data)
        while len(self._kept) > _VIEWS_KEPT:
            self._kept.popitem(last=False)
        return data
