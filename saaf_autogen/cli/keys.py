"""``saaf keys``: the keys with which the embedded issuer signs tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from saaf_autogen.auth.keys import KeyRecord

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="""Keys that sign tokens: ES256 for access tokens, RS256 for ID tokens.

    Of each algorithm, one key signs (current), one is published ahead (next), and those that
    signed before stay published for two hours (retired). A host replaces a key after 90 days.
    """,
)

ProjectOption = Annotated[Path | None, typer.Option("--project", envvar="SAAF_PROJECT")]


@app.command("list")
def list_keys(project: ProjectOption = None) -> None:
    """List the keys that are published: algorithm, state, age and id."""
    from saaf_autogen.project.operator import open_operator

    with open_operator(project) as operator:
        operator.keys.load()
        _show(operator.keys.records())


@app.command()
def rotate(
    compromised: Annotated[
        bool,
        typer.Option(
            "--compromised",
            help="Drop every key at once: each token that they signed is refused from now on.",
        ),
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Let the next keys sign, and publish new next ones; hosts follow within two seconds.

    Nobody notices: [b]saaf keys rotate[/b]

    A key was stolen: [b]saaf keys rotate --compromised[/b]
    """
    from saaf_autogen.project.operator import open_operator

    with open_operator(project) as operator:
        operator.keys.load()
        with operator.change("iam.rotate_keys", "keys:signing") as stores:
            stores.keys.rotate(compromised=compromised)
        operator.keys.load()
        _show(operator.keys.records())


def _show(records: list[KeyRecord]) -> None:
    for record in records:
        since = record.retired_at or record.activated_at or record.created_at
        typer.echo(
            f"{record.algorithm:<6} {record.state:<8} since {since:%Y-%m-%d %H:%M}  {record.kid}"
        )
