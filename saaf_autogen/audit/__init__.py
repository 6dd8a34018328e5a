"""The audit log: a hash chain of one entry per decision, before a write's effect is confirmed."""

from saaf_autogen.audit.call_ids import CallIds
from saaf_autogen.audit.chain import Chain, Head
from saaf_autogen.audit.log import AuditLog
from saaf_autogen.audit.reader import AuditFilter, AuditPage, AuditReader, StoredEntry
from saaf_autogen.audit.record import (
    AuditOutcome,
    AuditRecord,
    Decision,
    Door,
    changes_between,
    new_call_id,
)

__all__ = [
    "AuditFilter",
    "AuditLog",
    "AuditOutcome",
    "AuditPage",
    "AuditReader",
    "AuditRecord",
    "CallIds",
    "Chain",
    "Decision",
    "Door",
    "Head",
    "StoredEntry",
    "changes_between",
    "new_call_id",
]
