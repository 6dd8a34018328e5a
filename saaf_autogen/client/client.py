"""SAAF in a caller's hands: in process or far away, by one line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from saaf_autogen.actions.spec import ActionOutcome, ActionSpec
from saaf_autogen.auth.principal import Principal
from saaf_autogen.client.local import LocalHost
from saaf_autogen.client.remote import RemoteHost
from saaf_autogen.client.run import Runs
from saaf_autogen.client.schedules import Schedules
from saaf_autogen.client.semantic import Semantic
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.runs.metering import OwnGroup

if TYPE_CHECKING:
    from saaf_autogen.teams.models import ModelClient
    from saaf_autogen.teams.workbench import ActionWorkbench

__all__ = ["Client"]


class Client:
    """One caller of one host.

    ``Client(".")`` is a host in this process, for ``principal`` or the deployment's local one;
    ``Client("https://…")`` is transport to one. Whichever it is, the host decides, and the calls
    and their results are the same.

    Args:
        target: a deployment folder, or the address of a host.
        principal: who calls, in process.
        token: an access token of the host; or
        client_id, client_secret: client credentials, with which tokens are taken and renewed;
            or none of these, and then ``login``.

    Attributes:
        runs: start runs of agents, and follow them.
        schedules: runs that start by themselves.
        semantic: what the caller may see of the semantic layer.
    """

    def __init__(
        self,
        target: str | Path = ".",
        *,
        principal: Principal | None = None,
        token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> None:
        self._host: LocalHost | RemoteHost
        remote = str(target).startswith(("http://", "https://"))
        if remote and principal is not None:
            raise ConfigurationError(
                "A host far away decides itself who calls.",
                remedy="Pass token=…, or client_id=… and client_secret=….",
            )
        if remote:
            self._host = RemoteHost(
                str(target), token=token, client_id=client_id, client_secret=client_secret
            )
        else:
            self._host = LocalHost(target, principal)
        self.runs = Runs(self._host)
        self.schedules = Schedules(self._host)
        self.semantic = Semantic(self._host)

    async def login(
        self, *scopes: str, tell: Callable[[str], object] = print, client_id: str = "saaf-cli"
    ) -> Client:
        """Sign in at a host far away, with any browser: ``saaf = await Client(url).login()``.

        Prints an address and a code, and waits until somebody has signed in there and agreed
        (RFC 8628). Tokens stay in memory and are renewed by themselves.

        Args:
            scopes: what to ask for; none: all that the person may have.
            tell: shows the address and the code, instead of ``print``.
            client_id: a public client of the host that may use device codes.

        Raises:
            ConfigurationError: the host is in this process, where nobody signs in.
            Forbidden: the person said no.
            TimedOut: nobody answered within ten minutes.
            Unauthenticated: the host does not let people sign in this way.
        """
        if isinstance(self._host, LocalHost):
            raise ConfigurationError(
                "In process, nobody signs in.", remedy="Pass principal=… to Client."
            )
        await self._host.tokens.sign_in(scopes, tell, client_id=client_id)
        return self

    async def actions(self) -> list[ActionSpec]:
        """The actions that you hold all scopes for."""
        return await self._host.list_actions()

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """Call an action and get its value.

        Raises:
            SaafError: the class says what was refused or what failed, the same near and far.
        """
        return (await self.outcome(name, arguments)).value

    async def outcome(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """As ``call``, with where the value was cut and the call's id.

        With the same ``idempotency_key``, a write happens once.
        """
        return await self._host.call(name, arguments, idempotency_key=idempotency_key)

    async def usage(
        self,
        *,
        group_by: OwnGroup = "agent",
        since: date | datetime | None = None,
        until: date | datetime | None = None,
    ) -> dict[str, Any]:
        """What your ended runs used: ``{"data": [...], "total": {...}}``, all groups of it.

        Args:
            group_by: ``agent``, ``model`` or ``day`` (UTC).
            since: runs that ended on this day, at this time, or later.
            until: runs that ended before it.
        """
        query = {"group_by": group_by, "limit": "200"}
        query |= {"from": since.isoformat()} if since else {}
        query |= {"to": until.isoformat()} if until else {}
        page = await self._host.usage(query)
        groups = page["data"]
        while page["next_cursor"]:
            page = await self._host.usage({**query, "cursor": page["next_cursor"]})
            groups += page["data"]
        return {"data": groups, "total": page["total"]}

    def workbench(self, *actions: str) -> ActionWorkbench:
        """The actions of these names or patterns (``sales.*``) as an AutoGen workbench."""
        from saaf_autogen.teams.workbench import ActionWorkbench

        bench = ActionWorkbench(actions=list(actions) or ["*"])
        bench.bind(self._host.tools())
        return bench

    def model(self, name: str = "default") -> ModelClient:
        """A model of the deployment's ``saaf.yaml``; model clients run where the agent runs.

        With a host far away, it is that of the nearest deployment folder here.
        """
        from saaf_autogen.teams.models import ModelRegistry

        if isinstance(self._host, LocalHost):
            deployment = self._host.deployment
        else:
            deployment = read_deployment(find_project())
        return ModelRegistry(deployment.settings.models).client(name)

    async def close(self) -> None:
        """Give back what is open."""
        await self._host.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
