from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saaf_autogen.auth.policy import Policy
from saaf_autogen.db import Base, Database
from saaf_autogen.errors import InsufficientScope, InvalidArguments
from saaf_autogen.runs.metering import (
    UsageFilter,
    UsageGroup,
    UsagePage,
    UsageReader,
    usage_csv,
    usage_page,
)
from tests.runs.house import ANN, Stores
from tests.runs.rows import add_usage

DAY = datetime(2026, 11, 1, tzinfo=UTC)
DEFAULT = UsageFilter("default")


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    database = Database(stores.database)
    Base.metadata.create_all(database.engine)
    with database.transaction() as session:
        add_usage(session, DAY, run_id="run_1")
        add_usage(session, DAY, run_id="run_1", path="team/b", model="large", nano_usd=None)
        add_usage(session, DAY + timedelta(hours=23, minutes=59), agent_id="docs", estimated=True)
        add_usage(session, DAY + timedelta(days=1), owner="default|https://issuer|bob")
        add_usage(session, DAY, tenant="acme", agent_id="secret", calls=1_000)
        huge = {"prompt_tokens": 3_000_000_000, "nano_usd": 9_000_000_000_000}
        add_usage(session, DAY + timedelta(days=2), agent_id="huge", **huge)
    yield database
    database.close()


def page(
    database: Database, by: UsageGroup, wanted: UsageFilter = DEFAULT, **rest: Any
) -> UsagePage:
    with database.transaction(read=True) as session:
        return usage_page(session, wanted, by, **rest)


def calls(found: UsagePage) -> dict[str, int]:
    return {line.key: line.model_calls for line in found.data}


def test_usage_adds_up_by_agent_model_day_and_principal(database: Database) -> None:
    assert calls(page(database, "agent")) == {"docs": 1, "flights": 3, "huge": 1}
    assert calls(page(database, "model")) == {"large": 1, "small": 4}
    days = {"2026-11-01": 3, "2026-11-02": 1, "2026-11-03": 1}
    assert calls(page(database, "day")) == days
    people = {"https://issuer|ann": 4, "https://issuer|bob": 1}
    assert calls(page(database, "principal")) == people
    assert calls(page(database, "tenant", UsageFilter(None))) == {"acme": 1_000, "default": 5}


def test_a_run_counts_once_and_calls_without_a_price_are_told(database: Database) -> None:
    (line,) = [each for each in page(database, "agent").data if each.key == "flights"]
    assert (line.runs, line.model_calls, line.prompt_tokens) == (2, 3, 300)
    assert line.usd == pytest.approx(0.002)
    assert (line.unpriced_calls, line.estimated) == (1, False)
    by_model = {each.key: each for each in page(database, "model").data}
    assert by_model["large"].usd is None
    assert by_model["small"].estimated
    assert by_model["small"].prompt_tokens == 3_000_000_300
    assert by_model["small"].usd == pytest.approx(9_000.003)


def test_the_total_is_over_all_groups_whatever_the_page(database: Database) -> None:
    first = page(database, "agent", limit=1)
    assert (first.total.runs, first.total.model_calls, first.total.key) == (4, 5, "total")
    keys, cursor = [], first.next_cursor
    keys += [line.key for line in first.data]
    while cursor:
        following = page(database, "agent", after=cursor, limit=1)
        keys += [line.key for line in following.data]
        cursor = following.next_cursor
    assert keys == ["docs", "flights", "huge"]


@pytest.mark.parametrize("by", ["day", "principal", "model"])
def test_pages_go_on_past_the_last_key_of_every_kind_of_group(
    database: Database, by: UsageGroup
) -> None:
    whole = [line.key for line in page(database, by).data]
    first = page(database, by, limit=1)
    assert first.next_cursor == whole[0]
    rest = page(database, by, after=whole[0])
    assert [line.key for line in rest.data] == whole[1:]


def test_a_period_holds_its_beginning_and_not_its_end(database: Database) -> None:
    wanted = UsageFilter("default", since=DAY, until=DAY + timedelta(days=1))
    assert calls(page(database, "day", wanted)) == {"2026-11-01": 3}
    wanted = UsageFilter("default", since=DAY + timedelta(days=1))
    assert page(database, "day", wanted).total.runs == 2
    nothing = page(database, "day", UsageFilter("default", until=DAY))
    assert (nothing.data, nothing.total.runs, nothing.total.usd) == ([], 0, None)


async def test_own_usage_is_that_of_the_caller_in_its_tenant(database: Database) -> None:
    reader = UsageReader(database, policy=Policy([], [], {}))
    ann = ANN.model_copy(update={"subject": "ann"})
    assert calls(await reader.own(ann)) == {"docs": 1, "flights": 2, "huge": 1}
    first = await reader.own(ann, limit=2)
    assert calls(await reader.own(ann, cursor=first.next_cursor)) == {"huge": 1}
    assert calls(await reader.own(ann.model_copy(update={"tenant": "acme"}))) == {"secret": 1_000}
    with pytest.raises(InsufficientScope):
        await reader.own(ann.model_copy(update={"scopes": frozenset({"agents:run"})}))
    with pytest.raises(InvalidArguments, match="cursor"):
        await reader.own(ann, cursor="?")


def test_csv_has_a_heading_and_no_formulas(database: Database) -> None:
    with database.transaction() as session:
        add_usage(session, DAY, agent_id="=1+1")
    rows = list(csv.reader(io.StringIO(usage_csv(page(database, "agent")))))
    assert rows[0][:3] == ["agent", "runs", "model_calls"]
    assert {row[0] for row in rows[1:]} == {"'=1+1", "docs", "flights", "huge"}
    large = next(csv.DictReader(io.StringIO(usage_csv(page(database, "model")))))
    assert (large["usd"], large["estimated"], large["unpriced_calls"]) == ("", "false", "1")
