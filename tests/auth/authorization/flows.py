"""A host with users and clients, and the requests that clients send users with."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.identity.sessions import SessionRecord
from tests.site import Site

__all__ = ["APP", "CLIENTS", "Flow", "answer_of", "prove"]

APP = "https://app.example.com/callback"
_KEY_MEMBERS = ("kty", "crv", "x", "y", "n", "e")
CODE = ["authorization_code", "refresh_token"]
CLIENTS: list[dict[str, Any]] = [
    {
        "id": "app",
        "title": "App",
        "scopes": ["warehouse:query", "semantic:edit"],
        "authentication": "none",
        "grant_types": CODE,
        "redirect_uris": [APP, "https://app.example.com/tenant?id=1"],
        "post_logout_redirect_uris": ["https://app.example.com/bye"],
    },
    {
        "id": "native",
        "scopes": ["semantic:read"],
        "authentication": "none",
        "grant_types": CODE,
        "redirect_uris": [
            "http://127.0.0.1/callback",
            "http://[::1]/callback",
            "http://localhost:4000/callback",
            "com.example.app:/callback",
        ],
    },
    {
        "id": "web",
        "title": "Web",
        "scopes": ["semantic:read"],
        "grant_types": CODE,
        "redirect_uris": ["https://web.example.com/callback"],
    },
    {
        "id": "pushing",
        "scopes": ["semantic:read"],
        "grant_types": ["authorization_code"],
        "redirect_uris": ["https://web.example.com/callback"],
        "requires_par": True,
    },
    {
        "id": "own",
        "scopes": ["semantic:read"],
        "authentication": "none",
        "grant_types": CODE,
        "redirect_uris": [APP],
        "first_party": True,
    },
    {
        "id": "elsewhere",
        "tenant": "acme",
        "scopes": ["semantic:read"],
        "authentication": "none",
        "grant_types": CODE,
        "redirect_uris": [APP],
    },
    {"id": "machine", "scopes": ["semantic:read"]},
]
HOME = {
    "app": APP,
    "native": "http://127.0.0.1:49152/callback",
    "own": APP,
    "elsewhere": APP,
}


@dataclass
class Flow:
    """A request of a client on its way through a host."""

    site: Site
    client: str = "app"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def fields(self, **changes: str | None) -> dict[str, str]:
        """What the client sends; None leaves a parameter out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest())
        body = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": HOME.get(self.client, "https://web.example.com/callback"),
            "scope": "openid semantic:read",
            "state": "s-1",
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in body.items() if value is not None}

    def query(self, **changes: str | None) -> str:
        return urlencode(self.fields(**changes))

    def read(self, **changes: str | None) -> Any:
        return self.site.identity.authorizations.read(self.query(**changes))

    def redeem(self, location: str, **form: str) -> Any:
        return self.site.http.post(
            "/oauth/token",
            data={
                "grant_type": "authorization_code",
                "client_id": self.client,
                "code": answer_of(location)["code"],
                "redirect_uri": self.fields()["redirect_uri"],
                "code_verifier": self.verifier,
                **form,
            },
        )


def sign_in(site: Site, user: UserRecord) -> SessionRecord:
    _, session = site.identity.sessions.start(user, amr=["pwd"], address="", user_agent="")
    return session


def answer_of(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


def prove(
    site: Site,
    key: ECKey | RSAKey | OKPKey,
    path: str,
    *,
    method: str = "POST",
    token: str | None = None,
    header: dict[str, Any] | None = None,
    algorithm: str = "ES256",
    **claims: Any,
) -> str:
    """A DPoP proof; None leaves a claim out."""
    body: dict[str, Any] = {
        "jti": secrets.token_urlsafe(8),
        "htm": method,
        "htu": site.url + path,
        "iat": int(site.clock.now().timestamp()),
    }
    if token is not None:
        digest = hashlib.sha256(token.encode()).digest()
        body["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    body |= claims
    jwk = {n: v for n, v in key.as_dict(private=False).items() if n in _KEY_MEMBERS}
    head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk, **(header or {})}
    return jwt.encode(
        {name: value for name, value in head.items() if value is not None},
        {name: value for name, value in body.items() if value is not None},
        key,
        algorithms=[algorithm],
    )
