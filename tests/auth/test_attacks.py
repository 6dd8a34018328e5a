"""Attacks on the token endpoint and on the resource server, over a real socket."""

from __future__ import annotations

import base64
import hmac
import json
import socket
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import RSAKey

from saaf_autogen.settings import ClientSettings
from tests.auth.host import Host, new_key


def refused(response: httpx.Response, status: int, error: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"] == error
    assert response.headers["cache-control"] == "no-store"
    assert set(response.json()) <= {"error", "error_description", "error_uri"}
    assert response.json()["error_description"].isascii()


def form_of(host: Host, **more: Any) -> dict[str, Any]:
    secret = host.secret("analyst")
    return {
        "grant_type": "client_credentials",
        "client_id": "analyst",
        "client_secret": secret,
        **more,
    }


def rejected(host: Host, token: str) -> None:
    response = host.whoami(token)
    assert response.status_code == 401, response.text
    assert response.json()["code"] == "unauthenticated"
    header = response.headers["www-authenticate"]
    assert header.startswith('Bearer error="invalid_token"')
    metadata = f"{host.url}/.well-known/oauth-protected-resource"
    assert f'resource_metadata="{metadata}"' in header


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TestTokenEndpoint:
    def test_a_wrong_secret_is_answered_401(self, host: Host) -> None:
        form = {"grant_type": "client_credentials"}
        response = host.http.post("/oauth/token", auth=("analyst", "wrong"), data=form)
        refused(response, 401, "invalid_client")
        assert response.headers["www-authenticate"].startswith("Basic ")

    def test_an_unknown_client_and_a_wrong_secret_cannot_be_told_apart(self, host: Host) -> None:
        form = {"grant_type": "client_credentials"}
        wrong = host.http.post("/oauth/token", auth=("analyst", "wrong"), data=form)
        for name in ("nobody", "x" * 500, "../../etc", "", "a b", "ann\u00e9"):
            unknown = host.http.post("/oauth/token", auth=(name, "wrong"), data=form)
            assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())

    def test_another_clients_secret_does_not_fit(self, host: Host) -> None:
        stolen = host.secret("reader")
        form = {"grant_type": "client_credentials"}
        response = host.http.post("/oauth/token", auth=("analyst", stolen), data=form)
        refused(response, 401, "invalid_client")

    def test_a_stored_hash_is_no_secret(self, host: Host) -> None:
        with host.database.engine.connect() as connection:
            stored = connection.exec_driver_sql("SELECT secret_hash FROM clients").scalars().all()
        assert host.secret("analyst") not in stored
        for value in stored:
            form = form_of(host, client_secret=value)
            refused(host.http.post("/oauth/token", data=form), 401, "invalid_client")

    def test_a_public_client_gets_no_token_by_client_credentials(self, host: Host) -> None:
        form = {"grant_type": "client_credentials", "client_id": "analyst"}
        refused(host.http.post("/oauth/token", data=form), 401, "invalid_client")

    def test_no_credentials_at_all_are_answered_401(self, host: Host) -> None:
        form = {"grant_type": "client_credentials"}
        refused(host.http.post("/oauth/token", data=form), 401, "invalid_client")

    def test_two_ways_to_authenticate_are_refused(self, host: Host) -> None:
        secret = host.secret("analyst")
        response = host.http.post("/oauth/token", auth=("analyst", secret), data=form_of(host))
        refused(response, 400, "invalid_request")
        response = host.http.post("/oauth/token", data=form_of(host, client_assertion="x.y.z"))
        refused(response, 400, "invalid_request")

    def test_a_client_id_that_differs_from_the_header_is_refused(self, host: Host) -> None:
        refused(host.post_token(client_id="reader"), 400, "invalid_request")
        assert host.post_token(client_id="analyst").status_code == 200

    def test_two_authorization_headers_are_refused(self, host: Host) -> None:
        secret = host.secret("analyst")
        basic = "Basic " + base64.b64encode(f"analyst:{secret}".encode()).decode()
        headers = [("Authorization", basic), ("Authorization", basic)]
        form = {"grant_type": "client_credentials"}
        response = host.http.post("/oauth/token", headers=headers, data=form)
        refused(response, 400, "invalid_request")

    @pytest.mark.parametrize(
        "header", ["Basic", "Basic !!!", "Basic " + "gA==", "Bearer x", "Basic YQ==", "x y z"]
    )
    def test_a_garbled_authorization_header_is_answered_401(self, host: Host, header: str) -> None:
        form = {"grant_type": "client_credentials"}
        headers = {"Authorization": header}
        response = host.http.post("/oauth/token", headers=headers, data=form)
        refused(response, 401, "invalid_client")

    def test_repeated_parameters_are_refused(self, host: Host) -> None:
        for name, value in form_of(host, scope="semantic:read", surprise="x").items():
            pairs = [*form_of(host, scope="semantic:read", surprise="x").items(), (name, value)]
            body = urlencode(pairs)
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = host.http.post("/oauth/token", content=body, headers=headers)
            refused(response, 400, "invalid_request")

    def test_token_parameters_in_the_query_are_refused(self, host: Host) -> None:
        refused(host.http.post("/oauth/token", params=form_of(host)), 400, "invalid_request")
        for name, value in form_of(host).items():
            response = host.http.post("/oauth/token", params={name: value}, data=form_of(host))
            refused(response, 400, "invalid_request")

    def test_get_of_the_token_endpoint_is_answered_405(self, host: Host) -> None:
        response = host.http.get("/oauth/token", params=form_of(host))
        refused(response, 405, "invalid_request")
        assert response.headers["allow"] == "POST"
        assert host.http.put("/oauth/token", data=form_of(host)).status_code == 405

    def test_an_unknown_scope_is_refused(self, host: Host) -> None:
        refused(host.post_token(scope="semantic:read moon:land"), 400, "invalid_scope")

    @pytest.mark.parametrize("scope", ["*", "warehouse:*", 'a"b', "\\", "semantic:read\u00e9"])
    def test_a_malformed_scope_is_refused(self, host: Host, scope: str) -> None:
        refused(host.post_token(scope=scope), 400, "invalid_scope")

    def test_a_scope_that_the_client_was_not_given_is_refused(self, host: Host) -> None:
        response = host.post_token("reader", scope="semantic:read warehouse:query")
        refused(response, 400, "invalid_scope")
        assert "warehouse:query" in response.json()["error_description"]

    @pytest.mark.parametrize(
        "resource", ["https://evil.example", "http://127.0.0.1", "nonsense", "*"]
    )
    def test_a_foreign_resource_is_refused(self, host: Host, resource: str) -> None:
        refused(host.post_token(resource=resource), 400, "invalid_target")
        refused(host.post_token(resource=[host.url, resource]), 400, "invalid_target")
        refused(host.post_token(audience=resource), 400, "invalid_target")

    @pytest.mark.parametrize(
        "grant",
        ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", '"\\\u00e9'],
    )
    def test_the_password_grant_and_others_are_not_supported(self, host: Host, grant: str) -> None:
        form = form_of(host, grant_type=grant, username="ann", password="secret")
        refused(host.http.post("/oauth/token", data=form), 400, "unsupported_grant_type")

    def test_a_missing_grant_type_is_refused(self, host: Host) -> None:
        form = form_of(host)
        del form["grant_type"]
        refused(host.http.post("/oauth/token", data=form), 400, "invalid_request")

    def test_json_instead_of_a_form_is_refused(self, host: Host) -> None:
        refused(host.http.post("/oauth/token", json=form_of(host)), 400, "invalid_request")
        refused(host.http.post("/oauth/token"), 400, "invalid_request")

    @pytest.mark.parametrize(
        "body",
        [
            b"grant_type=client_credentials&client_id=%00&client_secret=x",
            b"grant_type=client_credentials&client_id=%ff&client_secret=x",
            b"grant_type=client_credentials&client_id=\xff&client_secret=x",
            b"grant_type=client_credentials&scope=%ed%a0%80",
            b"&".join(b"p%d=1" % index for index in range(100)),
        ],
    )
    def test_bodies_that_are_no_clean_form_are_refused(self, host: Host, body: bytes) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        response = host.http.post("/oauth/token", content=body, headers=headers)
        refused(response, 400, "invalid_request")

    def test_an_oversized_form_is_refused(self, host: Host) -> None:
        form = form_of(host, padding="x" * 100_000)
        refused(host.http.post("/oauth/token", data=form), 413, "invalid_request")

    def test_revoking_the_token_of_another_client_is_refused(self, host: Host) -> None:
        token = host.token("analyst")
        auth = ("reader", host.secret("reader"))
        response = host.http.post("/oauth/revoke", auth=auth, data={"token": token})
        refused(response, 400, "invalid_grant")
        assert host.whoami(token).status_code == 200

    def test_revoking_without_credentials_is_refused(self, host: Host) -> None:
        token = host.token("analyst")
        response = host.http.post("/oauth/revoke", data={"token": token})
        refused(response, 401, "invalid_client")
        assert host.whoami(token).status_code == 200


