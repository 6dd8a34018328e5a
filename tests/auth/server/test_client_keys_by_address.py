"""private_key_jwt with keys that a client publishes at an address, and rotates there."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from saaf_autogen.settings import ClientSettings
from tests.auth.server.flows import ASSERTION_TYPE, Flows, refused


@dataclass
class Publisher:
    """What the client publishes now."""

    address: str = ""
    keys: list[ECKey] = field(default_factory=list)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"keys": [key.as_dict(private=False) for key in state.keys]})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_given: Any) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/jwks"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": kid})


def test_keys_at_an_address_count_and_a_rotated_one_is_fetched(
    flows: Flows, publisher: Publisher
) -> None:
    first, second = new_key("first"), new_key("second")
    publisher.keys = [first]
    flows.site.identity.clients.add(
        ClientSettings(
            id="remote",
            scopes=["semantic:read"],
            authentication="private_key_jwt",
            jwks_uri=publisher.address,
        )
    )

    def ask(key: ECKey, jti: str) -> Any:
        now = int(flows.site.clock.now().timestamp())
        claims = {"iss": "remote", "sub": "remote", "aud": flows.site.url, "jti": jti}
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(
                {"alg": "ES256", "kid": key.kid}, {**claims, "exp": now + 60}, key
            ),
        }
        return flows.site.http.post("/oauth/token", data=form)

    assert ask(first, "1").status_code == 200
    refused(ask(second, "2"), "invalid_client", 401)
    publisher.keys = [second]
    flows.site.clock.advance(11)
    assert ask(second, "3").status_code == 200
    refused(ask(first, "4"), "invalid_client", 401)


def test_an_address_that_never_answers_holds_no_thread_of_the_host(flows: Flows) -> None:
    site = flows.site
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        site.identity.clients.add(
            ClientSettings(
                id="silent",
                authentication="private_key_jwt",
                jwks_uri=f"http://127.0.0.1:{silent.getsockname()[1]}/jwks",
            )
        )
        claims = {"iss": "silent", "sub": "silent", "aud": site.url, "jti": "1", "exp": 1 << 32}
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode({"alg": "ES256"}, claims, new_key("any")),
        }

        def ask(_number: int) -> httpx.Response:
            return httpx.post(f"{site.url}/oauth/token", data=form, timeout=30)

        with ThreadPoolExecutor(60) as many:
            waiting = [many.submit(ask, number) for number in range(60)]
            time.sleep(1)
            begun = time.monotonic()
            assert site.http.get("/sign-in").status_code == 200
            took = time.monotonic() - begun
            refused(waiting[0].result(), "invalid_client", 401)
    assert took < 2
