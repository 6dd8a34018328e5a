"""Bodies of tokens as the makers of four products document them: see docs/identity-providers.md."""

from __future__ import annotations

from typing import Any

import pytest

from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import Forbidden, Unauthenticated
from tests.auth.tokens.conftest import Trust
from tests.auth.tokens.issuer import AUDIENCE, LocalIssuer

KEYCLOAK_USER = {
    "jti": "onrtac:0c1f4f2e-9f0b-4a1e-8d0a-5f0f8c7f9a11",
    "sub": "9d5c3a0e-7f2b-4f43-8a51-2f9c1b1d6a77",
    "typ": "Bearer",
    "azp": "portal",
    "sid": "5a0a5b3c-1c67-4b1e-9f0e-0d8a6d2f6c1e",
    "acr": "1",
    "allowed-origins": ["https://portal.acme.example"],
    "realm_access": {"roles": ["offline_access", "default-roles-acme", "analyst"]},
    "resource_access": {"saaf": {"roles": ["query"]}, "account": {"roles": ["view-profile"]}},
    "scope": "openid email profile warehouse:query",
    "email_verified": True,
    "name": "Ann Archer",
    "groups": ["/analysts", "/analysts/eu"],
    "preferred_username": "ann",
    "email": "ann@acme.example",
    "client_id": None,
}
KEYCLOAK_CLIENT = {
    "jti": "trrtcc:55f6f1f5-3b1d-4a4e-a5d2-37b0d16ff6d0",
    "sub": "d952cf23-bf92-4c8f-a3ff-4972b4f2bc5b",
    "typ": "Bearer",
    "azp": "Nightly",
    "acr": "1",
    "realm_access": {"roles": ["offline_access", "default-roles-acme"]},
    "scope": "email profile warehouse:query",
    "email_verified": False,
    "clientHost": "10.0.0.5",
    "preferred_username": "service-account-nightly",
    "clientAddress": "10.0.0.5",
    "client_id": "Nightly",
}
ENTRA_USER = {
    "aio": "AXQAi/8IAAAA",
    "azp": "11111111-2222-3333-4444-555555555555",
    "azpacr": "0",
    "name": "Ann Archer",
    "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    "preferred_username": "ann@acme.example",
    "rh": "I",
    "scp": "access_as_user warehouse:query",
    "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
    "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
    "uti": "fqiBqXLPj0eQa82S-IYFAA",
    "ver": "2.0",
    "groups": ["a3f6e2c1-0000-4000-8000-000000000001", "a3f6e2c1-0000-4000-8000-000000000002"],
    "roles": ["Orders.Admin"],
    "client_id": None,
    "scope": None,
    "jti": None,
}
ENTRA_CLIENT = {
    **ENTRA_USER,
    "azpacr": "1",
    "idtyp": "app",
    "oid": "7c1d1f1e-0000-4000-8000-00000000000a",
    "sub": "7c1d1f1e-0000-4000-8000-00000000000a",
    "roles": ["Query.All"],
    "scp": None,
    "name": None,
    "preferred_username": None,
    "groups": None,
}
AUTH0_USER = {
    "sub": "auth0|123456",
    "aud": [AUDIENCE, "https://acme.auth0.example/userinfo"],
    "azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja",
    "scope": "openid profile warehouse:query",
    "permissions": ["warehouse:query", "semantic:read"],
    "https://acme.example/groups": ["analysts"],
    "https://acme.example/region": "EU",
    "org_id": "org_eu",
    "client_id": None,
    "jti": None,
}
AUTH0_CLIENT = {
    "sub": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients",
    "azp": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx",
    "gty": "client-credentials",
    "scope": "warehouse:query",
    "client_id": None,
    "jti": None,
}
OKTA_USER = {
    "ver": 1,
    "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
    "sub": "ann@acme.example",
    "cid": "nmdP1fcyvdVO11AL7ECm",
    "uid": "00uk1u7AsAk6dZL3z0g3",
    "scp": ["openid", "warehouse:query"],
    "auth_time": 1_767_225_000,
    "groups": ["analysts", "Everyone"],
    "client_id": None,
    "scope": None,
}
OKTA_CLIENT = {
    **OKTA_USER,
    "sub": "nmdP1fcyvdVO11AL7ECm",
    "uid": None,
    "auth_time": None,
    "groups": None,
}
PLAIN = {"typ": "JWT"}


async def principal(trust: Trust, issuer: LocalIssuer, body: Any, **settings: Any) -> Principal:
    header = {"typ": None} if settings.get("preset") == "okta" else PLAIN
    token = issuer.token(header=header, **body)
    return (await trust(issuer, **settings).verify(token)).principal


async def refused(
    trust: Trust, issuer: LocalIssuer, body: Any, match: str, **settings: Any
) -> None:
    with pytest.raises(Unauthenticated, match=match):
        await principal(trust, issuer, body, **settings)


