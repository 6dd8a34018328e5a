"""The hosts that are compared, as scripts for environments of their own; none imports SAAF."""
