"""Reads a deployment's ``semantic/`` folder; every fault is a finding, and all are found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from saaf_autogen.errors import ConfigurationError, Finding
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.checks import Source, check_sources
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.settings import Document, read_document

__all__ = ["check_semantic", "load_semantic", "read_sources"]

Place = tuple[str | int, ...]
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_NOWHERE = object()


def load_semantic(folder: Path, warehouses: Mapping[str, str] | None = None) -> SemanticCatalog:
    """The catalog of a ``semantic/`` folder; an absent folder is an empty catalog.

    Args:
        folder: read with its subfolders: ``*.yaml``, ``*.yml``, ``*.json``.
        warehouses: dialect by name of the warehouses that ``saaf.yaml`` declares. A file that
            names another is a fault; a file that names none takes the only one. None: any name.

    Raises:
        ConfigurationError: with every finding.
    """
    sources = read_sources(folder, warehouses)
    return SemanticCatalog((source.model, source.warehouse, source.dialect) for source in sources)


def read_sources(folder: Path, warehouses: Mapping[str, str] | None = None) -> list[Source]:
    """The files of a ``semantic/`` folder with the lines of their values; see ``load_semantic``."""
    sources, findings = _read(folder, warehouses)
    if findings:
        raise ConfigurationError(
            f"The semantic layer has {len(findings)} fault{'s' if len(findings) > 1 else ''}.",
            findings=findings,
            remedy="Mend the files named below.",
        )
    return sources


def check_semantic(folder: Path, warehouses: Mapping[str, str] | None = None) -> list[Finding]:
    """All faults of a ``semantic/`` folder, in the order of files and lines."""
    return _read(folder, warehouses)[1]


def _read(folder: Path, warehouses: Mapping[str, str] | None) -> tuple[list[Source], list[Finding]]:
    files = sorted(file for file in folder.rglob("*") if file.suffix in _SUFFIXES)
    sources: list[Source] = []
    findings: list[Finding] = []
    for file in files:
        document = read_document(file)
        source = _source(document, warehouses)
        findings += document.findings
        if source is not None:
            sources.append(source)
    whole = len(sources) == len(files) and all(source.complete for source in sources)
    findings += check_sources(sources, complete=whole)
    return sources, sorted(set(findings))


def _source(document: Document, warehouses: Mapping[str, str] | None) -> Source | None:
    if not isinstance(document.data, dict):
        if not document.findings:
            document.findings.append(
                document.finding((), "a mapping is expected", "write name, saaf and tables")
            )
        return None
    readable = _Readable(document)
    if readable.model is None:
        return None
    extension = readable.model.saaf
    known = dict(warehouses or {})
    warehouse = extension.warehouse or (next(iter(known)) if len(known) == 1 else "")
    if not warehouse:
        document.findings.append(
            document.finding(
                ("saaf",), "the file names no warehouse", "add `saaf: {warehouse: NAME}`"
            )
        )
    elif warehouses is not None and warehouse not in known:
        names = ", ".join(sorted(known)) or "none"
        document.findings.append(
            document.finding(
                ("saaf", "warehouse"),
                f"there is no warehouse {warehouse!r}",
                f"saaf.yaml declares: {names}",
            )
        )
    dialect = extension.dialect or known.get(warehouse) or "snowflake"
    declared = known.get(warehouse)
    if declared is not None and dialect != declared:
        document.findings.append(
            document.finding(
                ("saaf", "dialect"),
                f"the warehouse {warehouse} speaks {declared}, not {dialect}",
                f"write `dialect: {declared}`, or leave it out",
            )
        )
    return Source(readable.document, readable.model, warehouse, dialect, readable.complete)


class _Readable:
    """As much of a file as fits the format, so that one fault does not hide the others.

    ``complete`` says whether nothing had to be left out that other parts may name.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.complete = not document.findings
        self.model = document.validate(SemanticModel)
        rounds = 0
        while self.model is None and rounds < 20:
            rounds += 1
            bad = self._bad_places()
            lines: dict[Place, int] = {}
            data = self._without(self.document.data, bad, (), (), lines)
            if not isinstance(data, dict):
                break
            # Later rounds see faults that the removal made: they are not the author's.
            self.document = Document(document.file, data, lines)
            self.model = self.document.validate(SemanticModel)
        self.document = Document(document.file, self.document.data, self.document.lines or {})

    def _bad_places(self) -> set[Place]:
        try:
            SemanticModel.model_validate(self.document.data)
        except ValidationError as error:
            return {
                self._held(fault["loc"], fault["type"] == "missing")
                for fault in error.errors(include_url=False)
            }
        return set()

    def _held(self, place: Place, missing: bool) -> Place:
        """The part of a fault's place that the data holds; the parent where a key is missing."""
        value: Any = self.document.data
        held: Place = ()
        for part in place[:-1] if missing else place:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                break
            held = (*held, part)
        return held

    def _without(
        self, value: Any, bad: set[Place], old: Place, new: Place, lines: dict[Place, int]
    ) -> Any:
        if old in bad:
            # A list, or one of its items, may hold what other parts name.
            if isinstance(value, list | dict) or (old and isinstance(old[-1], int)):
                self.complete = False
            return _NOWHERE
        if old in self.document.lines:
            lines[new] = self.document.lines[old]
        if isinstance(value, dict):
            kept = (
                (key, self._without(item, bad, (*old, key), (*new, key), lines))
                for key, item in value.items()
            )
            return {key: item for key, item in kept if item is not _NOWHERE}
        if isinstance(value, list):
            items: list[Any] = []
            for index, item in enumerate(value):
                result = self._without(item, bad, (*old, index), (*new, len(items)), lines)
                if result is not _NOWHERE:
                    items.append(result)
            return items
        return value
