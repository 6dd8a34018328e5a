"""The files of a plan: old ones with additions, and new ones; written all or none, atomically."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from saaf_autogen.errors import ConfigurationError, Conflict
from saaf_autogen.project.scaffolding.edits import CannotEdit, Item, TextEdit
from saaf_autogen.project.scaffolding.site import Site, dialects
from saaf_autogen.project.scaffolding.text import flow, scalar
from saaf_autogen.semantic.checks import Source
from saaf_autogen.semantic.formats.schema import language_server_line, schema_text
from saaf_autogen.semantic.loader import check_semantic
from saaf_autogen.sql.introspection import TableInfo

__all__ = ["FileChange", "Files", "unified_diff", "write"]

_SUFFIXES = (".yaml", ".yml", ".json")
_HEAD = """\
{schema}
# Drafted from the warehouse {warehouse} on {today}. Say here what its tables mean: descriptions,
# synonyms, metrics. `saaf semantic scaffold` adds what is new later and leaves your words alone.
"""


@dataclass(frozen=True)
class FileChange:
    """A file before (None: there is none) and after."""

    file: Path
    old: str | None
    new: str


@dataclass
class _NewFile:
    path: Path
    name: str
    tables: list[Item] = field(default_factory=list)
    relationships: list[Item] = field(default_factory=list)


class Files:
    """Gathers what a plan adds to which file.

    Args:
        site: the deployment.
        warehouse: the warehouse that the files are on.
        dialect: its SQL dialect.
        today: the date for comments.
    """

    def __init__(self, site: Site, warehouse: str, dialect: str, today: str) -> None:
        self._site = site
        self._warehouse = warehouse
        self._dialect = dialect
        self._today = today
        self._edits: dict[Path, tuple[Source, TextEdit]] = {}
        self._new: dict[str, _NewFile] = {}
        self._place: dict[tuple[str, str], Source | _NewFile] = {}
        self._related: dict[Path, set[str]] = {}
        self._paths = {str(each.document.file).casefold() for each in site.sources}
        self._names = {
            each.model.name.casefold() for each in site.sources if each.warehouse == warehouse
        }

    def edit(self, source: Source) -> TextEdit:
        """The edit of an old file."""
        file = source.document.file
        if file not in self._edits:
            self._edits[file] = source, TextEdit(read_text(file))
        return self._edits[file][1]

    def append(self, source: Source, place: tuple[str | int, ...], item: Item) -> None:
        """Add an item to a list of an old file."""
        self.edit(source).append(place, item)

    def add_table(
        self, table: TableInfo, item: Item, home: Source | None, *, per_table: bool
    ) -> None:
        """Add a table to ``home``, or to a new file of its schema or its own."""
        if home is not None:
            self.append(home, ("tables",), item)
            self._place[table.key] = home
            return
        parts = (table.schema, table.name) if per_table else (table.schema,)
        new = self._new.get("\0".join(parts))
        if new is None:
            new = self._new["\0".join(parts)] = self._new_file(parts)
        new.tables.append(item)
        self._place[table.key] = new

    def relationship_names(self, table: TableInfo, source: Source | None) -> set[str]:
        """Names of relationships, in lower case, of the file that a table is in."""
        place = source or self._place[table.key]
        file = place.path if isinstance(place, _NewFile) else place.document.file
        if file not in self._related:
            old = () if isinstance(place, _NewFile) else place.model.relationships
            self._related[file] = {each.name.casefold() for each in old}
        return self._related[file]

    def relate(self, table: TableInfo, source: Source | None, item: Item) -> None:
        """Add a relationship to the file that a table is in."""
        self.relationship_names(table, source).add(str((item.data or {})["name"]).casefold())
        place = source or self._place[table.key]
        if isinstance(place, _NewFile):
            place.relationships.append(item)
        else:
            self.append(place, ("relationships",), item)

    def changes(self) -> tuple[FileChange, ...]:
        """The files that differ.

        Raises:
            CannotEdit: an old file cannot hold its additions; ``file`` names it.
        """
        changes: list[FileChange] = []
        for file, (_, edit) in self._edits.items():
            try:
                text = edit.result()
            except CannotEdit as error:
                error.file = file
                raise
            if text != edit.text:
                changes.append(FileChange(file, edit.text, text))
        changes += [FileChange(new.path, None, self._text(new)) for new in self._new.values()]
        return tuple(sorted(changes, key=lambda change: change.file))

    def _new_file(self, parts: Sequence[str]) -> _NewFile:
        slugs = [_slug(part) for part in parts]
        base = self._site.semantic.joinpath(self._warehouse, *slugs)
        for number in range(1, 10_000):
            path = base.with_name(f"{base.name}{'' if number == 1 else f'_{number}'}.yaml")
            if not path.exists() and str(path).casefold() not in self._paths:
                break
        self._paths.add(str(path).casefold())
        stem = "_".join([self._warehouse, *slugs])
        names = [stem, *(f"{stem}_{number}" for number in range(2, 10_000))]
        name = next(each for each in names if each.casefold() not in self._names)
        self._names.add(name.casefold())
        return _NewFile(path, name)

    def _text(self, new: _NewFile) -> str:
        about = {"version": 1, "warehouse": self._warehouse, "dialect": self._dialect}
        lines = [
            _HEAD.format(
                schema=language_server_line(new.path, published=self._site.schema),
                warehouse=self._warehouse,
                today=self._today,
            )
            + f"name: {scalar(new.name)}\nsaaf: {flow(about)}\n\ntables:"
        ]
        lines += [line for item in new.tables for line in item.lines]
        if new.relationships:
            lines += ["", "relationships:"]
            lines += [line for item in new.relationships for line in item.lines]
        return "\n".join(line.rstrip(" ") for line in lines) + "\n"


def read_text(file: Path) -> str:
    """A file's text with its own line ends."""
    return file.read_bytes().decode("utf-8")


