"""SAAF's own store: the engine, the base of all tables, and their migrations."""

from saaf_autogen.db.base import DEFAULT_TENANT, Base, UtcTime, tenant_column
from saaf_autogen.db.database import Database, is_away

__all__ = ["DEFAULT_TENANT", "Base", "Database", "UtcTime", "is_away", "tenant_column"]
