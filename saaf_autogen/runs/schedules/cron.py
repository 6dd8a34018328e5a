"""Times of a cron expression in a time zone, as Debian's cron understands both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from saaf_autogen.auth.windows import zone_of
from saaf_autogen.errors import InvalidArguments

__all__ = ["CATCH_UP", "Due", "check_times", "due_of", "following", "preview"]

CATCH_UP = timedelta(hours=24)
"""A time that nobody was there to keep is made up for until it is this old."""

_EXAMPLE = (
    "Write five fields, minute hour day month weekday, such as 0 7 * * 1-5 for 07:00 on weekdays."
)
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = (
    ("minute", "minutes are 0 to 59"),
    ("hour", "hours are 0 to 23"),
    ("day-of-month", "days are 1 to 31, L for the month's last or LW for its last weekday"),
    ("month", "months are 1 to 12 or jan to dec"),
    (
        "day-of-week",
        "weekdays are 0 to 7 or sun to sat, 5L a month's last Friday, 1#2 its second Monday",
    ),
)
_FORMS = "as *, a number, 1-5, 0,30 or */15"


def check_times(cron: str, zone: str, now: datetime) -> None:
    """Check an expression and a zone.

    Raises:
        InvalidArguments: the zone is unknown, the expression is none of five fields, or no moment
            of the next 50 years fits it. It says how to write it.
    """
    local = now.astimezone(_zone(zone))
    parts = cron.split()
    if len(parts) != len(_FIELDS):
        raise _refused(
            f"The cron expression {cron!r} has {len(parts)} fields, and not 5.",
            _macro(cron) or _EXAMPLE,
        )
    _check_fields(parts, local)
    try:
        next(CronSim(cron, local))
    except (CronSimError, StopIteration):
        raise _refused(
            f"The cron expression {cron!r} never comes: no day of the next 50 years fits it.",
            "Choose a day that its months have; with both day and weekday, one of each must "
            "meet, unless neither starts with *.",
        ) from None


def following(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    """The times after a moment, in UTC; each once, in their order.

    By the clock on the wall of the zone: a time that the wall skips comes at the end of what is
    skipped; one that it shows twice comes the first time. Expressions whose minute or hour starts
    with ``*`` go by elapsed time instead, and so come in both of two repeated hours.
    """
    last = after
    for local in CronSim(cron, after.astimezone(_zone(zone))):
        at = local.astimezone(UTC)
        # Within an hour that is repeated, what the first one had would be told again.
        if at > last:
            last = at
            yield at


def preview(cron: str, zone: str, after: datetime, count: int = 5) -> list[datetime]:
    """The next times, by the clock of the zone."""
    local = _zone(zone)
    return [at.astimezone(local) for at in islice(following(cron, zone, after), count)]


class Due(NamedTuple):
    """What is due of a schedule.

    Attributes:
        at: the latest time that has come and is not too old to be made up for; None: none.
        next_at: the first that has not come yet; None: none ever comes.
    """

    at: datetime | None
    next_at: datetime | None


def due_of(cron: str, zone: str, next_at: datetime, now: datetime) -> Due:
    """What is due of a schedule whose first time not kept is ``next_at``.

    Of several that were missed, only the latest; none that is older than ``CATCH_UP``.
    """
    oldest = now - CATCH_UP
    at = next_at if oldest <= next_at <= now else None
    for time in following(cron, zone, max(next_at, oldest - timedelta(seconds=1))):
        if time > now:
            return Due(at, time)
        at = time
    return Due(at, None)


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_of(name)
    except ValueError:
        known = available_timezones()
        folded = {each.casefold(): each for each in known}
        near = get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
        remedy = (
            f"Did you mean {' or '.join(folded[each] for each in near)}?"
            if near
            else ("Write it as the IANA time zone database does, such as Europe/Berlin or UTC.")
        )
        raise _refused(f"There is no time zone {name!r}.", remedy, field="zone") from None


def _check_fields(parts: list[str], local: datetime) -> None:
    """Tell which field cannot be read: each is tried beside fields that match everything."""
    for number, (name, range_) in enumerate(_FIELDS):
        fields = ["*"] * len(_FIELDS)
        fields[number] = parts[number]
        try:
            CronSim(" ".join(fields), local)
        except CronSimError:
            raise _refused(
                f"The {name} {parts[number]!r} of the cron expression cannot be read.",
                f"Write it {_FORMS}; {range_}.",
            ) from None


def _macro(cron: str) -> str | None:
    written = _MACROS.get(cron.strip().lower())
    return f"Write {written} for {cron.strip()}." if written else None


def _refused(detail: str, remedy: str, *, field: str = "cron") -> InvalidArguments:
    return InvalidArguments(
        detail, remedy=remedy, extra={"faults": [{"field": field, "message": detail}]}
    )
