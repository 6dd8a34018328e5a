"""The hosts that are compared, as scripts for environments of their own: they import no SAAF."""
