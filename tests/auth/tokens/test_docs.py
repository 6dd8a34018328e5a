"""``docs/identity-providers.md``: its settings are sound, and its tokens become what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tokens.findings import validate_issuers
from saaf_autogen.settings import Settings, parse_document
from tests.auth.tokens.conftest import Trust
from tests.auth.tokens.issuer import LocalIssuer
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "identity-providers.md").read_text()
BLOCKS = re.compile(r"```(yaml|json)\n(.*?)```", re.DOTALL)
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
PRODUCTS = [name for name, text in SECTIONS.items() if "\nprincipal:" in text]
SETTINGS = [text for kind, text in BLOCKS.findall(PAGE) if kind == "yaml" and "issuer:" in text]


def test_all_four_products_are_there() -> None:
    assert PRODUCTS == ["Keycloak", "Microsoft Entra ID", "Auth0", "Okta"]
    assert len(SETTINGS) == 8


@pytest.mark.parametrize("text", SETTINGS, ids=range(len(SETTINGS)))
def test_its_settings_have_no_faults(text: str) -> None:
    document = parse_document(text, Path("saaf.yaml"))
    settings = document.validate(Settings)
    assert settings is not None, document.findings
    secrets = {"IDP_INTROSPECTION_SECRET": "x", "ACME_CLIENT_SECRET": "x"}
    assert not validate_issuers(settings, document, scopes=ScopeRegistry(), environ=secrets)


@pytest.mark.parametrize("product", PRODUCTS)
async def test_its_token_becomes_the_principal_beside_it(
    trust: Trust, issuer: LocalIssuer, product: str
) -> None:
    settings, token, wanted = (text for _, text in BLOCKS.findall(SECTIONS[product]))
    body: dict[str, Any] = json.loads(token)
    (trusted,) = yaml.safe_load(settings)["issuers"]
    assert body["iss"] == trusted["issuer"]
    body |= {"iss": issuer.url, "client_id": body.get("client_id"), "scope": body.get("scope")}
    typ = None if product == "Okta" else "JWT"
    signed = issuer.token(header={"typ": typ}, **body)
    verifier = trust({**trusted, "issuer": issuer.url})
    principal = (await verifier.verify(signed)).principal.model_dump(mode="json")
    for name, value in yaml.safe_load(wanted)["principal"].items():
        found = principal[name]
        assert (sorted(found) if isinstance(found, list) else found) == value, name
