from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.runs.schedules.cron import (
    CATCH_UP,
    check_times,
    due_of,
    following,
    preview,
)

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BERLIN, LORD_HOWE = "Europe/Berlin", "Australia/Lord_Howe"


def walls(cron: str, zone: str, start: str, count: int) -> list[str]:
    """Times after a local one, with their offsets."""
    after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [each.isoformat("T", "minutes")[5:] for each in preview(cron, zone, after, count)]


def test_a_time_that_the_wall_skips_comes_at_the_end_of_what_is_skipped() -> None:
    assert walls("30 2 * * *", BERLIN, "2026-03-28T01:00", 3) == [
        "03-28T02:30+01:00",
        "03-29T03:00+02:00",
        "03-30T02:30+02:00",
    ]


def test_a_time_that_the_wall_shows_twice_comes_once_at_the_first() -> None:
    assert walls("30 2 * * *", BERLIN, "2026-10-24T03:00", 2) == [
        "10-25T02:30+02:00",
        "10-26T02:30+01:00",
    ]


def test_within_the_repeated_hour_what_came_in_the_first_does_not_come_again() -> None:
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    times = list(islice(following("30 2 * * *", BERLIN, second_pass), 2))
    assert times == [
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 27, 1, 30, tzinfo=UTC),
    ]


def test_two_times_within_a_skipped_hour_come_as_one() -> None:
    assert walls("0,30 2,3 * * *", BERLIN, "2026-03-29T01:00", 3) == [
        "03-29T03:00+02:00",
        "03-29T03:30+02:00",
        "03-30T02:00+02:00",
    ]


def test_what_runs_every_so_many_minutes_goes_by_elapsed_time() -> None:
    assert walls("*/30 * * * *", BERLIN, "2026-10-25T01:45", 5) == [
        "10-25T02:00+02:00",
        "10-25T02:30+02:00",
        "10-25T02:00+01:00",
        "10-25T02:30+01:00",
        "10-25T03:00+01:00",
    ]
    assert walls("*/30 * * * *", BERLIN, "2026-03-29T01:15", 2) == [
        "03-29T01:30+01:00",
        "03-29T03:00+02:00",
    ]


def test_a_zone_that_moves_by_half_an_hour_is_understood() -> None:
    assert walls("15 2 * * *", LORD_HOWE, "2026-10-03T03:00", 2) == [
        "10-04T02:30+11:00",
        "10-05T02:15+11:00",
    ]
    assert walls("45 1 * * *", LORD_HOWE, "2026-04-04T02:00", 2) == [
        "04-05T01:45+11:00",
        "04-06T01:45+10:30",
    ]
    assert walls("*/15 * * * *", LORD_HOWE, "2026-04-05T01:40", 4) == [
        "04-05T01:45+11:00",
        "04-05T01:30+10:30",
        "04-05T01:45+10:30",
        "04-05T02:00+10:30",
    ]


def test_a_zone_without_summer_time_and_with_odd_minutes_is_understood() -> None:
    assert walls("0 7 * * *", "Asia/Kathmandu", "2026-11-23T12:00", 1) == ["11-24T07:00+05:45"]


@pytest.mark.parametrize(
    "cron",
    [
        "* * * * *",
        "0 7 * * 1-5",
        "0 7 * * mon-fri",
        "*/15 8-18 * * *",
        "0 0 L * *",
        "0 0 LW * *",
        "0 9 * * 1#2",
        "0 0 29 2 *",
        "0 0 * 2 MON#5",
    ],
)
def test_what_comes_some_day_is_taken(cron: str) -> None:
    check_times(cron, BERLIN, NOW)


