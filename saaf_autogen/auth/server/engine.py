"""Authlib's authorization server with its hooks filled in; grants and endpoints read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError, OAuth2Error

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.access_token import AccessTokens
from saaf_autogen.auth.server.authentication import Authentication, OAuthClient
from saaf_autogen.auth.server.device_authorization import DeviceAuthorizationEndpoint
from saaf_autogen.auth.server.grants import GRANTS
from saaf_autogen.auth.server.id_token import IdTokens
from saaf_autogen.auth.server.introspection import Introspection
from saaf_autogen.auth.server.live_tokens import LiveTokens
from saaf_autogen.auth.server.messages import Answer, OAuthForm
from saaf_autogen.auth.server.order import TokenOrder
from saaf_autogen.auth.server.revocation import Revocation
from saaf_autogen.auth.server.stores import ServerStores
from saaf_autogen.clock import Clock
from saaf_autogen.limits import Limits

__all__ = ["ChecksProofs", "Engine"]


class ChecksProofs(Protocol):
    """Checks DPoP proofs; ``DpopProofs`` does."""

    def check(self, proof: str, *, method: str, url: str, access_token: str | None = None) -> str:
        """The thumbprint of the key that made the proof; OAuth2Error if it is not taken."""
        ...


class Engine(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """The authorization server. Its attributes are for grants and endpoints."""

    def __init__(
        self,
        *,
        issuer: str,
        stores: ServerStores,
        authentication: Authentication,
        access_tokens: AccessTokens,
        id_tokens: IdTokens,
        live_tokens: LiveTokens,
        proofs: ChecksProofs,
        scopes: ScopeRegistry,
        resources: tuple[str, ...],
        clock: Clock,
        limits: Limits,
    ) -> None:
        super().__init__()
        self.issuer = issuer
        self.stores = stores
        self.id_tokens = id_tokens
        self.live_tokens = live_tokens
        self.scopes = scopes
        self.resources = resources
        self.clock = clock
        self._authentication = authentication
        self._access_tokens = access_tokens
        self._proofs = proofs
        self._limits = limits
        for grant in GRANTS:
            self.register_grant(grant)
        for endpoint in (Revocation, Introspection, DeviceAuthorizationEndpoint):
            self.register_endpoint(endpoint)

    def answer_token(self, request: OAuthForm) -> Answer:
        """The token endpoint."""
        if "grant_type" not in request.form:
            raise InvalidRequestError("grant_type is missing.")
        request.trace.grant_type = request.form["grant_type"]
        answer: Answer = self.create_token_response(request)
        return answer

    def answer_endpoint(self, name: str, request: OAuthForm) -> Answer:
        """One of the other endpoints."""
        answer: Answer = self.create_endpoint_response(name, request)
        return answer

    def issue(self, request: OAuthForm, order: TokenOrder) -> dict[str, Any]:
        """An access token's response, with its traces for the audit."""
        trace = request.trace
        trace.subject = order.subject
        trace.details.update(scopes=list(order.scopes), audience=list(order.audience))
        return self._access_tokens.issue(order)

    def proof_key(
        self, request: OAuthForm, client: ClientRecord, *, required: bool = True
    ) -> str | None:
        """The thumbprint of the key that the request proves to hold, or None without a proof.

        Raises:
            OAuth2Error: ``invalid_dpop_proof``: there are two, it is not taken, or the client
                must send one and did not.
        """
        if len(request.dpop) > 1:
            raise OAuth2Error("There is more than one DPoP header.", error="invalid_dpop_proof")
        if not request.dpop:
            if required and client.requires_dpop:
                raise OAuth2Error("This client must prove a key.", error="invalid_dpop_proof")
            return None
        url = f"{self.issuer}{request.path}"
        return self._proofs.check(request.dpop[0], method="POST", url=url)

    def authenticate_client(
        self, request: OAuthForm, methods: Sequence[str], endpoint: str = "token"
    ) -> OAuthClient:
        """Authlib's hook: the client of a request, which counts against its limit."""
        client = self._authentication.authenticate(request, methods)
        trace = request.trace
        trace.client_id, trace.tenant = client.record.id, client.record.tenant
        trace.subject = f"client:{client.record.id}"
        self._limits.clients.take(client.record.tenant, client.record.id)
        return client

    def create_oauth2_request(self, request: OAuthForm) -> OAuthForm:
        """Authlib's hook: requests are of its kind already."""
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib's hook: it tells of events; the trace of a request tells more."""

    def handle_response(
        self, status: int, body: Mapping[str, Any], headers: Sequence[tuple[str, str]]
    ) -> Answer:
        """Authlib's hook: how an answer is made."""
        return Answer(status, body, dict(headers))

    def handle_error_response(self, request: OAuthForm | None, error: OAuth2Error) -> Answer:
        """Authlib's hook: how a refusal is made."""
        status, body, headers = error(None)
        # Some of Authlib's sentences quote the request; RFC 6749 allows printable ASCII only.
        said = "".join(c for c in body.get("error_description", "") if " " <= c <= "~")
        body["error_description"] = said.replace('"', "'").replace("\\", "/")[:300]
        return self.handle_response(status, body, headers)
