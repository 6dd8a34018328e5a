"""What the host says of itself: RFC 8414, OpenID Connect Discovery, RFC 9728."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from saaf_autogen.auth.details import DETAIL_TYPE
from saaf_autogen.auth.dpop import DPOP_ALGORITHMS
from saaf_autogen.auth.scopes import IDENTITY_SCOPES, ScopeRegistry
from saaf_autogen.auth.server.assertions import ASSERTION_ALGORITHMS
from saaf_autogen.auth.server.authentication import CONFIDENTIAL_METHODS, METHODS
from saaf_autogen.auth.server.authorization.interaction import PROMPTS
from saaf_autogen.auth.server.authorization.pkce import CHALLENGE_METHODS
from saaf_autogen.auth.server.authorization.response import RESPONSE_MODES, RESPONSE_TYPES
from saaf_autogen.auth.server.grants import GRANTS
from saaf_autogen.auth.server.id_token import ID_ALGORITHMS
from saaf_autogen.auth.server.userinfo import USER_CLAIMS
from saaf_autogen.settings import OAuthSettings

__all__ = ["Metadata"]


class Metadata:
    """The documents at the well-known addresses; nothing stands in them that is not served.

    Args:
        issuer: the public address, without a slash at its end.
        name: the deployment's.
        scopes: all scopes that this host knows.
        resources: what tokens of the embedded issuer may be for.
        oauth: what of the embedded issuer is switched on.
        issuers: names of the other issuers whose tokens count here.
    """

    def __init__(
        self,
        *,
        issuer: str,
        name: str,
        scopes: ScopeRegistry,
        resources: Sequence[str],
        oauth: OAuthSettings,
        issuers: Sequence[str] = (),
    ) -> None:
        self._issuer = issuer
        self._path = urlsplit(issuer).path.strip("/")
        self._name = name
        self._scopes = scopes
        self._resources = tuple(resources)
        self._oauth = oauth
        self._issuers = tuple(issuers)

    @property
    def issues(self) -> bool:
        """Whether tokens are issued here at all."""
        return self._oauth.enabled

    @property
    def registers(self) -> bool:
        """Whether clients may register themselves."""
        return self._oauth.enabled and self._oauth.registration == "open"

    def server(self, path: str = "") -> dict[str, Any] | None:
        """The authorization server's metadata, for both well-known addresses.

        Args:
            path: what stood behind the well-known name (RFC 8414, section 3.1); none, or the
                path of the issuer's own address.
        """
        if not self.issues or path.strip("/") not in ("", self._path):
            return None
        return {**self._endpoints(), **self._abilities(), **self._openid()}

    def resource(self, path: str = "") -> dict[str, Any] | None:
        """The metadata of the resource at that path (RFC 9728, section 2), or None."""
        named = path.strip("/")
        host = self._issuer.removesuffix(self._path).rstrip("/") if self._path else self._issuer
        asked = {f"{self._issuer}/{named}".rstrip("/"), f"{host}/{named}"}
        resource = next((name for name in self._resources if name in asked), None)
        if resource is None:
            return None
        return {
            "resource": resource,
            "resource_name": self._name,
            "authorization_servers": [*([self._issuer] if self.issues else []), *self._issuers],
            "scopes_supported": [scope.name for scope in self._scopes],
            "bearer_methods_supported": ["header"],
            "authorization_details_types_supported": [DETAIL_TYPE],
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
            "dpop_bound_access_tokens_required": False,
        }

    def _endpoints(self) -> dict[str, Any]:
        oauth = f"{self._issuer}/oauth"
        endpoints = {
            "issuer": self._issuer,
            "authorization_endpoint": f"{oauth}/authorize",
            "token_endpoint": f"{oauth}/token",
            "jwks_uri": f"{oauth}/jwks",
            "revocation_endpoint": f"{oauth}/revoke",
            "introspection_endpoint": f"{oauth}/introspect",
            "device_authorization_endpoint": f"{oauth}/device_authorization",
            "pushed_authorization_request_endpoint": f"{oauth}/par",
            "userinfo_endpoint": f"{oauth}/userinfo",
            "end_session_endpoint": f"{oauth}/end_session",
        }
        if self.registers:
            endpoints["registration_endpoint"] = f"{oauth}/register"
        return endpoints

    def _abilities(self) -> dict[str, Any]:
        asking = list(CONFIDENTIAL_METHODS)
        signing = list(ASSERTION_ALGORITHMS)
        return {
            "scopes_supported": [scope.name for scope in (*IDENTITY_SCOPES, *self._scopes)],
            "response_types_supported": list(RESPONSE_TYPES),
            "response_modes_supported": list(RESPONSE_MODES),
            "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
            "code_challenge_methods_supported": list(CHALLENGE_METHODS),
            "authorization_response_iss_parameter_supported": True,
            "authorization_details_types_supported": [DETAIL_TYPE],
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
            "require_pushed_authorization_requests": False,
            "client_id_metadata_document_supported": bool(self._oauth.client_documents),
            "token_endpoint_auth_methods_supported": list(METHODS),
            "token_endpoint_auth_signing_alg_values_supported": signing,
            "revocation_endpoint_auth_methods_supported": list(METHODS),
            "revocation_endpoint_auth_signing_alg_values_supported": signing,
            "introspection_endpoint_auth_methods_supported": asking,
            "introspection_endpoint_auth_signing_alg_values_supported": signing,
        }

    def _openid(self) -> dict[str, Any]:
        claims = [claim for names in USER_CLAIMS.values() for claim in names]
        return {
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ID_ALGORITHMS),
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", *_OF_SIGN_IN, *claims],
            "claim_types_supported": ["normal"],
            "prompt_values_supported": list(PROMPTS),
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }


_OF_SIGN_IN = ("auth_time", "amr", "nonce", "sid", "at_hash")
