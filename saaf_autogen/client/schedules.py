"""Schedules in a caller's hands."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from saaf_autogen.client.run import Run, RunHost, run_body

__all__ = ["Schedule", "ScheduleHost", "Schedules"]

_PAGE = 100


class ScheduleHost(RunHost, Protocol):
    """What schedules need of a host, near or far."""

    async def create_schedule(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a schedule."""
        ...

    async def list_schedules(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of the caller's schedules, oldest first."""
        ...

    async def get_schedule(self, schedule_id: str) -> dict[str, Any]:
        """A schedule as it stands."""
        ...

    async def change_schedule(self, schedule_id: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Apply a merge patch to it, whatever it is now."""
        ...

    async def switch_schedule(
        self, schedule_id: str, verb: Literal["pause", "resume"]
    ) -> dict[str, Any]:
        """Pause or resume it."""
        ...

    async def trigger_schedule(self, schedule_id: str, key: str | None) -> dict[str, Any]:
        """Start a run of it now."""
        ...

    async def remove_schedule(self, schedule_id: str) -> None:
        """Remove it."""
        ...


class Schedule:
    """A schedule, as it stood when it was last asked for.

    Attributes:
        state: the schedule's document: ``id``, ``cron``, ``zone``, ``run``, ``next_times``,
            ``last_run_id``, ``last_error``.
    """

    def __init__(self, host: ScheduleHost, state: dict[str, Any]) -> None:
        self._host = host
        self.state = state

    @property
    def id(self) -> str:
        """The schedule's id."""
        return str(self.state["id"])

    @property
    def enabled(self) -> bool:
        """Whether its times count."""
        return bool(self.state["enabled"])

    @property
    def next_times(self) -> list[str]:
        """The next five times by the clock of its zone (ISO 8601); none while it is paused."""
        return list(self.state["next_times"])

    async def change(self, **patch: Any) -> Schedule:
        """Change what it says: ``change(cron="0 8 * * *", run={"input": "…"})`` (RFC 7396)."""
        self.state = await self._host.change_schedule(self.id, patch)
        return self

    async def pause(self) -> Schedule:
        """Let no more times count."""
        self.state = await self._host.switch_schedule(self.id, "pause")
        return self

    async def resume(self) -> Schedule:
        """Let the times from now on count again."""
        self.state = await self._host.switch_schedule(self.id, "resume")
        return self

    async def trigger(self, *, idempotency_key: str | None = None) -> Run:
        """Start a run of it now, paused or not."""
        return Run(self._host, await self._host.trigger_schedule(self.id, idempotency_key))

    async def runs(self, *, limit: int = 20) -> list[Run]:
        """Its newest runs, up to ``limit`` (1 to 100)."""
        query = {"schedule_id": self.id, "limit": str(limit)}
        page = await self._host.list_runs(query)
        return [Run(self._host, state) for state in page["data"]]

    async def refresh(self) -> Schedule:
        """Ask how it stands."""
        self.state = await self._host.get_schedule(self.id)
        return self

    async def remove(self) -> None:
        """Remove it; its runs stay."""
        await self._host.remove_schedule(self.id)

    def __repr__(self) -> str:
        return f"Schedule({self.id}, {self.state['cron']!r}, {self.state['zone']})"


class Schedules:
    """Schedules of one caller. Hosts and workers (``saaf serve``, ``saaf worker``) keep them."""

    def __init__(self, host: ScheduleHost) -> None:
        self._host = host

    async def create(
        self,
        cron: str,
        agent_id: str,
        input: str,  # noqa: A002 - the API's own name
        *,
        zone: str = "UTC",
        name: str = "",
        overlap: Literal["skip", "queue", "allow"] = "skip",
        enabled: bool = True,
        **run: Any,
    ) -> Schedule:
        """Have an agent run at the times of a cron expression.

        Args:
            cron: five fields, such as ``0 7 * * 1-5``.
            agent_id: the agent.
            input: what it is asked.
            zone: by whose clock the times are (IANA).
            name: for people.
            overlap: what becomes of a time while a run of the schedule has not ended.
            enabled: whether its times count from now on.
            run: ``webhook``, ``metadata``, ``priority``, ``timeout_s``, ``budget``, as
                ``Runs.create`` takes them.
        """
        body = {
            "cron": cron,
            "zone": zone,
            "name": name,
            "overlap": overlap,
            "enabled": enabled,
            "run": run_body(agent_id, input, **run),
        }
        return Schedule(self._host, await self._host.create_schedule(body))

    async def list(self) -> list[Schedule]:
        """All of yours, oldest first."""
        found: list[Schedule] = []
        query = {"limit": str(_PAGE)}
        while True:
            page = await self._host.list_schedules(query)
            found += [Schedule(self._host, state) for state in page["data"]]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def get(self, schedule_id: str) -> Schedule:
        """A schedule by its id."""
        return Schedule(self._host, await self._host.get_schedule(schedule_id))
