"""Which URLs may be asked for at all, judged before any address is known."""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx

from saaf_autogen.errors import ConfigurationError, InvalidArguments

__all__ = ["EgressPolicy"]

_MAX_URL = 2048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
# A host whose last label is a number is an IPv4 address in disguise (WHATWG URL, "ends in a
# number"): 127.1, 0x7f.1, 2130706433, 0177.0.0.1.
_NUMERIC_END = re.compile(r"(^|\.)(\d+|0[xX][0-9a-fA-F]*)\.?$")
_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_DOTTED_QUAD = re.compile(rf"{_OCTET}(\.{_OCTET}){{3}}")
_ENTRY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:(?P<port>\d{1,5}))?")


class EgressPolicy:
    """The rules of URLs, and the hosts that are exempt from the rules of addresses.

    Args:
        allow: ``HOST`` or ``HOST:PORT``, exact. Such a host may be private and plain http.

    Raises:
        ConfigurationError: an entry is neither.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allowed = frozenset(_entry(text) for text in allow)

    def allows(self, host: str, port: int) -> bool:
        """Whether the deployment named this host, or this port of it."""
        name = host.lower()
        return (name, None) in self._allowed or (name, port) in self._allowed

    def check(self, url: str | httpx.URL) -> httpx.URL:
        """The URL, parsed once; what is dialled later is this very object.

        Raises:
            InvalidArguments: it is no URL that this host asks for.
        """
        parsed = _parse(url)
        if parsed.userinfo:
            raise _refused("it holds credentials", "Leave user and password out of the URL.")
        host = parsed.raw_host.decode("ascii")
        if "%" in host:
            raise _refused("its host is escaped", "Give a URL such as https://example.com/hooks.")
        if _NUMERIC_END.search(host) and not _DOTTED_QUAD.fullmatch(host):
            raise _refused("its host is a disguised IPv4 address", "Write the host by its name.")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        if parsed.scheme == "https" or (parsed.scheme == "http" and self.allows(host, port)):
            return parsed
        raise _refused(
            f"its scheme is {parsed.scheme or 'missing'}",
            "Use https, or have an admin name the host in egress.allow.",
        )


def _parse(url: str | httpx.URL) -> httpx.URL:
    text = str(url)
    if len(text) > _MAX_URL or _FORBIDDEN.search(text):
        raise _refused("it is too long or holds characters that URLs do not have")
    try:
        parsed = httpx.URL(url)
        # The host is decoded lazily; an IDNA fault in it shows here and not while dialling.
        valid = bool(parsed.host) and 0 < (parsed.port or 443) < 65536
    except (httpx.InvalidURL, ValueError) as error:
        raise _refused("it cannot be parsed") from error
    if not valid or parsed.port == 0:
        raise _refused("it names no host, or a port that does not exist")
    return parsed


def _entry(text: str) -> tuple[str, int | None]:
    match = _ENTRY.fullmatch(text)
    port = match["port"] if match else None
    if match is None or (port and not 0 < int(port) < 65536):
        raise ConfigurationError(
            f"egress.allow holds {text!r}, which is not HOST or HOST:PORT.",
            remedy="Write a bare host, such as hooks.internal or 127.0.0.1:9000.",
        )
    return match["host"].strip("[]").lower(), int(port) if port else None


def _refused(reason: str, remedy: str | None = None) -> InvalidArguments:
    return InvalidArguments(f"The URL was refused: {reason}.", remedy=remedy)
