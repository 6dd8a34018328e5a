"""The certified OpenID provider of npm as a process: an issuer, and a place to sign in."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from joserfc.jwk import ECKey, RSAKey

from saaf_autogen.testing import ManualClock

__all__ = ["OpenIdProvider", "RealClock", "openid_provider"]

FOLDER = Path(__file__).parent
NODE = FOLDER.parent.parent / ".venv" / "bin" / "node"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_PROMPT = re.compile(r'name="prompt" value="(\w+)"')
Key = ECKey | RSAKey


class RealClock(ManualClock):
    """The machine's clock, for hosts whose peers have a real one; it can be moved ahead."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=super().monotonic())

    def monotonic(self) -> float:
        return time.monotonic() + super().monotonic()


@dataclass
class OpenIdProvider:
    """A running provider.

    Attributes:
        issuer: its address.
        keys: its private keys: those that it signs with come first, for each algorithm.
    """

    issuer: str
    process: subprocess.Popen[str]
    keys: list[Key] = field(default_factory=list)

    def change(self, **configuration: Any) -> str:
        """Go on with another configuration, such as ``accounts``; says the issuer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(configuration) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the provider ended; see its messages above"
        return str(json.loads(line)["issuer"])

    def rotate(self, keys: list[Key]) -> None:
        """Publish and sign with other keys."""
        self.keys = keys
        self.change(keys=[key.as_dict(private=True) for key in keys])

    def signing_key(self, kind: str = "EC") -> Key:
        return next(key for key in self.keys if key.as_dict()["kty"] == kind)

    def client_token(self, client: str, secret: str, resource: str, scope: str = "") -> str:
        """An access token of a client for itself."""
        answer = httpx.post(
            f"{self.issuer}/token",
            auth=(client, secret),
            data={"grant_type": "client_credentials", "resource": resource, "scope": scope},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def user_tokens(
        self, login: str, client: str, secret: str, redirect_uri: str, **query: str
    ) -> dict[str, Any]:
        """What a client gets for a person who signs in: access and ID token."""
        verifier = secrets.token_urlsafe(32)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": client,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": "any",
            "nonce": "any",
            **query,
        }
        address = str(httpx.URL(f"{self.issuer}/auth", params=asked))
        code = parse_qs(urlsplit(self.visit(address, login)).query)["code"][0]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        if "resource" in query:
            form["resource"] = query["resource"]
        answer = httpx.post(f"{self.issuer}/token", auth=(client, secret), data=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def visit(self, address: str, login: str) -> str:
        """Sign in and agree on the provider's pages, as a person would; where that leads to."""
        with httpx.Client(timeout=20) as browser:
            response = browser.get(address)
            for _ in range(12):
                if response.is_redirect:
                    target = urljoin(str(response.url), response.headers["location"])
                    if not target.startswith(self.issuer + "/"):
                        return target
                    response = browser.get(target)
                    continue
                form = _FORM.search(response.text)
                prompt = _PROMPT.search(response.text)
                assert form, response.text
                assert prompt, response.text
                said = {"prompt": prompt[1], "login": login, "password": "any"}
                if prompt[1] == "consent":
                    said = {"prompt": "consent"}
                response = browser.post(urljoin(str(response.url), unescape(form[1])), data=said)
        raise AssertionError("the provider's pages lead nowhere")


@contextmanager
def openid_provider(**configuration: Any) -> Iterator[OpenIdProvider]:
    """A provider on a free port of loopback, until the block ends.

    Args:
        configuration: ``clients`` (metadata of RFC 7591), ``accounts`` (claims by login),
            ``resources`` (by address: ``scope``, ``format`` jwt or opaque, ``alg``), ``claims``
            (by scope), ``claims_in_id_token``, ``client_claims``.
    """
    keys: list[Key] = [
        ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True),
        RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True),
    ]
    with subprocess.Popen(
        [str(NODE), "provider.mjs"],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        running = OpenIdProvider("", process, keys)
        try:
            private = [key.as_dict(private=True) for key in keys]
            running.issuer = running.change(**{"clients": [], "keys": private, **configuration})
            yield running
        finally:
            process.terminate()
            process.wait(timeout=10)
