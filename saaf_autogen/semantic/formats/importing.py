"""Importing a file or a folder of any known format."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saaf_autogen.errors import ConfigurationError, Finding
from saaf_autogen.semantic.formats.builder import UNKNOWN_TYPE, Target
from saaf_autogen.semantic.formats.cube import import_cubes
from saaf_autogen.semantic.formats.cube_policies import import_policies
from saaf_autogen.semantic.formats.databricks import import_databricks
from saaf_autogen.semantic.formats.dbt import import_dbt
from saaf_autogen.semantic.formats.detection import FORMATS, detect
from saaf_autogen.semantic.formats.ossie_import import import_ossie
from saaf_autogen.semantic.formats.snowflake import import_snowflake
from saaf_autogen.semantic.formats.source import Node, Report
from saaf_autogen.semantic.formats.wren import import_wren
from saaf_autogen.semantic.formats.writing import file_name
from saaf_autogen.semantic.loader import check_semantic
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.settings import Document, read_document

__all__ = ["Imported", "import_semantic"]

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_MOST_FILES = 2_000


@dataclass
class Imported:
    """What came of an import.

    Attributes:
        format: where it came from.
        models: the native models.
        grants: for ``grants:`` of ``saaf.yaml``, as plain data; they name ``models``' tables.
        left_out: what the source says and the result does not.
        policies: access rules that became no grant, or a narrower one.
        notes: what was decided for the reader.
        remaining: what ``saaf check`` would say of the models.
    """

    format: str
    models: list[SemanticModel] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[Finding] = field(default_factory=list)
    policies: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    remaining: list[Finding] = field(default_factory=list)


def import_semantic(source: Path, target: Target, *, kind: str | None = None) -> Imported:
    """Read a foreign file, or all files of a folder, as native models.

    Files of dbt and Cube make one model together, as they refer to one another; each other file
    makes its own.

    Args:
        source: a file, or a folder that is read with its subfolders.
        target: the warehouse where the tables live.
        kind: one of ``FORMATS``; None tells it by the top-level keys.

    Raises:
        ConfigurationError: it cannot be read, with every finding.
    """
    documents = _documents(source)
    report = Report()
    sorted_out = _sort(documents, kind, report, alone=source.is_file())
    if report.faults:
        raise _refusal(source, report.faults)
    name, documents = sorted_out
    made = Imported(name)
    roots = [Node(document, report, document.data) for document in documents]
    title = source.stem if source.is_file() else source.resolve().name
    _run(name, roots, target, title, made)
    for root in roots:
        root.report_unread()
    if report.faults:
        raise _refusal(source, report.faults)
    made.left_out = _unique(report.left_out)
    made.policies = _unique(report.policies)
    made.notes = _unique(report.notes)
    made.models = [each for each in made.models if each.tables or each.verified_queries]
    if not made.models:
        raise ConfigurationError(
            f"Nothing of {source} could be imported.",
            findings=made.left_out,
            remedy="Mend what the findings name, and import again.",
        )
    made.notes += _untyped(source, made.models)
    made.remaining = _remaining(made.models, target)
    return made


def _documents(source: Path) -> list[Document]:
    if not source.exists():
        raise ConfigurationError(f"There is no {source}.", remedy="Name a file or a folder.")
    if source.is_file():
        return [read_document(source)]
    inside = source.resolve()
    files = [
        file
        for file in sorted(source.rglob("*"))
        if file.suffix in _SUFFIXES
        and file.is_file()
        and not _is_apart(file.relative_to(source))
        # A link may lead to anything that this user can read.
        and file.resolve().is_relative_to(inside)
    ]
    if len(files) > _MOST_FILES:
        raise ConfigurationError(
            f"{source} holds {len(files)} files.", remedy="Name the folder of the models alone."
        )
    return [read_document(file) for file in files]


def _is_apart(path: Path) -> bool:
    return any(
        part.startswith(".") or part in ("node_modules", "target") for part in path.parts[:-1]
    )


def _sort(
    documents: Sequence[Document], wanted: str | None, report: Report, *, alone: bool
) -> tuple[str, list[Document]]:
    """The format, and the documents that are of it."""
    if wanted is not None and wanted not in FORMATS:
        raise ConfigurationError(
            f"There is no format {wanted}.", remedy=f"Write one of {', '.join(FORMATS)}."
        )
    found: dict[str, list[Document]] = {}
    for document in documents:
        kind = None if document.findings else detect(document.data)
        if document.findings:
            report.faults += [_with_templates(finding, document) for finding in document.findings]
        elif wanted is not None and isinstance(document.data, dict) and (alone or kind == wanted):
            found.setdefault(wanted, []).append(document)
        elif wanted is None and kind is not None:
            found.setdefault(kind, []).append(document)
        else:
            message = "it is of no format that can be imported"
            place = document.finding((), message, f"--format names one of {', '.join(FORMATS)}")
            (report.faults if alone else report.left_out).append(place)
    if not found and not report.faults:
        where = documents[0].file.parent if documents else Path()
        report.faults.append(Finding(where, 0, "no file of a known format is here", "name another"))
    if len(found) > 1:
        for kind, items in found.items():
            message = f"this is of the format {kind}, others here are not"
            report.faults.append(items[0].finding((), message, "choose one by --format"))
    return next(iter(found.items()), ("", []))


def _with_templates(finding: Finding, document: Document) -> Finding:
    if document.file.is_file() and document.file.stat().st_size < 1_000_000:
        text = document.file.read_bytes()
        if b"{%" in text or re.search(rb":\s*\{\{", text):
            return replace(finding, remedy="render its templates first: Jinja is not run here")
    return finding


def _run(kind: str, roots: list[Node], target: Target, title: str, made: Imported) -> None:
    if kind == "dbt":
        made.models += import_dbt(roots, target, title)
        return
    if kind == "cube":
        model, world = import_cubes(roots, target, title)
        writer = import_policies(world, roots[0])
        made.models += [model] if model is not None else []
        made.grants += writer.documents() if writer is not None else []
        return
    for root in roots:
        name = root.document.file.stem
        if kind == "wren":
            models, rules = import_wren(root, target, name)
            made.models += models
            made.grants += rules.documents() if rules is not None else []
        elif kind == "databricks":
            made.models += import_databricks(root, target, name)
        else:
            single: Callable[[Node, Target], list[SemanticModel]] = (
                import_ossie if kind == "ossie" else import_snowflake
            )
            made.models += single(root, target)
            root.ignore(*(root.data if kind == "snowflake" else ()))


def _untyped(source: Path, models: Sequence[SemanticModel]) -> list[Finding]:
    count = sum(
        item.data_type == UNKNOWN_TYPE
        for model in models
        for table in model.tables
        for item in (*table.dimensions, *table.time_dimensions, *table.facts, *table.measures)
    )
    message = f"{count} fields have the data_type {UNKNOWN_TYPE}, as the source says none"
    remedy = "write the warehouse's types"
    return [Finding(source, 0, message, remedy)] if count else []


def _remaining(models: Sequence[SemanticModel], target: Target) -> list[Finding]:
    """What the loader finds in the models, by the names of the files they would make."""
    with tempfile.TemporaryDirectory() as folder:
        for index, model in enumerate(models):
            place = Path(folder) / f"{index}" / file_name(model.name, ".yaml")
            place.parent.mkdir()
            place.write_text(model.to_yaml(), encoding="utf-8")
        dialect = target.dialect or next((m.saaf.dialect for m in models if m.saaf.dialect), None)
        warehouse = target.warehouse or next(
            (m.saaf.warehouse for m in models if m.saaf.warehouse), None
        )
        found = check_semantic(Path(folder), {warehouse or "warehouse": dialect or "snowflake"})
    return [replace(finding, file=Path(finding.file.name)) for finding in found]


def _refusal(source: Path, faults: Sequence[Finding]) -> ConfigurationError:
    findings = _unique(faults)
    count = f"{len(findings)} fault{'s' if len(findings) != 1 else ''}"
    return ConfigurationError(f"{source} cannot be imported, for {count}:", findings=findings)


def _unique(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(set(findings))
