"""Introspection: what a live warehouse says of itself, for scaffolding and drift.

``introspect`` reads the catalog (tables, columns, types, comments, keys), ``look_into`` a bounded
part of the rows (counts, sample values, ranges). Both are for the host itself: nothing that they
find is shown to a caller unless a person puts it into a semantic file.
"""

from saaf_autogen.sql.introspection.families import Family, family_of, plain_type
from saaf_autogen.sql.introspection.inspection import introspect, look_for_values, look_into
from saaf_autogen.sql.introspection.personal import Sensitivity, sensitivity_of
from saaf_autogen.sql.introspection.schema import (
    ColumnInfo,
    ForeignKey,
    Introspection,
    Profile,
    Progress,
    SampleMode,
    Samples,
    TableInfo,
    Value,
)

__all__ = [
    "ColumnInfo",
    "Family",
    "ForeignKey",
    "Introspection",
    "Profile",
    "Progress",
    "SampleMode",
    "Samples",
    "Sensitivity",
    "TableInfo",
    "Value",
    "family_of",
    "introspect",
    "look_for_values",
    "look_into",
    "plain_type",
    "sensitivity_of",
]
