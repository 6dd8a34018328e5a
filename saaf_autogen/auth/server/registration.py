"""Clients that register themselves (RFC 7591, RFC 7592), where that is switched on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from limits import RateLimitItemPerHour
from limits.strategies import SlidingWindowCounterRateLimiter
from pydantic import ValidationError

from saaf_autogen.audit import AuditRecord
from saaf_autogen.audit.record import new_call_id
from saaf_autogen.auth.client_record import ClientRecord
from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.redirect_uris import redirect_faults
from saaf_autogen.auth.server.authentication import CONFIDENTIAL_METHODS, METHODS
from saaf_autogen.auth.server.client_keys import jwks_faults
from saaf_autogen.auth.server.id_token import ID_ALGORITHMS
from saaf_autogen.auth.server.messages import Answer
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import new_secret
from saaf_autogen.db import DEFAULT_TENANT
from saaf_autogen.errors import NotFound
from saaf_autogen.limits import BoundedWindows
from saaf_autogen.settings import ClientSettings

__all__ = ["REGISTRABLE_GRANTS", "Registration", "client_terms"]

REGISTRABLE_GRANTS = (
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
)
"""Grants in which a user decides. What a stranger could do alone, or in another's name, is none."""

_MAX_TITLE = 120
_MAX_URI = 512
_PER_ADDRESS, _PER_HOST = 20, 500
_MAX_ADDRESSES = 10_000
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Registration:
    """Makes, shows, changes and removes clients for those who ask for themselves.

    Synchronous: call it in a thread from async code. At most 20 registrations an hour come from
    one address, and 500 from everywhere, in each process.

    Args:
        url: the endpoint's public address.
        clients: where they are kept.
        clock: for the limits.
        scopes: the most that such a client may ask users for.
        note: takes the record of each change, before it is made; if it raises
            ``AuditUnavailable``, nothing is changed.
    """

    def __init__(
        self,
        url: str,
        clients: ClientStore,
        clock: Clock,
        *,
        scopes: Sequence[str],
        note: Callable[[AuditRecord], None],
    ) -> None:
        self._url = url
        self._clients = clients
        self._clock = clock
        self._note = note
        self._scopes = tuple(scopes)
        self._limiter = SlidingWindowCounterRateLimiter(BoundedWindows(clock, _MAX_ADDRESSES))

    def register(self, metadata: object, *, address: str) -> Answer:
        """Make a client (RFC 7591, section 3).

        Args:
            metadata: the parsed body.
            address: where the request came from, as limits count it.
        """
        try:
            self._count(address)
            client_id = f"reg-{secrets.token_hex(12)}"
            settings = client_terms(metadata, client_id, scopes=self._scopes)
        except OAuth2Error as error:
            return _refused(error)
        self._record("register", client_id, address, settings)
        token = new_secret("saaf_reg_")
        new = self._clients.add(settings, registration_token=token)
        record = self._clients.get(client_id)
        body = self._described(record, metadata)
        if new.client_secret:
            body |= {"client_secret": new.client_secret, "client_secret_expires_at": 0}
        return Answer(201, {**body, "registration_access_token": token}, _NO_STORE)

    def read(self, client_id: str, token: str) -> Answer:
        """The registration as it is (RFC 7592, section 2.1)."""
        record = self._clients.registered(client_id, token)
        return _unknown() if record is None else self._shown(record)

    def change(self, client_id: str, token: str, metadata: object, *, address: str) -> Answer:
        """Replace the metadata; id, secret and way to authenticate stay (section 2.2)."""
        record = self._clients.registered(client_id, token)
        if record is None:
            return _unknown()
        try:
            if isinstance(metadata, dict) and metadata.get("client_id") != client_id:
                raise _invalid("The client_id is that of the address.")
            settings = client_terms(metadata, client_id, scopes=self._scopes)
            if settings.authentication != record.authentication:
                raise _invalid("The token_endpoint_auth_method cannot be changed.")
        except OAuth2Error as error:
            return _refused(error)
        self._record("change_registration", client_id, address, settings)
        try:
            return self._shown(self._clients.change(settings, tenant=record.tenant))
        except NotFound:
            return _unknown()

    def remove(self, client_id: str, token: str, *, address: str) -> Answer:
        """Remove the client (section 2.3)."""
        record = self._clients.registered(client_id, token)
        if record is None:
            return _unknown()
        self._record("remove_registration", client_id, address)
        try:
            self._clients.remove(client_id, tenant=record.tenant)
        except NotFound:
            return _unknown()
        return Answer(204, {}, _NO_STORE)

    def _record(
        self, verb: str, client_id: str, address: str, settings: ClientSettings | None = None
    ) -> None:
        kept = {"redirect_uris", "grant_types", "scopes", "authentication"}
        self._note(
            AuditRecord(
                call_id=new_call_id(),
                at=self._clock.now(),
                tenant=DEFAULT_TENANT,
                issuer=self._url.removesuffix("/oauth/register"),
                subject="anonymous" if verb == "register" else f"client:{client_id}",
                door="oauth",
                action=f"oauth.{verb}",
                decision="allowed",
                reason="",
                resources=(f"client:{client_id}",),
                client_id=client_id,
                address=address or None,
                details=settings.model_dump(mode="json", include=kept) if settings else {},
            )
        )

    def _count(self, address: str) -> None:
        by_address, by_host = RateLimitItemPerHour(_PER_ADDRESS), RateLimitItemPerHour(_PER_HOST)
        if not self._limiter.hit(by_address, address) or not self._limiter.hit(by_host, "all"):
            raise OAuth2Error(
                "Too many registrations: try again in an hour.",
                error="temporarily_unavailable",
                status_code=429,
            )

    def _shown(self, record: ClientRecord) -> Answer:
        return Answer(200, self._described(record, None), _NO_STORE)

    def _described(self, record: ClientRecord, asked: object) -> dict[str, Any]:
        method = {"secret": "client_secret_basic"}.get(record.authentication, record.authentication)
        if isinstance(asked, dict) and asked.get("token_endpoint_auth_method") in METHODS:
            method = asked["token_endpoint_auth_method"]
        codes = "authorization_code" in record.grant_types
        optional = {
            "jwks": dict(record.jwks) if record.jwks else None,
            "jwks_uri": record.jwks_uri,
            "post_logout_redirect_uris": list(record.post_logout_redirect_uris) or None,
        }
        return {
            "client_id": record.id,
            "client_id_issued_at": int(record.created_at.timestamp()),
            "client_name": record.title,
            "redirect_uris": list(record.redirect_uris),
            "grant_types": list(record.grant_types),
            "response_types": ["code"] if codes else [],
            "token_endpoint_auth_method": method,
            "scope": " ".join(record.scopes),
            "id_token_signed_response_alg": record.id_algorithm,
            "dpop_bound_access_tokens": record.requires_dpop,
            "require_pushed_authorization_requests": record.requires_par,
            "registration_client_uri": f"{self._url}/{record.id}",
            **{name: value for name, value in optional.items() if value is not None},
        }


