from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saaf_autogen.sql.moments import date_text, days_of, moment_text
from saaf_autogen.sql.values import described, json_column


def converted(values: pa.Array) -> list[Any]:
    return json_column(values, pa.field("x", values.type))


@given(st.dates())
def test_a_day_is_written_as_python_writes_it_and_counted_back(day: date) -> None:
    days = (day - date(1970, 1, 1)).days
    assert date_text(days) == day.isoformat()
    assert days_of(day.year, day.month, day.day) == days


@given(st.integers(min_value=-2_000_000_000, max_value=2_000_000_000))
def test_a_day_beyond_pythons_years_follows_the_one_before(days: int) -> None:
    year, month, day = date_text(days).rsplit("-", 2)
    assert days_of(int(year), int(month), int(day)) == days


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_loses_no_digit_whether_as_number_or_as_text(value: Decimal) -> None:
    field = described("n", pa.string(), "numeric", "number")
    (told,) = json_column(pa.array([str(value)]), field)
    assert Decimal(repr(told) if isinstance(told, float) else str(told)) == value


@pytest.mark.parametrize(
    ("months", "days", "nanoseconds", "text"),
    [
        (0, 0, 0, "PT0S"),
        (14, 2, 3_500_000_000, "P1Y2M2DT3.5S"),
        (-1, -2, 0, "-P1M2D"),
        (1, -2, -1, "P1M-2DT-0.000000001S"),
        (0, 0, 5_400_000_000_000, "PT1H30M"),
    ],
)
def test_an_interval_keeps_months_days_and_time_apart(
    months: int, days: int, nanoseconds: int, text: str
) -> None:
    values = pa.array([(months, days, nanoseconds)], pa.month_day_nano_interval())
    assert converted(values) == [text]


def test_moments_keep_nanoseconds_zones_and_infinity() -> None:
    assert moment_text(1, 10**9, None) == "1970-01-01T00:00:00.000000001"
    assert moment_text(0, 10**6, "Europe/Vienna") == "1970-01-01T01:00:00+01:00"
    assert moment_text(0, 10**6, "-05:30") == "1969-12-31T18:30:00-05:30"
    assert moment_text(-(2**63 - 1), 10**6, "UTC") == "-infinity"


def test_nested_values_survive_slices_and_nulls() -> None:
    lists = pa.array([[1], None, [2, None], []], pa.list_(pa.int64()))
    assert converted(lists.slice(1)) == [None, [2, None], []]
    fixed = pa.array([[1, 2], None, [3, None]], pa.list_(pa.int8(), 2))
    assert converted(fixed.slice(1)) == [None, [3, None]]
    maps = pa.array([[("a", 1)], None, [("b", 2**60)]], pa.map_(pa.string(), pa.int64()))
    assert converted(maps.slice(1)) == [None, {"b": str(2**60)}]
    structs = pa.array([{"a": timedelta(seconds=1), "b": [b"\xff"]}, None])
    assert converted(structs) == [{"a": "PT1S", "b": ["ff"]}, None]


def test_json_is_nested_unless_it_is_too_deep_or_none() -> None:
    field = described("j", pa.string(), "JSON", "json")
    deep = "[" * 5_000 + "]" * 5_000
    told = json_column(pa.array(['{"a": [1.10, 9007199254740993, NaN]}', deep, "x"]), field)
    assert told == [{"a": [1.1, "9007199254740993", None]}, deep, "x"]