class TestResourceServer:
    def test_a_forged_token_is_taken_only_if_nothing_is_wrong_with_it(self, host: Host) -> None:
        assert host.whoami(host.forge()).status_code == 200

    def test_no_token_is_answered_401_without_an_error_code(self, host: Host) -> None:
        response = host.http.get("/whoami")
        assert response.status_code == 401
        assert "error=" not in response.headers["www-authenticate"]
        assert "resource_metadata=" in response.headers["www-authenticate"]

    def test_alg_none_is_refused(self, host: Host) -> None:
        head, body, _ = host.forge().split(".")
        for alg in ("none", "None", "NONE", ""):
            header = json.loads(base64.urlsafe_b64decode(head + "=="))
            unsigned = encoded(json.dumps({**header, "alg": alg}).encode())
            rejected(host, f"{unsigned}.{body}.")
            rejected(host, f"{unsigned}.{body}.AAAA")

    def test_hs256_with_the_public_key_as_secret_is_refused(self, host: Host) -> None:
        signing = host.keys.signing_key()
        public = signing.public_key
        for encoding, form in (
            (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            (Encoding.X962, PublicFormat.UncompressedPoint),
        ):
            # joserfc refuses such a secret; an attacker has no such scruples.
            head, body, _ = host.forge().split(".")
            header = {"alg": "HS256", "typ": "at+jwt", "kid": signing.kid}
            head = encoded(json.dumps(header).encode())
            secret = public.public_bytes(encoding, form)
            signature = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
            rejected(host, f"{head}.{body}.{encoded(signature)}")

    def test_other_algorithms_are_refused_even_with_a_known_kid(self, host: Host) -> None:
        token = host.forge(
            header={"alg": "RS256"}, key=RSAKey.generate_key(2048), algorithms=("RS256",)
        )
        rejected(host, token)

    @pytest.mark.parametrize("kid", ["unknown", "../../../dev/null", "' OR 1=1 --", "", None])
    def test_an_injected_or_missing_kid_is_refused(self, host: Host, kid: str | None) -> None:
        rejected(host, host.forge(header={"kid": kid}))

    def test_a_stolen_kid_with_an_own_key_is_refused(self, host: Host) -> None:
        rejected(host, host.forge(key=new_key(), header={"kid": host.keys.signing_key().kid}))

    def test_keys_that_travel_with_the_token_are_refused(self, host: Host) -> None:
        key = new_key()
        public = key.as_dict(private=False)
        for header in (
            {"jwk": public, "kid": key.kid},
            {"jwk": public},
            {"jku": f"{host.url}/oauth/jwks"},
            {"x5u": "https://evil.example/key"},
        ):
            rejected(host, host.forge(header=header, key=key))
            rejected(host, host.forge(header=header))

    def test_critical_extensions_are_refused(self, host: Host) -> None:
        head, body, signature = host.forge().split(".")
        header = json.loads(base64.urlsafe_b64decode(head + "=="))
        for more in ({"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": False}, {"b64": False}):
            extended = encoded(json.dumps({**header, **more}).encode())
            rejected(host, f"{extended}.{body}.{signature}")

    def test_a_tampered_token_is_refused(self, host: Host) -> None:
        head, body, signature = host.token("reader").split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        claims["scope"] = "iam:admin"
        raised = encoded(json.dumps(claims).encode())
        rejected(host, f"{head}.{raised}.{signature}")

    def test_a_zero_cut_or_doubled_signature_is_refused(self, host: Host) -> None:
        head, body, signature = host.forge().split(".")
        zero = encoded(bytes(64))
        for wrong in (zero, "", signature[:-4], signature + signature, signature + "="):
            rejected(host, f"{head}.{body}.{wrong}")

    @pytest.mark.parametrize(
        "audience", ["https://other.example", "", None, [], ["https://other.example"], 7, {}]
    )
    def test_a_token_for_another_audience_is_refused(self, host: Host, audience: Any) -> None:
        rejected(host, host.forge(aud=audience))

    @pytest.mark.parametrize("typ", ["JWT", "jwt", "", None, "dpop+jwt", "logout+jwt", "secevent"])
    def test_a_token_of_another_type_is_refused(self, host: Host, typ: str | None) -> None:
        rejected(host, host.forge(header={"typ": typ}))

    def test_an_id_token_is_no_access_token(self, host: Host) -> None:
        token = host.forge(
            header={"typ": "JWT"}, aud="analyst", sub="ann", nonce="n", scope=None, jti=None
        )
        rejected(host, token)

    def test_a_token_of_another_issuer_is_refused(self, host: Host) -> None:
        rejected(host, host.forge(iss="https://evil.example"))
        rejected(host, host.forge(iss=host.url + "/"))
        rejected(host, host.forge(iss=None))

    def test_an_expired_token_is_refused(self, host: Host) -> None:
        now = int(host.clock.now().timestamp())
        rejected(host, host.forge(exp=now - 61))
        rejected(host, host.forge(exp=now - 30))
        rejected(host, host.forge(exp=None))
        nonsense: Any
        for nonsense in (True, "tomorrow", 10**400, [], {}):
            rejected(host, host.forge(exp=nonsense))

    def test_a_token_from_the_future_is_refused(self, host: Host) -> None:
        now = int(host.clock.now().timestamp())
        rejected(host, host.forge(iat=now + 61, exp=now + 400))
        rejected(host, host.forge(nbf=now + 61))
        rejected(host, host.forge(iat=None))

    @pytest.mark.parametrize("claim", ["sub", "client_id", "jti", "tenant"])
    def test_a_token_without_a_required_claim_is_refused(self, host: Host, claim: str) -> None:
        wrong: Any
        for wrong in (None, "", ["x"], 7):
            rejected(host, host.forge(**{claim: wrong}))

    @pytest.mark.parametrize(
        "claims",
        [
            {"scope": ["a"]},
            {"groups": 5},
            {"groups": [["x"]]},
            {"attributes": {"x": {"y": 1}}},
            {"attributes": []},
            {"authorization_details": {}},
            {"authorization_details": ["x"]},
            {"act": "ann"},
            {"act": {}},
            {"act": {"sub": "a", "act": {"sub": ""}}},
        ],
    )
    def test_claims_of_another_shape_are_refused(self, host: Host, claims: dict[str, Any]) -> None:
        rejected(host, host.forge(**claims))

    def test_a_users_sub_can_never_equal_a_clients(self, host: Host) -> None:
        rejected(host, host.forge(sub="client:analyst", client_id="reader"))
        rejected(host, host.forge(sub="analyst"))
        ann = host.site.identity.users.add("ann")
        user = host.whoami(host.forge(sub=ann.id)).json()
        assert (user["kind"], user["subject"]) == ("user", ann.id)

    def test_a_client_named_like_a_user_is_not_that_user(self, host: Host) -> None:
        bob = host.site.identity.users.add("bob")
        made = host.clients.add(ClientSettings(id=bob.id, scopes=["semantic:read"]))
        form = {"grant_type": "client_credentials"}
        answer = host.http.post("/oauth/token", auth=(bob.id, made.client_secret or ""), data=form)
        seen = host.whoami(answer.json()["access_token"]).json()
        assert (seen["kind"], seen["subject"]) == ("client", f"client:{bob.id}")

    def test_an_oversized_token_is_refused(self, host: Host) -> None:
        rejected(host, host.forge(groups=["g" * 100 for _ in range(200)]))

    @pytest.mark.parametrize(
        "token", ["x", "..", "a.b.c", "e30.e30.e30", "a.b.c.d.e", "W10.W10.W10", "\u00e9.b.c"]
    )
    def test_garbage_is_refused(self, host: Host, token: str) -> None:
        headers = {b"Authorization": b"Bearer " + token.encode("utf-8")}
        response = host.http.get("/whoami", headers=headers)
        assert response.status_code == 401

    def test_a_deeply_nested_payload_is_refused(self, host: Host) -> None:
        nested = "[" * 5000 + "]" * 5000
        head = host.forge().split(".")[0]
        body = encoded(nested.encode())
        rejected(host, f"{head}.{body}.{'A' * 86}")

    def test_a_token_in_the_url_or_the_body_is_ignored(self, host: Host) -> None:
        token = host.token()
        assert host.http.get("/whoami", params={"access_token": token}).status_code == 401
        cookie = {"Cookie": f"access_token={token}"}
        assert host.http.get("/whoami", headers=cookie).status_code == 401
        response = host.http.request("GET", "/whoami", data={"access_token": token})
        assert response.status_code == 401

    @pytest.mark.parametrize("scheme", ["Basic", "DPoP", "Token", "Bearerx", ""])
    def test_another_scheme_is_refused(self, host: Host, scheme: str) -> None:
        headers = {"Authorization": f"{scheme} {host.token()}".strip()}
        assert host.http.get("/whoami", headers=headers).status_code == 401

    def test_two_authorization_headers_are_refused(self, host: Host) -> None:
        bearer = f"Bearer {host.token()}"
        headers = [("Authorization", bearer), ("Authorization", bearer)]
        response = host.http.get("/whoami", headers=headers)
        assert response.status_code == 401
        assert 'error="invalid_request"' in response.headers["www-authenticate"]

    def test_missing_scopes_are_all_named(self, host: Host) -> None:
        token = host.token()
        response = host.http.get("/query", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 403
        assert response.json()["missing_scopes"] == ["agents:run", "audit:read"]
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
        assert 'scope="agents:run audit:read"' in response.headers["www-authenticate"]

    def test_a_token_expires_on_the_host_even_if_it_was_cached(self, host: Host) -> None:
        token = host.token()
        assert host.whoami(token).status_code == 200
        host.clock.advance(299)
        assert host.whoami(token).status_code == 200
        host.clock.advance(31)
        rejected(host, token)

    def test_a_key_that_left_the_set_verifies_nothing_more(self, host: Host) -> None:
        token = host.forge(exp=int(host.clock.now().timestamp()) + 90_000)
        host.keys.rotate()
        host.clock.advance(2 * 3600)
        host.keys.load()
        host.verifier.flush()
        assert host.whoami(token).status_code == 200
        host.clock.advance(1)
        host.keys.load()
        host.verifier.flush()
        rejected(host, token)

    def test_header_bytes_that_are_no_text_do_not_break_the_host(self, host: Host) -> None:
        parts = urlsplit(host.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), 5) as plain:
            plain.sendall(
                b"GET /whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Authorization: Bearer \xff\xfe\r\n\r\n"
            )
            assert b" 401 " in plain.recv(200)


def test_the_forger_of_these_tests_signs_as_the_issuer_does(host: Host) -> None:
    forged = jwt.decode(host.forge(), host.keys.signing_key(), algorithms=["ES256"])
    issued = jwt.decode(host.token(), host.keys.signing_key(), algorithms=["ES256"])
    assert forged.header == issued.header
    assert forged.claims.keys() <= issued.claims.keys()
