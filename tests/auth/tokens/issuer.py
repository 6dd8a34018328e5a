"""An issuer that does as tests say, on a real socket: right, wrong, slow or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from saaf_autogen.testing import ManualClock

__all__ = ["AUDIENCE", "LocalIssuer", "local_issuer", "new_key"]

AUDIENCE = "https://saaf.example"
METADATA = "/.well-known/openid-configuration"
Key = ECKey | OKPKey | RSAKey


def new_key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


@dataclass
class LocalIssuer:
    """What a test holds of it.

    Attributes:
        answers: by path: status, headers, and the body as JSON or bytes.
        tokens: what introspection says of opaque tokens; of others, that they are not active.
        asked: how often a path was asked for.
        heard: the last request's headers and form, by path.
    """

    url: str
    clock: ManualClock
    key: Key = field(default_factory=new_key)
    answers: dict[str, tuple[int, dict[str, str], Any]] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    heard: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)

    def publish(self, *keys: Key, **metadata: Any) -> None:
        """Publish metadata and keys; the first key signs."""
        self.key = keys[0] if keys else self.key
        endpoints = {
            "jwks_uri": "jwks",
            "introspection_endpoint": "introspect",
            "authorization_endpoint": "auth",
            "token_endpoint": "token",
            "userinfo_endpoint": "me",
        }
        document = {"issuer": self.url, **{k: f"{self.url}/{v}" for k, v in endpoints.items()}}
        self.answers[METADATA] = (200, {}, {**document, **metadata})
        public = [key.as_dict(private=False) for key in keys or (self.key,)]
        self.answers["/jwks"] = (200, {}, {"keys": public})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of an access token by RFC 9068, but for ``changes``; None leaves one out."""
        now = int(self.clock.now().timestamp())
        body = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "client_id": "web",
            "iat": now,
            "exp": now + 300,
            "jti": f"t-{time.perf_counter_ns()}",
            "scope": "warehouse:query",
            **changes,
        }
        return {name: value for name, value in body.items() if value is not None}

    def token(
        self, *, header: dict[str, Any] | None = None, key: Key | None = None, **changes: Any
    ) -> str:
        """An access token of its own making; a header member that is None is left out."""
        signing = key or self.key
        name = {"EC": "ES256", "RSA": "RS256", "OKP": "Ed25519"}[signing.key_type]
        head = {"alg": name, "typ": "at+jwt", "kid": signing.kid, **(header or {})}
        head = {member: value for member, value in head.items() if value is not None}
        return jwt.encode(
            head, self.claims(**changes), signing, algorithms=[head["alg"]], default_type=None
        )


def _handler(issuer: LocalIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            form = parse_qs(self.rfile.read(length).decode())
            self._answer({name: values[0] for name, values in form.items()})

        def _answer(self, form: dict[str, str]) -> None:
            path = self.path.partition("?")[0]
            issuer.asked[path] += 1
            issuer.heard[path] = ({k.lower(): v for k, v in self.headers.items()}, form)
            status, headers, body = issuer.answers.get(path, (404, {}, {}))
            if path == "/introspect" and path not in issuer.answers:
                status, body = 200, issuer.tokens.get(form.get("token", ""), {"active": False})
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def local_issuer(clock: ManualClock) -> Iterator[LocalIssuer]:
    """Such an issuer, which publishes nothing yet, until the block ends."""
    issuer = LocalIssuer("", clock)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(issuer)) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
