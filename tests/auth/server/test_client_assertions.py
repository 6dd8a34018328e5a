"""private_key_jwt: a client proves who it is by a JWT that counts once, for us alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from saaf_autogen.auth.server.client_keys import jwks_faults
from tests.auth.server.flows import ASSERTION_TYPE, Flows, refused

Assert = Callable[..., str]
_numbers = itertools.count()


@pytest.fixture
def assertion(flows: Flows, signer: ECKey) -> Assert:
    """Makes an assertion that is right, but for what is given; None leaves a claim out."""

    def make(
        key: Any = None, header: dict[str, Any] | None = None, alg: str = "ES256", **claims: Any
    ) -> str:
        now = int(flows.site.clock.now().timestamp())
        body = {
            "iss": "signer",
            "sub": "signer",
            "aud": flows.site.url,
            "jti": f"assertion-{next(_numbers)}",
            "iat": now,
            "exp": now + 60,
            **claims,
        }
        body = {name: value for name, value in body.items() if value is not None}
        head = {"alg": alg, "kid": "one", **(header or {})}
        return jwt.encode(head, body, key or signer, algorithms=[alg])

    return make


def ask(flows: Flows, assertion: str, **form: str) -> httpx.Response:
    data = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **form,
    }
    return flows.site.http.post("/oauth/token", data=data)


def test_a_signed_assertion_gets_a_token(flows: Flows, assertion: Assert) -> None:
    audiences: list[Any] = [flows.site.url, f"{flows.site.url}/oauth/token", [flows.site.url]]
    for audience in audiences:
        response = ask(flows, assertion(aud=audience), client_id="signer")
        assert response.status_code == 200, response.text
        assert response.json()["scope"] == "semantic:read"


def test_an_assertion_proves_the_client_at_the_other_endpoints_too(
    flows: Flows, assertion: Assert
) -> None:
    token = ask(flows, assertion()).json()["access_token"]
    for path in ("introspect", "revoke"):
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion()}
        response = flows.site.http.post(f"/oauth/{path}", data={"token": token, **form})
        assert response.status_code == 200
    assert not flows.active(token)


class TestAssertionAttacks:
    def test_assertion_replay_is_refused(self, flows: Flows, assertion: Assert) -> None:
        made = assertion()
        assert ask(flows, made).status_code == 200
        refused(ask(flows, made), "invalid_client", 401)

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "https://evil.example"},
            {"aud": ["https://evil.example"]},
            {"aud": []},
            {"aud": None},
            {"aud": 7},
            {"iss": "machine"},
            {"sub": "machine"},
            {"iss": None},
            {"jti": None},
            {"jti": ""},
            {"jti": 7},
            {"jti": "x" * 300},
            {"exp": None},
            {"exp": "soon"},
            {"exp": True},
        ],
    )
    def test_wrong_or_missing_claims_are_refused(
        self, flows: Flows, assertion: Assert, claims: dict[str, Any]
    ) -> None:
        refused(ask(flows, assertion(**claims)), "invalid_client", 401)

    def test_an_audience_with_foreign_members_is_refused(
        self, flows: Flows, assertion: Assert
    ) -> None:
        audience = [flows.site.url, "https://evil.example"]
        refused(ask(flows, assertion(aud=audience)), "invalid_client", 401)
        for close in (flows.site.url + "/", flows.site.url + "/oauth/introspect"):
            refused(ask(flows, assertion(aud=close)), "invalid_client", 401)

    def test_an_assertion_that_lives_for_a_year_is_refused(
        self, flows: Flows, assertion: Assert
    ) -> None:
        now = int(flows.site.clock.now().timestamp())
        for ahead in (365 * 86_400, 400, -31, -86_400):
            refused(ask(flows, assertion(exp=now + ahead)), "invalid_client", 401)
        refused(ask(flows, assertion(iat=now + 60)), "invalid_client", 401)
        refused(ask(flows, assertion(nbf=now + 60)), "invalid_client", 401)
        assert ask(flows, assertion(exp=now + 300)).status_code == 200

    def test_another_key_or_algorithm_is_refused(self, flows: Flows, assertion: Assert) -> None:
        stranger = ECKey.generate_key("P-256")
        refused(ask(flows, assertion(stranger)), "invalid_client", 401)
        refused(ask(flows, assertion(header={"kid": "two"})), "invalid_client", 401)
        refused(
            ask(flows, assertion(RSAKey.generate_key(2048), alg="RS256")), "invalid_client", 401
        )
        refused(ask(flows, assertion(OctKey.generate_key(256), alg="HS256")), "invalid_client", 401)
        head, body, _ = assertion().split(".")
        for broken in (f"{head}.{body}.", f"{head}.{body}", "x", f"{head}.{body}.{'A' * 86}"):
            refused(ask(flows, broken), "invalid_client", 401)

    def test_keys_that_travel_with_the_assertion_are_refused(
        self, flows: Flows, assertion: Assert
    ) -> None:
        own = ECKey.generate_key("P-256")
        header = {"jwk": own.as_dict(private=False)}
        refused(ask(flows, assertion(own, header=header)), "invalid_client", 401)

    def test_access_tokens_and_proofs_are_no_assertions(
        self, flows: Flows, assertion: Assert
    ) -> None:
        for typ in ("at+jwt", "dpop+jwt", "logout+jwt"):
            refused(ask(flows, assertion(header={"typ": typ})), "invalid_client", 401)
        typ = "client-authentication+jwt"
        assert ask(flows, assertion(header={"typ": typ})).status_code == 200

    def test_two_ways_to_authenticate_are_refused(self, flows: Flows, assertion: Assert) -> None:
        refused(ask(flows, assertion(), client_secret="x"), "invalid_request")
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(),
        }
        auth = ("machine", flows.site.secret("machine"))
        refused(flows.site.http.post("/oauth/token", auth=auth, data=form), "invalid_request")

    def test_a_client_may_authenticate_in_its_own_way_alone(
        self, flows: Flows, assertion: Assert
    ) -> None:
        http, form = flows.site.http, {"grant_type": "client_credentials"}
        # A client with a key by a secret, by nothing; one with a secret by a key, by nothing.
        responses = [
            http.post("/oauth/token", auth=("signer", "x"), data=form),
            http.post("/oauth/token", data={**form, "client_id": "signer"}),
            ask(flows, assertion(iss="machine", sub="machine")),
            http.post("/oauth/token", data={**form, "client_id": "machine"}),
            http.post("/oauth/token", auth=("spa", "x"), data=form),
            ask(flows, assertion(), client_id="machine"),
            ask(flows, assertion(), client_assertion_type="urn:other"),
        ]
        for response in responses:
            refused(response, "invalid_client", 401)
        assert len({response.text for response in responses}) == 1

    def test_a_public_client_cannot_act_for_itself(self, flows: Flows) -> None:
        response = flows.post("spa", grant_type="client_credentials")
        refused(response, "invalid_client", 401)


class TestRegisteredKeys:
    @pytest.mark.parametrize(
        "key",
        [
            ECKey.generate_key("P-256"),
            RSAKey.generate_key(2048),
            OKPKey.generate_key("Ed25519"),
        ],
    )
    def test_public_keys_of_a_decent_size_are_taken(self, key: Any) -> None:
        assert jwks_faults({"keys": [key.as_dict(private=False)]}) == []

    def test_short_rsa_keys_are_refused(self) -> None:
        with pytest.warns(SecurityWarning, match="2048"):
            short = RSAKey.generate_key(1024)
        assert jwks_faults({"keys": [short.as_dict(private=False)]})

    def test_private_and_symmetric_keys_are_refused(self) -> None:
        assert jwks_faults({"keys": [ECKey.generate_key("P-256").as_dict(private=True)]})
        assert jwks_faults({"keys": [OctKey.generate_key(256).as_dict(private=True)]})

    def test_mixed_sets_are_refused_whole(self) -> None:
        good = ECKey.generate_key("P-256", parameters={"kid": "a"}).as_dict(private=False)
        bad = OctKey.generate_key(256, parameters={"kid": "b"}).as_dict(private=True)
        assert jwks_faults({"keys": [good, bad]})
        assert jwks_faults({"keys": [good, {**good, "use": "enc", "kid": "c"}]})
        assert jwks_faults({"keys": [good, dict(good)]})

    def test_stray_padding_is_refused(self) -> None:
        good = ECKey.generate_key("P-256").as_dict(private=False)
        assert jwks_faults({"keys": [{**good, "x": f"{good['x']}="}]})

    @pytest.mark.parametrize("jwks", [{}, {"keys": []}, {"keys": "x"}, {"keys": [1]}])
    def test_what_is_no_key_set_is_refused(self, jwks: dict[str, Any]) -> None:
        assert jwks_faults(jwks)
