"""This host as the client of one OpenID provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from saaf_autogen.auth.discovery import Provider
from saaf_autogen.auth.federation.attempts import Attempt
from saaf_autogen.auth.federation.id_token import IdTokenRules, mistrusted, verify_id_token
from saaf_autogen.auth.tokens.mapping import ClaimMap, merged
from saaf_autogen.auth.tokens.presets import preset_of
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import SaafError, Unavailable
from saaf_autogen.settings import ClaimSettings, ProviderSettings

__all__ = ["RelyingParty"]


class RelyingParty:
    """Asks one provider who someone is.

    Args:
        settings: what ``saaf.yaml`` says of the provider.
        redirect_uri: where it sends browsers back to.
        secret: of ``settings.client_id``; None for a public client.
        egress: sends the requests.
        clock: tells the time.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        redirect_uri: str,
        secret: str | None,
        egress: EgressClient,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.redirect_uri = redirect_uri
        self._secret = secret
        self._egress = egress
        self._provider = Provider(
            settings.issuer, egress, clock, discovery_url=settings.discovery_url
        )
        self._rules = IdTokenRules(self._provider, settings.client_id, settings.algorithms, clock)
        claims = merged(settings.claims, _shown_of(settings))
        self._wanted = [
            path for path in (*claims.groups, *claims.attributes.values(), *claims.scopes,
                              claims.tenant, claims.name, claims.email) if path is not None
        ]  # fmt: skip
        self.map = ClaimMap(claims, tenant=settings.tenant, tenants=settings.tenants)

    async def authorization_url(
        self, *, state: str, nonce: str, verifier: str, again: bool = False
    ) -> str:
        """Where to send the browser; ``again``: the provider is not to rely on its own session.

        Raises:
            Unavailable: the provider cannot be asked where that is, or names no usable place.
        """
        from saaf_autogen.auth.federation.client import authorization_url

        address = (await self._provider.metadata()).endpoint("authorization_endpoint")
        try:
            self._egress.policy.check(address)
        except SaafError as error:
            raise Unavailable(
                f"The provider's authorization endpoint is not usable. {error.detail}",
                remedy="Use https, or have an admin name its host in egress.allow.",
            ) from error
        return authorization_url(
            address,
            client_id=self.settings.client_id,
            redirect_uri=self.redirect_uri,
            scope=" ".join(dict.fromkeys(["openid", *self.settings.scopes])),
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            again=again,
        )

    async def check_sender(self, sender: str | None) -> None:
        """Check ``iss`` of an authorization response (RFC 9207): against mix-up.

        Raises:
            Unauthenticated: it names another issuer, or none although the provider says it would.
        """
        metadata = await self._provider.metadata()
        if sender is None and not metadata.names_itself:
            return
        if sender != self.settings.issuer:
            raise mistrusted("it is not from the provider that was asked")

    async def claims_for(self, code: str, attempt: Attempt) -> Mapping[str, Any]:
        """What the provider says of the person: of the ID token, and if need be of userinfo.

        Raises:
            Unauthenticated: the code is not taken, or what comes for it cannot be trusted.
            Unavailable: the provider cannot be asked now.
        """
        from saaf_autogen.auth.federation.client import redeem

        metadata = await self._provider.metadata()
        answer = await redeem(
            metadata.endpoint("token_endpoint"),
            self._egress,
            client_id=self.settings.client_id,
            client_secret=self._secret,
            method=self._method(metadata.listed("token_endpoint_auth_methods_supported")),
            redirect_uri=self.redirect_uri,
            code=code,
            code_verifier=attempt.verifier,
        )
        access_token = answer.get("access_token")
        claims = await verify_id_token(
            answer.get("id_token"),
            self._rules,
            nonce_digest=attempt.nonce_digest,
            access_token=access_token,
        )
        missing = [path for path in self._wanted if not self.map.holds(claims, path)]
        if not (missing and metadata.userinfo_endpoint and isinstance(access_token, str)):
            return claims
        more = await self._userinfo(metadata.userinfo_endpoint, access_token)
        if more.get("sub") != claims["sub"]:
            # OpenID Connect Core, section 5.3.2: against the substitution of tokens.
            raise mistrusted("its userinfo is about someone else")
        return {**more, **claims}

    def _method(self, offered: tuple[str, ...] | None) -> str:
        if self._secret is None:
            return "none"
        post = offered is not None and "client_secret_basic" not in offered
        return (
            "client_secret_post"
            if post and "client_secret_post" in (offered or ())
            else ("client_secret_basic")
        )

    async def _userinfo(self, address: str, access_token: str) -> dict[str, Any]:
        response = await self._egress.request(
            "GET",
            address,
            headers={"authorization": f"Bearer {access_token}", "accept": "application/json"},
        )
        try:
            members = json.loads(response.body) if response.status == 200 else None
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            raise Unavailable(
                f"The provider's userinfo endpoint gave no usable answer ({response.status}).",
                remedy="Try again shortly; if it lasts, an admin should look at the provider.",
            )
        return members


def _shown_of(settings: ProviderSettings) -> ClaimSettings:
    """The preset's paths that hold for ID tokens, too: `sub` and scopes are those of the token."""
    shown = preset_of(settings.preset).claims
    return ClaimSettings(groups=shown.groups, name=shown.name, email=shown.email)
