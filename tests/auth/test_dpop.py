"""DPoP proofs: what is taken, and each attack on them, at the token endpoint and on calls."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from saaf_autogen.auth.dpop import (
    DpopProofs,
    InvalidProof,
    OtherKey,
    RememberedProofs,
    StoredProofs,
)
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.db import Database
from saaf_autogen.testing import ManualClock
from tests.auth.authorization.flows import prove
from tests.site import Site, serving_site

KEY = ECKey.generate_key("P-256")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    clients = [
        {"id": "machine", "scopes": ["agents:run", "runs:read"]},
        {"id": "bound", "scopes": ["agents:run"], "requires_dpop": True},
    ]
    with serving_site(tmp_path_factory.mktemp("dpop"), {"clients": clients}) as running:
        yield running


def ask(site: Site, proof: str | list[str] | None, client: str = "machine") -> httpx.Response:
    proofs = [proof] if isinstance(proof, str) else proof or []
    return site.http.post(
        "/oauth/token",
        auth=(client, site.secret(client)),
        data={"grant_type": "client_credentials"},
        headers=[("DPoP", each) for each in proofs],
    )


def bound_token(site: Site) -> str:
    response = ask(site, prove(site, KEY, "/oauth/token"))
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "DPoP"
    return str(response.json()["access_token"])


def call(
    site: Site, token: str, proof: str | list[str] | None, scheme: str = "DPoP", path: str = ""
) -> httpx.Response:
    proofs = [proof] if isinstance(proof, str) else proof or []
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in proofs)]
    return site.http.get("/v1/agents" + path, headers=headers)


def refused(response: httpx.Response, error: str) -> None:
    assert response.status_code == 401, response.text
    header = response.headers["www-authenticate"]
    assert f'error="{error}"' in header
    assert "DPoP " in header
    assert 'algs="ES256 ' in header


class TestTokenEndpoint:
    def test_a_proof_binds_the_token_to_its_key(self, site: Site) -> None:
        token = bound_token(site)
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["cnf"] == {"jkt": KEY.thumbprint()}

    def test_a_replayed_proof_is_refused(self, site: Site) -> None:
        proof = prove(site, KEY, "/oauth/token")
        assert ask(site, proof).status_code == 200
        again = ask(site, proof)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")

    @pytest.mark.parametrize(
        "claims",
        [
            {"htm": "GET"},
            {"htm": "post"},
            {"htm": None},
            {"htu": "https://evil.example/oauth/token"},
            {"htu": None},
            {"htu": 7},
            {"htu": "/oauth/token"},
            {"jti": None},
            {"jti": ""},
            {"jti": 5},
            {"jti": "x" * 300},
            {"iat": None},
            {"iat": "now"},
            {"iat": True},
            {"iat": 1e300},
            {"iat": 10**400},
        ],
    )
    def test_a_proof_with_a_wrong_claim_is_refused(self, site: Site, claims: Any) -> None:
        response = ask(site, prove(site, KEY, "/oauth/token", **claims))
        assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")

    @pytest.mark.parametrize("off", [-61, 61, -3600])
    def test_a_proof_of_another_minute_is_refused(self, site: Site, off: int) -> None:
        now = int(site.clock.now().timestamp())
        response = ask(site, prove(site, KEY, "/oauth/token", iat=now + off))
        assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")
        near = prove(site, KEY, "/oauth/token", iat=now + off // 70)
        assert ask(site, near).status_code == 200

    @pytest.mark.parametrize(
        "header",
        [
            {"typ": "JWT"},
            {"typ": "at+jwt"},
            {"typ": None},
            {"typ": "DPoP+jwt"},
            {"jwk": None},
            {"jwk": {}},
            {"jwk": KEY.as_dict(private=True)},
            {"jwk": ECKey.generate_key("P-256").as_dict(private=False)},
            {"jwk": ECKey.generate_key("P-384").as_dict(private=False)},
            {"jwk": OctKey.generate_key(256).as_dict()},
            {"kid": "x"},
            {"jku": "https://evil.example/keys"},
            {"x5c": ["AAAA"]},
        ],
    )
    def test_a_proof_with_a_wrong_header_is_refused(self, site: Site, header: Any) -> None:
        response = ask(site, prove(site, KEY, "/oauth/token", header=header))
        assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")

    def test_a_symmetric_or_unsigned_proof_is_refused(self, site: Site) -> None:
        good = prove(site, KEY, "/oauth/token")
        _, body, signature = good.split(".")
        jwk = {name: KEY.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        for algorithm in ("none", "HS256", "ES512", "XY"):
            head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}
            encoded = base64.urlsafe_b64encode(json.dumps(head).encode()).rstrip(b"=").decode()
            for forged in (f"{encoded}.{body}.", f"{encoded}.{body}.{signature}"):
                assert ask(site, forged).status_code == 400
        octets = OctKey.generate_key(256)
        signed = jwt.encode(
            {"typ": "dpop+jwt", "alg": "HS256", "jwk": octets.as_dict()}, {}, octets
        )
        assert ask(site, signed).status_code == 400

    def test_a_short_or_oversized_rsa_key_is_refused(self, site: Site) -> None:
        with pytest.warns(match="bits"):
            weak = RSAKey.generate_key(1024)
        response = ask(site, prove(site, weak, "/oauth/token", algorithm="RS256"))
        assert response.status_code == 400

    @pytest.mark.parametrize("proof", ["", "x", "a.b.c", "e30.e30.e30", "W10.W10.W10", "x" * 9000])
    def test_garbage_is_refused(self, site: Site, proof: str) -> None:
        assert ask(site, [proof]).status_code == 400

    def test_two_proofs_are_refused(self, site: Site) -> None:
        proofs = [prove(site, KEY, "/oauth/token"), prove(site, KEY, "/oauth/token")]
        assert ask(site, proofs).status_code == 400

    def test_an_altered_proof_is_refused(self, site: Site) -> None:
        head, body, signature = prove(site, KEY, "/oauth/token").split(".")
        flipped = ("A" if signature[10] != "A" else "B").join((signature[:10], signature[11:]))
        assert ask(site, f"{head}.{body}.{flipped}").status_code == 400

    def test_a_client_that_requires_dpop_gets_no_bearer_token(self, site: Site) -> None:
        response = ask(site, None, "bound")
        assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")
        assert ask(site, prove(site, KEY, "/oauth/token"), "bound").status_code == 200


class TestProtectedCalls:
    def test_a_bound_token_with_its_proof_is_taken(self, site: Site) -> None:
        token = bound_token(site)
        for _ in range(2):
            proof = prove(site, KEY, "/v1/agents", method="GET", token=token)
            assert call(site, token, proof).status_code == 200

    def test_query_and_case_of_the_address_do_not_count(self, site: Site) -> None:
        token = bound_token(site)
        address = site.url.replace("http://127", "HTTP://127") + "/v1/%61gents?x=1#y"
        proof = prove(site, KEY, "", method="GET", token=token, htu=address)
        assert call(site, token, proof).status_code == 200

    def test_a_bound_token_as_bearer_is_refused(self, site: Site) -> None:
        token = bound_token(site)
        proof = prove(site, KEY, "/v1/agents", method="GET", token=token)
        refused(call(site, token, None, "Bearer"), "invalid_token")
        refused(call(site, token, proof, "Bearer"), "invalid_token")

    def test_a_bound_token_without_a_proof_is_refused(self, site: Site) -> None:
        token = bound_token(site)
        refused(call(site, token, None), "invalid_dpop_proof")
        proof = [prove(site, KEY, "/v1/agents", method="GET", token=token) for _ in range(2)]
        refused(call(site, token, proof), "invalid_dpop_proof")

    def test_a_proof_by_another_key_is_refused(self, site: Site) -> None:
        token = bound_token(site)
        other = ECKey.generate_key("P-256")
        proof = prove(site, other, "/v1/agents", method="GET", token=token)
        refused(call(site, token, proof), "invalid_token")

    def test_proofs_by_keys_made_at_will_do_not_fill_the_memory(self, site: Site) -> None:
        clock, token = ManualClock(), "a token"
        proofs = DpopProofs(clock, RememberedProofs(clock, size=1))
        url, bound_to = site.url + "/v1/agents", KEY.thumbprint()

        def check(key: ECKey) -> str:
            proof = prove(site, key, "/v1/agents", method="GET", token=token)
            return proofs.check(proof, method="GET", url=url, access_token=token, bound_to=bound_to)

        for _ in range(3):
            with pytest.raises(OtherKey):
                check(ECKey.generate_key("P-256"))
        assert check(KEY) == bound_to

    def test_an_unbound_token_under_dpop_is_refused(self, site: Site) -> None:
        token = site.token("machine")
        proof = prove(site, KEY, "/v1/agents", method="GET", token=token)
        refused(call(site, token, proof), "invalid_token")

    def test_a_replayed_proof_is_refused(self, site: Site) -> None:
        token = bound_token(site)
        proof = prove(site, KEY, "/v1/agents", method="GET", token=token)
        assert call(site, token, proof).status_code == 200
        refused(call(site, token, proof), "invalid_dpop_proof")

    @pytest.mark.parametrize(
        "claims",
        [
            {"ath": None},
            {"ath": "x"},
            {"ath": "\u00e9"},
            {"htm": "POST"},
            {"htu": "https://evil.example/v1/agents"},
            {"iat": 1},
        ],
    )
    def test_a_proof_with_a_wrong_claim_is_refused(self, site: Site, claims: Any) -> None:
        token = bound_token(site)
        proof = prove(site, KEY, "/v1/agents", method="GET", token=token, **claims)
        refused(call(site, token, proof), "invalid_dpop_proof")

    def test_a_proof_for_another_token_is_refused(self, site: Site) -> None:
        token, other = bound_token(site), bound_token(site)
        proof = prove(site, KEY, "/v1/agents", method="GET", token=other)
        refused(call(site, token, proof), "invalid_dpop_proof")

    def test_a_proof_for_another_path_is_refused(self, site: Site) -> None:
        token = bound_token(site)
        for path in ("/v1/runs", "/v1/agents/", "/v1//agents", "/v1/agents%2F", "/"):
            proof = prove(site, KEY, path, method="GET", token=token)
            refused(call(site, token, proof), "invalid_dpop_proof")

    def test_a_missing_scope_is_told_in_the_scheme_that_was_used(self, site: Site) -> None:
        token = bound_token(site)
        proof = prove(site, KEY, "/v1/semantic/tables", method="GET", token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        response = site.http.get("/v1/semantic/tables", headers=headers)
        assert response.status_code == 403
        challenge = response.headers["www-authenticate"]
        assert challenge.startswith('DPoP error="insufficient_scope"')


class TestProofs:
    @pytest.mark.parametrize(
        ("key", "algorithm"),
        [
            (ECKey.generate_key("P-256"), "ES256"),
            (ECKey.generate_key("P-384"), "ES384"),
            (RSAKey.generate_key(2048), "PS256"),
            (RSAKey.generate_key(2048), "RS256"),
            (OKPKey.generate_key("Ed25519"), "Ed25519"),
        ],
    )
    def test_each_algorithm_that_the_metadata_name_is_taken(
        self, site: Site, key: Any, algorithm: str
    ) -> None:
        proofs = DpopProofs(site.clock, RememberedProofs(site.clock))
        proof = prove(site, key, "/x", algorithm=algorithm)
        assert proofs.check(proof, method="POST", url=site.url + "/x") == key.thumbprint()

    def test_an_invalid_proof_uses_no_id_up(self, site: Site) -> None:
        proofs = DpopProofs(site.clock, RememberedProofs(site.clock))
        proof = prove(site, KEY, "/x")
        with pytest.raises(InvalidProof):
            proofs.check(proof, method="GET", url=site.url + "/x")
        assert proofs.check(proof, method="POST", url=site.url + "/x")


class TestMemories:
    def test_a_proof_counts_once_until_it_expires(self) -> None:
        clock = ManualClock()
        memory = RememberedProofs(clock)
        until = clock.now() + timedelta(seconds=60)
        assert memory.first("a", "key", until)
        assert not memory.first("a", "key", until)
        assert memory.first("a", "other", until)
        assert memory.first("b", "key", clock.now() + timedelta(seconds=1))
        clock.advance(59)
        assert not memory.first("a", "key", until)
        clock.advance(2)
        assert memory.first("a", "key", clock.now() + timedelta(seconds=60))

    def test_what_cannot_be_remembered_is_refused_until_there_is_room(self) -> None:
        clock = ManualClock()
        memory = RememberedProofs(clock, per_key=2, size=3)
        soon = clock.now() + timedelta(seconds=10)
        assert memory.first("a", "one", soon)
        assert memory.first("b", "one", soon)
        assert not memory.first("c", "one", soon)
        assert memory.first("a", "two", soon)
        assert not memory.first("a", "three", soon)
        clock.advance(11)
        later = clock.now() + timedelta(seconds=10)
        assert memory.first("c", "one", later)
        assert memory.first("a", "three", later)

    def test_a_proof_from_ahead_outlives_a_later_one_from_behind(self) -> None:
        clock = ManualClock()
        memory = RememberedProofs(clock)
        ahead = clock.now() + timedelta(seconds=120)
        assert memory.first("ahead", "key", ahead)
        assert memory.first("behind", "key", clock.now() + timedelta(seconds=1))
        clock.advance(60)
        assert memory.first("x", "other", clock.now() + timedelta(seconds=60))
        assert not memory.first("ahead", "key", ahead)

    def test_stored_proofs_count_once_over_all_processes(self, database: Database) -> None:
        clock = ManualClock()
        one = StoredProofs(OneTimeStore(database, clock))
        two = StoredProofs(OneTimeStore(database, clock))
        until = clock.now() + timedelta(seconds=60)
        assert one.first("a", "key", until)
        assert not two.first("a", "key", until)
