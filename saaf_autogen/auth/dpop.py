"""DPoP (RFC 9449): a caller proves, for each request, that it holds the key of its token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.clock import Clock

__all__ = [
    "DPOP_ALGORITHMS",
    "DpopProofs",
    "InvalidProof",
    "OtherKey",
    "ProofMemory",
    "RememberedProofs",
    "StoredProofs",
    "is_thumbprint",
]

DPOP_ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "Ed25519")

_WINDOW_S = 60
_MAX_BYTES = 8192
_MAX_JTI = 256
_HEADER_MEMBERS = frozenset({"typ", "alg", "jwk"})
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES = {"ES256": "P-256", "ES384": "P-384"}
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_PORTS = {"http": 80, "https": 443}


class InvalidProof(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The proof is not taken: 400 at the authorization server, 401 at a resource."""

    error = "invalid_dpop_proof"


class OtherKey(InvalidProof):
    """The proof is made by another key than the token is bound to."""


class _Registry(JWSRegistry):
    # joserfc's 512 bytes are too few for a header with an RSA key in it.
    max_header_length = _MAX_BYTES


class ProofMemory(Protocol):
    """Remembers which proofs came, so that each counts once."""

    def first(self, name: str, key: str, expires_at: datetime) -> bool:
        """Whether this is the first proof of that name; ``key`` is the thumbprint it is of."""
        ...


class StoredProofs:
    """Proofs that came to any process of the deployment: for the authorization server."""

    def __init__(self, once: OneTimeStore) -> None:
        self._once = once

    def first(self, name: str, key: str, expires_at: datetime) -> bool:
        """Atomic, over all processes; synchronous: call it in a thread from async code."""
        return self._once.put("dpop", f"{key}.{name}", expires_at=expires_at)


@dataclass
class _Proofs:
    """The live proofs of one key: hash of the name to when it expires."""

    live: dict[bytes, float] = field(default_factory=dict)
    last: float = 0.0


class RememberedProofs:
    """Proofs that came to this process: for protected calls, whose path has no database.

    With several processes behind one address, a proof that was caught on its way can be replayed
    once at each of the others, within the two minutes of its life, with the same method, address
    and token. Whoever can catch it there has TLS broken already, and RFC 9449, section 11.1, asks
    for no more. What cannot be remembered could be replayed, so it is refused: a key with more
    than ``per_key`` live proofs until some expire, and everybody past ``size``.
    """

    def __init__(self, clock: Clock, *, per_key: int = 5_000, size: int = 200_000) -> None:
        self._clock = clock
        self._per_key = per_key
        self._size = size
        self._count = 0
        self._keys: OrderedDict[str, _Proofs] = OrderedDict()

    def first(self, name: str, key: str, expires_at: datetime) -> bool:
        """Whether it is new. Not for several threads at once."""
        now = self._clock.now().timestamp()
        self._forget(now)
        proofs = self._keys.setdefault(key, _Proofs())
        self._keys.move_to_end(key)
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:16]
        if digest in proofs.live and proofs.live[digest] > now:
            return False
        if len(proofs.live) >= self._per_key or self._count >= self._size:
            self._sweep(proofs, now)
        if len(proofs.live) >= self._per_key or self._count >= self._size:
            return False
        self._count += digest not in proofs.live
        proofs.live[digest] = expires_at.timestamp()
        proofs.last = max(proofs.last, proofs.live[digest])
        return True

    def _sweep(self, proofs: _Proofs, now: float) -> None:
        live = {digest: until for digest, until in proofs.live.items() if until > now}
        self._count -= len(proofs.live) - len(live)
        proofs.live = live

    def _forget(self, now: float) -> None:
        """Drop the keys that came least recently, once all of their proofs expired."""
        while self._keys:
            key, proofs = next(iter(self._keys.items()))
            if proofs.last > now:
                return
            self._count -= len(proofs.live)
            del self._keys[key]


