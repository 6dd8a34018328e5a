"""Connections to checked addresses: a name is resolved once, and what was checked is dialled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import httpcore

from saaf_autogen.egress.address import is_public
from saaf_autogen.egress.policy import EgressPolicy
from saaf_autogen.errors import InvalidArguments, Upstream

__all__ = ["CheckedBackend", "Resolver", "SystemResolver"]

_MAX_ADDRESSES = 4


class Resolver(Protocol):
    """From a host's name to its addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host; raises ``OSError`` when there is none."""
        ...


class SystemResolver:
    """The operating system's resolver."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, each once, in the order of preference."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections for httpcore, to public addresses and to allowed hosts only."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._dialler = httpcore.AnyIOBackend()

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses that may be dialled for a host.

        Raises:
            InvalidArguments: at least one address is not public and the host is not allowed.
            Upstream: the name does not resolve.
        """
        try:
            found = list(await self._resolver.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise Upstream("The host's name does not resolve.") from error
        if not found:
            raise Upstream("The host's name does not resolve.")
        if not self._policy.allows(host, port) and not all(map(_is_public, found)):
            raise InvalidArguments(
                "The URL was refused: its host is not on the public internet.",
                remedy="Use a public host, or have an admin name this one in egress.allow.",
            )
        return found[:_MAX_ADDRESSES]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check every address, and dial the first that answers."""
        failure: Exception | None = None
        for address in await self.addresses(host, port):
            try:
                return await self._dialler.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: a socket on this host is private by nature."""
        raise httpcore.ConnectError("unix sockets are not dialled")

    async def sleep(self, seconds: float) -> None:
        """Between httpcore's own retries, of which there are none."""
        await asyncio.sleep(seconds)


def _is_public(address: str) -> bool:
    try:
        return is_public(address)
    except ValueError:
        return False
