"""Examples of every format, and imports of text."""

from __future__ import annotations

from pathlib import Path

from saaf_autogen.semantic.formats import Imported, Target, import_semantic
from saaf_autogen.semantic.model import Metric, SemanticModel, Table

EXAMPLES = Path(__file__).parent / "examples"
DUCKDB = Target("wh", "duckdb")
SOURCES: dict[str, tuple[str, str]] = {
    "snowflake/revenue_timeseries.yaml": ("snowflake", "snowflake"),
    "snowflake/tpcds_semantic_model.yaml": ("snowflake", "snowflake"),
    "ossie/tpcds_semantic_model.yaml": ("ossie", "duckdb"),
    "dbt/sample_models": ("dbt", "duckdb"),
    "dbt/latest_spec.yml": ("dbt", "postgres"),
    "cube/users.yaml": ("cube", "postgres"),
    "cube/customers.yaml": ("cube", "postgres"),
    "cube/policy_overlap_test.yaml": ("cube", "postgres"),
    "cube/orders_big.yml": ("cube", "postgres"),
    "cube/ecom.yml": ("cube", "duckdb"),
    "wren/jaffle_shop_mdl.json": ("wren", "duckdb"),
    "wren/tpch_mdl.json": ("wren", "duckdb"),
    "wren/sales_report_mdl.json": ("wren", "postgres"),
    "databricks/tpcds_metric_view.yaml": ("databricks", "databricks"),
    "databricks/fixtureA_metric_view.yaml": ("databricks", "databricks"),
    "databricks/fixtureB_metric_view.yaml": ("databricks", "duckdb"),
    "databricks/orders_v01.yaml": ("databricks", "databricks"),
}
"""Format and dialect by file or folder."""


def imported(name: str) -> Imported:
    return import_semantic(EXAMPLES / name, Target("wh", SOURCES[name][1]))


def from_text(tmp_path: Path, text: str, target: Target = DUCKDB) -> Imported:
    file = tmp_path / "model.yaml"
    file.write_text(text)
    return import_semantic(file, target)


def table(model: SemanticModel, name: str) -> Table:
    return next(item for item in model.tables if item.name == name)


def metric(items: tuple[Metric, ...], name: str) -> str:
    return next(item.expr for item in items if item.name == name)


def told(findings: list[object]) -> str:
    return "\n".join(str(finding) for finding in findings)
