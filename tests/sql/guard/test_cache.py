from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from saaf_autogen.auth.access import Comparison, TableAccess
from saaf_autogen.errors import ApprovalRequired, SqlRefused
from saaf_autogen.sql import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.guard import DUCKDB
from saaf_autogen.sql.guard.plan import Scalar
from tests.sql import world

SQL = "SELECT id, note FROM flights WHERE delay > :least"


def access(carrier: Scalar = "UA", *columns: str) -> TableAccess:
    shown = world.full(*(columns or ("id", "note", "delay", "carrier")))
    policy = Comparison("carrier", "eq", carrier) if carrier is not None else None
    made = world.table("main.flights", shown)
    return replace(made, rows=policy) if policy is not None else made


def plan(
    guard: Guard,
    tables: Mapping[str, TableAccess],
    sql: str = SQL,
    parameters: Mapping[str, Scalar] | None = None,
    max_rows: int = 10,
) -> Plan:
    visible = {
        name: VisibleTable(PhysicalTable("w", *name.split(".")), table)
        for name, table in tables.items()
    }
    values = {"least": 3} if parameters is None and ":least" in sql else parameters
    return guard.plan(sql, visible=visible, parameters=values, max_rows=max_rows)


@pytest.fixture
def guard() -> Guard:
    return Guard(DUCKDB, mask_key="k")


def is_made_again(first: Plan, second: Plan) -> bool:
    # The text itself is kept, so that a plan from the cache has the very same one.
    return first.sql is not second.sql


def test_the_same_query_for_the_same_rights_is_planned_once(guard: Guard) -> None:
    first = plan(guard, {"main.flights": access()})
    second = plan(guard, {"main.flights": access()})
    assert not is_made_again(first, second)
    assert first == second


def test_parameters_are_bound_anew_each_time(guard: Guard) -> None:
    first = plan(guard, {"main.flights": access()}, parameters={"least": 3})
    second = plan(guard, {"main.flights": access()}, parameters={"least": 77})
    assert not is_made_again(first, second)
    assert set(first.parameters.values()) == {3, "UA"}
    assert set(second.parameters.values()) == {77, "UA"}


@pytest.mark.parametrize("value", ["3", 3.5, None, True, 10**16])
def test_another_kind_of_parameter_makes_another_plan(guard: Guard, value: Scalar) -> None:
    first = plan(guard, {"main.flights": access()})
    second = plan(guard, {"main.flights": access()}, parameters={"least": value})
    assert is_made_again(first, second)
    assert value in second.parameters.values()


def test_wrong_parameters_are_refused_although_the_query_is_known(guard: Guard) -> None:
    plan(guard, {"main.flights": access()})
    wrongs: list[Any] = [{}, {"least": 1, "more": 2}, {"least": [1]}, {"least": float("inf")}]
    for wrong in wrongs:
        with pytest.raises(SqlRefused) as caught:
            plan(guard, {"main.flights": access()}, parameters=wrong)
        assert caught.value.rule == "parameter"


def test_a_limit_by_parameter_is_never_that_of_another_call(guard: Guard) -> None:
    sql = "SELECT id FROM flights LIMIT :n"
    for limit in (3, 5, 3):
        made = plan(guard, {"main.flights": access()}, sql, {"n": limit})
        assert made.sql.endswith(f"LIMIT {limit}")


def test_a_parameter_that_is_a_limit_and_a_value_is_bound_anew_as_both(guard: Guard) -> None:
    sql = "SELECT id FROM flights WHERE delay > :n LIMIT :n"
    for number in (3, 5, 3):
        made = plan(guard, {"main.flights": access()}, sql, {"n": number})
        assert made.sql.endswith(f"LIMIT {number}")
        assert number in made.parameters.values()


