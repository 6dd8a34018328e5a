"""When a rule holds: from a moment, until one, and within hours that come again each week."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from saaf_autogen.settings import Hours

__all__ = ["ALWAYS", "WeeklyHours", "Window", "zone_of"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class WeeklyHours:
    """Hours by the clock on the wall of a zone; ``end`` not after ``start`` is on the day after.

    The wall decides alone: an hour that daylight saving skips does not come, one that it repeats
    comes twice. ``days`` are the days on which the hours start, Monday being 0.
    """

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, hours: Hours) -> WeeklyHours:
        """The hours of a grant; raises ``ValueError`` for a zone that there is not."""
        days = frozenset(_DAYS.index(day) for day in hours.days)
        return cls(days, hours.start, hours.end, zone_of(hours.zone))

    def hold(self, now: datetime) -> bool:
        """Whether ``now`` is within."""
        local = now.astimezone(self.zone)
        today, wall = local.weekday(), local.time()
        if self.start < self.end:
            return today in self.days and self.start <= wall < self.end
        began_today = today in self.days and wall >= self.start
        return began_today or ((today - 1) % 7 in self.days and wall < self.end)

    def next_change(self, now: datetime) -> datetime:
        """A moment up to which ``hold`` cannot change; at most a minute away.

        Zones change their offset at whole minutes alone, so between two of them the wall runs
        evenly.
        """
        local = now.astimezone(self.zone)
        wall = timedelta(
            hours=local.hour,
            minutes=local.minute,
            seconds=local.second,
            microseconds=local.microsecond,
        )
        ends = [now.replace(second=0, microsecond=0) + _MINUTE]
        for bound in (self.start, self.end):
            at = timedelta(
                hours=bound.hour,
                minutes=bound.minute,
                seconds=bound.second,
                microseconds=bound.microsecond,
            )
            if at > wall:
                ends.append(now + (at - wall))
        return min(ends)

    def __str__(self) -> str:
        days = ", ".join(_DAYS[day] for day in sorted(self.days))
        hours = "all day" if self.start == self.end == time(0) else ""
        if not hours:
            hours = f"{self.start.isoformat('minutes')} to {self.end.isoformat('minutes')}"
        return f"{days}, {hours} ({self.zone.key})"


@dataclass(frozen=True)
class Window:
    """From ``starts_at`` until before ``expires_at``, within ``hours``; None: no bound."""

    starts_at: datetime | None = None
    expires_at: datetime | None = None
    hours: WeeklyHours | None = None

    @property
    def is_always(self) -> bool:
        """Whether it has no bound at all."""
        return self.starts_at is None and self.expires_at is None and self.hours is None

    def has_ended(self, now: datetime) -> bool:
        """Whether it will never hold again."""
        return self.expires_at is not None and now >= self.expires_at

    def why_not(self, now: datetime) -> str | None:
        """Why it does not hold now, as the end of a sentence; None if it does."""
        if self.starts_at is not None and now < self.starts_at:
            return f"it starts at {_told(self.starts_at)}"
        if self.has_ended(now):
            return f"it ended at {_told(self.expires_at)}"
        if self.hours is not None and not self.hours.hold(now):
            return f"its hours are {self.hours}"
        return None

    def next_change(self, now: datetime) -> datetime | None:
        """A moment up to which it cannot begin or cease to hold; None: never again."""
        if self.has_ended(now):
            return None
        ends: Iterable[datetime | None] = (self.starts_at, self.expires_at)
        moments = [end for end in ends if end is not None and end > now]
        if self.hours is not None:
            moments.append(self.hours.next_change(now))
        return min(moments, default=None)


ALWAYS = Window()
"""No bound."""


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name; raises ``ValueError`` where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name}") from error


def _told(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat(" ", "seconds")
