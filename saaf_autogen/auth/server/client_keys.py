"""The public keys of clients that prove who they are by a signature."""

from __future__ import annotations

import contextlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.jwks import RemoteKeys
from saaf_autogen.auth.jws import PublicKey, read_jwks
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import SaafError

__all__ = ["ClientKeys", "jwks_faults"]

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_NUMBERS = ("n", "e", "x", "y")
_MAX_SETS = 1000
_FRESH_S = 300.0


def jwks_faults(jwks: Mapping[str, Any]) -> list[str]:
    """Why a JWK Set is none that a client may register; empty if it may.

    Every key must be public, of one asymmetric type that is taken, of a decent size, and written
    without padding; two keys must not share an id. A set that mixes in others is refused whole.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(k, dict) for k in keys):
        return ["It is no JWK Set with keys in it."]
    faults = []
    if any(not _PRIVATE.isdisjoint(key) for key in keys):
        faults.append("It holds a private or symmetric key: send public ones alone.")
    written = [key[name] for key in keys for name in _NUMBERS if name in key]
    if not all(isinstance(text, str) and _BASE64URL.fullmatch(text) for text in written):
        faults.append("A number in it is not written in base64url without padding.")
    ids = [key.get("kid") for key in keys]
    if len(keys) > 1 and len(set(map(str, ids))) < len(ids):
        faults.append("Two of its keys have the same id, or none.")
    try:
        taken = len(read_jwks(json.dumps(jwks).encode()))
    except (SaafError, ValueError, TypeError, RecursionError):
        return [*faults, "It cannot be read."]
    if taken < len(keys):
        faults.append("A key is for encryption, too short, or of a type that is not taken.")
    return faults


class ClientKeys:
    """Finds keys of clients: from their ``jwks``, or by their ``jwks_uri``.

    Args:
        egress: fetches sets, by the rules of egress; without it, only ``jwks`` counts.
        clock: tells how old a set is.
    """

    def __init__(self, egress: EgressClient | None, clock: Clock) -> None:
        self._egress = egress
        self._clock = clock
        self._remote: OrderedDict[str, RemoteKeys] = OrderedDict()

    async def prepare(self, client: ClientRecord, kid: str | None) -> None:
        """Fetch the set that ``find`` needs for a key; a failure shows there.

        Here, and not in ``find``: whoever waits for a slow host must hold no thread meanwhile, or
        strangers' addresses could take them all.
        """
        usable = client.active and client.authentication == "private_key_jwt"
        if usable and client.jwks is None and client.jwks_uri and self._egress is not None:
            with contextlib.suppress(SaafError):
                await self._set_of(client.jwks_uri, self._egress).find(kid)

    def find(self, client: ClientRecord, kid: str | None) -> Sequence[PublicKey]:
        """The keys that a signature of the client may be by; without ``kid``, its only key.

        Of an address, those that ``prepare`` fetched. Safe from any thread.
        """
        if client.jwks is not None:
            if jwks_faults(client.jwks):
                return ()
            keys = read_jwks(json.dumps(client.jwks).encode())
            if kid is None:
                return keys if len(keys) == 1 else ()
            return [key for key in keys if key.kid == kid]
        fetched = self._remote.get(client.jwks_uri or "")
        return fetched.known(kid) if fetched else ()

    def _set_of(self, uri: str, egress: EgressClient) -> RemoteKeys:
        known = self._remote.get(uri)
        if known is None:
            known = RemoteKeys(uri, egress, self._clock, fresh_s=_FRESH_S)
            self._remote[uri] = known
            while len(self._remote) > _MAX_SETS:
                self._remote.popitem(last=False)
        return known
