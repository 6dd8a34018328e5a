"""The embedded issuer: takes posted forms, gives JSON answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.audit import AuditRecord
from saaf_autogen.audit.record import new_call_id
from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.access_token import AccessTokens
from saaf_autogen.auth.server.assertions import ClientAssertions
from saaf_autogen.auth.server.authentication import METHODS, Authentication
from saaf_autogen.auth.server.client_keys import ClientKeys
from saaf_autogen.auth.server.device_authorization import DeviceAuthorizationEndpoint
from saaf_autogen.auth.server.engine import ChecksProofs, Engine
from saaf_autogen.auth.server.grants import ClientCredentials
from saaf_autogen.auth.server.id_token import IdTokens
from saaf_autogen.auth.server.introspection import Introspection
from saaf_autogen.auth.server.live_tokens import LiveTokens
from saaf_autogen.auth.server.messages import Answer, FormRequest, OAuthForm, read_form
from saaf_autogen.auth.server.revocation import Revocation
from saaf_autogen.auth.server.stores import ServerStores
from saaf_autogen.auth.server.trace import Trace
from saaf_autogen.clock import Clock
from saaf_autogen.errors import AuditUnavailable, RateLimited
from saaf_autogen.limits import Limits
from saaf_autogen.settings import OAuthSettings

__all__ = ["Issuer"]


class Issuer:
    """Issues tokens to clients, for themselves and for users.

    ``token``, ``device_authorization``, ``introspect`` and ``revoke`` use the stores: call them in
    a worker thread. The rest answers from memory.

    Args:
        url: the public address, without a slash at its end; also the issuer's name.
        stores: clients, users, codes, families.
        keys: signs; its ``load`` must have been called.
        scopes: all scopes that this host knows.
        clock: tells the time.
        proofs: checks DPoP proofs, each of which counts once in the whole deployment.
        client_keys: the keys of clients that sign assertions.
        settings: lifetimes.
        limits: how much a client may ask in a minute.
        resources: what tokens may be for; the first is the default. Default: ``url`` alone.
        note: takes the record of each decision, in any thread and without waiting. If it raises
            ``AuditUnavailable``, nothing is issued.

    Attributes:
        client_keys: to be prepared for a request with an assertion.
        id_tokens: for whoever must read one that was issued, as an ``id_token_hint``.
        authentication: authenticates clients, for further endpoints.
    """

    def __init__(
        self,
        *,
        url: str,
        stores: ServerStores,
        keys: SigningKeys,
        scopes: ScopeRegistry,
        clock: Clock,
        proofs: ChecksProofs,
        client_keys: ClientKeys,
        settings: OAuthSettings,
        limits: Limits,
        resources: Sequence[str] = (),
        note: Callable[[AuditRecord], None] = lambda _record: None,
    ) -> None:
        self.url = url.rstrip("/")
        self.resources = tuple(resources) or (self.url,)
        self.scopes = scopes
        self._keys = keys
        self._clock = clock
        self._note = note
        self._limits = limits
        self.client_keys = client_keys
        audiences = (self.url, f"{self.url}/oauth/token")
        assertions = ClientAssertions(audiences, client_keys, stores.once, clock)
        lifetime_s = settings.access_token_s
        self.authentication = Authentication(stores.directory, stores.clients, assertions)
        self.id_tokens = IdTokens(self.url, keys, clock, lifetime_s=lifetime_s)
        self.live_tokens = LiveTokens(self.url, keys, stores, clock)
        self._engine = Engine(
            issuer=self.url,
            stores=stores,
            authentication=self.authentication,
            access_tokens=AccessTokens(self.url, keys, clock, lifetime_s=lifetime_s),
            id_tokens=self.id_tokens,
            live_tokens=self.live_tokens,
            proofs=proofs,
            scopes=scopes,
            resources=self.resources,
            clock=clock,
            limits=limits,
        )

    def token(self, request: FormRequest) -> Answer:
        """The token endpoint (RFC 6749, section 3.2)."""
        return self._answer("token", request, self._engine.answer_token)

    def token_from_memory(self, request: FormRequest) -> Answer | None:
        """``token`` where it needs no store and so no thread; None where it does.

        That is a client that asks for itself, and whose secret is remembered.
        """
        if request.dpop:
            return None
        try:
            form = read_form(request)
        except OAuth2Error:
            return None
        own = form.form.get("grant_type") == ClientCredentials.GRANT_TYPE
        if not own or not self.authentication.remembers(form):
            return None
        return self._answer("token", request, self._engine.answer_token, form)

    def revoke(self, request: FormRequest) -> Answer:
        """The revocation endpoint (RFC 7009)."""
        return self._endpoint("revoke", Revocation.ENDPOINT_NAME, request)

    def introspect(self, request: FormRequest) -> Answer:
        """The introspection endpoint (RFC 7662)."""
        return self._endpoint("introspect", Introspection.ENDPOINT_NAME, request)

    def device_authorization(self, request: FormRequest) -> Answer:
        """The device authorization endpoint (RFC 8628, section 3.1)."""
        endpoint = DeviceAuthorizationEndpoint.ENDPOINT_NAME
        return self._endpoint("device_authorization", endpoint, request)

    def further(
        self,
        path: str,
        request: FormRequest,
        work: Callable[[OAuthForm, ClientRecord, str | None], Answer],
    ) -> Answer:
        """Another endpoint for forms, with the same authentication, limits, errors and audit.

        Args:
            path: its last part, below ``/oauth/``.
            request: what was posted.
            work: given the form, its client, and the thumbprint of the key that the request
                proved to hold (RFC 9449), if any.
        """

        def authenticated(form: OAuthForm) -> Answer:
            client: ClientRecord = self._engine.authenticate_client(form, METHODS).record
            return work(form, client, self._engine.proof_key(form, client, required=False))

        return self._answer(path, request, authenticated)

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return self._keys.jwks()

    def _endpoint(self, path: str, endpoint: str, request: FormRequest) -> Answer:
        return self._answer(
            path, request, lambda form: self._engine.answer_endpoint(endpoint, form)
        )

    def _answer(
        self,
        path: str,
        request: FormRequest,
        work: Callable[[OAuthForm], Answer],
        form: OAuthForm | None = None,
    ) -> Answer:
        trace = Trace()
        try:
            form = form or read_form(request, f"/oauth/{path}")
            trace = form.trace
            answer = work(form)
        except OAuth2Error as error:
            answer = self._engine.handle_error_response(None, error)
        except RateLimited as refusal:
            return self._limited(path, request, trace, refusal)
        return self._noted(path, request, trace, answer)

    def _noted(self, path: str, request: FormRequest, trace: Trace, answer: Answer) -> Answer:
        try:
            self._note(self._record(f"oauth.{path}", request.address, trace, answer))
        except AuditUnavailable as error:
            return _unavailable(503, error.detail, {})
        return answer

    def _limited(
        self, path: str, request: FormRequest, trace: Trace, refusal: RateLimited
    ) -> Answer:
        wait = {"Retry-After": str(refusal.extra["retry_after"]), **refusal.extra["ratelimit"]}
        answer = _unavailable(429, refusal.detail, wait)
        try:
            self._limits.told.take(trace.tenant, trace.subject)
        except RateLimited:
            return answer
        return self._noted(path, request, trace, answer)

    def _record(self, action: str, address: str, trace: Trace, answer: Answer) -> AuditRecord:
        error = answer.body.get("error")
        details = dict(trace.details)
        if trace.grant_type is not None:
            details["grant_type"] = trace.grant_type[:100]
        return AuditRecord(
            call_id=new_call_id(),
            at=self._clock.now(),
            tenant=trace.tenant,
            issuer=self.url,
            subject=trace.subject,
            door="oauth",
            action=action,
            decision="denied" if error else "allowed",
            reason=str(error or ""),
            actors=trace.actors,
            client_id=trace.client_id,
            address=address or None,
            details=details,
        )


def _unavailable(status: int, detail: str, headers: dict[str, str]) -> Answer:
    body = {"error": "temporarily_unavailable", "error_description": detail}
    return Answer(status, body, {"Cache-Control": "no-store", **headers})
