"""The structural-projection guard: a caller's SQL becomes SQL that cannot see more than it may.

Column references are never checked. Every real table is replaced by a subquery that projects what
the caller was granted and no more, so nothing that the rest of the query says can reach past it.
"""

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects import DUCKDB, dialect_named
from saaf_autogen.sql.guard.guard import Guard
from saaf_autogen.sql.guard.plan import Identifiers, PhysicalTable, Place, Plan, VisibleTable
from saaf_autogen.sql.guard.refusal import nearest

__all__ = [
    "DUCKDB",
    "Dialect",
    "Guard",
    "Identifiers",
    "PhysicalTable",
    "Place",
    "Plan",
    "VisibleTable",
    "dialect_named",
    "nearest",
]
