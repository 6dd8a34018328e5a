"""The ``saaf`` command. What is slow to import is imported by the command that needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from saaf_autogen import __version__
from saaf_autogen.cli import (
    audit,
    clients,
    groups,
    keys,
    prune,
    runs,
    schedules,
    semantic,
    usage,
    users,
    worker,
)
from saaf_autogen.errors import ConfigurationError, SaafError

__all__ = ["app", "main"]

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        envvar="SAAF_PROJECT",
        help="Deployment folder; default: the nearest saaf.yaml upward.",
    ),
]

app = typer.Typer(
    name="saaf",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="""SAAF takes AutoGen agent teams to production.

    A deployment is a folder: saaf.yaml, agents/, tools/, semantic/.

    [b]Try:[/b] saaf check · saaf serve · saaf run flights "How late did Delta depart on average?"
    """,
)
app.add_typer(audit.app, name="audit")
app.add_typer(clients.app, name="clients")
app.add_typer(groups.app, name="groups")
app.add_typer(keys.app, name="keys")
app.add_typer(runs.app, name="runs")
app.add_typer(schedules.app, name="schedules")
app.add_typer(semantic.app, name="semantic")
app.add_typer(users.app, name="users")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"saaf {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def check(project: ProjectOption = None) -> None:
    """Validate the deployment folder: every fault with its file, line and remedy."""
    from saaf_autogen.project.deployment import check_deployment
    from saaf_autogen.project.discovery import find_project

    folder = find_project(project)
    findings = check_deployment(folder)
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        count = f"{len(findings)} fault" + ("s" if len(findings) > 1 else "")
        typer.echo(f"{count} in {folder}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{folder} is in order.")


@app.command()
def serve(
    project: ProjectOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on.")] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave runs to the processes of saaf worker.")
    ] = False,
) -> None:
    """Host the deployment: actions, agents and the OAuth issuer over HTTP; and execute its runs."""
    from saaf_autogen.cli.serve import serve as run

    run(project, host, port, works=not no_worker)


app.command()(worker.worker)
app.command()(worker.workers)
app.command()(prune.prune)
app.command()(usage.usage)


@app.command()
def run(
    agent: Annotated[str, typer.Argument(help="The agent's id: its file's name.")],
    question: Annotated[str, typer.Argument(help="What it is asked.")],
    project: ProjectOption = None,
) -> None:
    """Run an agent in this process, as the local principal, and print its answer.

    Example: [b]saaf run flights "How many flights did JetBlue have in July?"[/b]
    """
    from saaf_autogen.cli.run import run as start

    start(project, agent, question)


@app.command()
def demo(project: ProjectOption = None) -> None:
    """See the whole of it: a host, a token, a run over REST, a signed callback."""
    from saaf_autogen.cli.demo import demo as show

    show(project)


@app.command()
def explain(
    principal: Annotated[
        str, typer.Option("--principal", help="user:NAME, user:ISSUER|SUB, client:ID, group:NAME.")
    ],
    resource: Annotated[str, typer.Option("--resource", help="Such as wh://nyc/main.flights.")],
    action: Annotated[
        str | None, typer.Option("--action", help="Its scopes count, too: warehouse.query.")
    ] = None,
    column: Annotated[str | None, typer.Option("--column", help="Only this column.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Acts for the principal.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scopes", help="Of the token; default: all they may have.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="A further group.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", help="NAME=VALUE; a,b is a list.")
    ] = None,
    verb: Annotated[str | None, typer.Option("--verb", help="select, read or write.")] = None,
    tenant: Annotated[str, typer.Option("--tenant")] = "default",
    every_rule: Annotated[
        bool, typer.Option("--all", help="Show rules for others and other resources, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as data.")] = False,
    project: ProjectOption = None,
) -> None:
    """Tell who narrowed what: each party to a call, rule by rule. Exit status 1: it may not.

    Example: [b]saaf explain --principal client:ua-analyst --action warehouse.query
    --resource wh://nyc/main.flights --column tailnum[/b]
    """
    from saaf_autogen.cli.explain import Asked
    from saaf_autogen.cli.explain import explain as tell

    scopes = [name for each in scope or [] for name in each.replace(",", " ").split()]
    asked = Asked(
        principal=principal,
        resource=resource,
        action=action,
        verb=verb,
        column=column,
        agent=agent,
        scopes=scopes,
        groups=group or [],
        attributes=attribute or [],
        tenant=tenant,
    )
    if not tell(project, asked, every_rule=every_rule, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def scopes(project: ProjectOption = None) -> None:
    """List every scope, with what it lets its holder do."""
    from saaf_autogen.project.deployment import read_deployment
    from saaf_autogen.project.discovery import find_project

    for scope in read_deployment(find_project(project)).scopes:
        typer.echo(f"{scope.name:<24} {scope.description}")


def main() -> None:
    """Run the command; a SAAF error becomes a line on stderr and exit status 1."""
    try:
        app(standalone_mode=True)
    except SaafError as error:
        _explain(error)
        sys.exit(1)


def _explain(error: SaafError) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]error:[/]", end=" ")
    # Findings carry their own remedies, so a configuration error is told whole.
    whole = isinstance(error, ConfigurationError)
    console.print(str(error) if whole else error.detail, markup=False)
    if error.remedy and not whole:
        console.print("→", error.remedy, markup=False, style="dim")
