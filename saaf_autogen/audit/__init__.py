"""The audit log: one record per decision, before a write's effect is confirmed."""

from saaf_autogen.audit.log import AuditLog
from saaf_autogen.audit.record import AuditOutcome, AuditRecord

__all__ = ["AuditLog", "AuditOutcome", "AuditRecord"]
