"""Whose address a request has: nobody can choose it who is not a trusted proxy."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from saaf_autogen.api.addresses import ClientAddresses, payer

PROXIES = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")])


def of(peer: str | None, *forwarded: str, addresses: ClientAddresses = PROXIES) -> str:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    client = (peer, 1234) if peer else None
    return addresses.of({"type": "http", "client": client, "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        # Not a proxy of ours: what it says counts for nothing.
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # The caller wrote the first one itself.
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.9.9.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.1.1.1, 10.9.9.9"], "10.1.1.1"),
        # What is no address ends the walk, at the last hop that was one.
        ("10.0.0.1", ["203.0.113.9, evil, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("2001:db8::1", ["2a00::9"], "2a00::9"),
        ("2001:db8::1", ["[2a00::9]"], "2a00::9"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fe80::1%eth0", [], "fe80::1"),
        (None, ["203.0.113.9"], "unknown"),
        ("testclient", [], "unknown"),
    ],
)
def test_the_address_is_the_nearest_that_no_proxy_of_ours_has(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert of(peer, *forwarded) == address


def test_without_trusted_proxies_the_socket_alone_counts() -> None:
    assert of("127.0.0.1", "203.0.113.9", addresses=ClientAddresses()) == "127.0.0.1"


def test_a_header_of_thousands_of_hops_is_read_from_its_end_alone() -> None:
    assert of("10.0.0.1", ", ".join(["203.0.113.9"] + ["10.0.0.2"] * 5_000)) == "10.0.0.2"


def test_a_network_of_ipv6_pays_as_one() -> None:
    assert payer("2a00:1:2:3:4:5:6:7") == payer("2a00:1:2:3::1") == "2a00:1:2:3::/64"
    assert payer("192.0.2.1") == "192.0.2.1"
    assert payer("unknown") == "unknown"
