"""Access tokens of one issuer that the deployment trusts beside its own."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pydantic import ValidationError

from saaf_autogen.auth.discovery import Provider
from saaf_autogen.auth.jws import UnverifiedToken, verified_by
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.tokens.claims import check_times, read_actors, read_details
from saaf_autogen.auth.tokens.mapping import ClaimMap, merged
from saaf_autogen.auth.tokens.presets import NoAccessToken, preset_of
from saaf_autogen.auth.tokens.signature import refused
from saaf_autogen.auth.tokens.verified import Verified, bound_key
from saaf_autogen.clock import Clock
from saaf_autogen.settings import IssuerSettings

__all__ = ["ForeignIssuer"]

_MAX_SUBJECT = 255


class ForeignIssuer:
    """One trusted issuer: verifies its tokens with its keys alone.

    Args:
        settings: what ``saaf.yaml`` says of it.
        provider: its metadata and keys.
        scopes: the scopes that this host knows.
        clock: tells the time.
    """

    def __init__(
        self,
        settings: IssuerSettings,
        provider: Provider,
        scopes: Container[str],
        clock: Clock,
    ) -> None:
        self.issuer = settings.issuer
        self.settings = settings
        self.provider = provider
        self._preset = preset_of(settings.preset)
        claims = merged(settings.claims, self._preset.claims)
        self._map = ClaimMap(claims, tenant=settings.tenant, tenants=settings.tenants)
        own_scopes = "scopes" in settings.claims.model_fields_set
        self._client_scopes = () if own_scopes else self._preset.client_scopes
        types = settings.token_types
        self._types = (
            self._preset.token_types if types is None else frozenset(map(str.lower, types))
        )
        self._scopes = scopes
        self._clock = clock

    async def verify(self, token: UnverifiedToken) -> Verified:
        """The token, verified.

        Raises:
            Unauthenticated: it is not this issuer's, not for this host, or not valid now.
            Forbidden: it is valid, and what it says cannot be honoured here.
            Unavailable: the issuer's keys cannot be had now.
        """
        self._check_type(token.header.get("typ"))
        kid = token.header.get("kid")
        if not (kid is None or isinstance(kid, str)):
            raise refused("The access token's kid is not text.")
        if token.header.get("alg") not in self.settings.algorithms:
            raise refused("The access token is signed by an algorithm that is not taken.")
        keys = await self.provider.keys(kid)
        if not keys:
            raise refused("The access token is signed by a key that its issuer does not publish.")
        if not verified_by(token, keys, self.settings.algorithms):
            raise refused("The access token's signature is not valid.")
        return self.accept(token.claims)

    def accept(self, claims: Mapping[str, Any]) -> Verified:
        """The principal of claims that the issuer vouched for, by signature or introspection.

        Raises:
            Unauthenticated: they are not those of an access token for this host, now.
            Forbidden: what they say cannot be honoured here.
        """
        if claims.get("iss") != self.issuer:
            raise refused("The access token is from another issuer.")
        named = claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        if not any(isinstance(x, str) and x in self.settings.audiences for x in audiences):
            raise refused("The access token is for another audience.")
        now = self._clock.now().timestamp()
        expires = check_times(claims, now=now, skew_s=self.settings.skew_s)
        return Verified(self._principal(claims), bound_key(claims), expires)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        client = self._map.client_id(claims)
        if client is None:
            raise refused("The token does not say which client it was issued to.")
        kind = self._preset.kind_of(claims, client)
        if isinstance(kind, NoAccessToken):
            raise refused(f"The token is no access token: {kind.because}.")
        own = kind == "client"
        subject = f"client:{client}" if own else self._map.subject(claims)
        if subject is None or len(subject) > _MAX_SUBJECT:
            raise refused("The access token names no usable subject.")
        if not own and subject.startswith("client:"):
            raise refused("The access token's subject looks like a client and is none.")
        details = read_details(claims)
        try:
            return Principal(
                issuer=self.issuer,
                tenant=self._map.tenant(claims),
                subject=subject,
                kind=kind,
                client_id=client,
                groups=self._map.groups(claims),
                attributes=self._map.attributes(claims),
                scopes=self._map.scopes(claims, self._scopes, self._client_scopes if own else ()),
                token_grants=details,
                actors=tuple(
                    # Another issuer's "agent:x" must not pass for the agent here of that name.
                    Actor(subject=f"{self.issuer}|{actor.subject}")
                    for actor in read_actors(claims.get("act"))
                ),
                token_id=self._token_id(claims),
            )
        except ValidationError as error:
            raise refused("The access token's claims are not those of a principal.") from error

    def _token_id(self, claims: Mapping[str, Any]) -> str | None:
        found = (claims.get(name) for name in self._preset.token_id)
        return next((value for value in found if isinstance(value, str) and value), None)

    def _check_type(self, value: object) -> None:
        name = "" if value is None else value
        if not isinstance(name, str) or (
            name.lower().removeprefix("application/") not in self._types
        ):
            wanted = " or ".join(sorted(each or "none" for each in self._types))
            raise refused(f"The token is no access token: its typ must be {wanted}.")
