"""Semantic files of other projects: imported to the native format, and exported from it.

``import_semantic`` reads Snowflake semantic models and views, Apache Ossie, dbt semantic models,
Cube, Wren MDL and Databricks metric views, told apart by their top-level keys. ``export_ossie`` and
``export_snowflake`` write. ``schema`` is the JSON Schema of the native format. What a translation
loses is always told: see ``Imported``.
"""

from saaf_autogen.semantic.formats.builder import HIDDEN, UNKNOWN_TYPE, Target
from saaf_autogen.semantic.formats.detection import FORMATS, detect
from saaf_autogen.semantic.formats.importing import Imported, import_semantic
from saaf_autogen.semantic.formats.ossie_export import export_ossie
from saaf_autogen.semantic.formats.schema import (
    SCHEMA_FILE,
    language_server_line,
    schema,
    schema_text,
)
from saaf_autogen.semantic.formats.snowflake import export_snowflake
from saaf_autogen.semantic.formats.writing import file_name, write_new

__all__ = [
    "FORMATS",
    "HIDDEN",
    "SCHEMA_FILE",
    "UNKNOWN_TYPE",
    "Imported",
    "Target",
    "detect",
    "export_ossie",
    "export_snowflake",
    "file_name",
    "import_semantic",
    "language_server_line",
    "schema",
    "schema_text",
    "write_new",
]