def unified_diff(changes: Sequence[FileChange], folder: Path) -> str:
    """The changes as a patch, with paths relative to ``folder``."""
    parts: list[str] = []
    for change in changes:
        name = change.file.relative_to(folder).as_posix()
        old = f"a/{name}" if change.old is not None else "/dev/null"
        lines = difflib.unified_diff(
            (change.old or "").splitlines(keepends=True),
            change.new.splitlines(keepends=True),
            old,
            f"b/{name}",
        )
        parts += [
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        ]
    return "".join(parts)


def write(site: Site, changes: Sequence[FileChange]) -> None:
    """Put changes on disk, each file at once; before that, all files together are checked.

    New files name the JSON Schema for editors, which is published with the first of them.

    Raises:
        ConfigurationError: the files would have faults; nothing was written.
        Conflict: somebody changed a file in the meantime; nothing was written.
    """
    if not changes:
        return
    _check(site, changes)
    staged: list[tuple[Path, Path]] = []
    try:
        for change in changes:
            change.file.parent.mkdir(parents=True, exist_ok=True)
            staged.append((_stage(change), change.file))
        for change in changes:
            now = read_text(change.file) if change.file.exists() else None
            if now != change.old:
                raise Conflict(
                    f"{change.file} was changed in the meantime; nothing was written.",
                    remedy="Run the command again.",
                )
        for draft, file in staged:
            draft.replace(file)
        if any(change.old is None for change in changes) and not site.schema.exists():
            site.schema.write_text(schema_text(), encoding="utf-8")
    finally:
        for draft, _ in staged:
            draft.unlink(missing_ok=True)


def _stage(change: FileChange) -> Path:
    """The new text in a file beside the old one, safely on disk and with its mode."""
    handle, name = tempfile.mkstemp(prefix=f".{change.file.stem}.", dir=change.file.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(change.new.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    draft = Path(name)
    if change.old is not None:
        shutil.copymode(change.file, draft)
    else:
        draft.chmod(0o644)
    return draft


def _check(site: Site, changes: Sequence[FileChange]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in site.semantic.rglob("*"):
            if file.suffix in _SUFFIXES and file.is_file():
                copy = folder / file.relative_to(site.semantic)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        for change in changes:
            copy = folder / change.file.relative_to(site.semantic)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(change.new.encode("utf-8"))
        findings = check_semantic(folder, dialects(site.settings))
    if findings:
        raise ConfigurationError(
            "The scaffold would not load; nothing was written. This is a fault of SAAF.",
            findings=findings,
            remedy="Leave the tables that are named out with --table, and report this.",
        )


def _slug(name: str) -> str:
    """A name as a part of a path."""
    return re.sub(r"[^\w-]+", "_", name).strip("_").casefold()[:80] or "unnamed"
