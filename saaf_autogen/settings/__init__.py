"""The deployment's files as data: YAML with line numbers, and the model of ``saaf.yaml``."""

from saaf_autogen.settings.document import Document, parse_document, read_document
from saaf_autogen.settings.embeddings import EmbeddingSettings
from saaf_autogen.settings.model import (
    ClientSettings,
    ColumnRules,
    DatabaseSettings,
    DenySettings,
    EgressSettings,
    GrantLimits,
    GrantSettings,
    LimitSettings,
    LocalSettings,
    ModelSettings,
    PrincipalSettings,
    RunSettings,
    ServerSettings,
    Settings,
)
from saaf_autogen.settings.warehouses import (
    DuckDBSettings,
    PostgreSQLSettings,
    SnowflakeSettings,
    SQLAlchemySettings,
    WarehouseSettings,
)

__all__ = [
    "ClientSettings",
    "ColumnRules",
    "DatabaseSettings",
    "DenySettings",
    "Document",
    "DuckDBSettings",
    "EgressSettings",
    "EmbeddingSettings",
    "GrantLimits",
    "GrantSettings",
    "LimitSettings",
    "LocalSettings",
    "ModelSettings",
    "PostgreSQLSettings",
    "PrincipalSettings",
    "RunSettings",
    "SQLAlchemySettings",
    "ServerSettings",
    "Settings",
    "SnowflakeSettings",
    "WarehouseSettings",
    "parse_document",
    "read_document",
]
