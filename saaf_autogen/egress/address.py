"""Which IP addresses are on the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

__all__ = ["is_public"]

# `is_global` differs between patch releases of Python and calls multicast and tunnels global, so
# what matters is listed here (IANA special-purpose registries).
_CLOSED_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# Global unicast alone: v4-mapped, v4-compatible, NAT64, ULA, link-local, multicast lie outside.
_OPEN_6 = IPv6Network("2000::/3")
_CLOSED_6 = tuple(
    IPv6Network(text)
    # IETF protocols with Teredo, documentation (twice), 6to4: the tunnels lead to IPv4 hosts.
    for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16")
)


def is_public(address: str) -> bool:
    """Whether an address is a unicast one of the public internet.

    Addresses that embed an IPv4 address (v4-mapped, NAT64, 6to4, Teredo) are not: they may lead to
    a private host. A scope id (``%eth0``) is never public.

    Raises:
        ValueError: the text is no IP address.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _CLOSED_4)
    if parsed.scope_id is not None or parsed not in _OPEN_6:
        return False
    return not any(parsed in network for network in _CLOSED_6)