def client_terms(metadata: object, client_id: str, *, scopes: Sequence[str]) -> ClientSettings:
    """What a stranger's metadata make of a client, whatever else they ask for.

    Args:
        metadata: the parsed body; unknown members are ignored.
        client_id: its id.
        scopes: the most that it may ask users for.

    Raises:
        OAuth2Error: ``invalid_redirect_uri`` or ``invalid_client_metadata``.
    """
    if not isinstance(metadata, dict):
        raise _invalid("The body is no JSON object.")
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in METHODS:
        raise _invalid("The token_endpoint_auth_method is not one of those that are taken.")
    grants = _texts(metadata, "grant_types") or ["authorization_code"]
    if not set(grants) <= set(REGISTRABLE_GRANTS):
        raise _invalid("A client that registers itself cannot have one of these grant_types.")
    if not set(_texts(metadata, "response_types")) <= {"code"}:
        raise _invalid("The only response type is code.")
    algorithm = metadata.get("id_token_signed_response_alg", "RS256")
    if algorithm not in ID_ALGORITHMS:
        raise _invalid("The id_token_signed_response_alg is not one of those that are taken.")
    asked = metadata.get("scope")
    if asked is not None and not isinstance(asked, str):
        raise _invalid("The scope is no text.")
    named = None if asked is None else set(asked.split())
    try:
        return ClientSettings.model_validate(
            {
                "id": client_id,
                "title": _title(metadata),
                "scopes": [name for name in scopes if named is None or name in named],
                "authentication": "secret" if method.startswith("client_secret") else method,
                "grant_types": list(dict.fromkeys(grants)),
                "redirect_uris": _redirects(metadata, grants, method),
                "post_logout_redirect_uris": _post_logout(metadata),
                **(_keys(metadata) if method == "private_key_jwt" else {}),
                "id_algorithm": algorithm,
                "requires_dpop": metadata.get("dpop_bound_access_tokens") is True,
                "requires_par": metadata.get("require_pushed_authorization_requests") is True,
            }
        )
    except ValidationError as error:
        raise _invalid("The metadata do not make a client.") from error


