"""``saaf clients``: who may ask the embedded issuer for tokens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.settings import ClientSettings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from saaf_autogen.project.operator import Operator

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Clients of the embedded issuer, and their secrets.")

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose clients.")]
Name = Annotated[str, typer.Argument(help="The client's id.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(help="A scope it may have, see `saaf scopes`; repeat for more."),
]
Groups = Annotated[
    list[str] | None, typer.Option(help="A group that grants name; repeat for more.")
]
Attributes = Annotated[
    list[str] | None, typer.Option(help="NAME=VALUE, for $user.NAME in row filters.")
]
GrantTypes = Annotated[
    list[str] | None,
    typer.Option(
        help="How it gets tokens: client_credentials (the default, for itself); "
        "authorization_code, device_code (for users), refresh_token with them; "
        "token_exchange (for whoever calls it). Repeat for more."
    ),
]
RedirectUris = Annotated[
    list[str] | None,
    typer.Option(help="Where a user's browser may go back to, exactly; repeat for more."),
]
Public = Annotated[
    bool, typer.Option("--public", help="It has no secret: an app on somebody's device.")
]
JwksUri = Annotated[
    str | None, typer.Option(help="Where its public keys are: it signs, and has no secret.")
]
FirstParty = Annotated[
    bool, typer.Option("--first-party", help="Your own: users are not asked whether they agree.")
]
Dpop = Annotated[
    bool, typer.Option("--dpop", help="Its tokens count only with a key that it proves (RFC 9449).")
]
Introspects = Annotated[
    bool, typer.Option("--introspects", help="It may ask about every token of its tenant.")
]
_SHORT = {
    "device_code": "urn:ietf:params:oauth:grant-type:device_code",
    "token_exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
}


@app.command("list")
def list_clients(project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """List the clients: what they may do, and whether they still may."""
    with _open(project) as operator:
        operator.require_tenant(tenant)
        for client in operator.clients.list(tenant=tenant):
            state = "" if client.active else "  (disabled)"
            typer.echo(f"{client.id:<20} {' '.join(client.scopes)}{state}")


@app.command()
def add(
    name: Name,
    scope: Scopes = None,
    group: Groups = None,
    attribute: Attributes = None,
    grant_type: GrantTypes = None,
    redirect_uri: RedirectUris = None,
    public: Public = False,
    jwks_uri: JwksUri = None,
    first_party: FirstParty = False,
    dpop: Dpop = False,
    introspects: Introspects = False,
    title: Annotated[str, typer.Option(help="What users are shown.")] = "",
    tenant: TenantOption = "default",
    project: ProjectOption = None,
) -> None:
    """Make a client and print its secrets, once.

    A program of its own: [b]saaf clients add partner --scope semantic:read --group analysts[/b]

    A web app whose users sign in: [b]saaf clients add shop --scope agents:run
    --grant-type authorization_code --grant-type refresh_token
    --redirect-uri https://shop.acme.com/callback[/b]

    A command line on users' devices: [b]saaf clients add tool --scope agents:run --public
    --grant-type device_code --grant-type refresh_token[/b]

    A service that acts for whoever calls it: [b]saaf clients add gateway --scope agents:run
    --grant-type token_exchange[/b]
    """
    grants = [_SHORT.get(each, each) for each in grant_type or []]
    settings = _settings(
        id=name,
        tenant=tenant,
        title=title,
        scopes=scope or [],
        groups=group or [],
        attributes=dict(_pair(each) for each in attribute or []),
        **({"grant_types": grants} if grants else {}),
        redirect_uris=redirect_uri or [],
        authentication="none" if public else "private_key_jwt" if jwks_uri else "secret",
        jwks_uri=jwks_uri,
        first_party=first_party,
        requires_dpop=dpop,
        introspects=introspects,
    )
    with (
        _open(project) as operator,
        operator.change("iam.create_client", f"client:{name}", tenant=tenant) as stores,
    ):
        made = stores.clients.add(settings)
    typer.echo(f"client_id       {made.id}")
    if made.client_secret:
        typer.echo(f"client_secret   {made.client_secret}")
    typer.echo(f"webhook_secret  {made.webhook_secret}")
    typer.echo("Keep them now: they are not shown again.", err=True)


@app.command()
def rotate(
    name: Name,
    webhook: Annotated[
        bool, typer.Option("--webhook", help="The secret that signs callbacks, instead.")
    ] = False,
    overlap: Annotated[
        int, typer.Option(min=0, help="Seconds for which the old client secret lasts.")
    ] = 0,
    tenant: TenantOption = "default",
    project: ProjectOption = None,
) -> None:
    """Give a client a new secret and print it, once; the old one ends within two seconds.

    Without an outage: [b]saaf clients rotate partner --overlap 86400[/b]
    """
    kind = "webhook_secret" if webhook else "client_secret"
    with _open(project) as operator:
        with operator.change(f"iam.rotate_{kind}", f"client:{name}", tenant=tenant) as stores:
            if webhook:
                secret = stores.clients.rotate_webhook_secret(name, tenant=tenant)
            else:
                lasting = timedelta(seconds=overlap)
                secret = stores.clients.rotate_secret(name, overlap=lasting, tenant=tenant)
        typer.echo(f"{kind:<15} {secret}")
        if operator.secrets.replace(name, {kind: secret}):
            typer.echo(f"It is also in {operator.secrets.path}.", err=True)


@app.command()
def disable(name: Name, tenant: TenantOption = "default", project: ProjectOption = None) -> None:
    """Give a client no more tokens; those it holds end within two seconds."""
    with (
        _open(project) as operator,
        operator.change("iam.disable_client", f"client:{name}", tenant=tenant) as stores,
    ):
        stores.clients.disable(name, tenant=tenant)
    typer.echo(f"{name} is disabled.")


@app.command()
def enable(name: Name, tenant: TenantOption = "default", project: ProjectOption = None) -> None:
    """Let a client that was disabled have tokens again."""
    with (
        _open(project) as operator,
        operator.change("iam.enable_client", f"client:{name}", tenant=tenant) as stores,
    ):
        stores.clients.enable(name, tenant=tenant)
    typer.echo(f"{name} is enabled.")


def _settings(**values: Any) -> ClientSettings:
    try:
        return ClientSettings(**values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = str(fault["loc"][0]) if fault["loc"] else "client"
        remedies = {
            "id": "Use lower-case letters, digits, _ and -, a letter first.",
            "grant_types": "See `saaf clients add --help`.",
        }
        raise InvalidArguments(f"{field}: {fault['msg']}.", remedy=remedies.get(field)) from None


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise InvalidArguments(f"{text!r} is no attribute.", remedy="Write NAME=VALUE.")
    return name, value


def _open(project: Path | None) -> AbstractContextManager[Operator]:
    from saaf_autogen.project.operator import open_operator

    return open_operator(project)
