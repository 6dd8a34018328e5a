"""Which project a file comes from, told by its top-level keys."""

from __future__ import annotations

from typing import Any

__all__ = ["FORMATS", "detect"]

FORMATS = ("snowflake", "ossie", "dbt", "cube", "wren", "databricks")


def detect(data: Any) -> str | None:
    """The format of a parsed document; None for what none of them is.

    Args:
        data: the plain data of the file.
    """
    if not isinstance(data, dict):
        return None
    keys = {str(key) for key in data}
    if isinstance(data.get("semantic_model"), list):
        return "ossie"
    if "semantic_models" in keys:
        return "dbt"
    if "models" in keys and isinstance(data["models"], list):
        return "dbt" if _is_dbt(keys, data["models"]) else "wren"
    if keys & {"cubes", "views"}:
        return "cube"
    if "source" in keys and keys & {"measures", "dimensions", "fields"}:
        return "databricks"
    if "tables" in keys or {"name", "verified_queries"} <= keys:
        return "snowflake"
    if "metrics" in keys or "saved_queries" in keys:
        return "dbt"
    return None


def _is_dbt(keys: set[str], models: list[Any]) -> bool:
    if keys & {"catalog", "dataSource", "data_source", "layoutVersion"}:
        return False
    wren = {"tableReference", "table_reference", "refSql", "ref_sql", "baseObject"}
    return not any(isinstance(model, dict) and wren & model.keys() for model in models)