class TestKeycloak:
    async def test_a_users_token(self, trust: Trust, issuer: LocalIssuer) -> None:
        claims = {
            "group_names": {"/analysts": "analysts"},
            "scopes": ["scope", "resource_access.saaf.roles"],
            "scope_names": {"query": ["warehouse:query"], "analyst": ["semantic:read"]},
        }
        found = await principal(trust, issuer, KEYCLOAK_USER, preset="keycloak", claims=claims)
        assert found.kind == "user"
        assert found.subject == KEYCLOAK_USER["sub"]
        assert found.client_id == "portal"
        assert found.groups == {"analysts"}
        assert found.scopes == {"warehouse:query"}
        assert found.token_id == KEYCLOAK_USER["jti"]

    async def test_roles_are_no_scopes_unless_a_deployment_says_so(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**KEYCLOAK_USER, "realm_access": {"roles": ["iam:admin"]}}
        found = await principal(trust, issuer, body, preset="keycloak")
        assert found.scopes == {"warehouse:query"}
        assert found.groups == {"/analysts", "/analysts/eu"}

    async def test_a_service_account_is_its_client(self, trust: Trust, issuer: LocalIssuer) -> None:
        found = await principal(trust, issuer, KEYCLOAK_CLIENT, preset="keycloak")
        assert (found.kind, found.subject, found.client_id) == (
            "client",
            "client:Nightly",
            "Nightly",
        )

    async def test_a_user_named_like_a_service_account_is_a_user(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**KEYCLOAK_USER, "preferred_username": "service-account-portal"}
        assert (await principal(trust, issuer, body, preset="keycloak")).kind == "user"

    @pytest.mark.parametrize("typ", ["ID", "Refresh", "Offline", "Logout", "bearer", None])
    async def test_id_and_refresh_tokens_are_no_access_tokens(
        self, trust: Trust, issuer: LocalIssuer, typ: str | None
    ) -> None:
        body = {**KEYCLOAK_USER, "typ": typ}
        await refused(trust, issuer, body, "neither Bearer", preset="keycloak")


