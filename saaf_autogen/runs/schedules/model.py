"""Schedules as their owners write and see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from saaf_autogen.auth.administration.versions import Entry
from saaf_autogen.runs.model import RunRequest

__all__ = ["Overlap", "Schedule", "ScheduleTerms"]

Overlap = Literal["skip", "queue", "allow"]


class ScheduleTerms(BaseModel):
    """What an owner says of a schedule.

    ``cron`` has five fields and is read by the clock of ``zone`` (an IANA name). While a run of
    the schedule has not ended, ``overlap`` says what becomes of the next time: it is skipped, it
    waits in a queue of one, or its run is made all the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=200)] = ""
    cron: Annotated[str, Field(min_length=1, max_length=200)]
    zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    run: RunRequest
    overlap: Overlap = "skip"
    enabled: bool = True

    @field_validator("run")
    @classmethod
    def _at_its_time(cls, value: RunRequest) -> RunRequest:
        if value.after_seconds:
            raise ValueError("after_seconds has no meaning here: the cron expression says when")
        return value


class Schedule(Entry):
    """A schedule as its owner sees it.

    ``next_times`` are by the clock of the zone; none while it is paused. ``last_error`` says why
    the last time made no run; it is null once one did.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    cron: str
    zone: str
    run: RunRequest
    overlap: Overlap
    enabled: bool
    next_times: list[datetime]
    last_at: datetime | None
    last_run_id: str | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime

    def tagged(self) -> str:
        """Its terms, whatever ran since: a time that comes must not undo an owner's If-Match."""
        return self.model_dump_json(exclude={"next_times", "last_at", "last_run_id", "last_error"})
