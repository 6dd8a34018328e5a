"""PostgreSQL's catalog, as far as the role may read the tables themselves."""

from __future__ import annotations

import json
from typing import Any

from saaf_autogen.sql.introspection.families import family_of
from saaf_autogen.sql.introspection.schema import ColumnInfo, ForeignKey, TableInfo
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["read_postgres"]

# Partitions are rows of their parent; tables of extensions are nobody's data.
_OURS = """
  c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
  AND has_schema_privilege(n.oid, 'USAGE')
  AND has_any_column_privilege(c.oid, 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
"""
_TABLES = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text,
  CASE WHEN c.relkind = 'v' THEN 'view' ELSE 'table' END,
  obj_description(c.oid, 'pg_class'),
  CASE c.relkind WHEN 'v' THEN NULL
    WHEN 'p' THEN (
      SELECT CASE WHEN bool_and(leaf.reltuples >= 0) THEN sum(leaf.reltuples)::bigint END
      FROM pg_partition_tree(c.oid) p JOIN pg_class leaf ON leaf.oid = p.relid WHERE p.isleaf)
    ELSE nullif(c.reltuples, -1)::bigint END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} ORDER BY 2, 3
"""  # noqa: S608 - constants only
_COLUMNS = f"""
SELECT c.oid::bigint, a.attname::text, format_type(coalesce(b.oid, t.oid),
    CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END),
  NOT (a.attnotnull OR t.typnotnull), col_description(c.oid, a.attnum),
  array_to_json(ARRAY(SELECT e.enumlabel::text FROM pg_enum e
                      WHERE e.enumtypid = coalesce(b.oid, t.oid) ORDER BY e.enumsortorder))::text,
  coalesce(b.typtype, t.typtype)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE {_OURS} AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.oid, a.attnum
"""  # noqa: S608 - constants only
_KEYS = f"""
SELECT c.oid::bigint, k.contype::text,
  array_to_json(ARRAY(
    SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
    ORDER BY u.place))::text,
  fn.nspname::text, fc.relname::text,
  array_to_json(ARRAY(
    SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
    ORDER BY u.place))::text
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class fc ON fc.oid = k.confrelid
  LEFT JOIN pg_namespace fn ON fn.oid = fc.relnamespace
WHERE {_OURS} AND k.contype IN ('p', 'u', 'f') AND k.conparentid = 0
ORDER BY c.oid, k.conname
"""  # noqa: S608 - constants only


async def read_postgres(warehouse: Warehouse) -> tuple[list[TableInfo], list[str]]:
    """Tables, views, materialised views and foreign tables that the role may select from."""
    tables = await warehouse.inspect(_TABLES)
    columns: dict[int, list[ColumnInfo]] = {}
    for oid, *row in await warehouse.inspect(_COLUMNS):
        columns.setdefault(oid, []).append(_column(*row))
    keys: dict[int, list[tuple[Any, ...]]] = {}
    for oid, kind, own, schema, table, other in await warehouse.inspect(_KEYS):
        # Lists come as JSON: not every driver hands arrays through.
        key = (kind, tuple(json.loads(own)), schema, table, tuple(json.loads(other)))
        keys.setdefault(oid, []).append(key)
    return [
        TableInfo(
            schema=schema,
            name=name,
            kind=kind,
            comment=comment or None,
            columns=tuple(columns.get(oid, ())),
            primary_key=next((key[1] for key in keys.get(oid, ()) if key[0] == "p"), ()),
            unique_keys=tuple(key[1] for key in keys.get(oid, ()) if key[0] == "u"),
            foreign_keys=tuple(
                ForeignKey(key[1], key[2], key[3], key[4])
                for key in keys.get(oid, ())
                if key[0] == "f"
            ),
            rows=rows,
        )
        for oid, schema, name, kind, comment, rows in tables
    ], []


def _column(
    name: str, data_type: str, nullable: bool, comment: str | None, labels: str, kind: str
) -> ColumnInfo:
    # An enumerated type has a name of its own; its values are text to whoever asks.
    family = "text" if kind == "e" else family_of(data_type)
    written = "enum" if kind == "e" else data_type
    return ColumnInfo(name, written, family, nullable, comment or None, tuple(json.loads(labels)))
