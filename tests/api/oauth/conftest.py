from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.auth.authorization.flows import CLIENTS
from tests.site import Site, serving_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One host with every switch on, for all tests of a module."""
    settings = {
        "clients": CLIENTS,
        "tenants": ["default", "acme"],
        "oauth": {
            "registration": "open",
            "registration_scopes": ["semantic:read", "agents:run"],
            "client_documents": ["clients.example.com"],
        },
        "issuers": [{"issuer": "https://id.example.com", "audience": "saaf"}],
    }
    with serving_site(tmp_path_factory.mktemp("oauth"), settings) as running:
        yield running
