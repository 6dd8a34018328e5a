"""Dates, times and intervals in ISO 8601, beyond the years and digits that Python's types hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["clock_text", "date_text", "days_of", "moment_text", "span_text"]

_DAY_S = 86_400
# Days from 0000-03-01 to 1970-01-01, and in 400 years, of the proleptic Gregorian calendar.
_EPOCH, _ERA = 719_468, 146_097
_UTC = frozenset({"UTC", "Etc/UTC", "Z", "+00:00", "GMT"})
_INFINITE = {32: 2**31 - 1, 64: 2**63 - 1}
_EPOCH_MOMENT = datetime(1970, 1, 1)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def date_text(days: int) -> str:
    """A day, counted from 1970-01-01. Years beyond 9999 and before 1 carry a sign."""
    if abs(days) == _INFINITE[32]:
        return "infinity" if days > 0 else "-infinity"
    year, month, day = _civil(days)
    shown = f"{year:04d}" if 0 <= year <= 9999 else f"{'-' if year < 0 else '+'}{abs(year):04d}"
    return f"{shown}-{month:02d}-{day:02d}"


def days_of(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a day; the year before 1 is 0."""
    if 1 <= year <= 9999:
        return date(year, month, day).toordinal() - _EPOCH_ORDINAL
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * _ERA + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH


def clock_text(count: int, per_second: int) -> str:
    """A time of day, such as ``03:04:05.000006``; the end of a day is ``24:00:00``."""
    seconds, part = divmod(count, per_second)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}{_fraction(part, per_second)}"


def moment_text(count: int, per_second: int, zone: str | None) -> str:
    """A date and time, with the offset from UTC that holds in ``zone`` where there is one."""
    if abs(count) == _INFINITE[64]:
        return "infinity" if count > 0 else "-infinity"
    offset = 0 if zone is None or zone in _UTC else _offset(count // per_second, zone)
    days, rest = divmod(count + offset * per_second, _DAY_S * per_second)
    text = f"{date_text(days)}T{clock_text(rest, per_second)}"
    if zone is None:
        return text
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{text}{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"


def span_text(months: int, days: int, nanoseconds: int) -> str:
    """An interval: months, days and time apart, as none of them is a number of another.

    A sign before ``P`` holds for all of it; where signs differ, each part has its own.
    """
    parts = (months, days, nanoseconds)
    sign = "-" if min(parts) < 0 and max(parts) <= 0 else ""
    if sign:
        months, days, nanoseconds = (-part for part in parts)
    years, month = _parted(months, 12)
    text = "".join(
        f"{amount}{unit}" for amount, unit in ((years, "Y"), (month, "M"), (days, "D")) if amount
    )
    hours, rest = _parted(nanoseconds, 3_600 * 10**9)
    minutes, rest = _parted(rest, 60 * 10**9)
    clock = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    if rest or not (text or clock):
        seconds, part = divmod(abs(rest), 10**9)
        digits = f".{part:09d}".rstrip("0") if part else ""
        clock += f"{'-' if rest < 0 else ''}{seconds}{digits}S"
    return f"{sign}P{text}" + (f"T{clock}" if clock else "")


def _parted(amount: int, by: int) -> tuple[int, int]:
    """Quotient and remainder, both with the sign of ``amount``."""
    whole, rest = divmod(abs(amount), by)
    return (whole, rest) if amount >= 0 else (-whole, -rest)


def _fraction(part: int, per_second: int) -> str:
    if not part:
        return ""
    nanoseconds = f"{part * (10**9 // per_second):09d}"
    return f".{nanoseconds}" if nanoseconds[6:] != "000" else f".{nanoseconds[:6]}"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day (H. Hinnant, "chrono-compatible low-level date algorithms")."""
    if abs(days) < 700_000:
        plain = date(1970, 1, 1) + timedelta(days)
        return plain.year, plain.month, plain.day
    era, of_era = divmod(days + _EPOCH, _ERA)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    turn = (5 * of_year + 2) // 153
    month = turn + 3 if turn < 10 else turn - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * turn + 2) // 5 + 1


def _offset(seconds: int, zone: str) -> int:
    """Seconds east of UTC at a moment; none where nobody knows the zone or the year."""
    try:
        moment = _EPOCH_MOMENT.replace(tzinfo=UTC) + timedelta(seconds=seconds)
        if zone[:1] in "+-":
            hours, _, minutes = zone[1:].partition(":")
            east = int(hours) * 3_600 + int(minutes or 0) * 60
            return -east if zone[0] == "-" else east
        found = moment.astimezone(ZoneInfo(zone)).utcoffset()
    except (OverflowError, ValueError, ZoneInfoNotFoundError):
        return 0
    return int(found.total_seconds()) if found else 0
