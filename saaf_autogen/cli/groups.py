"""``saaf groups``: what grants name, and scopes that members share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saaf_autogen.cli.users import find_user

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Groups of users, and who is in them.")

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose groups.")]
Group = Annotated[str, typer.Argument(help="The group's id.")]


@app.command("list")
def list_groups(project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """List the groups: how many are in them, and their scopes."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        last = None
        while page := desk.people.groups.list(tenant=tenant, after=last, limit=200):
            for group in page:
                state = "" if group.active else "  (gone from saaf.yaml)"
                members = f"{group.members} member" + ("s" if group.members != 1 else "")
                typer.echo(f"{group.id:<24} {members:<12} {' '.join(group.scopes)}{state}".rstrip())
            last = page[-1].id


@app.command()
def add(
    group: Group,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope of its members; repeat for more.")
    ] = None,
    title: str = "",
    project: ProjectOption = None,
    tenant: TenantOption = "default",
) -> None:
    """Make a group that saaf.yaml does not declare.

    Example: [b]saaf groups add analysts --scope warehouse:query --scope semantic:read[/b]
    """
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        with desk.change("iam.create_group", f"group:{group}") as change:
            change.groups.add(group, tenant=tenant, title=title, scopes=scope or [])
        typer.echo(f"{group} is made.")


@app.command()
def member(
    group: Group,
    user: Annotated[str, typer.Argument(help="The user's name, or usr_… id.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them out instead.")] = False,
    project: ProjectOption = None,
    tenant: TenantOption = "default",
) -> None:
    """Put a user into a group, or take them out.

    Example: [b]saaf groups member analysts ann[/b]
    """
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        found = find_user(desk, user)
        action = "iam.remove_member" if remove else "iam.add_member"
        with desk.change(action, f"group:{group}", f"user:{found.id}") as change:
            act = change.groups.remove_member if remove else change.groups.add_member
            act(group, found.id, tenant=tenant)
        typer.echo(f"{found.title} is {'not ' if remove else ''}in {group}.")
