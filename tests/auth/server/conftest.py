from __future__ import annotations

from collections.abc import Iterator

import pytest
from joserfc.jwk import ECKey

from tests.auth.server.flows import CALLBACK, CODE, DEVICE, EXCHANGE, REFRESH, SCOPES, Flows
from tests.site import serving_site

SIGNER = ECKey.generate_key("P-256", parameters={"kid": "one", "alg": "ES256", "use": "sig"})
_WEB = {"grant_types": [CODE, REFRESH], "redirect_uris": [CALLBACK], "scopes": [*SCOPES]}
CLIENTS = [
    {"id": "web", **_WEB},
    {"id": "other", **_WEB},
    {"id": "es256", **_WEB, "id_algorithm": "ES256"},
    {"id": "spa", **_WEB, "authentication": "none"},
    {"id": "bound", **_WEB, "requires_dpop": True},
    {"id": "oneoff", **_WEB, "grant_types": [CODE]},
    {
        "id": "machine",
        "scopes": ["semantic:read", "rag:read"],
        "groups": ["machines"],
        "attributes": {"carrier": "UA"},
    },
    {"id": "tv", "scopes": [*SCOPES], "authentication": "none", "grant_types": [DEVICE, REFRESH]},
    {
        "id": "agent",
        "scopes": ["semantic:read", "agents:run"],
        "grant_types": [EXCHANGE, "client_credentials"],
    },
    {
        "id": "second",
        "scopes": ["semantic:read"],
        "grant_types": [EXCHANGE, "client_credentials"],
    },
    {
        "id": "signer",
        "scopes": ["semantic:read"],
        "authentication": "private_key_jwt",
        "jwks": {"keys": [SIGNER.as_dict(private=False)]},
    },
    {"id": "watcher", "introspects": True},
    {"id": "stranger", "tenant": "acme", "introspects": True},
    {"id": "acme-agent", "tenant": "acme", "scopes": [*SCOPES], "grant_types": [EXCHANGE]},
]


@pytest.fixture(scope="package")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flows]:
    """One host for the whole folder; tests make their own users."""
    folder = tmp_path_factory.mktemp("flows") / "site"
    with serving_site(folder, {"clients": CLIENTS, "tenants": ["default", "acme"]}) as site:
        yield Flows(site)


@pytest.fixture(scope="session")
def signer() -> ECKey:
    """The private key of the client ``signer``."""
    return SIGNER
