"""What an issuer publishes of itself: its metadata and its keys, fetched by the rules of egress."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from saaf_autogen.auth.jwks import RemoteKeys
from saaf_autogen.auth.jws import PublicKey
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import SaafError, Unavailable, Upstream

__all__ = ["Provider", "ProviderMetadata"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_FAILED_PAUSE_S = 5.0
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """The metadata of an issuer (OpenID Connect Discovery 1.0; RFC 8414), as far as it is used.

    Attributes:
        names_itself: its authorization responses carry ``iss`` (RFC 9207).
        members: all of the document.
    """

    issuer: str
    jwks_uri: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    introspection_endpoint: str | None = None
    end_session_endpoint: str | None = None
    names_itself: bool = False
    members: Mapping[str, Any] | None = None

    def listed(self, name: str) -> tuple[str, ...] | None:
        """A member that lists texts, or None if it is absent or no list."""
        value = (self.members or {}).get(name)
        return tuple(map(str, value)) if isinstance(value, list) else None

    def endpoint(self, name: str) -> str:
        """The address of an endpoint, by its name in the document.

        Raises:
            Unavailable: the issuer publishes none.
        """
        value = (self.members or {}).get(name)
        if not isinstance(value, str) or not value:
            raise Unavailable(
                f"The issuer {self.issuer} publishes no {name}.",
                remedy="Ask its operator, or correct the issuer in saaf.yaml.",
            )
        return value


class Provider:
    """One issuer: its metadata and keys, kept fresh by ``run`` in the background.

    Nothing is fetched when it is made, so that a host starts while an issuer is away. All requests
    keep to the rules of egress: no redirects, and addresses that the metadata names must be public
    or allowed, too.

    Args:
        issuer: its identifier; the metadata must name exactly this one.
        egress: sends the requests.
        clock: tells how old things are.
        discovery_url: where the metadata is, if not where the issuer's address says.
        jwks_uri: where the keys are; then no metadata is needed for ``keys``.
        refresh_s: seconds between readings in the background.
        stale_s: seconds for which the last known keys count while the issuer is away.
    """

    def __init__(
        self,
        issuer: str,
        egress: EgressClient,
        clock: Clock,
        *,
        discovery_url: str | None = None,
        jwks_uri: str | None = None,
        refresh_s: float = 300,
        stale_s: float = 3600,
    ) -> None:
        self.issuer = issuer
        self._egress = egress
        self._clock = clock
        self._addresses = [discovery_url] if discovery_url else metadata_addresses(issuer)
        self._refresh_s = refresh_s
        self._needs_metadata = jwks_uri is None or discovery_url is not None
        self._metadata: ProviderMetadata | None = None
        self._fetching = asyncio.Lock()
        self._failed_at: float | None = None
        self._jwks = RemoteKeys(
            jwks_uri or self._jwks_uri, egress, clock, fresh_s=2 * refresh_s, stale_s=stale_s
        )

    def on_removal(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called whenever a key that was there is gone."""
        self._jwks.on_removal(callback)

    async def metadata(self) -> ProviderMetadata:
        """The issuer's metadata; fetched if it is not there yet.

        Raises:
            Unavailable: it cannot be had now.
        """
        if self._metadata is not None:
            return self._metadata
        async with self._fetching:
            if self._metadata is None:
                await self._fetch_metadata()
        assert self._metadata is not None  # noqa: S101 - fetching sets it or raises
        return self._metadata

    async def keys(self, kid: str | None) -> tuple[PublicKey, ...]:
        """The issuer's keys of that id: usually one, none if it is unknown.

        An id that is not known makes the keys be fetched again, at most every ten seconds. Without
        an id: the only key there is, if there is only one.

        Raises:
            Unavailable: no keys could be had yet, or the last known ones are too old.
        """
        return await self._jwks.find(kid)

    async def refresh(self) -> None:
        """Read metadata and keys again; what is known stays when that fails.

        Raises:
            Unavailable: the issuer is away, or what it says cannot be used.
        """
        if self._needs_metadata:
            async with self._fetching:
                self._failed_at = None
                await self._fetch_metadata()
        await self._jwks.refresh()

    async def run(self) -> None:
        """Refresh again and again, until cancelled; while the issuer is away, with a back-off."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self.refresh()
            except SaafError as error:
                _log.warning("the issuer %s could not be read: %s", self.issuer, error.detail)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                pause = _FIRST_PAUSE_S
                await asyncio.sleep(self._refresh_s)

    async def _jwks_uri(self) -> str:
        return (await self.metadata()).endpoint("jwks_uri")

    async def _fetch_metadata(self) -> None:
        failed = self._failed_at
        if failed is not None and self._clock.monotonic() - failed < _FAILED_PAUSE_S:
            raise _away(self.issuer)
        try:
            self._metadata = await self._ask()
        except SaafError as error:
            self._failed_at = self._clock.monotonic()
            raise _away(self.issuer, error.detail) from error
        self._failed_at = None

    async def _ask(self) -> ProviderMetadata:
        problem: SaafError | None = None
        for address in self._addresses:
            response = await self._egress.request(
                "GET", address, headers={"accept": "application/json"}, timeout_s=_TIMEOUT_S
            )
            if response.status == 200 and not response.cut:
                return read_metadata(response.body, self.issuer)
            problem = Upstream(f"{address} answered {response.status}.")
        raise problem or Upstream("There is no address to ask.")


def metadata_addresses(issuer: str) -> list[str]:
    """Where an issuer's metadata may be: OpenID Connect's place, then RFC 8414's (section 3.1)."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    inserted = f"/.well-known/oauth-authorization-server{path}"
    return [
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        parts._replace(path=inserted).geturl(),
    ]


def read_metadata(body: bytes, issuer: str) -> ProviderMetadata:
    """A metadata document, checked to be this very issuer's (RFC 8414, section 3.3).

    Raises:
        Upstream: it is no metadata, or another issuer's.
    """
    try:
        members = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Upstream("The metadata is not JSON.") from error
    if not isinstance(members, dict):
        raise Upstream("The metadata is not a JSON object.")
    if members.get("issuer") != issuer:
        raise Upstream(f"The metadata is of another issuer: {str(members.get('issuer'))[:200]!r}.")

    def text(name: str) -> str | None:
        value = members.get(name)
        return value if isinstance(value, str) and value else None

    return ProviderMetadata(
        issuer=issuer,
        jwks_uri=text("jwks_uri"),
        authorization_endpoint=text("authorization_endpoint"),
        token_endpoint=text("token_endpoint"),
        userinfo_endpoint=text("userinfo_endpoint"),
        introspection_endpoint=text("introspection_endpoint"),
        end_session_endpoint=text("end_session_endpoint"),
        names_itself=members.get("authorization_response_iss_parameter_supported") is True,
        members=members,
    )


def _away(issuer: str, because: str = "") -> Unavailable:
    return Unavailable(
        f"The issuer {issuer} cannot be asked now. {because}".strip(),
        remedy="Try again shortly; if it lasts, an admin should see whether the issuer is up and "
        "whether egress.allow names its host.",
    )
