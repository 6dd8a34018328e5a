"""Refreshing: rotation, reuse, and that nothing ever widens."""

from __future__ import annotations

import json

import pytest

from saaf_autogen.settings import ClientSettings
from tests.auth.server.flows import Flows, claims_of, refused

DETAIL = {"type": "saaf_data", "resource": "wh://nyc/main.flights"}
OTHER_DETAIL = {"type": "saaf_data", "resource": "wh://nyc/main.planes"}


def test_each_refresh_gives_new_tokens_of_the_same_family(flows: Flows) -> None:
    first = flows.tokens()
    second = flows.refresh(first["refresh_token"]).json()
    third = flows.refresh(second["refresh_token"]).json()
    assert len({each["refresh_token"] for each in (first, second, third)}) == 3
    claims = [claims_of(each["access_token"]) for each in (first, second, third)]
    assert len({each["fam"] for each in claims}) == 1
    assert len({each["jti"] for each in claims}) == 3
    assert flows.active(third["access_token"])


def test_a_refresh_may_narrow_one_token_and_leaves_the_family_as_wide(flows: Flows) -> None:
    first = flows.tokens()
    narrow = flows.refresh(first["refresh_token"], scope="semantic:read").json()
    assert narrow["scope"] == "semantic:read"
    assert flows.refresh(narrow["refresh_token"]).json()["scope"] == first["scope"]


def test_an_idle_refresh_token_ends(flows: Flows) -> None:
    token = flows.tokens()["refresh_token"]
    flows.site.clock.advance(30 * 86_400)
    refused(flows.refresh(token), "invalid_grant")


def test_a_family_ends_however_much_it_is_used(flows: Flows) -> None:
    token = flows.tokens()["refresh_token"]
    for _ in range(3):
        flows.site.clock.advance(29 * 86_400)
        token = flows.refresh(token).json()["refresh_token"]
    flows.site.clock.advance(3 * 86_400)
    refused(flows.refresh(token), "invalid_grant")


class TestRefreshAttacks:
    def test_refresh_reuse_ends_the_family(self, flows: Flows) -> None:
        first = flows.tokens()
        second = flows.refresh(first["refresh_token"]).json()
        refused(flows.refresh(first["refresh_token"]), "invalid_grant")
        refused(flows.refresh(second["refresh_token"]), "invalid_grant")
        for each in (first, second):
            assert not flows.active(each["access_token"])

    def test_refresh_widening_is_an_invalid_scope_and_uses_nothing_up(self, flows: Flows) -> None:
        token = flows.tokens(scopes=("semantic:read",))["refresh_token"]
        for scope in (
            "warehouse:query",
            "semantic:read warehouse:query",
            "openid",
            "*",
            "iam:admin",
        ):
            refused(flows.refresh(token, scope=scope), "invalid_scope")
        assert flows.refresh(token).json()["scope"] == "semantic:read"

    def test_refresh_widening_of_the_audience_is_an_invalid_target(self, flows: Flows) -> None:
        token = flows.tokens()["refresh_token"]
        refused(flows.refresh(token, resource="https://evil.example"), "invalid_target")
        assert flows.refresh(token).status_code == 200

    def test_refresh_widening_of_details_is_refused(self, flows: Flows) -> None:
        token = flows.tokens(details=(DETAIL,))["refresh_token"]
        wide = json.dumps([DETAIL, OTHER_DETAIL])
        error = "invalid_authorization_details"
        refused(flows.refresh(token, authorization_details=wide), error)
        kept = flows.refresh(token).json()
        assert kept["authorization_details"] == [DETAIL]
        assert claims_of(kept["access_token"])["authorization_details"] == [DETAIL]

    def test_details_may_narrow_a_family_that_has_none(self, flows: Flows) -> None:
        token = flows.tokens()["refresh_token"]
        narrow = flows.refresh(token, authorization_details=json.dumps([DETAIL])).json()
        assert narrow["authorization_details"] == [DETAIL]

    @pytest.mark.parametrize("thief", ["other", "spa"])
    def test_refresh_by_another_client_is_refused(self, flows: Flows, thief: str) -> None:
        token = flows.tokens()["refresh_token"]
        refused(flows.refresh(token, thief), "invalid_grant")
        assert flows.refresh(token).status_code == 200

    def test_refresh_by_a_client_that_may_not_refresh_is_refused(self, flows: Flows) -> None:
        refused(flows.refresh("x", "oneoff"), "unauthorized_client")

    def test_refresh_without_the_clients_secret_is_refused(self, flows: Flows) -> None:
        token = flows.tokens()["refresh_token"]
        form = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": token}
        response = flows.site.http.post("/oauth/token", data=form)
        refused(response, "invalid_client", 401)

    @pytest.mark.parametrize("token", ["x", "saaf_rt_" + "x" * 43, "\u00e9"])
    def test_a_guessed_refresh_token_is_refused(self, flows: Flows, token: str) -> None:
        refused(flows.refresh(token), "invalid_grant")

    def test_an_access_token_is_no_refresh_token(self, flows: Flows) -> None:
        refused(flows.refresh(flows.tokens()["access_token"]), "invalid_grant")


class TestRightsNow:
    def test_a_scope_that_the_user_lost_leaves_the_next_token(self, flows: Flows) -> None:
        user = flows.user()
        token = flows.tokens(user)["refresh_token"]
        users = flows.site.identity.users
        users.change(user.id, {"scopes": ["semantic:read"]}, tenant="default")
        narrowed = flows.refresh(token).json()
        assert narrowed["scope"] == "semantic:read"
        users.change(user.id, {"scopes": [*user.scopes]}, tenant="default")
        widened = flows.refresh(narrowed["refresh_token"]).json()
        assert set(widened["scope"].split()) == set(user.scopes)

    def test_scopes_that_were_approved_beyond_the_users_are_not_given(self, flows: Flows) -> None:
        body = flows.tokens(flows.user(scopes=["rag:read"]), scopes=("rag:read", "semantic:read"))
        assert body["scope"] == ""

    def test_a_disabled_user_ends_the_family(self, flows: Flows) -> None:
        user = flows.user()
        body = flows.tokens(user)
        flows.site.identity.users.disable(user.id, tenant="default")
        refused(flows.refresh(body["refresh_token"]), "invalid_grant")
        flows.site.identity.users.enable(user.id, tenant="default")
        refused(flows.refresh(body["refresh_token"]), "invalid_grant")
        assert not flows.active(body["access_token"])

    def test_a_disabled_client_gets_nothing(self, flows: Flows) -> None:
        body = flows.tokens(client="spa")
        clients = flows.site.identity.clients
        clients.disable("spa")
        refused(flows.refresh(body["refresh_token"], "spa"), "invalid_client", 401)
        clients.enable("spa")
        assert flows.refresh(body["refresh_token"], "spa").status_code == 200

    def test_a_client_that_was_made_anew_has_nothing_of_its_namesake(self, flows: Flows) -> None:
        clients = flows.site.identity.clients
        record = clients.get("spa")
        made = ClientSettings(
            id="namesake",
            scopes=[*record.scopes],
            authentication="none",
            grant_types=["authorization_code", "refresh_token"],
            redirect_uris=[*record.redirect_uris],
        )
        clients.add(made)
        body = flows.tokens(client="namesake")
        clients.remove("namesake")
        flows.site.clock.advance(1)
        clients.add(made)
        refused(flows.refresh(body["refresh_token"], "namesake"), "invalid_grant")
        assert not flows.active(body["access_token"])
