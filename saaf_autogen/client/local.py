"""A host in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saaf_autogen.actions.invoke import Door
from saaf_autogen.actions.port import LocalPort
from saaf_autogen.actions.spec import ActionOutcome, ActionPort, ActionSpec
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import ConfigurationError, InvalidArguments
from saaf_autogen.project import Project, find_project, read_deployment
from saaf_autogen.runs import AnswerRequest, RunRequest, RunStatus
from saaf_autogen.runs.metering import UsageQuery

__all__ = ["LocalHost"]

Body = TypeVar("Body", bound=BaseModel)


class LocalHost:
    """A deployment folder at work in this process, for one principal.

    It is opened at the first call, and executes runs from the first run on.
    """

    def __init__(self, folder: str | Path, principal: Principal | None) -> None:
        self.deployment = read_deployment(find_project(folder))
        if self.deployment.settings.environment == "production" and principal is None:
            raise ConfigurationError(
                "In production nobody calls in process without a principal.",
                remedy="Pass principal=….",
            )
        self._principal = principal
        self._project: Project | None = None
        self._opening = asyncio.Lock()

    async def list_actions(self) -> list[ActionSpec]:
        """The actions that the principal holds all scopes for."""
        return await (await self.port("python")).list_actions()

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """Call an action by its name."""
        port = await self.port("python")
        return await port.call(name, arguments, idempotency_key=idempotency_key)

    def tools(self) -> ActionPort:
        """The same actions through the door of tools, as the audit tells them apart."""
        return _ToolDoor(self)

    async def port(self, door: Door) -> LocalPort:
        """The principal's actions through one door; opens the deployment."""
        project = await self._open()
        return LocalPort(project.invoker, self._who(project), door=door)

    async def create_run(self, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Start a run."""
        project = await self._open_runs()
        request = _read(RunRequest, body)
        run = await project.runs.create(self._who(project), request, idempotency_key=key)
        return run.model_dump(mode="json")

    async def create_runs(self, bodies: list[dict[str, Any]], key: str | None) -> dict[str, Any]:
        """Start many runs, all or none."""
        project = await self._open_runs()
        runs = await project.runs.create_many(self._who(project), bodies, idempotency_key=key)
        return {"data": [run.model_dump(mode="json") for run in runs]}

    async def list_runs(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of the caller's runs, newest first; it makes no run go on."""
        project = await self._open()
        wanted = _read(_Listing, query)
        page = await project.runs.list(self._who(project), **wanted.model_dump())
        return page.model_dump(mode="json")

    async def get_run(self, run_id: str) -> dict[str, Any]:
        """A run as it stands."""
        project = await self._open_runs()
        run = await project.runs.get(self._who(project), run_id)
        return run.model_dump(mode="json")

    async def cancel_run(self, run_id: str) -> dict[str, Any]:
        """Ask for a run's end."""
        project = await self._open_runs()
        run = await project.runs.cancel(self._who(project), run_id)
        return run.model_dump(mode="json")

    async def answer_run(
        self, run_id: str, body: dict[str, Any], key: str | None
    ) -> dict[str, Any]:
        """Answer what a run waits for."""
        project = await self._open_runs()
        question_id = str(body["question_id"])
        said = {name: value for name, value in body.items() if name != "question_id"}
        answer = _read(AnswerRequest, said)
        who = self._who(project)
        run = await project.runs.answer(who, run_id, question_id, answer, idempotency_key=key)
        return run.model_dump(mode="json")

    async def create_schedule(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a schedule."""
        project = await self._open()
        return _shown(await project.schedules.create(self._who(project), body))

    async def list_schedules(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of the caller's schedules, oldest first."""
        project = await self._open()
        limit, cursor = int(query["limit"]), query.get("cursor")
        return _shown(await project.schedules.list(self._who(project), cursor=cursor, limit=limit))

    async def get_schedule(self, schedule_id: str) -> dict[str, Any]:
        """A schedule as it stands."""
        project = await self._open()
        return _shown(await project.schedules.get(self._who(project), schedule_id))

    async def change_schedule(self, schedule_id: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Apply a merge patch to it, whatever it is now."""
        project = await self._open()
        return _shown(await project.schedules.change(self._who(project), schedule_id, patch))

    async def switch_schedule(
        self, schedule_id: str, verb: Literal["pause", "resume"]
    ) -> dict[str, Any]:
        """Pause or resume it."""
        project = await self._open()
        service = project.schedules
        switch = service.pause if verb == "pause" else service.resume
        return _shown(await switch(self._who(project), schedule_id))

    async def trigger_schedule(self, schedule_id: str, key: str | None) -> dict[str, Any]:
        """Start a run of it now."""
        project = await self._open_runs()
        who = self._who(project)
        return _shown(await project.schedules.trigger(who, schedule_id, idempotency_key=key))

    async def remove_schedule(self, schedule_id: str) -> None:
        """Remove it."""
        project = await self._open()
        await project.schedules.remove(self._who(project), schedule_id)

    async def usage(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of what the caller's ended runs used."""
        project = await self._open()
        page = await project.usage.own(self._who(project), **_read(UsageQuery, query).terms())
        return page.model_dump(mode="json")

    async def stream_run(self, run_id: str, after: int) -> AsyncGenerator[dict[str, Any], None]:
        """The run's events after number ``after``, until its last."""
        project = await self._open_runs()
        async for event in project.runs.stream(self._who(project), run_id, after=after):
            yield event.model_dump(mode="json")

    async def close(self) -> None:
        """Stop, in good order."""
        if self._project is not None:
            project, self._project = self._project, None
            await project.close()

    async def _open(self) -> Project:
        if self._project is not None:
            return self._project
        async with self._opening:
            if self._project is None:
                self._project = await Project.open(self.deployment)
            return self._project

    async def _open_runs(self) -> Project:
        project = await self._open()
        async with self._opening:
            # Times are kept by hosts and workers: a call that is over in seconds makes no runs.
            await project.start(schedules=False)
        return project

    def _who(self, project: Project) -> Principal:
        return self._principal or project.local_principal()


def _read(kind: type[Body], body: dict[str, Any]) -> Body:
    """A body as the API would read it."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = "; ".join(f"{fault['loc']}: {fault['msg']}" for fault in faults)
        raise InvalidArguments(f"The request is not valid: {told}.") from None


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: RunStatus | None = None
    agent_id: str | None = None
    schedule_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


def _shown(content: BaseModel) -> dict[str, Any]:
    return content.model_dump(mode="json")


class _ToolDoor:
    """An ``ActionPort`` that opens its host when it is first used."""

    def __init__(self, host: LocalHost) -> None:
        self._host = host

    async def list_actions(self) -> list[ActionSpec]:
        return await (await self._host.port("tool")).list_actions()

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        port = await self._host.port("tool")
        return await port.call(name, arguments, idempotency_key=idempotency_key)
