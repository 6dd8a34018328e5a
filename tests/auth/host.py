"""A real host on a loopback socket, with routes of its own that tell who calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from saaf_autogen.api.security import Caller
from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.server import Issuer
from saaf_autogen.auth.tokens import TokenVerifier
from saaf_autogen.db import Database
from saaf_autogen.testing.clock import ManualClock
from tests.site import Site, serving_site

CLIENTS = [
    {
        "id": "analyst",
        "scopes": ["warehouse:query", "semantic:read"],
        "groups": ["analysts"],
        "attributes": {"carrier": "UA", "regions": ["EU", "US"]},
    },
    {"id": "reader", "scopes": ["semantic:read"]},
]


@dataclass
class Host:
    """What a test needs of it."""

    site: Site

    @property
    def url(self) -> str:
        return self.site.url

    @property
    def http(self) -> httpx.Client:
        return self.site.http

    @property
    def clock(self) -> ManualClock:
        clock: ManualClock = self.site.clock
        return clock

    @property
    def database(self) -> Database:
        return self.site.project.database

    @property
    def clients(self) -> ClientStore:
        return self.site.identity.clients

    @property
    def keys(self) -> SigningKeys:
        return self.site.identity.keys

    @property
    def issuer(self) -> Issuer:
        return self.site.identity.issuer

    @property
    def verifier(self) -> TokenVerifier:
        return self.site.identity.verifier

    def secret(self, client: str) -> str:
        return self.site.secret(client)

    def post_token(self, client: str = "analyst", **form: Any) -> httpx.Response:
        return self.http.post(
            "/oauth/token",
            auth=(client, self.secret(client)),
            data={"grant_type": "client_credentials", **form},
        )

    def token(self, client: str = "analyst", **form: Any) -> str:
        response = self.post_token(client, **form)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    def whoami(self, token: str) -> httpx.Response:
        return self.http.get("/whoami", headers={"Authorization": f"Bearer {token}"})

    def forge(
        self,
        *,
        header: dict[str, Any] | None = None,
        key: Any = None,
        algorithms: tuple[str, ...] = ("ES256",),
        **claims: Any,
    ) -> str:
        """A token of the issuer's own making, but for what is given; None leaves a claim out."""
        signing = self.keys.signing_key()
        now = int(self.clock.now().timestamp())
        body = {
            "iss": self.url,
            "aud": self.url,
            "sub": "client:analyst",
            "client_id": "analyst",
            "iat": now,
            "exp": now + 300,
            "jti": f"forged-{time.perf_counter_ns()}",
            "scope": "warehouse:query",
            "tenant": "default",
            **claims,
        }
        body = {name: value for name, value in body.items() if value is not None}
        head = {"alg": "ES256", "typ": "at+jwt", "kid": signing.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(
            head, body, key or signing, algorithms=list(algorithms), default_type=None
        )


def new_key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


def _own_routes(app: FastAPI) -> None:
    policy = Policy([], [], {})

    @app.get("/whoami")
    async def whoami(caller: Caller) -> dict[str, Any]:
        return caller.model_dump(mode="json")

    @app.get("/query")
    async def query(caller: Caller) -> dict[str, Any]:
        needed = ["warehouse:query", "agents:run", "audit:read"]
        policy.require_scopes(caller, needed, action="this operation")
        return {}


@contextmanager
def serving(folder: Path) -> Iterator[Host]:
    """A fresh host that listens; it ends with the block."""
    with serving_site(folder / "site", {"clients": CLIENTS}, extend=_own_routes) as site:
        yield Host(site)
