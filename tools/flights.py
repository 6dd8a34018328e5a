"""Actions on the flights of the sample warehouse: Python functions, written once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from saaf_autogen import ActionContext, action


class OnTime(BaseModel):
    """How punctual departures from one airport were."""

    month: int
    departures: int
    on_time_percent: float


@action(scopes=["warehouse:query"], effect="read")
async def on_time_by_month(
    origin: Annotated[Literal["EWR", "JFK", "LGA"], Field(description="airport of departure")],
    ctx: ActionContext,
    within_minutes: Annotated[int, Field(ge=0, le=180, description="still on time")] = 15,
) -> list[OnTime]:
    """Share of departures from an airport that left on time, for each month of 2013."""
    rows = await ctx.warehouse("nyc").query(
        """
        SELECT month, count(*) AS departures,
               round(100.0 * count(*) FILTER (WHERE dep_delay <= :within) / count(*), 1) AS share
        FROM flights WHERE origin = :origin AND dep_time IS NOT NULL
        GROUP BY month ORDER BY month
        """,
        origin=origin,
        within=within_minutes,
    )
    return [
        OnTime(month=row["month"], departures=row["departures"], on_time_percent=row["share"])
        for row in rows
    ]
