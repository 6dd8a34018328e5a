"""``saaf serve``: the host on a port."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import uvicorn
from rich.console import Console

from saaf_autogen.api.app import create_app
from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.project import Project, find_project, read_deployment
from saaf_autogen.project.project import CLIENTS_FILE
from saaf_autogen.settings import ServerSettings

__all__ = ["serve"]

URL_VARIABLE = "SAAF_URL"
_DRAIN_S = 20


def serve(project: Path | None, host: str | None, port: int | None) -> None:
    """Open the deployment, say what is there, and host it until a signal."""
    deployment = read_deployment(find_project(project))
    server = _server(deployment.settings.server, host, port)
    console = Console(highlight=False, soft_wrap=True)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # Statements of the store and each request of the run engine are of no use at this level.
    for chatty in ("alembic", "dbos", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with sample_progress(console) as progress:
        opened = Project(deployment, server=server, progress=progress)
    _introduce(console, opened)
    config = uvicorn.Config(
        create_app(opened),
        host=server.host,
        port=server.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    asyncio.run(uvicorn.Server(config).serve())


def _server(settings: ServerSettings, host: str | None, port: int | None) -> ServerSettings:
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
    if project.new_clients:
        names = ", ".join(client.id for client in project.new_clients)
        console.print(f"  made the clients {names}; their secrets: {project.state / CLIENTS_FILE}")
    for model, variable in project.models.missing_keys().items():
        console.print(f"  [yellow]the model {model} needs the variable {variable}[/]")
