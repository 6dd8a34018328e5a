"""Exchange: a client acts for a caller, and never with more than either may."""

from __future__ import annotations

import json

import pytest

from tests.auth.server.flows import ACCESS_TYPE, Flows, claims_of, refused

DETAIL = {"type": "saaf_data", "resource": "wh://nyc/main.flights"}
WIDER = {"type": "saaf_data", "resource": "wh://nyc/*"}


def test_an_exchanged_token_speaks_for_the_user_and_names_who_acts(flows: Flows) -> None:
    user = flows.user(attributes={"region": "EU"})
    given = flows.tokens(user, auth_time=7, amr=("pwd",))["access_token"]
    response = flows.exchange(given)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["issued_token_type"] == ACCESS_TYPE
    assert body["scope"] == "semantic:read"
    assert "refresh_token" not in body
    claims = flows.verified(body["access_token"])
    assert claims["sub"] == user.id
    assert claims["client_id"] == "agent"
    assert claims["act"] == {"sub": "client:agent"}
    assert claims["attributes"] == {"region": "EU"}
    assert claims["fam"] == claims_of(given)["fam"]
    assert (claims["auth_time"], claims["amr"]) == (7, ["pwd"])
    assert flows.active(body["access_token"])


def test_a_chain_of_exchanges_keeps_all_who_act_outermost_first(flows: Flows) -> None:
    first = flows.exchange(flows.tokens()["access_token"]).json()["access_token"]
    second = flows.exchange(first, "second").json()["access_token"]
    act = {"sub": "client:second", "act": {"sub": "client:agent"}}
    assert claims_of(second)["act"] == act
    verified = flows.site.on_loop(flows.site.identity.verifier.verify(second))
    actors = [actor.subject for actor in verified.principal.actors]
    assert actors == ["client:second", "client:agent"]


def test_an_actor_token_names_who_acts(flows: Flows) -> None:
    given = flows.tokens()["access_token"]
    actor = flows.site.token("second")
    body = flows.exchange(given, actor_token=actor, actor_token_type=ACCESS_TYPE).json()
    claims = claims_of(body["access_token"])
    assert claims["act"] == {"sub": "client:second"}
    assert claims["client_id"] == "agent"


def test_a_client_may_act_for_another_client(flows: Flows) -> None:
    body = flows.exchange(flows.site.token("machine")).json()
    claims = claims_of(body["access_token"])
    assert claims["sub"] == "client:machine"
    assert claims["groups"] == ["machines"]
    verified = flows.site.on_loop(flows.site.identity.verifier.verify(body["access_token"]))
    assert (verified.principal.kind, verified.principal.client_id) == ("client", "agent")


def test_what_the_user_lost_since_is_not_in_the_exchanged_token(flows: Flows) -> None:
    user = flows.user()
    given = flows.tokens(user)["access_token"]
    flows.site.identity.users.change(user.id, {"scopes": ["warehouse:query"]})
    assert flows.exchange(given).json()["scope"] == ""


def test_an_exchanged_token_ends_with_the_subjects_token(flows: Flows) -> None:
    given = flows.tokens()["access_token"]
    flows.site.clock.advance(200)
    body = flows.exchange(given).json()
    assert body["expires_in"] == 100
    assert claims_of(body["access_token"])["exp"] == claims_of(given)["exp"]


def test_an_exchanged_token_ends_with_the_subjects_family(flows: Flows) -> None:
    tokens = flows.tokens()
    exchanged = flows.exchange(tokens["access_token"]).json()["access_token"]
    flows.post("web", "revoke", token=tokens["refresh_token"])
    assert not flows.active(exchanged)