def _redirects(metadata: Mapping[str, Any], grants: Sequence[str], method: str) -> list[str]:
    uris = _texts(metadata, "redirect_uris", error="invalid_redirect_uri")
    fault = redirect_faults(uris)
    if fault is None and "authorization_code" in grants and not uris:
        fault = "The grant type authorization_code needs redirect_uris."
    if fault is None and method in CONFIDENTIAL_METHODS:
        own = [uri for uri in uris if not uri.lower().startswith(("https:", "http:"))]
        fault = "Only a public client has a redirect URI of an application's own." if own else None
    if fault:
        raise OAuth2Error(fault, error="invalid_redirect_uri")
    return uris


def _post_logout(metadata: Mapping[str, Any]) -> list[str]:
    uris = _texts(metadata, "post_logout_redirect_uris")
    if redirect_faults(uris):
        raise _invalid("One of the post_logout_redirect_uris is not taken.")
    return uris


def _keys(metadata: Mapping[str, Any]) -> dict[str, Any]:
    jwks, jwks_uri = metadata.get("jwks"), metadata.get("jwks_uri")
    if (jwks is None) == (jwks_uri is None):
        raise _invalid("private_key_jwt needs one of jwks and jwks_uri.")
    if jwks is not None and (not isinstance(jwks, dict) or jwks_faults(jwks)):
        raise _invalid("The jwks are not such that they are taken.")
    if jwks_uri is not None and not (
        isinstance(jwks_uri, str) and len(jwks_uri) <= _MAX_URI and jwks_uri.startswith("https://")
    ):
        raise _invalid("The jwks_uri is no https address.")
    return {"jwks": jwks, "jwks_uri": jwks_uri}


def _title(metadata: Mapping[str, Any]) -> str:
    title = metadata.get("client_name", "")
    if not isinstance(title, str) or not title.isprintable() or len(title) > _MAX_TITLE:
        raise _invalid(f"The client_name is no line of at most {_MAX_TITLE} characters.")
    return title


def _texts(
    metadata: Mapping[str, Any], name: str, *, error: str = "invalid_client_metadata"
) -> list[str]:
    value = metadata.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise OAuth2Error(f"{name} is no list of texts.", error=error)
    return value


def _invalid(description: str) -> OAuth2Error:
    return OAuth2Error(description, error="invalid_client_metadata")


def _refused(error: OAuth2Error) -> Answer:
    status = error.status_code or 400
    body = {"error": error.error, "error_description": error.description}
    return Answer(status, body, _NO_STORE)


def _unknown() -> Answer:
    body = {"error": "invalid_token", "error_description": "The registration is not known."}
    return Answer(401, body, {**_NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'})
