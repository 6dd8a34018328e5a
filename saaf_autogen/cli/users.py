"""``saaf users``: people who sign in at the embedded authorization server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saaf_autogen.errors import InvalidArguments, NotFound

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.invitations import Invited
    from saaf_autogen.auth.identity.users import UserRecord
    from saaf_autogen.project.people import Desk

__all__ = ["app", "find_user"]

app = typer.Typer(
    no_args_is_help=True,
    help="""People who sign in here, and what they may do.

    Works on the store, whether the host runs or not; each change is recorded in the audit.
    """,
)

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose users.")]
User = Annotated[str, typer.Argument(help="The user's name, or usr_… id.")]
FullName = Annotated[str, typer.Option("--name", help="What to call them.")]
Email = Annotated[str | None, typer.Option(help="Where to write to them.")]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help="A scope of their own; repeat for more.")
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group to put them in; repeat for more.")
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", help="NAME=VALUE, for $user.NAME in row filters; repeat for more."),
]
Admin = Annotated[bool, typer.Option("--admin", help="Put them in the group admins, made first.")]


@app.command("list")
def list_users(project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """List the users: their ids, names and groups, and whether they may sign in."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        last = None
        while page := desk.people.users.list(tenant=tenant, after=last, limit=200):
            for user in page:
                typer.echo(_line(user))
            last = page[-1].id


@app.command()
def add(
    username: Annotated[str, typer.Argument(help="What they sign in with.")],
    name: FullName = "",
    email: Email = None,
    scope: Scopes = None,
    group: Groups = None,
    attribute: Attributes = None,
    admin: Admin = False,
    project: ProjectOption = None,
    tenant: TenantOption = "default",
) -> None:
    """Make a user with a password, asked for here or read from standard input.

    Example: [b]saaf users add ann --name "Ann Lee" --group analysts[/b]
    """
    from saaf_autogen.auth.identity.password_rules import check_password
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        if desk.people.users.find_by_name(username):
            raise InvalidArguments("This user name is taken.", remedy="Choose another one.")
        password = check_password(_read_password(), about=[username, email or ""])
        hashed = desk.people.passwords.hash_blocking(password)
        user = _make(desk, username, name, email, scope, group, attribute, admin, hashed)
        typer.echo(_line(user))


@app.command()
def invite(
    username: Annotated[str, typer.Argument(help="What they will sign in with.")],
    name: FullName = "",
    email: Email = None,
    scope: Scopes = None,
    group: Groups = None,
    attribute: Attributes = None,
    admin: Admin = False,
    project: ProjectOption = None,
    tenant: TenantOption = "default",
) -> None:
    """Make a user who chooses a password themselves, and print the link for it, once.

    Example: [b]saaf users invite ann --email ann@acme.com --group analysts[/b]
    """
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        user = _make(desk, username, name, email, scope, group, attribute, admin, None)
        typer.echo(_line(user))
        _tell(desk, _invite(desk, user))


@app.command()
def reset(user: User, project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """Print a link with which a user chooses a new password; until then the old one counts."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        _tell(desk, _invite(desk, find_user(desk, user)))


@app.command()
def disable(user: User, project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """Let a user sign in no more; their sessions and tokens end at once."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        found = find_user(desk, user)
        with desk.change("iam.disable_user", f"user:{found.id}") as change:
            change.users.disable(found.id, tenant=tenant)
        typer.echo(f"{found.title} is disabled.")


@app.command()
def enable(user: User, project: ProjectOption = None, tenant: TenantOption = "default") -> None:
    """Let a user sign in again."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        found = find_user(desk, user)
        with desk.change("iam.enable_user", f"user:{found.id}") as change:
            change.users.enable(found.id, tenant=tenant)
        typer.echo(f"{found.title} may sign in.")


@app.command()
def remove(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    project: ProjectOption = None,
    tenant: TenantOption = "default",
) -> None:
    """Remove a user with their sessions, tokens, passkeys and consents. The audit stays."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        found = find_user(desk, user)
        if not yes:
            typer.confirm(f"Remove {found.title} ({found.id})?", abort=True)
        with desk.change("iam.remove_user", f"user:{found.id}") as change:
            change.users.remove(found.id, tenant=tenant)
        typer.echo(f"{found.title} is removed.")


@app.command("groups")
def show_groups(
    user: User, project: ProjectOption = None, tenant: TenantOption = "default"
) -> None:
    """Show a user's groups and scopes, and where each comes from."""
    from saaf_autogen.project.people import open_desk

    with open_desk(project, tenant) as desk:
        found = find_user(desk, user)
        for group in found.groups:
            source = "" if group in found.memberships else "  (from their provider)"
            typer.echo(f"group  {group}{source}")
        for scope in sorted(found.scopes):
            source = "  (their own)" if scope in found.own_scopes else ""
            typer.echo(f"scope  {scope}{source}")


def find_user(desk: Desk, name: str) -> UserRecord:
    """A user of the desk's tenant by id or by name.

    Raises:
        NotFound: there is none.
    """
    users = desk.people.users
    found = users.get(name, tenant=desk.tenant) or users.find_by_name(name, tenant=desk.tenant)
    if found is None:
        raise NotFound(f"There is no user {name!r}.", remedy="See `saaf users list`.")
    return found


def _make(
    desk: Desk,
    username: str,
    name: str,
    email: str | None,
    scopes: list[str] | None,
    groups: list[str] | None,
    attributes: list[str] | None,
    admin: bool,
    hashed: str | None,
) -> UserRecord:
    from saaf_autogen.auth.identity.first_admin import make_admin

    with desk.change("iam.create_user") as change:
        user = change.users.add(
            username,
            tenant=desk.tenant,
            name=name,
            email=email,
            scopes=scopes or [],
            groups=groups or [],
            attributes=dict(_pair(each) for each in attributes or []),
            password_hash=hashed,
        )
        user = make_admin(user, change.users, change.groups) if admin else user
        change.resources.append(f"user:{user.id}")
        change.details |= {
            "username": user.username,
            "groups": list(user.groups),
            "scopes": list(user.own_scopes),
        }
        return user


def _invite(desk: Desk, user: UserRecord) -> Invited:
    with desk.change("iam.invite_user", f"user:{user.id}") as change:
        return desk.people.invitations.invite(user.id, tenant=desk.tenant, session=change.session)


def _tell(desk: Desk, invited: Invited) -> None:
    typer.echo(f"{desk.url}/invitation?token={invited.token}")
    typer.echo(
        f"Good once, until {invited.expires_at:%Y-%m-%d %H:%M} UTC. Give it to nobody else: "
        "who opens it first becomes this user.",
        err=True,
    )


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _line(user: UserRecord) -> str:
    state = "" if user.active else "  (disabled)"
    name = user.username or f"{user.name or user.subject} at {user.issuer}"
    return f"{user.id}  {name:<24} {' '.join(user.groups)}{state}".rstrip()


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise InvalidArguments(f"{text!r} is no attribute.", remedy="Write NAME=VALUE.")
    return name, value
