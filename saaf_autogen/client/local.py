"""A host in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from saaf_autogen.actions.invoke import Door
from saaf_autogen.actions.port import LocalPort
from saaf_autogen.actions.spec import ActionOutcome, ActionPort, ActionSpec
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import ConfigurationError, InvalidArguments
from saaf_autogen.project import Project, find_project, read_deployment
from saaf_autogen.runs import RunRequest

__all__ = ["LocalHost"]


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
        try:
            request = RunRequest.model_validate(body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            told = "; ".join(f"{fault['loc']}: {fault['msg']}" for fault in faults)
            raise InvalidArguments(f"The request is not valid: {told}.") from None
        run = await project.runs.create(self._who(project), request, idempotency_key=key)
        return run.model_dump(mode="json")

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

    async def stream_run(self, run_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
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
            await project.start()
        return project

    def _who(self, project: Project) -> Principal:
        return self._principal or project.local_principal()


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