class TestEntra:
    async def test_a_users_token(self, trust: Trust, issuer: LocalIssuer) -> None:
        claims = {
            "group_names": {"a3f6e2c1-0000-4000-8000-000000000001": "analysts"},
            "scope_names": {"access_as_user": ["semantic:read", "warehouse:query"]},
            "subject": "oid",
        }
        found = await principal(trust, issuer, ENTRA_USER, preset="entra", claims=claims)
        assert (found.kind, found.subject) == ("user", ENTRA_USER["oid"])
        assert found.client_id == ENTRA_USER["azp"]
        assert found.groups == {"analysts"}
        assert found.scopes == {"semantic:read", "warehouse:query"}
        assert found.token_id == ENTRA_USER["uti"]

    async def test_an_applications_token_has_its_roles_as_scopes(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        claims = {"scope_names": {"Query.All": ["warehouse:query"]}}
        found = await principal(trust, issuer, ENTRA_CLIENT, preset="entra", claims=claims)
        assert (found.kind, found.subject) == ("client", f"client:{ENTRA_USER['azp']}")
        assert found.scopes == {"warehouse:query"}

    async def test_a_users_roles_do_not_widen_what_they_let_a_client_do(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**ENTRA_USER, "roles": ["iam:admin"]}
        found = await principal(trust, issuer, body, preset="entra")
        assert found.scopes == {"warehouse:query"}

    async def test_an_application_without_idtyp_is_known_by_its_subject(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**ENTRA_CLIENT, "idtyp": None}
        assert (await principal(trust, issuer, body, preset="entra")).kind == "client"

    async def test_a_token_of_version_1_names_its_client_as_appid(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**ENTRA_USER, "azp": None, "appid": ENTRA_USER["azp"], "ver": "1.0"}
        found = await principal(trust, issuer, body, preset="entra")
        assert found.client_id == ENTRA_USER["azp"]

    async def test_an_id_token_of_an_application_that_is_its_own_api_is_refused(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**ENTRA_USER, "azp": None, "azpacr": None, "scp": None, "nonce": "n"}
        await refused(trust, issuer, body, "which client", preset="entra")
        await refused(trust, issuer, {**body, "azp": "x"}, "as ID tokens do", preset="entra")
        body = {**body, "azp": "x", "nonce": None}
        await refused(trust, issuer, body, "neither a user's", preset="entra")

    async def test_contradictions_are_refused(self, trust: Trust, issuer: LocalIssuer) -> None:
        for change in ({"idtyp": "app"}, {"idtyp": "device"}):
            body = {**ENTRA_USER, **change}
            await refused(trust, issuer, body, "neither a user's", preset="entra")
        body = {**ENTRA_CLIENT, "idtyp": "user"}
        await refused(trust, issuer, body, "neither a user's", preset="entra")

    @pytest.mark.parametrize(
        "overage",
        [
            {
                "_claim_names": {"groups": "src1"},
                "_claim_sources": {"src1": {"endpoint": "https://graph.microsoft.example/x"}},
            },
            {"hasgroups": True},
        ],
    )
    async def test_too_many_groups_are_denied_with_an_explanation(
        self, trust: Trust, issuer: LocalIssuer, overage: dict[str, Any]
    ) -> None:
        body = {**ENTRA_USER, "groups": None, **overage}
        with pytest.raises(Forbidden, match="too many") as refusal:
            await principal(trust, issuer, body, preset="entra")
        assert "identity-providers" in str(refusal.value.remedy)
        without = await principal(trust, issuer, body, preset="entra", claims={"groups": []})
        assert without.groups == frozenset()


class TestAuth0:
    async def test_a_users_token(self, trust: Trust, issuer: LocalIssuer) -> None:
        claims = {
            "groups": ['"https://acme.example/groups"'],
            "attributes": {"region": '"https://acme.example/region"'},
            "tenant": "org_id",
            "tenant_names": {"org_eu": "europe"},
        }
        settings = {"preset": "auth0", "claims": claims, "tenants": ["europe"]}
        found = await principal(trust, issuer, AUTH0_USER, **settings)
        assert (found.kind, found.subject, found.tenant) == ("user", "auth0|123456", "europe")
        assert found.groups == {"analysts"}
        assert found.attributes == {"region": "EU"}
        assert found.scopes == {"warehouse:query"}
        assert found.client_id == AUTH0_USER["azp"]

    async def test_a_token_of_the_profile_of_rfc_9068(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        changes = {"azp": None, "client_id": "my_client_id", "jti": "73WakrfVbNJBaAmh"}
        body: dict[str, Any] = {**AUTH0_USER, **changes}
        token = issuer.token(**body)
        found = (await trust(issuer, preset="auth0").verify(token)).principal
        assert (found.client_id, found.token_id) == ("my_client_id", "73WakrfVbNJBaAmh")

    async def test_a_machines_token_is_its_clients(self, trust: Trust, issuer: LocalIssuer) -> None:
        found = await principal(trust, issuer, AUTH0_CLIENT, preset="auth0")
        assert (found.kind, found.subject) == ("client", f"client:{AUTH0_CLIENT['azp']}")

    async def test_a_machine_that_speaks_for_another_is_refused(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**AUTH0_CLIENT, "azp": "other"}
        await refused(trust, issuer, body, "not issued to", preset="auth0")

    async def test_an_id_token_is_refused(self, trust: Trust, issuer: LocalIssuer) -> None:
        client = AUTH0_USER["azp"]
        body = {**AUTH0_USER, "azp": None, "aud": client, "nonce": "n"}
        await refused(trust, issuer, body, "which client", preset="auth0", audience=client)
        body = {**AUTH0_USER, "aud": client}
        await refused(trust, issuer, body, "its own client", preset="auth0", audience=client)


class TestOkta:
    async def test_a_users_token_is_known_by_uid_since_sub_is_a_name(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        found = await principal(trust, issuer, OKTA_USER, preset="okta")
        assert (found.kind, found.subject) == ("user", "00uk1u7AsAk6dZL3z0g3")
        assert found.groups == {"analysts", "Everyone"}
        assert found.scopes == {"warehouse:query"}
        assert found.client_id == OKTA_USER["cid"]

    async def test_a_clients_token(self, trust: Trust, issuer: LocalIssuer) -> None:
        found = await principal(trust, issuer, OKTA_CLIENT, preset="okta")
        assert (found.kind, found.subject) == ("client", f"client:{OKTA_USER['cid']}")

    async def test_an_id_token_is_refused(self, trust: Trust, issuer: LocalIssuer) -> None:
        body = {**OKTA_USER, "jti": "ID.4eAWJOCMB3SX8XewDfVR", "at_hash": "x"}
        await refused(trust, issuer, body, "start with AT.", preset="okta")

    async def test_a_token_that_names_nobody_is_refused(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body = {**OKTA_USER, "uid": None}
        await refused(trust, issuer, body, "neither a user", preset="okta")


class TestSaaf:
    async def test_another_host_of_saaf_is_an_issuer_like_any_other(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        body: dict[str, Any] = {
            "sub": "usr_1",
            "tenant": "default",
            "groups": ["analysts"],
            "attributes": {"region": "EU"},
        }
        settings = {"preset": "saaf", "claims": {"attributes": {"region": "attributes.region"}}}
        token = issuer.token(**body)
        found = (await trust(issuer, **settings).verify(token)).principal
        assert (found.kind, found.subject) == ("user", "usr_1")
        assert found.attributes == {"region": "EU"}
        token = issuer.token(sub="client:web")
        found = (await trust(issuer, **settings).verify(token)).principal
        assert (found.kind, found.subject) == ("client", "client:web")
