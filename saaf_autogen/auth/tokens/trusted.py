"""All issuers that the deployment trusts beside its own, by their names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence

from saaf_autogen.auth.discovery import Provider
from saaf_autogen.auth.jws import UnverifiedToken
from saaf_autogen.auth.tokens.foreign import ForeignIssuer
from saaf_autogen.auth.tokens.introspection import Introspector
from saaf_autogen.auth.tokens.signature import refused
from saaf_autogen.auth.tokens.verified import Verified
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import ConfigurationError, Unavailable
from saaf_autogen.settings import IssuerSettings

__all__ = ["TrustedIssuers"]


class TrustedIssuers:
    """Finds the one issuer that a token says it is from, and asks about opaque tokens.

    Nothing is fetched when it is made; ``run`` does that in the background, so that a host starts
    while an issuer is away.

    Args:
        issuers: of ``saaf.yaml``.
        scopes: the scopes that this host knows.
        egress: sends the requests.
        clock: tells the time.
        environ: where the secrets for introspection are.

    Raises:
        ConfigurationError: such a secret is missing.
    """

    def __init__(
        self,
        issuers: Sequence[IssuerSettings],
        *,
        scopes: Container[str],
        egress: EgressClient,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        self._issuers: dict[str, ForeignIssuer] = {}
        self._introspectors: list[Introspector] = []
        for settings in issuers:
            provider = Provider(
                settings.issuer,
                egress,
                clock,
                discovery_url=settings.discovery_url,
                jwks_uri=settings.jwks_uri,
                refresh_s=settings.refresh_s,
                stale_s=settings.stale_s,
            )
            issuer = ForeignIssuer(settings, provider, scopes, clock)
            self._issuers[settings.issuer] = issuer
            asked = settings.introspection
            if asked is not None:
                secret = environ.get(asked.client_secret_env)
                if not secret:
                    raise ConfigurationError(
                        f"{asked.client_secret_env} is not set.",
                        remedy=f"It holds the secret to introspect tokens of {settings.issuer}.",
                    )
                self._introspectors.append(Introspector(issuer, asked, secret, egress, clock))

    def on_removal(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called whenever an issuer publishes a key no more."""
        for issuer in self._issuers.values():
            issuer.provider.on_removal(callback)

    async def verify(self, token: UnverifiedToken) -> Verified:
        """A signed token, verified by the very issuer that it names.

        Raises:
            Unauthenticated: the issuer is not trusted, or the token is not valid.
            Forbidden: what the token says cannot be honoured here.
            Unavailable: the issuer's keys cannot be had now.
        """
        name = token.issuer
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise refused("The access token is from an issuer that is not trusted here.")
        return await issuer.verify(token)

    async def introspect(self, token: str) -> tuple[Verified, float]:
        """An opaque token by the first issuer that knows it, and for how many seconds that holds.

        Raises:
            Unauthenticated: no issuer knows it, or it is not for this host.
            Forbidden: what its issuer says of it cannot be honoured here.
            Unavailable: an issuer that could know it cannot be asked now.
        """
        away: Unavailable | None = None
        for introspector in self._introspectors:
            try:
                verified = await introspector.verify(token)
            except Unavailable as error:
                away = error  # Another issuer may know the token all the same.
                continue
            if verified is not None:
                return verified, introspector.cache_s
        if away is not None:
            raise away
        raise refused("The access token is not known here.")

    async def refresh(self) -> None:
        """Read metadata and keys of all issuers now; for whoever cannot wait for ``run``.

        Raises:
            Unavailable: one of them cannot be asked now.
        """
        for issuer in self._issuers.values():
            await issuer.provider.refresh()

    async def run(self) -> None:
        """Keep metadata and keys of all issuers fresh, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for issuer in self._issuers.values():
                group.create_task(issuer.provider.run())
