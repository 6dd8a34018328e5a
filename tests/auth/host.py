"""A real host on a loopback socket: the issuer's endpoints and one protected resource."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import ECKey

from saaf_autogen.api.oauth import oauth_router
from saaf_autogen.api.problems import add_problem_handlers
from saaf_autogen.api.security import Caller
from saaf_autogen.auth.clients import ClientStore, NewClient
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server import Issuer
from saaf_autogen.auth.tokens import RevokedTokens, TokenVerifier, TokenWatch
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Base, Database
from saaf_autogen.settings import ClientSettings
from saaf_autogen.testing.clock import ManualClock

CLIENTS = [
    ClientSettings(
        id="analyst",
        scopes=["warehouse:query", "semantic:read"],
        groups=["analysts"],
        attributes={"carrier": "UA", "regions": ["EU", "US"]},
    ),
    ClientSettings(id="reader", scopes=["semantic:read"]),
]


@dataclass
class Host:
    """What a test needs of it; also the ``request.app.state.saaf`` of the application."""

    url: str
    clock: ManualClock
    database: Database
    clients: ClientStore
    keys: SigningKeys
    revoked: RevokedTokens
    issuer: Issuer
    verifier: TokenVerifier
    watch: TokenWatch
    secrets: dict[str, NewClient]
    http: httpx.Client

    def post_token(self, client: str = "analyst", **form: Any) -> httpx.Response:
        return self.http.post(
            "/oauth/token",
            auth=(client, self.secrets[client].client_secret),
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


def _application(state: Host) -> FastAPI:
    app = FastAPI()
    app.state.saaf = SimpleNamespace(identity=state)
    app.include_router(oauth_router())
    add_problem_handlers(app)
    policy = Policy([], [], {})

    @app.get("/whoami")
    async def whoami(request: Request, caller: Caller) -> dict[str, Any]:
        return caller.model_dump(mode="json")

    @app.get("/query")
    async def query(request: Request, caller: Caller) -> dict[str, Any]:
        needed = ["warehouse:query", "agents:run", "audit:read"]
        policy.require_scopes(caller, needed, action="this operation")
        return {}

    return app


@contextmanager
def serving(folder: Path) -> Iterator[Host]:
    """A fresh host that listens; it ends with the block."""
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        clock = ManualClock()
        database = Database(f"sqlite:///{folder / 'saaf.sqlite'}")
        Base.metadata.create_all(database.engine)
        sealer, scopes = Sealer.load(folder), ScopeRegistry()
        clients = ClientStore(database, sealer, clock, scopes)
        secrets = {new.id: new for new in clients.ensure(CLIENTS)}
        keys = SigningKeys(database, sealer, clock)
        keys.load()
        revoked = RevokedTokens(database, clock)
        issuer = Issuer(
            url=url,
            clients=clients,
            keys=keys,
            revoked=revoked,
            scopes=scopes,
            clock=clock,
            resources=[url, f"{url}/mcp"],
        )
        verifier = TokenVerifier(issuer=url, audience=url, keys=keys, revoked=revoked, clock=clock)
        watch = TokenWatch(keys, revoked, verifier)
        with httpx.Client(base_url=url, timeout=10) as http:
            host = Host(
                url, clock, database, clients, keys, revoked, issuer, verifier, watch, secrets, http
            )
            config = uvicorn.Config(
                _application(host), log_level="warning", lifespan="off", ws="none"
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                while not server.started:
                    time.sleep(0.005)
                yield host
            finally:
                server.should_exit = True
                thread.join()
                database.close()
