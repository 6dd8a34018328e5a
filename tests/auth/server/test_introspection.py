"""Introspection: who may know of a token, and what nobody is told."""

from __future__ import annotations

import pytest

from tests.auth.server.flows import Flows, claims_of, refused


def test_a_client_is_told_of_its_own_tokens(flows: Flows) -> None:
    user = flows.user()
    body = flows.tokens(user)
    told = flows.post("web", "introspect", token=body["access_token"])
    assert told.status_code == 200
    assert told.headers["cache-control"] == "no-store"
    claims = claims_of(body["access_token"])
    assert told.json() == {"active": True, "token_type": "Bearer", **claims}
    refresh = flows.post("web", "introspect", token=body["refresh_token"]).json()
    assert refresh["active"] is True
    assert (refresh["sub"], refresh["client_id"]) == (user.id, "web")
    assert refresh["exp"] - refresh["iat"] == 30 * 86_400


def test_a_client_that_introspects_is_told_of_its_tenants_tokens(flows: Flows) -> None:
    body = flows.tokens()
    for token in (body["access_token"], body["refresh_token"], flows.site.token("machine")):
        assert flows.post("watcher", "introspect", token=token).json()["active"] is True


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "surprise"])
def test_a_hint_is_a_hint(flows: Flows, hint: str) -> None:
    body = flows.tokens()
    for token in (body["access_token"], body["refresh_token"]):
        told = flows.post("web", "introspect", token=token, token_type_hint=hint)
        assert told.json()["active"] is True


class TestIntrospectionAttacks:
    def test_unauthenticated_introspection_is_answered_401(self, flows: Flows) -> None:
        token = flows.tokens()["access_token"]
        http = flows.site.http
        for form in ({"token": token}, {"token": token, "client_id": "spa"}):
            refused(http.post("/oauth/introspect", data=form), "invalid_client", 401)

    def test_of_an_unknown_token_only_active_false_is_told(self, flows: Flows) -> None:
        body = flows.tokens()
        access, refresh = body["access_token"], body["refresh_token"]
        for token in ("x", "a.b.c", access[:-8] + "AAAAAAAA", refresh + "x", "\u00e9"):
            assert flows.post("watcher", "introspect", token=token).json() == {"active": False}

    @pytest.mark.parametrize("client", ["other", "stranger"])
    def test_of_anothers_token_only_active_false_is_told(self, flows: Flows, client: str) -> None:
        body = flows.tokens()
        for token in (body["access_token"], body["refresh_token"]):
            assert flows.post(client, "introspect", token=token).json() == {"active": False}

    def test_of_a_token_that_ended_only_active_false_is_told(self, flows: Flows) -> None:
        user = flows.user()
        used, revoked, of_disabled = flows.tokens(), flows.tokens(), flows.tokens(user)
        flows.refresh(used["refresh_token"])
        flows.post("web", "revoke", token=revoked["refresh_token"])
        flows.site.identity.users.disable(user.id)
        for token in (
            used["refresh_token"],
            revoked["access_token"],
            revoked["refresh_token"],
            of_disabled["access_token"],
            of_disabled["refresh_token"],
        ):
            assert flows.post("web", "introspect", token=token).json() == {"active": False}
        flows.site.clock.advance(300)
        told = flows.post("web", "introspect", token=used["access_token"])
        assert told.json() == {"active": False}

    def test_an_id_token_is_not_active(self, flows: Flows) -> None:
        token = flows.tokens(scopes=("openid",))["id_token"]
        assert flows.post("web", "introspect", token=token).json() == {"active": False}

    def test_a_request_without_a_token_is_refused(self, flows: Flows) -> None:
        refused(flows.post("web", "introspect"), "invalid_request")
