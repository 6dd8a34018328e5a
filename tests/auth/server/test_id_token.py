"""ID tokens, and that they are nothing else."""

from __future__ import annotations

import base64
import hashlib

from tests.auth.server.flows import Flows, claims_of, refused

OPENID = ("openid", "profile", "email", "semantic:read")


def test_an_id_token_says_who_signed_in_when_and_how_and_no_more(flows: Flows) -> None:
    user = flows.user(name="Ann", email="ann@example.com")
    body = flows.tokens(
        user, scopes=OPENID, nonce="n-1", auth_time=17, amr=("pwd",), session_id="s-1"
    )
    claims = flows.verified(body["id_token"], "RS256")
    now = int(flows.site.clock.now().timestamp())
    digest = hashlib.sha256(body["access_token"].encode()).digest()[:16]
    assert claims == {
        "iss": flows.site.url,
        "sub": user.id,
        "aud": "web",
        "iat": now,
        "exp": now + 300,
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "auth_time": 17,
        "amr": ["pwd"],
        "sid": "s-1",
        "nonce": "n-1",
    }


def test_a_client_may_have_its_id_tokens_signed_by_es256(flows: Flows) -> None:
    token = flows.tokens(client="es256", scopes=OPENID)["id_token"]
    assert flows.verified(token, "ES256")["aud"] == "es256"
    assert not flows.active(token)


def test_a_refreshed_id_token_tells_the_same_sign_in_without_the_nonce(flows: Flows) -> None:
    first = flows.tokens(scopes=OPENID, nonce="n-1", auth_time=17, session_id="s-1")
    second = flows.refresh(first["refresh_token"]).json()
    before, after = claims_of(first["id_token"]), claims_of(second["id_token"])
    assert "nonce" not in after
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[name] == after[name]
    assert before["at_hash"] != after["at_hash"]
    narrow = flows.refresh(second["refresh_token"], scope="semantic:read").json()
    assert "id_token" not in narrow


def test_an_id_token_as_access_token_is_refused(flows: Flows) -> None:
    for client in ("web", "es256"):
        assert not flows.active(flows.tokens(client=client, scopes=OPENID)["id_token"])


def test_an_issued_id_token_can_be_read_as_a_hint_even_after_it_expired(flows: Flows) -> None:
    id_tokens = flows.site.identity.issuer.id_tokens
    body = flows.tokens(scopes=OPENID)
    flows.site.clock.advance(3600)
    claims = id_tokens.read(body["id_token"])
    assert claims is not None
    assert claims["aud"] == "web"
    head, payload, _ = body["id_token"].split(".")
    for other in (body["access_token"], f"{head}.{payload}.AAAA", f"{head}.{payload}.", "x", ""):
        assert id_tokens.read(other) is None


def test_openid_is_not_an_action(flows: Flows) -> None:
    refused(flows.site.post_token("machine", scope="openid"), "invalid_scope")
