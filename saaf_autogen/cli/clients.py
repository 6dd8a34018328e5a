"""``saaf clients``: who may ask the embedded issuer for tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.settings import ClientSettings

if TYPE_CHECKING:
    from saaf_autogen.auth.clients import ClientStore
    from saaf_autogen.project.state import ClientSecrets

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Clients of the embedded issuer, and their secrets.")

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]
Name = Annotated[str, typer.Argument(help="The client's id.")]


@app.command("list")
def list_clients(project: ProjectOption = None) -> None:
    """List the clients: what they may do, and whether they still may."""
    for client in _open(project)[0].list():
        state = "" if client.active else "  (disabled)"
        typer.echo(f"{client.id:<20} {' '.join(client.scopes)}{state}")


@app.command()
def add(
    name: Name,
    scope: Annotated[list[str], typer.Option(help="A scope it may have; repeat for more.")],
    group: Annotated[
        list[str] | None, typer.Option(help="A group that grants name; repeat for more.")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, for $user.NAME in row filters.")
    ] = None,
    title: str = "",
    project: ProjectOption = None,
) -> None:
    """Make a client and print its secrets, once.

    Example: [b]saaf clients add partner --scope semantic:read --group analysts[/b]
    """
    attributes = dict(_pair(each) for each in attribute or [])
    try:
        settings = ClientSettings(
            id=name, title=title, scopes=scope, groups=group or [], attributes=attributes
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InvalidArguments(
            f"{fault['loc'][0]}: {fault['msg']}.",
            remedy="Use lower-case letters, digits, _ and -, a letter first.",
        ) from None
    made = _open(project)[0].add(settings)
    typer.echo(f"client_id       {made.id}")
    typer.echo(f"client_secret   {made.client_secret}")
    typer.echo(f"webhook_secret  {made.webhook_secret}")
    typer.echo("Keep them now: they are not shown again.", err=True)


@app.command()
def rotate(
    name: Name,
    webhook: Annotated[
        bool, typer.Option("--webhook", help="The secret that signs callbacks, instead.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Give a client a new secret and print it, once; the old one ends now."""
    store, secrets = _open(project)
    kind = "webhook_secret" if webhook else "client_secret"
    secret = store.rotate_webhook_secret(name) if webhook else store.rotate_secret(name)
    typer.echo(f"{kind:<15} {secret}")
    if secrets.replace(name, {kind: secret}):
        typer.echo(f"It is also in {secrets.path}.", err=True)


@app.command()
def disable(name: Name, project: ProjectOption = None) -> None:
    """Give a client no more tokens; those it holds end within five minutes."""
    _open(project)[0].disable(name)
    typer.echo(f"{name} is disabled.")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise InvalidArguments(f"{text!r} is no attribute.", remedy="Write NAME=VALUE.")
    return name, value


def _open(project: Path | None) -> tuple[ClientStore, ClientSecrets]:
    from saaf_autogen.project.identity import open_clients

    return open_clients(project)
