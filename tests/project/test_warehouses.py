from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType

import duckdb
import pytest

from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.crypto import Sealer
from saaf_autogen.errors import ConfigurationError, SqlRefused, WarehouseFailed
from saaf_autogen.project.deployment import Deployment, check_deployment
from saaf_autogen.project.stores import open_warehouses
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.settings import Settings
from tests.sql import world


def deployment(folder: Path, **warehouses: dict[str, object]) -> Deployment:
    return Deployment(
        folder,
        Settings.model_validate({"warehouses": warehouses}),
        ActionRegistry(),
        ScopeRegistry(),
        SemanticCatalog(),
        MappingProxyType({}),
    )


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(b"k" * 32)


async def test_a_warehouse_that_is_down_leaves_the_others_serving(
    tmp_path: Path, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "people.csv").write_text("name\nann\n")
    monkeypatch.setenv("FAR_URL", "postgresql://u:CANARY@127.0.0.1:1/db")
    opened = open_warehouses(
        deployment(
            tmp_path,
            far={"engine": "postgresql", "url_env": "FAR_URL"},
            near={"engine": "duckdb", "files": {"people": "data/*.csv"}},
        ),
        sealer,
        None,
    )
    with pytest.raises(WarehouseFailed, match="far cannot be reached") as caught:
        await opened["far"].query("SELECT 1 AS one", visible={})
    assert "CANARY" not in str(caught.value)
    visible = {"main.people": world.table("main.people", world.full("name"))}
    assert (await opened["near"].query("SELECT * FROM people", visible=visible)).rows == [["ann"]]
    await asyncio.gather(*(each.warehouse.close() for each in opened.values()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "postgresql", "url_env": "NOT_SET"}, "needs the variable NOT_SET"),
        ({"engine": "postgresql", "url_file": "run/url"}, "needs the file run/url"),
        (
            {"engine": "snowflake", "account": "a", "database": "D", "token_env": "NOT_SET"},
            "needs the variable NOT_SET",
        ),
        (
            {"engine": "sqlalchemy", "url_env": "NOT_SET", "dialect": "bigquery"},
            "needs the variable NOT_SET",
        ),
        ({"engine": "duckdb", "files": {"t": ".saaf/[ab].csv"}}, "state folder"),
        ({"engine": "duckdb", "files": {"t": ".saaf/*.csv"}}, "state folder"),
        ({"engine": "duckdb", "files": {"t": "data/*.csv"}}, "cannot be read from"),
        ({"engine": "duckdb", "path": "none.duckdb"}, "has no file"),
    ],
)
def test_what_is_missing_is_named_when_the_host_starts(
    tmp_path: Path, sealer: Sealer, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_warehouses(deployment(tmp_path, w=settings), sealer, None)
    assert caught.value.remedy


def test_every_engine_gives_its_dialect_to_the_semantic_files(tmp_path: Path) -> None:
    (tmp_path / "saaf.yaml").write_text(
        """
warehouses:
  shop: {engine: postgresql, url_env: SHOP_URL}
  snow: {engine: snowflake, account: a, user: u, database: D, private_key_file: k.p8}
  lake: {engine: duckdb, files: {orders: data/*.parquet}, isolation: thread}
  bq: {engine: sqlalchemy, url_env: BQ_URL, dialect: bigquery}
"""
    )
    (tmp_path / "semantic").mkdir()
    for name, dialect in (("shop", "postgres"), ("snow", "snowflake"), ("bq", "bigquery")):
        (tmp_path / "semantic" / f"{name}.yaml").write_text(
            f"name: {name}\nsaaf: {{version: 1, warehouse: {name}, dialect: {dialect}}}\n"
            "tables:\n- name: t\n  base_table: {schema: s, table: t}\n"
            "  dimensions:\n  - {name: a, expr: a, data_type: VARCHAR}\n"
        )
    assert check_deployment(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{engine: sqlalchemy, url_env: X, dialect: sqlite}", "'duckdb', 'postgres'"),
        ("{engine: oracle}", "'duckdb', 'postgresql', 'snowflake', 'sqlalchemy'"),
        ("{engine: duckdb, files: {t: ../x.csv}}", "may not go up"),
        ("{engine: duckdb, files: {t: '*.csv'}}", "folder of their own"),
        ("{engine: duckdb, files: {t: data/x.xlsx}}", "files end in"),
        ("{engine: snowflake, account: a, database: D}", "one of `private_key_file`"),
        (
            "{engine: snowflake, account: a, database: D, token_env: X, host: h, protocol: http}",
            "plain http",
        ),
        ("{engine: postgresql, url: 'postgresql://u:p@h/d'}", "unknown key"),
    ],
)
def test_faults_of_a_warehouse_are_told_at_its_line(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "saaf.yaml").write_text(f"name: demo\nwarehouses:\n  w: {line}\n")
    findings = check_deployment(tmp_path)
    assert any(told in str(finding) and finding.line == 3 for finding in findings)


async def test_what_the_engine_expects_to_cost_too_much_is_not_run(
    tmp_path: Path, sealer: Sealer
) -> None:
    with duckdb.connect(tmp_path / "w.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS i FROM range(1000)")
    declared: dict[str, object] = {"engine": "duckdb", "path": "w.duckdb", "max_cost": 5_000}
    guarded = open_warehouses(deployment(tmp_path, w=declared), sealer, None)["w"]
    visible = {"main.t": world.table("main.t", world.full("i"))}
    assert (await guarded.query("SELECT count(*) AS n FROM t", visible=visible)).rows == [[1000]]
    dear = "SELECT count(*) AS n FROM t AS a CROSS JOIN t AS b WHERE a.i + b.i > 7"
    with pytest.raises(SqlRefused, match="more than this warehouse allows") as caught:
        await guarded.query(dear, visible=visible)
    assert caught.value.remedy
    with pytest.raises(SqlRefused):
        async with guarded.stream(guarded.plan(dear, visible=visible)):
            pass
    await guarded.warehouse.close()
