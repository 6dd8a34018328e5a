"""Clients that describe themselves at the address that is their id.

OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.redirect_uris import redirect_faults
from saaf_autogen.auth.server.client_keys import jwks_faults
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import SaafError

__all__ = ["MAX_DOCUMENT_BYTES", "ClientDocuments", "client_of"]

MAX_DOCUMENT_BYTES = 10_240
_MIN_S, _MAX_S, _DEFAULT_S = 60, 86_400, 600
_FAILED_S = 30
_MAX_KNOWN = 1000
_MAX_AT_ONCE = 8
_MAX_ID = 512
_GRANTS = ("authorization_code", "refresh_token")
_CHARACTERS = re.compile(r"https?://[A-Za-z0-9\-._~:/?\[\]!$&'()*+,;=%]+")
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    client: ClientRecord | None
    until: float


class ClientDocuments:
    """Fetches and remembers client id metadata documents.

    A document is remembered for as long as its ``Cache-Control`` says, within a minute and a day;
    a failure for half a minute, so that nobody can make this host hammer another.

    Args:
        egress: reaches public hosts alone, over https, without redirects; its cap on bodies must
            not be below ``MAX_DOCUMENT_BYTES``.
        clock: tells ages.
        hosts: whose documents are taken; ``*`` means any. None: the whole feature is off.
        scopes: the most that such a client may ask a user for.
    """

    def __init__(
        self, egress: EgressClient, clock: Clock, *, hosts: Sequence[str], scopes: Sequence[str]
    ) -> None:
        self._egress = egress
        self._clock = clock
        self._hosts = frozenset(host.lower() for host in hosts)
        self._scopes = tuple(scopes)
        self._known: OrderedDict[str, _Entry] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}

    @property
    def enabled(self) -> bool:
        """Whether any host's documents are taken."""
        return bool(self._hosts)

    def is_address(self, client_id: str) -> bool:
        """Whether an id is the address of a document, and no id of the store."""
        return client_id.startswith(("https://", "http://"))

    def known(self, client_id: str) -> ClientRecord | None:
        """The client, if its document was fetched and is still good. Safe from any thread."""
        entry = self._known.get(client_id)
        if entry is None or self._clock.monotonic() >= entry.until:
            return None
        return entry.client

    async def fetch(self, client_id: str) -> None:
        """Make ``known`` know the client, if its document is allowed, reachable and sound."""
        if not self._may_be_asked(client_id):
            return
        entry = self._known.get(client_id)
        if entry is not None and self._clock.monotonic() < entry.until:
            return
        task = self._fetching.get(client_id)
        if task is None:
            if len(self._fetching) >= _MAX_AT_ONCE:
                return
            task = asyncio.create_task(self._fetch(client_id))
            self._fetching[client_id] = task
            task.add_done_callback(lambda _: self._fetching.pop(client_id, None))
        # Of several who wait, one who leaves must not end the fetch of the others.
        await asyncio.shield(task)

    def _may_be_asked(self, client_id: str) -> bool:
        if len(client_id) > _MAX_ID or not _CHARACTERS.fullmatch(client_id):
            return False
        try:
            parts = urlsplit(client_id)
            host = parts.hostname or ""
            _ = parts.port
        except ValueError:
            return False
        segments = parts.path.split("/")
        if parts.path in ("", "/") or {".", ".."} & {part.lower() for part in segments}:
            return False
        if "%2e" in parts.path.lower() or "@" in parts.netloc:
            return False
        return host.lower() in self._hosts or "*" in self._hosts

    async def _fetch(self, client_id: str) -> None:
        client, lasts = None, float(_FAILED_S)
        try:
            response = await self._egress.request(
                "GET", client_id, headers={"accept": "application/json"}, timeout_s=5
            )
            headers = {name.lower(): value for name, value in response.headers.items()}
            if response.status != 200:
                raise ValueError(f"it was answered {response.status}")
            if response.cut or len(response.body) > MAX_DOCUMENT_BYTES:
                raise ValueError(f"it is over {MAX_DOCUMENT_BYTES} bytes")
            if not _is_json(headers.get("content-type", "")):
                raise ValueError("it is not application/json")
            document = json.loads(response.body.decode("utf-8"))
            client = client_of(document, client_id, scopes=self._scopes)
            lasts = _lifetime(headers.get("cache-control", ""))
        except (SaafError, ValueError, RecursionError) as error:
            _log.info("the client document %s was not taken: %s", client_id, error)
        while len(self._known) >= _MAX_KNOWN:
            self._known.popitem(last=False)
        self._known[client_id] = _Entry(client, self._clock.monotonic() + lasts)


def client_of(document: object, client_id: str, *, scopes: Sequence[str]) -> ClientRecord:
    """The client that a document describes.

    It is public or has keys; a shared secret in a public document would be none.

    Args:
        document: the parsed JSON.
        client_id: where it was found.
        scopes: the most that it may ask for; its own ``scope`` narrows them.

    Raises:
        ValueError: the document is not sound; the message says why.
    """
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if document.get("client_id") != client_id:
        raise ValueError("its client_id is not its address")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise ValueError("it holds a secret")
    method = document.get("token_endpoint_auth_method", "none")
    if method not in ("none", "private_key_jwt"):
        raise ValueError("its token_endpoint_auth_method is neither none nor private_key_jwt")
    redirect_uris = _texts(document, "redirect_uris")
    fault = redirect_faults(redirect_uris) if redirect_uris else "It has no redirect_uris."
    if fault:
        raise ValueError(fault)
    grants = _texts(document, "grant_types") or ("authorization_code",)
    jwks, jwks_uri = _keys(document, method)
    asked = document.get("scope")
    if asked is not None and not isinstance(asked, str):
        raise ValueError("its scope is no text")
    named = None if asked is None else set(asked.split())
    title = document.get("client_name", "")
    return ClientRecord(
        id=client_id,
        tenant="default",
        title=title[:120] if isinstance(title, str) and title.isprintable() else "",
        scopes=tuple(scope for scope in scopes if named is None or scope in named),
        authentication=method,
        grant_types=tuple(grant for grant in _GRANTS if grant in grants),
        redirect_uris=redirect_uris,
        jwks=jwks,
        jwks_uri=jwks_uri,
        requires_dpop=document.get("dpop_bound_access_tokens") is True,
        requires_par=document.get("require_pushed_authorization_requests") is True,
        origin="document",
    )


def _keys(document: Mapping[str, Any], method: str) -> tuple[Mapping[str, Any] | None, str | None]:
    jwks, jwks_uri = document.get("jwks"), document.get("jwks_uri")
    if method == "none":
        return None, None
    if (jwks is None) == (jwks_uri is None):
        raise ValueError("private_key_jwt needs one of jwks and jwks_uri")
    if jwks is not None and (not isinstance(jwks, dict) or jwks_faults(jwks)):
        raise ValueError("its jwks are not such that they are taken")
    if jwks_uri is not None and not (isinstance(jwks_uri, str) and len(jwks_uri) <= _MAX_ID):
        raise ValueError("its jwks_uri is no address")
    return jwks, jwks_uri


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"its {name} is no list of texts")
    return tuple(value)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _lifetime(cache_control: str) -> float:
    said = cache_control.lower()
    if "no-store" in said or "no-cache" in said:
        return _MIN_S
    match = _MAX_AGE.search(said)
    return min(max(int(match[1]) if match else _DEFAULT_S, _MIN_S), _MAX_S)