class TestExchangeAttacks:
    @pytest.mark.parametrize(
        "scope", ["warehouse:query", "agents:run", "semantic:read agents:run", "openid", "*"]
    )
    def test_an_exchange_that_widens_scopes_is_refused(self, flows: Flows, scope: str) -> None:
        # warehouse:query is the user's alone, agents:run the client's alone.
        given = flows.tokens(scopes=("warehouse:query", "semantic:read", "openid"))["access_token"]
        refused(flows.exchange(given, scope=scope), "invalid_scope")

    def test_an_exchange_that_widens_the_audience_is_refused(self, flows: Flows) -> None:
        given = flows.tokens()["access_token"]
        for name in ("resource", "audience"):
            form = {name: "https://evil.example"}
            refused(flows.exchange(given, **form), "invalid_target")
            assert flows.exchange(given, **{name: flows.site.url}).status_code == 200

    def test_an_exchange_that_widens_details_is_refused(self, flows: Flows) -> None:
        given = flows.tokens(details=(DETAIL,))["access_token"]
        error = "invalid_authorization_details"
        wider = json.dumps([WIDER])
        refused(flows.exchange(given, authorization_details=wider), error)
        assert flows.exchange(given).json()["authorization_details"] == [DETAIL]

    def test_an_exchange_of_an_id_token_is_refused(self, flows: Flows) -> None:
        given = flows.tokens(scopes=("openid", "semantic:read"))["id_token"]
        for kind in (ACCESS_TYPE, ACCESS_TYPE.replace("access", "id")):
            response = flows.exchange(given, subject_token_type=kind)
            refused(response, "invalid_request")

    def test_an_exchange_of_a_refresh_token_is_refused(self, flows: Flows) -> None:
        given = flows.tokens()["refresh_token"]
        for kind in (ACCESS_TYPE, ACCESS_TYPE.replace("access", "refresh")):
            refused(flows.exchange(given, subject_token_type=kind), "invalid_request")

    @pytest.mark.parametrize("kind", ["id_token", "refresh_token", "jwt", "saml2"])
    def test_an_exchange_for_another_type_is_refused(self, flows: Flows, kind: str) -> None:
        given = flows.tokens()["access_token"]
        wanted = f"urn:ietf:params:oauth:token-type:{kind}"
        refused(flows.exchange(given, requested_token_type=wanted), "invalid_request")

    def test_an_expired_or_revoked_token_cannot_be_exchanged(self, flows: Flows) -> None:
        revoked, expired = flows.tokens()["access_token"], flows.tokens()["access_token"]
        flows.post("web", "revoke", token=revoked)
        refused(flows.exchange(revoked), "invalid_request")
        flows.site.clock.advance(300)
        refused(flows.exchange(expired), "invalid_request")

    def test_a_tampered_or_foreign_token_cannot_be_exchanged(self, flows: Flows) -> None:
        head, body, _ = flows.tokens()["access_token"].split(".")
        for token in (f"{head}.{body}.{'A' * 86}", "x.y.z", "x", ""):
            refused(flows.exchange(token), "invalid_request")

    def test_a_token_of_another_tenant_cannot_be_exchanged(self, flows: Flows) -> None:
        given = flows.tokens()["access_token"]
        refused(flows.exchange(given, "acme-agent"), "invalid_request")

    def test_a_token_of_a_disabled_user_cannot_be_exchanged(self, flows: Flows) -> None:
        user = flows.user()
        given = flows.tokens(user)["access_token"]
        flows.site.identity.users.disable(user.id)
        refused(flows.exchange(given), "invalid_request")

    @pytest.mark.parametrize("client", ["web", "machine", "spa"])
    def test_a_client_that_may_not_exchange_is_refused(self, flows: Flows, client: str) -> None:
        given = flows.tokens()["access_token"]
        response = flows.exchange(given, client)
        assert response.json()["error"] in ("unauthorized_client", "invalid_client")
        assert response.status_code in (400, 401)

    def test_a_users_token_is_no_actor(self, flows: Flows) -> None:
        given, actor = flows.tokens()["access_token"], flows.tokens()["access_token"]
        form = {"actor_token": actor, "actor_token_type": ACCESS_TYPE}
        refused(flows.exchange(given, **form), "invalid_request")
        refused(flows.exchange(given, actor_token=actor), "invalid_request")

    def test_an_actors_token_narrows(self, flows: Flows) -> None:
        given = flows.tokens()["access_token"]
        actor = flows.site.token("second", authorization_details=json.dumps([DETAIL]))
        form = {"actor_token": actor, "actor_token_type": ACCESS_TYPE}
        assert flows.exchange(given, **form).json()["authorization_details"] == [DETAIL]
        other = flows.tokens(details=(WIDER,))["access_token"]
        refused(flows.exchange(other, **form), "invalid_request")

    def test_a_chain_of_actors_has_an_end(self, flows: Flows) -> None:
        token = flows.tokens()["access_token"]
        for _ in range(8):
            token = flows.exchange(token).json()["access_token"]
        assert flows.active(token)
        refused(flows.exchange(token), "invalid_request")
