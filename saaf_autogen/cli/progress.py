"""Progress on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from saaf_autogen.project.stores import SampleProgress

__all__ = ["sample_progress"]


@contextmanager
def sample_progress(console: Console) -> Iterator[SampleProgress]:
    """Bars for a sample warehouse that is being built; nothing shows when none is."""
    columns = (TextColumn("  building {task.description:<10}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def told(table: str, done: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table, total=total)
            bars.update(tasks[table], completed=done, total=total)

        yield told
