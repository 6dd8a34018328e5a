"""``saaf serve``: the host on a port."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn
from rich.console import Console

from saaf_autogen.api.app import create_app
from saaf_autogen.cli.logs import log_to_stderr
from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.project import Project, find_project, read_deployment
from saaf_autogen.project.project import GRACE_S
from saaf_autogen.project.state import remember_address
from saaf_autogen.settings import ServerSettings

__all__ = ["offer_first_admin", "serve", "server_of", "spare_collections"]

URL_VARIABLE = "SAAF_URL"
_DRAIN_S = 20
_INTERRUPTED = 130
_logger = logging.getLogger(__name__)


def serve(project: Path | None, host: str | None, port: int | None, *, works: bool = True) -> None:
    """Open the deployment, say what is there, and host it until a signal.

    Without ``works``, runs are accepted and others execute them.
    """
    deployment = read_deployment(find_project(project))
    server = server_of(deployment.settings.server, host, port)
    console = Console(highlight=False, soft_wrap=True)
    log_to_stderr()
    with _address(server) as address:
        with sample_progress(console) as progress:
            opened = Project(deployment, server=server, progress=progress, works=works)
        config = uvicorn.Config(
            create_app(opened),
            log_level="warning",
            server_header=False,
            # Which proxies are believed is said in saaf.yaml (server.trusted_proxies).
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        with suppress(KeyboardInterrupt):  # it has ended in good order
            asyncio.run(_host(_Server(config, opened), opened, address, console))


class _Server(uvicorn.Server):
    """Drains the project while requests under way are answered.

    Streams of events last as long as their runs: uvicorn alone would wait for them in vain, and
    cut them off.
    """

    def __init__(self, config: uvicorn.Config, project: Project) -> None:
        super().__init__(config)
        self._project = project

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            # A second Ctrl-C. Whatever is at work continues at the next start, as after a crash.
            os._exit(_INTERRUPTED)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _logger.info("stopping; runs that take longer than %d s continue next time", GRACE_S)
        draining = asyncio.create_task(self._project.drain())
        await super().shutdown(sockets)
        await draining


async def _host(
    server: _Server, project: Project, address: socket.socket, console: Console
) -> None:
    try:
        remember_address(project.state, project.server.public_url)
        # Before uvicorn, which would tell a failure as a traceback.
        await project.start()
    except BaseException:
        await project.close()
        raise
    spare_collections()
    _introduce(console, project)
    await offer_first_admin(console, project)
    await server.serve(sockets=[address])


def spare_collections() -> None:
    """Take what was loaded out of the garbage collector's rounds; it stays for good.

    Agents make cycles by the thousand, and each round would look at every module's objects.
    """
    gc.collect()
    gc.freeze()


def _address(server: ServerSettings) -> socket.socket:
    """Take the address before anything is opened; nobody can connect until the host is ready."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((server.host, server.port))
    except OSError as error:
        bound.close()
        raise ConfigurationError(
            f"The host cannot listen on {server.host}, port {server.port}: {error.strerror}.",
            remedy="Stop what listens there, or choose others with --host and --port.",
        ) from None
    return bound


def server_of(
    settings: ServerSettings, host: str | None = None, port: int | None = None
) -> ServerSettings:
    """Where this host is known: as given, else as ``$SAAF_URL`` says, else as saaf.yaml does."""
    given = {"host": host, "port": port, "url": os.environ.get(URL_VARIABLE)}
    return settings.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def _introduce(console: Console, project: Project) -> None:
    url = project.server.public_url
    console.print(f"[bold]SAAF[/] hosts [bold]{project.settings.name}[/] on {url}")
    console.print(f"  agents   {', '.join(project.deployment.agents) or 'none'}")
    actions = ", ".join(each.spec.name for each in project.deployment.registry)
    console.print(f"  actions  {actions}")
    console.print(f"  API      {url}/docs")
    if project.identity.new_clients:
        names = ", ".join(client.id for client in project.identity.new_clients)
        console.print(f"  made the clients {names}; their secrets: {project.secrets.path}")
    for model, variable in project.models.missing_keys().items():
        console.print(f"  [yellow]the model {model} needs the variable {variable}[/]")


async def offer_first_admin(console: Console, project: Project) -> None:
    """While nobody may administrate: a token that makes who may. It ends with the next start."""
    if not project.settings.oauth.enabled:
        return
    offered = await asyncio.to_thread(project.identity.people.invitations.first_admin)
    if offered:
        console.print(f"  nobody is an admin yet: open {project.server.public_url}/setup")
        console.print(f"  and use this token, once: [bold]{offered.token}[/]")
