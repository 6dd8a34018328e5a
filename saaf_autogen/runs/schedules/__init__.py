"""Runs that start by themselves: cron times in time zones, and the runs they make."""

from saaf_autogen.runs.schedules.cron import check_times, preview
from saaf_autogen.runs.schedules.model import Overlap, Schedule, ScheduleTerms
from saaf_autogen.runs.schedules.service import MAX_SCHEDULES, ScheduleService
from saaf_autogen.runs.schedules.ticker import MAX_REFUSALS, ScheduleTicker

__all__ = [
    "MAX_REFUSALS",
    "MAX_SCHEDULES",
    "Overlap",
    "Schedule",
    "ScheduleService",
    "ScheduleTerms",
    "ScheduleTicker",
    "check_times",
    "preview",
]
