"""Redeeming codes: what is given, and every way in which it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.auth.server.flows import CALLBACK, SCOPES, VERIFIER, Flows, refused


def test_a_code_becomes_tokens_that_speak_for_the_user(flows: Flows) -> None:
    user = flows.user(attributes={"region": "EU"})
    response = flows.redeem(flows.code(user, auth_time=1_767_225_000, amr=("pwd",)))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"].split() == [*SCOPES]
    assert "id_token" not in body
    claims = flows.verified(body["access_token"])
    assert claims["sub"] == user.id
    assert claims["client_id"] == "web"
    assert claims["tenant"] == "default"
    assert claims["attributes"] == {"region": "EU"}
    assert claims["fam"].startswith("fam_")
    assert (claims["auth_time"], claims["amr"]) == (1_767_225_000, ["pwd"])
    assert flows.active(body["access_token"])


def test_nothing_of_codes_and_tokens_is_in_the_store_in_plain(flows: Flows) -> None:
    code = flows.code(flows.user())
    body = flows.redeem(code).json()
    with flows.site.project.database.engine.connect() as connection:
        kept = "".join(
            str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())
            for table in ("authorization_codes", "token_families", "refresh_tokens")
        )
    for secret in (code, body["refresh_token"], body["access_token"]):
        assert secret not in kept


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(flows: Flows) -> None:
    assert "refresh_token" not in flows.tokens(client="oneoff")


def test_a_public_client_redeems_with_its_verifier_alone(flows: Flows) -> None:
    assert flows.active(flows.tokens(client="spa")["access_token"])


class TestCodeAttacks:
    @pytest.mark.parametrize(
        "form",
        [
            {"code_verifier": "w" * 43},
            {"code_verifier": None},
            {"code_verifier": "short"},
            {"code_verifier": VERIFIER + "="},
            {"code_verifier": "\u00e9" * 43},
            {"redirect_uri": CALLBACK + "/x"},
            {"redirect_uri": CALLBACK + "?x=1"},
            {"redirect_uri": "https://app.example@evil.example/callback"},
            {"redirect_uri": None},
        ],
    )
    def test_a_wrong_verifier_or_address_is_refused_and_burns_the_code(
        self, flows: Flows, form: dict[str, Any]
    ) -> None:
        code = flows.code(flows.user())
        refused(flows.redeem(code, **form), "invalid_grant")
        refused(flows.redeem(code), "invalid_grant")

    @pytest.mark.parametrize("thief", ["other", "spa"])
    def test_a_code_by_another_client_is_refused_and_burned(self, flows: Flows, thief: str) -> None:
        code = flows.code(flows.user())
        refused(flows.redeem(code, thief), "invalid_grant")
        refused(flows.redeem(code), "invalid_grant")

    def test_code_replay_is_refused_and_revokes_the_family(self, flows: Flows) -> None:
        code = flows.code(flows.user())
        body = flows.redeem(code).json()
        assert flows.active(body["access_token"])
        refused(flows.redeem(code), "invalid_grant")
        assert not flows.active(body["access_token"])
        refused(flows.refresh(body["refresh_token"]), "invalid_grant")

    def test_code_replay_by_another_client_revokes_the_family_too(self, flows: Flows) -> None:
        code = flows.code(flows.user())
        body = flows.redeem(code).json()
        refused(flows.redeem(code, "other"), "invalid_grant")
        assert not flows.active(body["access_token"])

    def test_an_expired_code_is_refused(self, flows: Flows) -> None:
        code = flows.code(flows.user())
        flows.site.clock.advance(60)
        refused(flows.redeem(code), "invalid_grant")

    @pytest.mark.parametrize("code", ["x", "saaf_ac_" + "x" * 43, "\u00e9", "' OR 1=1 --"])
    def test_a_guessed_code_is_refused(self, flows: Flows, code: str) -> None:
        refused(flows.redeem(code), "invalid_grant")

    def test_a_missing_code_is_an_invalid_request(self, flows: Flows) -> None:
        refused(flows.redeem(""), "invalid_request")

    def test_a_client_that_may_not_use_codes_is_refused(self, flows: Flows) -> None:
        refused(flows.redeem("x", "machine"), "unauthorized_client")

    def test_a_foreign_resource_at_redemption_is_an_invalid_target(self, flows: Flows) -> None:
        code = flows.code(flows.user())
        refused(flows.redeem(code, resource="https://evil.example"), "invalid_target")

    def test_a_code_for_a_user_who_was_disabled_is_refused(self, flows: Flows) -> None:
        user = flows.user()
        code = flows.code(user)
        flows.site.identity.users.disable(user.id, tenant="default")
        refused(flows.redeem(code), "invalid_grant")

    def test_codes_join_no_two_tenants(self, flows: Flows) -> None:
        stranger = flows.user(tenant="acme")
        with pytest.raises(ValueError, match="tenant"):
            flows.code(stranger)
