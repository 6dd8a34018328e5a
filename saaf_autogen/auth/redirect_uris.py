"""Which redirect URIs a client may have, and when a request's is the registered one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

__all__ = ["redirect_fault", "redirect_faults", "redirect_matches"]

_MAX_LENGTH = 2000
_MAX_URIS = 20
# Unreserved, reserved and escaped characters of RFC 3986; no fragment, no backslash, no space.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\])(:(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?"
)
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
# What a person takes for the host is the host: no ";", "," or "%2f" to look like another one.
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_ANSWERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})


def redirect_matches(registered: str, asked: str) -> bool:
    """Whether a request's URI is the registered one."""
    if registered == asked:
        return True
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(asked)
    if ours is None or theirs is None or not _URI.fullmatch(asked):
        return False
    if int(theirs["port"] or 80) > 65535:
        return False
    return (ours["host"], ours["rest"] or "/") == (theirs["host"], theirs["rest"] or "/")


def redirect_fault(uri: str) -> str | None:
    """Why a client may not have this redirect URI, as a sentence's end; None if it may.

    Allowed: https with a host, http to loopback (RFC 8252, section 7.3), and for native
    applications a private-use scheme with a dot in its name (section 7.1).
    """
    if len(uri) > _MAX_LENGTH or not _URI.fullmatch(uri):
        return "is too long, has a fragment, or holds characters that URIs do not have"
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "cannot be parsed"
    if not _ANSWERS.isdisjoint(name for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return "has a parameter of the answer in its query"
    if parts.scheme in ("http", "https"):
        if not host or "@" in parts.netloc or port == 0:
            return "has no host, or credentials"
        if not _HOST.fullmatch(host):
            return "has a host whose name holds other characters than names have"
        if any(segment in (".", "..") for segment in parts.path.split("/")):
            return "has dot segments in its path"
        if parts.scheme == "http" and host not in _LOOPBACK_HOSTS:
            return "is plain http, which only loopback may be"
        return None
    if "." not in parts.scheme:
        return "has a scheme that is neither https nor an application's own, such as com.acme.app"
    return None


def redirect_faults(uris: Sequence[str]) -> str | None:
    """The first fault of a client's redirect URIs as a sentence, or None."""
    if len(uris) > _MAX_URIS:
        return f"There are more than {_MAX_URIS} redirect URIs."
    for uri in uris:
        fault = redirect_fault(uri)
        if fault:
            return f"A redirect URI {fault}."
    return None
