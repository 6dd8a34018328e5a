"""The guide's settings load, its action runs, and its tables name every type that tests read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from saaf_autogen import Client
from saaf_autogen.settings import Settings
from saaf_autogen.sql.guard.dialects.registry import DIALECTS
from tests.conftest import ROOT, make_deployment
from tests.sql.postgresql.test_types import EVERY as POSTGRES
from tests.sql.snowflake.test_warehouse import TYPES as SNOWFLAKE

GUIDE = (ROOT / "docs" / "warehouses.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_settings_of_the_guide_load() -> None:
    settings = Settings.model_validate(yaml.safe_load(block("yaml")))
    assert {each.engine for each in settings.warehouses.values()} == {
        *("duckdb", "postgresql", "snowflake", "sqlalchemy")
    }
    limits = settings.warehouses["shop"]
    for name in ("max_rows", "max_bytes", "timeout_s", "concurrency"):
        row = re.search(rf"\| `{name}` \| ([\d,]+) \|", GUIDE)
        assert row is not None
        assert float(row.group(1).replace(",", "")) == getattr(limits, name)


def test_the_guide_names_every_dialect_of_the_guard() -> None:
    for name in DIALECTS:
        assert f"`{name}`" in GUIDE


def test_the_guide_names_the_types_that_are_tested() -> None:
    for engine_type in {kind for kind, _ in POSTGRES.values()}:
        bare = engine_type.removesuffix("[]").replace("bpchar", "char").replace("record", "records")
        shown = {"user-defined": "enums", "int4range": "ranges"}.get(bare, bare)
        assert shown in GUIDE, engine_type
    for engine_type, _ in SNOWFLAKE.values():
        assert engine_type.partition("(")[0] in GUIDE, engine_type


async def test_the_action_of_the_guide_reads_arrow(tmp_path: Path, nyc_file: Path) -> None:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    pack = '"""Distances."""\n\nfrom saaf_autogen import ActionContext, action\n\n\n'
    (folder / "tools" / "distances.py").write_text(pack + block("python"))
    async with Client(folder) as saaf:
        total = await saaf.call("distances.total_distance")
    # Of the first 10,000 flights, which is all that the deployment's limit lets through.
    assert total > 1_000_000
