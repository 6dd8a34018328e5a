"""Where a request comes from, past the proxies that are trusted and no further."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["ClientAddresses", "client_address", "payer"]

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"
_MAX_HOPS = 20


class ClientAddresses:
    """Reads addresses of requests.

    Args:
        trusted: networks of the proxies in front of this host (``server.trusted_proxies``).
    """

    def __init__(self, trusted: Iterable[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Scope) -> str:
        """The address of the caller: the socket's, or what trusted proxies say of it.

        ``X-Forwarded-For`` is read from its end, where the nearest proxy wrote: the first address
        that is no trusted proxy's is the caller's. What stands before it, anyone may have written.
        """
        client = scope.get("client")
        nearest = _parsed(client[0]) if client else None
        if nearest is None:
            return UNKNOWN
        if not self._trusts(nearest):
            return str(nearest)
        told = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        for text in reversed(told[-_MAX_HOPS:]):
            address = _parsed(text.strip())
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return str(nearest)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def client_address(request: Request) -> str:
    """The address of a request's caller, or ``unknown`` (a Unix socket has none)."""
    address = getattr(request.state, "client_address", None)
    return str(address) if address is not None else ClientAddresses().of(request.scope)


def payer(address: str) -> str:
    """By what an address is counted: IPv6 callers have a whole /64 to themselves, at least."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return address


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
