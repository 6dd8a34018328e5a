"""Which web pages may read an endpoint's answer (CORS): those of the client that asks.

Public documents are open to every origin. The endpoints that take credentials answer to the
origins of the client's own redirect URIs alone. An open ``*`` would give nobody a cookie, as none
is read here; but it would let any page use its visitor's browser to try credentials on a host that
only that browser can reach, and read what comes of it. Sending such a request cannot be prevented:
a form can do it. So a preflight, which names no client, is let pass, and the answer itself is
readable or not by what its request says.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus, urlsplit

from fastapi import Request, Response

from saaf_autogen.auth.client_record import ClientRecord
from saaf_autogen.auth.jws import UnverifiedToken, read_token
from saaf_autogen.auth.server import FormRequest

__all__ = ["named_client", "preflight", "readable_by", "sent_assertion"]

_MAX_ORIGIN = 255
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, dpop",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin",
}


async def preflight(request: Request) -> Response:
    """Let a browser send what it could send anyway."""
    origin = request.headers.get("origin", "")
    if not _is_origin(origin):
        return Response(status_code=204, headers={"Allow": "POST"})
    return Response(status_code=204, headers={**_PREFLIGHT, "Access-Control-Allow-Origin": origin})


def readable_by(request: Request, client: ClientRecord | None) -> Mapping[str, str]:
    """The headers by which a page of the client's own may read the answer."""
    origin = request.headers.get("origin", "")
    if not origin:
        return {}
    if client is None or not _is_origin(origin) or origin not in _origins(client):
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "WWW-Authenticate",
        "Vary": "Origin",
    }


def named_client(form: FormRequest) -> str | None:
    """The client that a request says it comes from; nothing of it is checked yet."""
    fields = _fields(form)
    if "client_id" in fields:
        return fields["client_id"][0]
    if "client_assertion" in fields:
        assertion = sent_assertion(form)
        subject = assertion.claims.get("sub") if assertion else None
        return subject if isinstance(subject, str) else None
    return _basic_name(form.authorization[0]) if form.authorization else None


def sent_assertion(form: FormRequest) -> UnverifiedToken | None:
    """What a client signed to prove who it is; nothing of it is checked yet."""
    try:
        return read_token(_fields(form).get("client_assertion", [""])[0])
    except ValueError:
        return None


def _fields(form: FormRequest) -> dict[str, list[str]]:
    try:
        return parse_qs(form.body.decode("utf-8"), max_num_fields=60)
    except ValueError:
        return {}


def _basic_name(header: str) -> str | None:
    scheme, _, credentials = header.partition(" ")
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except ValueError:
        return None
    return unquote_plus(text.partition(":")[0]) if scheme.lower() == "basic" else None


def _origins(client: ClientRecord) -> set[str]:
    parts = [urlsplit(uri) for uri in client.redirect_uris]
    return {f"{part.scheme}://{part.netloc}" for part in parts if part.scheme in ("https", "http")}


def _is_origin(text: str) -> bool:
    return len(text) <= _MAX_ORIGIN and text.isascii() and text.isprintable() and "://" in text
