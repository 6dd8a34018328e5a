"""The client for what leaves the host: callbacks, and later the packs' APIs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from saaf_autogen.egress.network import Resolver
from saaf_autogen.egress.policy import EgressPolicy
from saaf_autogen.egress.transport import EgressTransport
from saaf_autogen.errors import InvalidArguments, TimedOut, Upstream

__all__ = ["EgressClient", "EgressResponse"]


@dataclass(frozen=True)
class EgressResponse:
    """What came back. ``cut`` says that the body was longer than the cap."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False


class EgressClient:
    """HTTP to public hosts over https, and to the hosts of ``egress.allow``.

    Each request resolves its host once, refuses it when any of its addresses is not public, and
    dials an address that was checked. Redirects are handed back, never followed.

    Args:
        allow: ``HOST`` or ``HOST:PORT`` that may be private and plain http.
        resolver: how names become addresses; default is the system's.
        timeout_s: seconds for a whole request, from resolving to the body's end.
        max_bytes: size at which a body is cut.
        ssl_context: instead of the bundled certificate authorities.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        resolver: Resolver | None = None,
        timeout_s: float = 15,
        max_bytes: int = 1_000_000,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = EgressPolicy(allow)
        self.transport = EgressTransport(self.policy, resolver=resolver, ssl_context=ssl_context)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._client = httpx.AsyncClient(
            transport=self.transport, follow_redirects=False, trust_env=False, timeout=timeout_s
        )

    async def check_url(self, url: str) -> None:
        """Refuse a URL that no later request could reach, as far as can be told now.

        Raises:
            InvalidArguments: its form, its scheme or its host's addresses are refused, or its host
                does not resolve.
            TimedOut: the resolver took too long.
        """
        parsed = self.policy.check(url)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.transport.backend.addresses(parsed.raw_host.decode("ascii"), port)
        except Upstream as error:
            raise InvalidArguments(f"The URL was refused. {error.detail}") from error
        except TimeoutError as error:
            raise TimedOut("The host's name took too long to resolve.") from error

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout_s: float | None = None,
    ) -> EgressResponse:
        """Send one request.

        Raises:
            InvalidArguments: the URL is refused; nothing was sent.
            TimedOut: no whole answer within ``timeout_s``.
            Upstream: the connection failed or what came back is no HTTP.
        """
        parsed = self.policy.check(url)
        # A compressed body could unfold to any size; the cap counts what comes over the wire.
        sent = {"accept-encoding": "identity", **(headers or {})}
        try:
            async with (
                asyncio.timeout(timeout_s or self._timeout_s),
                self._client.stream(method, parsed, headers=sent, content=content) as response,
            ):
                body, cut = await self._read(response)
                return EgressResponse(response.status_code, dict(response.headers), body, cut)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise TimedOut("The host did not answer in time.") from error
        except httpx.TransportError as error:
            raise Upstream("The host could not be asked.") from error

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def _read(self, response: httpx.Response) -> tuple[bytes, bool]:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self._max_bytes:
                return bytes(body[: self._max_bytes]), True
        return bytes(body), False
