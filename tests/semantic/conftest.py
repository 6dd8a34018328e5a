"""The sample deployment's semantic layer, and callers of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest

from saaf_autogen.auth.access import (
    TRUE,
    ColumnAccess,
    ColumnCase,
    Mask,
    Predicate,
    TableAccess,
)
from saaf_autogen.errors import Finding
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import check_semantic, load_semantic
from saaf_autogen.semantic.view import SemanticView

SAMPLE = Path(__file__).parents[2] / "semantic"
Access = dict[str, TableAccess]
MakeAccess = Callable[..., Access]


@pytest.fixture(scope="session")
def sample() -> SemanticCatalog:
    return load_semantic(SAMPLE, {"nyc": "duckdb"})


# Closed with its module: one process opens a DuckDB file under one configuration.
@pytest.fixture(scope="module")
def warehouse(nyc_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(nyc_file), read_only=True) as connection:
        yield connection


def make_access(
    catalog: SemanticCatalog,
    *,
    hide: Mapping[str, list[str] | None] | None = None,
    rows: Mapping[str, Predicate] | None = None,
    mask: Mapping[str, dict[str, Mask]] | None = None,
) -> Access:
    """All of a catalog but what ``hide`` names (None: the table), under rows and masks."""
    access: Access = {}
    for resource, facts in catalog.facts.items():
        name = resource.rsplit(".", 1)[-1]
        hidden = (hide or {}).get(name, [])
        if hidden is None:
            continue
        masks = (mask or {}).get(name, {})
        access[resource] = TableAccess(
            resource,
            {
                column.name: ColumnAccess(column.name, (ColumnCase(TRUE, masks.get(column.name)),))
                for column in facts.columns
                if column.name not in hidden
            },
            rows=(rows or {}).get(name, TRUE),
        )
    return access


@pytest.fixture(scope="session")
def everything(sample: SemanticCatalog) -> SemanticView:
    return SemanticView(sample, make_access(sample))


@pytest.fixture(scope="session")
def without_tailnum(sample: SemanticCatalog) -> SemanticView:
    hide: dict[str, list[str] | None] = {"flights": ["tailnum"], "planes": ["tailnum"]}
    return SemanticView(sample, make_access(sample, hide=hide))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes files of a semantic folder; ``name="text"`` becomes ``name.yaml``."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return tmp_path

    return write


def found(folder: Path, warehouses: Mapping[str, str] | None = None) -> list[tuple[int, str]]:
    """The findings of a folder as (line, message)."""
    known = {"main": "duckdb"} if warehouses is None else warehouses
    findings: list[Finding] = check_semantic(folder, known)
    return [(finding.line, finding.message) for finding in findings]
