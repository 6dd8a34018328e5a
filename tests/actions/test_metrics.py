"""Names of the semantic layer in the SQL of actions, on the sample deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from saaf_autogen.auth.principal import Principal
from saaf_autogen.client import Client
from saaf_autogen.errors import SqlRefused
from tests.conftest import make_deployment

SCOPES = frozenset({"semantic:read", "warehouse:query"})
ANALYST = Principal(
    issuer="local", subject="client:analyst", groups=frozenset({"analysts"}), scopes=SCOPES
)
NARROW = Principal(
    issuer="local",
    subject="client:ua-analyst",
    groups=frozenset({"airline-analysts"}),
    attributes={"carrier": "UA"},
    scopes=SCOPES,
)
RATE = "SELECT AGG(flight_count) AS flights, ROUND(AGG(cancelled_percent), 3) AS rate FROM flights"


@pytest.fixture
def folder(tmp_path: Path, nyc_file: Path) -> Path:
    return make_deployment(tmp_path / "nyc", nyc_file)


@pytest.fixture
async def analyst(folder: Path) -> AsyncIterator[Client]:
    async with Client(folder, principal=ANALYST) as saaf:
        yield saaf


@pytest.fixture
async def narrow(folder: Path) -> AsyncIterator[Client]:
    async with Client(folder, principal=NARROW) as saaf:
        yield saaf


async def test_a_metric_is_over_the_rows_that_its_caller_sees(
    analyst: Client, narrow: Client
) -> None:
    everything = await analyst.call("warehouse.query", sql=RATE)
    own = await narrow.call("warehouse.query", sql=RATE)
    of_ua = await analyst.call("warehouse.query", sql=f"{RATE} WHERE carrier = 'UA'")
    assert everything["rows"] == [[336_776, 2.451]]
    assert own["rows"] == of_ua["rows"] == [[58_665, 1.169]]
    # The result tells the caller's own SQL, not what it became.
    assert own["sql"] == RATE


async def test_every_metric_filter_and_relationship_that_metadata_list_runs_by_its_name(
    narrow: Client,
) -> None:
    ran = 0
    for table in await narrow.call("semantic.list_tables"):
        told = await narrow.call("semantic.describe_table", table=table["name"])
        for metric in told["metrics"]:
            sql = f"SELECT AGG({metric['name']}) FROM {table['name']}"
            assert (await narrow.call("warehouse.query", sql=sql))["row_count"] == 1
            ran += 1
        for item in told["filters"]:
            sql = f"SELECT COUNT(*) FROM {table['name']} WHERE {item['name']}"
            assert (await narrow.call("warehouse.query", sql=sql))["rows"][0][0] > 0
            ran += 1
        for join in told["relationships"]:
            sql = (
                f"SELECT COUNT(*) FROM {join['left_table']} JOIN {join['right_table']}"
                f" USING ({join['name']})"
            )
            assert (await narrow.call("warehouse.query", sql=sql))["rows"][0][0] > 0
            ran += 1
    assert ran > 20


async def test_hints_name_only_metrics_of_what_the_caller_sees(
    analyst: Client, narrow: Client
) -> None:
    sql = "SELECT AGG(plane_count) FROM flights"
    with pytest.raises(SqlRefused) as wide:
        await analyst.call("warehouse.query", sql=sql)
    assert wide.value.remedy == "Read planes in FROM of the same SELECT."
    with pytest.raises(SqlRefused) as own:
        await narrow.call("warehouse.query", sql=sql)
    assert own.value.detail == "There is no metric plane_count here."
    assert "planes" not in str(own.value.problem())


async def test_limits_of_a_table_hold_for_its_queries(folder: Path) -> None:
    file = folder / "semantic" / "nyc_flights.yaml"
    text = file.read_text()
    old = "limits: {max_rows: 5000, timeout_s: 20}"
    assert text.count(old) == 1
    file.write_text(
        text.replace(old, "limits: {max_rows: 7, required_filters: [[time_hour, month]]}")
    )
    async with Client(folder, principal=ANALYST) as saaf:
        with pytest.raises(SqlRefused) as caught:
            await saaf.call("warehouse.query", sql="SELECT dest FROM flights")
        assert caught.value.rule == "required_filter"
        assert (
            caught.value.detail == "flights may only be read with a filter on time_hour or month."
        )
        found = await saaf.call("warehouse.query", sql="SELECT dest FROM flights WHERE month = 2")
        assert found["row_count"] == 7
        assert found["cut"]
        told = await saaf.call("semantic.describe_table", table="flights")
        assert told["limits"] == {"max_rows": 7, "required_filters": [["time_hour", "month"]]}


async def test_handlers_use_the_names_too(folder: Path) -> None:
    (folder / "tools" / "late.py").write_text(
        "from saaf_autogen import ActionContext, action\n\n\n"
        '@action(scopes=["warehouse:query"], effect="read")\n'
        "async def share(carrier: str, ctx: ActionContext) -> list[dict]:\n"
        '    """How often an airline is late."""\n'
        '    sql = "SELECT COUNT(*) FILTER (WHERE delayed) AS late, AGG(flight_count) AS flights"\n'
        '    rest = " FROM flights WHERE carrier = ?"\n'
        '    return await ctx.warehouse("nyc").query(sql + rest, carrier)\n'
    )
    async with Client(folder, principal=ANALYST) as saaf:
        assert await saaf.call("late.share", carrier="UA") == [{"late": 12_195, "flights": 58_665}]
