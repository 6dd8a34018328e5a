"""``saaf semantic``: import, export, scaffold, compare and verify semantic files."""

from __future__ import annotations

import typer

from saaf_autogen.cli.semantic import formats, warehouse

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Semantic files: what the warehouse's tables mean.",
)
formats.add_to(app)
warehouse.add_to(app)
