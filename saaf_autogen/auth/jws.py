"""Signed tokens and public keys of others (RFC 7515, RFC 7517); nothing is taken on trust."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from saaf_autogen.errors import Upstream

__all__ = [
    "HEADER_MEMBERS",
    "MAX_TOKEN_BYTES",
    "PublicKey",
    "UnverifiedToken",
    "read_jwks",
    "read_token",
    "verified_by",
]

MAX_TOKEN_BYTES = 16_384
HEADER_MEMBERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""What a header may hold. A key that travels with its token (``jwk``, ``jku``, ``x5c``, ``x5u``)
or an extension (``crit``, ``b64``) makes a token be refused; thumbprints are ignored."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_MAX_KEYS = 100
_RSA_MIN_BITS, _RSA_MAX_BITS = 2048, 8192
_CURVES: Mapping[tuple[str, str], frozenset[str]] = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("OKP", "Ed25519"): frozenset({"Ed25519"}),
}
_RSA_ALGORITHMS = frozenset({"RS256", "PS256"})


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key and the algorithms that its type allows; equal if all but ``key`` is."""

    kid: str | None
    algorithms: frozenset[str]
    thumbprint: str
    key: RSAKey | ECKey | OKPKey = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A JWT as it came, of which nothing may be believed before ``verified_by``."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def issuer(self) -> object:
        """What it says of its issuer: only good for choosing whose keys to try."""
        return self.claims.get("iss")


def read_token(text: str) -> UnverifiedToken | None:
    """A token in the compact form as header and claims, or None if it is no JWT at all.

    Raises:
        ValueError: it has a JWT's header and is malformed, or its header holds what is not taken.
    """
    if len(text) > MAX_TOKEN_BYTES:
        raise ValueError("it is too large")
    head, _, rest = text.partition(".")
    header = _json_object(head)
    if header is None:
        return None
    if not _COMPACT.fullmatch(text):
        raise ValueError("it is no signed JWT in the compact form")
    claims = _json_object(rest.partition(".")[0])
    if claims is None:
        raise ValueError("its claims are not an object")
    if not header.keys() <= HEADER_MEMBERS:
        raise ValueError("its header holds members that are not taken")
    return UnverifiedToken(text, header, claims)


def verified_by(
    token: UnverifiedToken, keys: Iterable[PublicKey], algorithms: Iterable[str]
) -> bool:
    """Whether one of the keys signed it, by an algorithm that is allowed and fits the key."""
    name = token.header.get("alg")
    if not isinstance(name, str) or name not in algorithms:
        return False
    registry = JWSRegistry(algorithms=[name])
    try:
        signed = jws.extract_compact(token.text.encode("ascii"), registry=registry)
        return any(
            jws.validate_compact(signed, key.key, registry=registry)
            for key in keys
            if name in key.algorithms
        )
    except (JoseError, ValueError, TypeError):
        return False


def read_jwks(body: bytes) -> tuple[PublicKey, ...]:
    """The keys of a JWK Set that can verify signatures; others are left out.

    Left out are symmetric keys, keys for encryption, RSA keys below 2048 bits, and curves and
    algorithms that are not taken. Private members are not read.

    Raises:
        Upstream: it is no JWK Set.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Upstream("The keys are not JSON.") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise Upstream(f"The keys are no JWK Set of at most {_MAX_KEYS} keys.")
    found = (_public_key(item) for item in listed if isinstance(item, dict))
    return tuple(key for key in found if key is not None)


def _public_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    operations = jwk.get("key_ops")
    if jwk.get("use", "sig") != "sig" or (
        operations is not None and not (isinstance(operations, list) and "verify" in operations)
    ):
        return None
    try:
        key, algorithms = _import(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    stated = jwk.get("alg")
    if stated is not None:
        algorithms = algorithms & {stated} if isinstance(stated, str) else frozenset()
    kid = jwk.get("kid")
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    return PublicKey(kid, algorithms, key.thumbprint(), key)


def _import(jwk: Mapping[str, Any]) -> tuple[RSAKey | ECKey | OKPKey, frozenset[str]]:
    kind = jwk.get("kty")
    if kind == "RSA":
        modulus = int.from_bytes(_decode(jwk["n"]), "big")
        if not _RSA_MIN_BITS <= modulus.bit_length() <= _RSA_MAX_BITS:
            raise ValueError("the size of the key is not taken")
        return RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}), _RSA_ALGORITHMS
    algorithms = _CURVES[(str(kind), str(jwk.get("crv")))]
    if kind == "EC":
        return (
            ECKey.import_key({"kty": "EC", "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]}),
            algorithms,
        )
    return OKPKey.import_key({"kty": "OKP", "crv": jwk["crv"], "x": jwk["x"]}), algorithms


def _json_object(segment: str) -> dict[str, Any] | None:
    try:
        value = json.loads(_decode(segment))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decode(segment: str) -> bytes:
    padded = segment + "=" * (-len(segment) % 4)
    return base64.b64decode(padded.encode("ascii"), b"-_", validate=True)
