from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from saaf_autogen.testing import RunningHost

As = Callable[[str], dict[str, str]]


@pytest.fixture(scope="session")
def http(host: RunningHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def acting_as(host: RunningHost, http: httpx.Client) -> As:
    """``acting_as("analyst")``: the headers of a call by that client."""
    tokens: dict[str, tuple[str, float]] = {}

    def headers(client: str) -> dict[str, str]:
        # Tokens last five minutes, which is less than a session of tests may take.
        if client not in tokens or tokens[client][1] < time.monotonic() - 120:
            secret = json.loads((host.state / "clients.json").read_text())[client]["client_secret"]
            granted = http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(client, secret),
            )
            tokens[client] = granted.json()["access_token"], time.monotonic()
        return {"Authorization": f"Bearer {tokens[client][0]}"}

    return headers
