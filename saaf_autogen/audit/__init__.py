"""The audit log: one record per decision, before a write's effect is confirmed."""
