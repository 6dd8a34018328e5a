"""What ``saaf check`` finds in issuers and providers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tokens.findings import validate_issuers
from saaf_autogen.project.deployment import check_deployment
from saaf_autogen.project.identity_faults import identity_faults
from saaf_autogen.settings import Settings, parse_document

ISSUER = {"issuer": "https://idp.example", "audience": "https://saaf.example"}
PROVIDER = {
    "id": "acme",
    "title": "Acme",
    "issuer": "https://idp.example",
    "client_id": "saaf",
    "client_secret_env": "SECRET",
}


def findings(*, environ: dict[str, str] | None = None, **settings: Any) -> list[str]:
    document = parse_document(yaml.safe_dump(settings), Path("saaf.yaml"))
    read = document.validate(Settings)
    assert read is not None, document.findings
    environ = {"SECRET": "x"} if environ is None else environ
    scopes = ScopeRegistry()
    found = validate_issuers(read, document, scopes=scopes, environ=environ)
    found += identity_faults(document, read, scopes)
    assert all(each.remedy and each.line for each in found)
    return [each.message for each in found]


def of_issuer(**changes: Any) -> list[str]:
    return findings(issuers=[{**ISSUER, **changes}])


def of_provider(**changes: Any) -> list[str]:
    return findings(sign_in={"providers": [{**PROVIDER, **changes}]})


def test_sound_issuers_and_providers_have_no_faults() -> None:
    asked = {"client_id": "saaf", "client_secret_env": "SECRET"}
    claims = {"tenant": "org", "scope_names": {"Query": ["warehouse:query"]}}
    assert (
        findings(
            tenants=["default", "europe"],
            issuers=[{**ISSUER, "introspection": asked, "claims": claims, "tenants": ["europe"]}],
            sign_in={"providers": [PROVIDER]},
        )
        == []
    )


def test_plain_http_is_for_hosts_that_egress_allows() -> None:
    inner = "http://keycloak.internal:8080/realms/acme"
    assert "its scheme is http" in of_issuer(issuer=inner)[0]
    assert "its scheme is http" in of_provider(issuer=inner)[0]
    allowed: dict[str, Any] = {"egress": {"allow": ["keycloak.internal:8080"]}}
    assert findings(issuers=[{**ISSUER, "issuer": inner}], **allowed) == []


@pytest.mark.parametrize("name", ["discovery_url", "jwks_uri"])
def test_every_address_is_checked(name: str) -> None:
    assert "its scheme is http" in of_issuer(**{name: "http://idp.example/x"})[0]
    assert "credentials" in of_issuer(**{name: "https://a:b@idp.example/x"})[0]


def test_an_introspection_endpoint_is_checked_and_its_secret_must_be_there() -> None:
    asked = {"client_id": "saaf", "client_secret_env": "NOWHERE", "url": "http://idp.example/i"}
    found = of_issuer(introspection=asked)
    assert any("its scheme is http" in each for each in found)
    assert any("NOWHERE is not set" in each for each in found)


def test_a_providers_secret_must_be_there() -> None:
    assert of_provider(client_secret_env="NOWHERE") == ["the variable NOWHERE is not set"]
    assert of_provider(client_secret_env=None) == []


@pytest.mark.parametrize("kind", [of_issuer, of_provider])
def test_tenants_must_exist_and_be_listed(kind: Any) -> None:
    assert kind(tenant="mars") == ["there is no tenant mars"]
    assert kind(tenants=["mars"]) == ["there is no tenant mars"]
    assert "names none" in kind(claims={"tenant": "org"})[0]
    assert "not in `tenants`" in kind(claims={"tenant_names": {"org_1": "default"}})[0]


@pytest.mark.parametrize("kind", [of_issuer, of_provider])
def test_scopes_must_exist(kind: Any) -> None:
    assert kind(claims={"scope_names": {"Query": ["warehouse:drop"]}}) == [
        "there is no scope warehouse:drop"
    ]


def test_nothing_is_declared_twice_and_no_host_trusts_itself() -> None:
    assert "more than once" in findings(issuers=[ISSUER, ISSUER])[0]
    assert "more than once" in findings(sign_in={"providers": [PROVIDER, PROVIDER]})[0]
    url = "https://saaf.example"
    found = findings(server={"url": url}, issuers=[{**ISSUER, "issuer": url}])
    assert found == [f"{url} is this host itself"]


@pytest.mark.parametrize("name", ["common", "organizations", "consumers"])
@pytest.mark.parametrize("kind", [of_issuer, of_provider])
def test_an_address_that_all_tenants_of_entra_share_is_no_issuer(kind: Any, name: str) -> None:
    issuer = f"https://login.microsoftonline.com/{name}/v2.0"
    assert "shared by all its tenants" in kind(issuer=issuer, preset="entra")[0]


def test_the_whole_folder_is_checked_and_each_fault_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "saaf.yaml").write_text(
        "version: 1\n"
        "issuers:\n"
        "  - issuer: http://idp.example\n"
        "    audience: https://saaf.example\n"
        "    tenant: mars\n"
        "    claims:\n"
        "      groups: [a..b]\n"
    )
    (found,) = check_deployment(tmp_path)
    assert "no path of claims" in found.message
    text = (tmp_path / "saaf.yaml").read_text().replace("a..b", "a.b")
    (tmp_path / "saaf.yaml").write_text(text)
    assert [each.line for each in check_deployment(tmp_path)] == [3, 5]
