"""The grants that the token endpoint takes, one a file."""

from saaf_autogen.auth.server.grants.client_credentials import ClientCredentials

__all__ = ["GRANTS", "ClientCredentials"]

GRANTS = (ClientCredentials,)
