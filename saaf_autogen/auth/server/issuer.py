"""The embedded issuer: takes posted forms, gives JSON answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError, OAuth2Error

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.access_token import AccessTokens
from saaf_autogen.auth.server.authentication import OAuthClient, authenticate
from saaf_autogen.auth.server.grants import GRANTS
from saaf_autogen.auth.server.messages import Answer, FormRequest, OAuthForm, read_form
from saaf_autogen.auth.server.metadata import resource_metadata, server_metadata
from saaf_autogen.auth.server.revocation import Revocation
from saaf_autogen.auth.tokens.revocation import RevokedTokens
from saaf_autogen.clock import Clock

__all__ = ["LIFETIME_S", "Issuer"]

LIFETIME_S = 300


class Issuer:
    """Issues access tokens to the clients of ``clients``.

    ``token`` and ``revoke`` use the store: call them in a thread. The rest answers from memory.

    Args:
        url: the public address, without a slash at its end; also the issuer's name.
        clients: who may ask.
        keys: signs; its ``load`` must have been called.
        revoked: where revocations go.
        scopes: all scopes that this host knows.
        clock: tells the time.
        resources: what tokens may be for; the first is the default. Default: ``url`` alone.
    """

    def __init__(
        self,
        *,
        url: str,
        clients: ClientStore,
        keys: SigningKeys,
        revoked: RevokedTokens,
        scopes: ScopeRegistry,
        clock: Clock,
        resources: Sequence[str] = (),
    ) -> None:
        self.url = url.rstrip("/")
        self.resources = tuple(resources) or (self.url,)
        self.scopes = scopes
        self._keys = keys
        tokens = AccessTokens(self.url, keys, clock, lifetime_s=LIFETIME_S)
        self._server = _Server(clients, keys, revoked, scopes, self.resources, tokens)

    def token(self, request: FormRequest) -> Answer:
        """The token endpoint (RFC 6749, section 3.2)."""
        return self._answer(request, self._server.create_token)

    def revoke(self, request: FormRequest) -> Answer:
        """The revocation endpoint (RFC 7009)."""
        return self._answer(request, self._server.create_revocation)

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return self._keys.jwks()

    def metadata(self) -> dict[str, Any]:
        """The authorization server's metadata (RFC 8414, OIDC Discovery)."""
        return server_metadata(self.url, self.scopes)

    def resource_metadata(self, path: str = "") -> dict[str, Any] | None:
        """The metadata of the resource at ``url/path`` (RFC 9728), or None if there is none."""
        resource = f"{self.url}/{path}".rstrip("/")
        if resource not in self.resources:
            return None
        return resource_metadata(resource, self.url, self.scopes)

    def _answer(self, request: FormRequest, work: Callable[[OAuthForm], Answer]) -> Answer:
        try:
            return work(read_form(request))
        except OAuth2Error as error:
            return self._server.handle_error_response(None, error)


class _Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's side: its hooks, filled in. The grants read the public attributes."""

    def __init__(
        self,
        clients: ClientStore,
        keys: SigningKeys,
        revoked: RevokedTokens,
        scopes: ScopeRegistry,
        resources: tuple[str, ...],
        access_tokens: AccessTokens,
    ) -> None:
        super().__init__()
        self._clients = clients
        self.keys = keys
        self.revoked = revoked
        self.scopes = scopes
        self.resources = resources
        self.access_tokens = access_tokens
        for grant in GRANTS:
            self.register_grant(grant)
        self.register_endpoint(Revocation)

    def create_token(self, request: OAuthForm) -> Answer:
        if "grant_type" not in request.form:
            raise InvalidRequestError("grant_type is missing.")
        answer: Answer = self.create_token_response(request)
        return answer

    def create_revocation(self, request: OAuthForm) -> Answer:
        answer: Answer = self.create_endpoint_response(Revocation.ENDPOINT_NAME, request)
        return answer

    def authenticate_client(
        self, request: OAuthForm, methods: Sequence[str], endpoint: str = "token"
    ) -> OAuthClient:
        return authenticate(request, self._clients)

    def create_oauth2_request(self, request: OAuthForm) -> OAuthForm:
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib tells of events; nobody listens yet."""

    def handle_response(
        self, status: int, body: Mapping[str, Any], headers: Sequence[tuple[str, str]]
    ) -> Answer:
        return Answer(status, body, dict(headers))

    def handle_error_response(self, request: OAuthForm | None, error: OAuth2Error) -> Answer:
        status, body, headers = error(None)
        # Some of Authlib's sentences quote the request; RFC 6749 allows printable ASCII only.
        said = "".join(c for c in body.get("error_description", "") if " " <= c <= "~")
        body["error_description"] = said.replace('"', "'").replace("\\", "/")[:300]
        return self.handle_response(status, body, headers)
