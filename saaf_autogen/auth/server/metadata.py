"""What the issuer says of itself: RFC 8414, OIDC Discovery, RFC 9728."""

from __future__ import annotations

from typing import Any

from saaf_autogen.auth.details import DETAIL_TYPE
from saaf_autogen.auth.keys import ALGORITHM
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.authentication import METHODS
from saaf_autogen.auth.server.grants import GRANTS

__all__ = ["resource_metadata", "server_metadata"]


def server_metadata(issuer: str, scopes: ScopeRegistry) -> dict[str, Any]:
    """The authorization server's metadata, for both well-known addresses.

    The last two members are required by OIDC Discovery; no ID tokens are issued yet.
    """
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "scopes_supported": [scope.name for scope in scopes],
        "response_types_supported": [],
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "authorization_details_types_supported": [DETAIL_TYPE],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


def resource_metadata(resource: str, issuer: str, scopes: ScopeRegistry) -> dict[str, Any]:
    """The metadata of a resource that this host serves (RFC 9728, section 2)."""
    return {
        "resource": resource,
        "authorization_servers": [issuer],
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": [scope.name for scope in scopes],
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": [DETAIL_TYPE],
    }