@pytest.mark.parametrize(
    ("cron", "detail", "remedy"),
    [
        ("", "0 fields", "minute hour day month weekday"),
        ("0 7 * *", "4 fields", "0 7 * * 1-5"),
        ("0 0 7 * * *", "6 fields", "five fields"),
        ("@daily", "1 fields", "Write 0 0 * * *"),
        ("60 7 * * *", "minute '60'", "minutes are 0 to 59"),
        ("0 24 * * *", "hour '24'", "hours are 0 to 23"),
        ("0 7 32 * *", "day-of-month '32'", "days are 1 to 31"),
        ("0 7 * 13 *", "month '13'", "jan to dec"),
        ("0 7 * * 8", "day-of-week '8'", "sun to sat"),
        ("0 7 ? * 1", "day-of-month '?'", "*/15"),
        ("0 7 30 2 *", "never comes", "Choose a day"),
        ("0 7 31 4,6,9,11 *", "never comes", "Choose a day"),
        ("* * */20 * 1L", "never comes", "one of each must meet"),
    ],
)
def test_what_is_wrong_with_an_expression_is_told_with_how_to_write_it(
    cron: str, detail: str, remedy: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        check_times(cron, "UTC", NOW)
    assert detail in caught.value.detail
    assert remedy in str(caught.value.remedy)
    assert caught.value.extra["faults"][0]["field"] == "cron"


@pytest.mark.parametrize(
    ("zone", "remedy"),
    [
        ("Europe/Belin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("../../etc/passwd", "IANA"),
        ("Europe/\x00Berlin", "Europe/Berlin"),
        ("+02:00", "IANA"),
    ],
)
def test_an_unknown_zone_is_refused_with_those_that_are_near(zone: str, remedy: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        check_times("0 7 * * *", zone, NOW)
    assert remedy in str(caught.value.remedy)
    assert caught.value.extra["faults"][0]["field"] == "zone"


@given(st.text(alphabet="0123456789*/,-#LWlw?@ monfri\x00²", max_size=30))
@settings(max_examples=500, deadline=None)
def test_any_text_is_either_refused_or_comes_some_day(text: str) -> None:
    try:
        check_times(text, BERLIN, NOW)
    except InvalidArguments:
        return
    assert next(following(text, BERLIN, NOW)) > NOW


@given(
    minute=st.sampled_from(["*", "*/20", "0", "17", "30,45"]),
    hour=st.sampled_from(["*", "*/3", "2", "1-3", "0,2"]),
    zone=st.sampled_from([BERLIN, LORD_HOWE, "America/Sao_Paulo", "Africa/Cairo", "UTC"]),
    start=st.datetimes(datetime(2015, 1, 1), datetime(2027, 1, 1)),
)
@settings(max_examples=200, deadline=None)
def test_times_come_in_order_each_once_and_fit_the_expression(
    minute: str, hour: str, zone: str, start: datetime
) -> None:
    after = start.replace(tzinfo=UTC)
    times = list(islice(following(f"{minute} {hour} * * *", zone, after), 12))
    assert times[0] > after
    assert all(one < other for one, other in pairwise(times))
    if zone == "UTC":
        simple = CronSim(f"{minute} {hour} * * *", start.replace(microsecond=0))
        assert times == [next(simple).replace(tzinfo=UTC) for _ in range(12)]


def test_of_times_that_were_missed_only_the_latest_is_due() -> None:
    missed = NOW - timedelta(hours=5, minutes=30)
    due = due_of("0 * * * *", "UTC", missed, NOW)
    assert due.at == NOW.replace(minute=0)
    assert due.next_at == NOW.replace(minute=0) + timedelta(hours=1)


def test_what_is_due_to_the_minute_is_due_itself() -> None:
    at = NOW.replace(minute=30)
    assert due_of("30 * * * *", "UTC", at, at) == (at, at + timedelta(hours=1))


def test_what_is_older_than_the_grace_is_not_made_up_for() -> None:
    due = due_of("0 7 * * 1", "UTC", NOW - CATCH_UP - timedelta(minutes=1), NOW)
    assert due.at == datetime(2026, 11, 23, 7, tzinfo=UTC)
    old = due_of("0 7 * * 6", "UTC", datetime(2026, 11, 21, 7, tzinfo=UTC), NOW)
    assert old == (None, datetime(2026, 11, 28, 7, tzinfo=UTC))


def test_what_was_missed_for_years_is_found_at_once() -> None:
    due = due_of("* * * * *", BERLIN, datetime(2000, 1, 1, tzinfo=UTC), NOW)
    assert due == (NOW, NOW + timedelta(minutes=1))


def test_the_library_says_no_to_what_can_be_known_to_never_come() -> None:
    """It is why that is told apart from a bad field."""
    with pytest.raises(CronSimError):
        CronSim("0 0 30 2 *", NOW)