class DpopProofs:
    """Checks proofs.

    Args:
        clock: a proof's ``iat`` must be within 60 s of it.
        memory: takes care that each proof counts once.
    """

    def __init__(self, clock: Clock, memory: ProofMemory) -> None:
        self._clock = clock
        self._memory = memory

    def check(
        self,
        proof: str,
        *,
        method: str,
        url: str,
        access_token: str | None = None,
        bound_to: str | None = None,
    ) -> str:
        """The thumbprint (RFC 7638, SHA-256) of the key that made the proof.

        Args:
            proof: the value of the request's one ``DPoP`` header.
            method: of the request.
            url: its public address; query and fragment do not count.
            access_token: the token that came with it, at a resource; its hash is then required.
            bound_to: thumbprint of the only key that may have made it; those of others are not
                remembered, or whoever makes keys at will could fill the memory.

        Raises:
            OtherKey: another key made it.
            InvalidProof: by RFC 9449, section 4.3; an ``OAuth2Error`` with status 400.
        """
        key, claims = _read(proof)
        issued, name = _number(claims.get("iat")), claims.get("jti")
        now = self._clock.now().timestamp()
        if issued is None or abs(now - issued) > _WINDOW_S:
            raise InvalidProof("The DPoP proof is not of this minute (iat).")
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_JTI:
            raise InvalidProof("The DPoP proof has no usable jti.")
        if claims.get("htm") != method:
            raise InvalidProof("The DPoP proof is for another method (htm).")
        htu = claims.get("htu")
        if not isinstance(htu, str) or _address(htu) is None or _address(htu) != _address(url):
            raise InvalidProof("The DPoP proof is for another address (htu).")
        if access_token is not None and not _is_hash_of(claims.get("ath"), access_token):
            raise InvalidProof("The DPoP proof is for another access token (ath).")
        thumbprint: str = key.thumbprint()
        if bound_to not in (None, thumbprint):
            raise OtherKey("The DPoP proof is made by another key.")
        expires = datetime.fromtimestamp(issued + _WINDOW_S + 1, UTC)
        if not self._memory.first(name, thumbprint, expires):
            raise InvalidProof("The DPoP proof was used before (jti), or there are too many.")
        return thumbprint


def is_thumbprint(text: str) -> bool:
    """Whether a text has the form of an RFC 7638 thumbprint by SHA-256."""
    return _THUMBPRINT.fullmatch(text) is not None


def _read(proof: str) -> tuple[ECKey | RSAKey | OKPKey, dict[str, Any]]:
    if len(proof) > _MAX_BYTES or not proof.isascii() or proof.count(".") != 2:
        raise InvalidProof("The DPoP proof is no JWT.")
    registry = _Registry(algorithms=list(DPOP_ALGORITHMS))
    try:
        signed = jws.extract_compact(proof.encode("ascii"), registry=registry)
        header = signed.headers()
        if not isinstance(header, dict) or header.keys() != _HEADER_MEMBERS:
            raise InvalidProof("The header of a DPoP proof is typ, alg and jwk.")
        if header["typ"] != "dpop+jwt":
            raise InvalidProof("The typ of a DPoP proof is dpop+jwt.")
        key = _public_key(header["jwk"], header["alg"])
        if not jws.validate_compact(signed, key, registry=registry):
            raise InvalidProof("The signature of the DPoP proof is not valid.")
        claims = json.loads(signed.payload or b"")
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidProof("The DPoP proof cannot be read, or its key is not taken.") from error
    if not isinstance(claims, dict):
        raise InvalidProof("The claims of the DPoP proof are no object.")
    return key, claims


def _public_key(jwk: object, algorithm: object) -> ECKey | RSAKey | OKPKey:
    """The key of a proof: public, asymmetric, of its algorithm, and of a decent size."""
    if not isinstance(jwk, dict) or algorithm not in DPOP_ALGORITHMS:
        raise InvalidProof(f"The alg of a DPoP proof is one of {', '.join(DPOP_ALGORITHMS)}.")
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise InvalidProof("The jwk of a DPoP proof is a public key, and nothing else.")
    kind = jwk.get("kty")
    if kind == "EC" and jwk.get("crv") == _CURVES.get(str(algorithm)):
        return ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    if kind == "OKP" and jwk.get("crv") == "Ed25519" and algorithm == "Ed25519":
        return OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")})
    if kind == "RSA" and algorithm in ("PS256", "RS256"):
        size = len(_decoded(jwk["n"])) * 8
        if _MIN_RSA_BITS <= size <= _MAX_RSA_BITS and len(_decoded(jwk["e"])) <= 4:
            return RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
    raise InvalidProof("The jwk of the DPoP proof does not fit its alg.")


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("no text")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).lstrip(b"\0")


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared first: a whole number of any size can be, but not all of them become a float.
    return float(value) if abs(value) < 1e12 else None


def _address(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path, normalised as RFC 9449, section 4.3, allows."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
        port = parts.port or _PORTS.get(scheme, 0)
    except ValueError:
        return None
    if scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    return scheme, host, port, _ESCAPE.sub(_unescape, parts.path) or "/"


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _is_hash_of(ath: object, token: str) -> bool:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return isinstance(ath, str) and ath.isascii() and hmac.compare_digest(ath, expected)