@pytest.mark.parametrize(
    "other",
    [
        access("B6"),
        access(None),
        access("UA", "id", "note", "delay"),
        replace(access(), max_rows=4),
        replace(access(), grants=("other",)),
        access(1),
    ],
)
def test_other_rights_never_get_a_plan_of_these(guard: Guard, other: TableAccess) -> None:
    first = plan(guard, {"main.flights": access()})
    second = plan(guard, {"main.flights": other})
    alone = plan(Guard(DUCKDB, mask_key="k"), {"main.flights": other})
    assert is_made_again(first, second)
    assert second == alone
    assert plan(guard, {"main.flights": access()}) == first


def test_values_that_python_takes_for_equal_are_different_rights(guard: Guard) -> None:
    kinds = [type(value) for value in (1, True, 1.0)]
    for value in (1, True, 1.0):
        made = plan(guard, {"main.flights": access(value)})
        bound = next(item for item in made.parameters.values() if item == 1)
        assert type(bound) is type(value)
    assert len(set(kinds)) == 3


def test_a_value_of_the_caller_never_takes_the_place_of_an_equal_one_of_the_policy(
    guard: Guard,
) -> None:
    sql = "SELECT id FROM flights WHERE carrier = :carrier"
    own = plan(guard, {"main.flights": access("UA")}, sql, {"carrier": "UA"})
    other = plan(guard, {"main.flights": access("UA")}, sql, {"carrier": "DL"})
    assert not is_made_again(own, other)
    assert sorted(str(value) for value in own.parameters.values()) == ["UA", "UA"]
    assert sorted(str(value) for value in other.parameters.values()) == ["DL", "UA"]


def test_a_grant_that_is_taken_away_is_gone_at_once(guard: Guard) -> None:
    plan(guard, {"main.flights": access()})
    with pytest.raises(SqlRefused) as caught:
        plan(guard, {})
    assert caught.value.rule == "unknown_table"
    with pytest.raises(SqlRefused) as caught:
        plan(guard, {"main.flights": access("UA", "id", "delay")})
    assert caught.value.rule == "unknown_column"
    with pytest.raises(ApprovalRequired):
        plan(guard, {"main.flights": replace(access(), approval=True)})


def test_a_table_that_comes_to_be_meant_by_a_name_makes_a_new_plan() -> None:
    guard = Guard(DUCKDB, mask_key="k", catalogs=frozenset({"w"}))
    sql = "SELECT id FROM w.flights"
    first = plan(guard, {"main.flights": access()}, sql)
    both = {"main.flights": access(), "w.flights": access("B6")}
    second = plan(guard, both, sql)
    assert (first.tables, second.tables) == (("main.flights",), ("w.flights",))


def test_rows_wanted_are_part_of_the_plan(guard: Guard) -> None:
    limits = [plan(guard, {"main.flights": access()}, max_rows=n).sql[-8:] for n in (10, 20, 10)]
    assert limits == ["LIMIT 11", "LIMIT 21", "LIMIT 11"]


def test_the_cache_forgets_what_was_used_least() -> None:
    guard = Guard(DUCKDB, mask_key="k", cached=2)
    tables = {"main.flights": access()}
    first = plan(guard, tables, "SELECT 1")
    plan(guard, tables, "SELECT 2")
    assert not is_made_again(first, plan(guard, tables, "SELECT 1"))
    plan(guard, tables, "SELECT 3")
    assert not is_made_again(first, plan(guard, tables, "SELECT 1"))
    assert len(guard._cache._plans) == 2
    none = Guard(DUCKDB, mask_key="k", cached=0)
    assert is_made_again(plan(none, tables), plan(none, tables))


def test_plans_for_many_callers_of_one_text_are_bounded(guard: Guard) -> None:
    for number in range(50):
        plan(guard, {"main.flights": access(f"C{number}")})
    assert len(next(iter(guard._cache._plans.values()))) <= 8


def test_threads_share_the_cache_and_never_each_others_rights(guard: Guard) -> None:
    carriers = [f"C{number}" for number in range(6)]

    def work(index: int) -> bool:
        carrier = carriers[index % 6]
        made = plan(guard, {"main.flights": access(carrier)}, parameters={"least": index})
        return set(made.parameters.values()) == {index, carrier}

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(600)))
    finally:
        sys.setswitchinterval(before)
