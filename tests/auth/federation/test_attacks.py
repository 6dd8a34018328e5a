"""Attacks on signing in with another provider, each named for what it tries."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.db import Database
from saaf_autogen.errors import Unauthenticated, Unavailable
from tests.auth.federation.conftest import RSA, Upstream
from tests.auth.tokens.issuer import LocalIssuer

NOBODY = "not begun in this browser"


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def refused(upstream: Upstream, match: str, **query: str) -> None:
    with pytest.raises(Unauthenticated, match=match):
        await upstream.finish(**query)


async def test_state_replay_is_refused(upstream: Upstream) -> None:
    await upstream.sign_in()
    asked = upstream.issuer.asked["/token"]
    await refused(upstream, NOBODY)
    assert upstream.issuer.asked["/token"] == asked


async def test_code_injection_into_another_browser_is_refused(upstream: Upstream) -> None:
    await upstream.begin()
    upstream.gives()
    await refused(upstream, NOBODY, browser="the victim's browser")
    assert "/token" not in upstream.issuer.asked


async def test_a_state_that_was_made_up_or_left_out_is_refused(upstream: Upstream) -> None:
    await upstream.begin()
    for state in ("x", "", "é"):
        await refused(upstream, NOBODY, state=state)


async def test_a_sign_in_that_took_too_long_is_refused(upstream: Upstream) -> None:
    await upstream.begin()
    upstream.clock.advance(timedelta(minutes=10).total_seconds())
    upstream.gives()
    await refused(upstream, NOBODY)


async def test_a_parameter_that_comes_twice_is_refused(upstream: Upstream) -> None:
    state = (await upstream.begin())["state"]
    for query in (f"state={state}&code=a&code=b", f"state={state}&state=x&code=a", "x" * 9000):
        with pytest.raises(Unauthenticated, match="twice"):
            await upstream.federation.finish("acme", query, "any")


async def test_mix_up_by_the_path_of_another_provider_is_refused(upstream: Upstream) -> None:
    await upstream.begin("acme")
    upstream.gives()
    await refused(upstream, NOBODY, provider="evil")


async def test_mix_up_by_iss_is_refused(upstream: Upstream, other_issuer: LocalIssuer) -> None:
    await upstream.begin()
    upstream.gives()
    await refused(upstream, "not from the provider", iss=other_issuer.url)
    assert "/token" not in upstream.issuer.asked
    await upstream.begin()
    upstream.gives()
    await upstream.finish(iss=upstream.issuer.url)


async def test_a_provider_that_names_itself_must_do_so_in_every_answer(
    upstream: Upstream,
) -> None:
    upstream.issuer.publish(RSA, authorization_response_iss_parameter_supported=True)
    await upstream.begin()
    upstream.gives()
    await refused(upstream, "not from the provider")
    await upstream.begin()
    await refused(upstream, "not from the provider", error="access_denied")


async def test_nonce_mismatch_is_refused(upstream: Upstream) -> None:
    first = (await upstream.begin())["nonce"]
    for nonce in (None, "other", first, 7, ""):
        await upstream.begin()
        upstream.gives(upstream.id_token(nonce=nonce))
        await refused(upstream, "answers another question")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "other"}, "another client"),
        ({"aud": None}, "another client"),
        ({"aud": ["saaf", "other"]}, "several clients"),
        ({"aud": ["saaf", "other"], "azp": "other"}, "another client"),
        ({"azp": "other"}, "another client"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "no times"),
        ({"iat": None}, "no times"),
        ({"iat": 1}, "expired"),
        ({"iat": 1 << 40}, "not valid yet"),
        ({"nbf": 1 << 40}, "not valid yet"),
        ({"sub": None}, "no usable subject"),
        ({"sub": ""}, "no usable subject"),
        ({"sub": 7}, "no usable subject"),
        ({"sub": "x" * 300}, "no usable subject"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "another access token"),
        ({"at_hash": 7}, "another access token"),
    ],
)
async def test_an_id_token_that_is_not_for_us_is_refused(
    upstream: Upstream, changes: dict[str, Any], match: str
) -> None:
    await upstream.begin()
    upstream.gives(upstream.id_token(**changes))
    await refused(upstream, match)


async def test_an_id_token_of_another_key_is_refused(upstream: Upstream) -> None:
    await upstream.begin()
    mine = RSAKey.generate_key(2048, auto_kid=True)
    for kid in (RSA.kid, mine.kid):
        upstream.gives(upstream.id_token(key=mine, header={"kid": kid}))
        await refused(upstream, "signature")
        await upstream.begin()


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384"])
async def test_an_id_token_by_an_algorithm_that_is_not_taken_is_refused(
    upstream: Upstream, algorithm: str
) -> None:
    await upstream.begin()
    _, claims, signature = upstream.id_token().split(".")
    head = segment({"alg": algorithm, "kid": RSA.kid})
    upstream.gives(f"{head}.{claims}.{signature}")
    await refused(upstream, "algorithm")


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt"])
async def test_a_token_of_another_type_is_no_id_token(upstream: Upstream, typ: str) -> None:
    await upstream.begin()
    upstream.gives(upstream.id_token(header={"typ": typ}))
    await refused(upstream, "type of another token")


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", 7, {"a": 1}])
async def test_what_is_no_id_token_is_refused(upstream: Upstream, text: Any) -> None:
    await upstream.begin()
    upstream.gives(id_token=None)
    upstream.issuer.answers["/token"][2]["id_token"] = text
    await refused(upstream, "ID token")


async def test_a_code_that_is_not_taken_back_is_refused(upstream: Upstream) -> None:
    await upstream.begin()
    upstream.issuer.answers["/token"] = (400, {}, {"error": "invalid_grant"})
    await refused(upstream, "did not take back the code")
    await upstream.begin()
    await refused(upstream, "holds no code", code="")


async def test_userinfo_about_someone_else_is_refused(upstream: Upstream) -> None:
    for said in ({"sub": "mallory"}, {}):
        upstream.issuer.answers["/me"] = (200, {}, {"email": "admin@acme.example", **said})
        await upstream.begin()
        upstream.gives(upstream.id_token(email=None))
        await refused(upstream, "about someone else")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "http://evil.example/auth", "https://u:p@a.example/", "//x"]
)
async def test_the_browser_is_sent_to_no_address_that_egress_would_refuse(
    upstream: Upstream, address: str
) -> None:
    upstream.issuer.publish(RSA, authorization_endpoint=address)
    with pytest.raises(Unavailable, match="not usable"):
        await upstream.begin()


@pytest.mark.parametrize("endpoint", ["token_endpoint", "userinfo_endpoint", "jwks_uri"])
@pytest.mark.parametrize("address", ["http://169.254.169.254/x", "https://10.0.0.7/x", "file:///x"])
async def test_ssrf_by_metadata_is_refused(upstream: Upstream, endpoint: str, address: str) -> None:
    upstream.issuer.publish(RSA, **{endpoint: address})
    await upstream.begin()
    upstream.gives(upstream.id_token(email=None))
    with pytest.raises(Unavailable):
        await upstream.finish()


@pytest.mark.parametrize("path", ["/token", "/me", "/.well-known/openid-configuration"])
async def test_redirects_are_not_followed(
    upstream: Upstream, other_issuer: LocalIssuer, path: str
) -> None:
    location = {"location": f"{other_issuer.url}/elsewhere"}
    if path.startswith("/.well-known"):
        upstream.issuer.answers[path] = (302, location, {})
        with pytest.raises(Unavailable):
            await upstream.begin()
    else:
        await upstream.begin()
        upstream.gives(upstream.id_token(email=None))
        upstream.issuer.answers[path] = (307, location, {})
        with pytest.raises(Unavailable):
            await upstream.finish()
    assert not other_issuer.asked


async def test_an_answer_without_end_is_cut(upstream: Upstream) -> None:
    await upstream.begin()
    upstream.issuer.answers["/token"] = (200, {}, b'{"id_token": "' + b"x" * 2_000_000 + b'"}')
    with pytest.raises(Unavailable):
        await upstream.finish()


async def test_nothing_that_opens_a_door_is_kept_readable(upstream: Upstream) -> None:
    asked = await upstream.begin()
    engine = upstream.users._database.engine
    with engine.connect() as connection:
        rows = repr(connection.exec_driver_sql("SELECT * FROM one_time_values").fetchall())
    upstream.gives()
    await upstream.finish()
    verifier = upstream.issuer.heard["/token"][1]["code_verifier"]
    for secret in (asked["state"], asked["nonce"], verifier, "the browser's own secret"):
        assert secret not in rows


async def test_a_group_of_the_providers_that_is_called_admins_makes_nobody_an_admin(
    upstream: Upstream, database: Database
) -> None:
    groups = GroupStore(database, upstream.clock, ScopeRegistry())
    groups.add("admins", scopes=["iam:admin", "audit:read"])
    eve = (await upstream.sign_in(groups=["admins"])).user
    assert eve.groups == ("admins",)
    assert eve.scopes == {"audit:read"}
    groups.add_member("admins", eve.id)
    known = upstream.users.get(eve.id)
    assert known is not None
    assert "iam:admin" in known.scopes, "who is put in it here is one"


async def test_a_provider_makes_an_admin_where_its_settings_say_so(
    make: Callable[..., Upstream],
) -> None:
    claims = {"scopes": ["groups"], "scope_names": {"platform-admins": ["iam:admin"]}}
    upstream = make(claims=claims)
    assert (await upstream.sign_in(groups=["platform-admins"])).user.scopes == {"iam:admin"}
    assert (await upstream.sign_in(groups=["iam:admin", "admins"])).user.scopes == frozenset()
