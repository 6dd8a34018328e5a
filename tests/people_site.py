"""A host with people, groups, data and clients that ask for it: what the tests of pages visit."""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.clock import Clock
from tests.site import Site, serving_site

__all__ = ["PASSWORD", "Asked", "add_user", "ask", "people_site", "settings_for"]

ROOT = Path(__file__).parent.parent
PASSWORD = "violet-harbour-onion-61"


@dataclass(frozen=True)
class Asked:
    """An authorization request: the path to open, and what belongs to its answer."""

    path: str
    state: str
    verifier: str


def ask(client: str, redirect_uri: str, scope: str, **more: str) -> Asked:
    """A request as a client makes it, with PKCE."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(12)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": challenge.decode().rstrip("="),
        "code_challenge_method": "S256",
        **more,
    }
    return Asked(f"/oauth/authorize?{urlencode(query)}", state, verifier)


def settings_for(**more: Any) -> dict[str, Any]:
    """A deployment whose tables are described as the sample's; nobody asks for their rows."""
    code = ["authorization_code", "refresh_token"]
    return {
        "name": "harbour-data",
        "warehouses": {"nyc": {"engine": "duckdb", "path": "nyc.duckdb"}},
        "groups": [
            {"id": "analysts", "scopes": ["warehouse:query", "semantic:read", "agents:run"]},
            {"id": "united", "scopes": ["warehouse:query", "semantic:read"]},
        ],
        "clients": [
            {
                "id": "notebook",
                "title": "Acme Notebook",
                "scopes": ["warehouse:query", "semantic:read", "agents:run", "runs:read"],
                "grant_types": code,
                "redirect_uris": ["https://notebook.example.com/callback"],
                "post_logout_redirect_uris": ["https://notebook.example.com/bye"],
            },
            {
                "id": "desktop",
                "title": "Desktop Explorer",
                "scopes": ["warehouse:query", "semantic:read"],
                "authentication": "none",
                "grant_types": [*code, "urn:ietf:params:oauth:grant-type:device_code"],
                "redirect_uris": ["http://127.0.0.1/callback"],
            },
            {
                "id": "portal",
                "title": "Portal",
                "scopes": ["semantic:read"],
                "authentication": "none",
                "grant_types": code,
                "redirect_uris": ["http://127.0.0.1/callback"],
                "first_party": True,
            },
        ],
        "grants": [
            {"id": "all", "to": {"groups": ["analysts"]}, "resource": "wh://nyc/main.*"},
            {
                "id": "own-flights",
                "to": {"groups": ["united"]},
                "resource": "wh://nyc/main.flights",
                "columns": {"deny_tags": ["confidential"], "mask": {"tailnum": "last4"}},
                "rows": {"carrier": {"eq": "$user.carrier"}},
            },
            {"id": "airlines", "to": {"groups": ["united"]}, "resource": "wh://nyc/main.airlines"},
        ],
        **more,
    }


@contextmanager
def people_site(
    folder: Path,
    settings: dict[str, Any],
    *,
    name: str = "localhost",
    clock: Clock | None = None,
) -> Iterator[Site]:
    """A host with these settings."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "semantic", folder / "semantic")
    duckdb.connect(folder / "nyc.duckdb").close()
    with serving_site(folder, settings, name=name, clock=clock) as site:
        yield site


def add_user(site: Site, username: str, *groups: str, name: str = "", **more: Any) -> UserRecord:
    """A user with ``PASSWORD``."""
    people = site.identity.people
    return people.users.add(
        username,
        name=name,
        groups=groups,
        password_hash=people.passwords.hash_blocking(PASSWORD),
        **more,
    )
