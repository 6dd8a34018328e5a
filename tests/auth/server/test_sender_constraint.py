"""DPoP at the token endpoint: tokens of a key, and what they are without it."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.auth.server.flows import Flows, claims_of, refused


@pytest.fixture
def key() -> ECKey:
    return ECKey.generate_key("P-256")


def test_a_proof_binds_the_tokens_to_its_key(flows: Flows, key: ECKey) -> None:
    body = flows.tokens(client="spa", proof=flows.proof(key))
    assert body["token_type"] == "DPoP"
    assert claims_of(body["access_token"])["cnf"] == {"jkt": key.thumbprint()}
    told = flows.post("watcher", "introspect", token=body["access_token"]).json()
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": key.thumbprint()})


def test_a_machine_may_bind_its_token(flows: Flows, key: ECKey) -> None:
    body = flows.post("machine", grant_type="client_credentials", proof=flows.proof(key)).json()
    assert claims_of(body["access_token"])["cnf"] == {"jkt": key.thumbprint()}


def test_a_confidential_client_may_change_its_key(flows: Flows, key: ECKey) -> None:
    body = flows.tokens(proof=flows.proof(key))
    other = ECKey.generate_key("P-256")
    refreshed = flows.refresh(body["refresh_token"], proof=flows.proof(other)).json()
    assert claims_of(refreshed["access_token"])["cnf"] == {"jkt": other.thumbprint()}


class TestKeyAttacks:
    def test_a_token_of_a_key_is_no_bearer_token(self, flows: Flows, key: ECKey) -> None:
        assert not flows.active(flows.tokens(proof=flows.proof(key))["access_token"])

    def test_refresh_by_another_key_or_none_is_refused(self, flows: Flows, key: ECKey) -> None:
        body = flows.tokens(client="spa", proof=flows.proof(key))
        token, other = body["refresh_token"], ECKey.generate_key("P-256")
        refused(flows.refresh(token, "spa"), "invalid_grant")
        refused(flows.refresh(token, "spa", proof=flows.proof(other)), "invalid_grant")
        refreshed = flows.refresh(token, "spa", proof=flows.proof(key))
        assert refreshed.status_code == 200
        assert refreshed.json()["token_type"] == "DPoP"

    def test_a_code_of_a_key_by_another_key_or_none_is_refused_and_burned(
        self, flows: Flows, key: ECKey
    ) -> None:
        other = ECKey.generate_key("P-256")
        for wrong in ({}, {"proof": flows.proof(other)}):
            code = flows.code(flows.user(), "spa", dpop_jkt=key.thumbprint())
            refused(flows.redeem(code, "spa", **wrong), "invalid_grant")
            right = flows.redeem(code, "spa", proof=flows.proof(key))
            refused(right, "invalid_grant")

    def test_a_client_that_must_prove_a_key_gets_nothing_without(
        self, flows: Flows, key: ECKey
    ) -> None:
        code = flows.code(flows.user(), "bound")
        refused(flows.redeem(code, "bound"), "invalid_dpop_proof")
        body = flows.redeem(code, "bound", proof=flows.proof(key)).json()
        refused(flows.refresh(body["refresh_token"], "bound"), "invalid_dpop_proof")

    def test_proof_replay_is_refused(self, flows: Flows, key: ECKey) -> None:
        proof = flows.proof(key)
        token = flows.tokens(proof=proof)["refresh_token"]
        refused(flows.refresh(token, proof=proof), "invalid_dpop_proof")
        assert flows.refresh(token).status_code == 200

    @pytest.mark.parametrize(
        "claims",
        [{"htm": "GET"}, {"htu": "https://evil.example/oauth/token"}, {"iat": 1}, {"jti": ""}],
    )
    def test_a_wrong_proof_is_refused(
        self, flows: Flows, key: ECKey, claims: dict[str, Any]
    ) -> None:
        proof = flows.proof(key, **claims)
        response = flows.post("machine", grant_type="client_credentials", proof=proof)
        refused(response, "invalid_dpop_proof")

    def test_two_proofs_are_refused(self, flows: Flows, key: ECKey) -> None:
        headers = [("DPoP", flows.proof(key)), ("DPoP", flows.proof(key))]
        response = flows.site.http.post(
            "/oauth/token",
            auth=("machine", flows.site.secret("machine")),
            data={"grant_type": "client_credentials"},
            headers=headers,
        )
        refused(response, "invalid_dpop_proof")
