"""Signing in with another provider: what goes right, and who someone then is."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from sqlalchemy import select

from saaf_autogen.audit import AuditLog
from saaf_autogen.audit.tables import AuditEntryRow
from saaf_autogen.auth.federation import ProviderChoice
from saaf_autogen.db import Database
from saaf_autogen.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from tests.auth.federation.conftest import HOST, Upstream

Make = Callable[..., Upstream]


async def test_the_browser_is_sent_with_state_nonce_and_a_pkce_challenge(
    upstream: Upstream,
) -> None:
    assert upstream.federation.choices() == (
        ProviderChoice("acme", "Acme"),
        ProviderChoice("evil", "Evil"),
    )
    asked = await upstream.begin()
    assert asked["response_type"] == "code"
    assert asked["client_id"] == "saaf"
    assert asked["redirect_uri"] == f"{HOST}/sign-in/with/acme/callback"
    assert asked["scope"] == "openid profile email"
    assert asked["code_challenge_method"] == "S256"
    again = await upstream.begin()
    for name in ("state", "nonce", "code_challenge"):
        assert len(again[name]) == 43
        assert again[name] != asked[name]


async def test_whoever_the_provider_vouches_for_is_a_user_here(upstream: Upstream) -> None:
    done = await upstream.sign_in(amr=["pwd", "mfa", 7, "fed"], auth_time=1_767_225_000)
    assert done.return_to == "/account"
    assert done.amr == ("pwd", "mfa", "fed")
    assert done.auth_time == 1_767_225_000
    user = done.user
    assert (user.issuer, user.subject) == (upstream.issuer.url, "248289761001")
    assert (user.name, user.email) == ("Ann Archer", "ann@acme.example")
    assert not user.email_verified
    assert user.active
    headers, form = upstream.issuer.heard["/token"]
    assert headers["authorization"] == "Basic c2FhZjpzK2UlMkJjcmV0"
    verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
    assert challenge == upstream.asked["code_challenge"]
    assert form["redirect_uri"] == upstream.asked["redirect_uri"]
    assert (form["grant_type"], form["code"]) == ("authorization_code", "the-code")


async def test_the_same_subject_is_the_same_user_with_what_is_said_of_them_now(
    make: Make,
) -> None:
    upstream = make(
        claims={"groups": ["groups"], "attributes": {"region": "region"}},
        user_scopes=["warehouse:query"],
    )
    one = (await upstream.sign_in(groups=["analysts", "eu"], region="EU")).user
    assert set(one.groups) == {"analysts", "eu"}
    assert one.attributes == {"region": "EU"}
    assert one.scopes == {"warehouse:query"}
    two = (await upstream.sign_in(groups=["eu"], name="Ann Baker")).user
    assert two.id == one.id
    assert set(two.groups) == {"eu"}
    assert two.attributes == {}
    assert two.name == "Ann Baker"


async def test_an_equal_e_mail_address_never_makes_two_accounts_one(upstream: Upstream) -> None:
    local = upstream.users.add("ann", email="ann@acme.example")
    done = await upstream.sign_in(email_verified=True)
    assert done.user.id != local.id
    upstream.issuer.answers["/me"] = (200, {}, {"sub": "another"})
    other = await upstream.sign_in(sub="another", email_verified=True)
    assert len({local.id, done.user.id, other.user.id}) == 3


async def test_a_public_client_sends_no_secret(make: Make) -> None:
    upstream = make(client_secret_env=None)
    await upstream.sign_in()
    headers, form = upstream.issuer.heard["/token"]
    assert "authorization" not in headers
    assert form["client_id"] == "saaf"


async def test_the_secret_goes_into_the_form_where_a_provider_wants_that(
    upstream: Upstream,
) -> None:
    upstream.issuer.publish(token_endpoint_auth_methods_supported=["client_secret_post"])
    upstream.issuer.answers["/jwks"][2]["keys"] = []
    await upstream.begin()
    upstream.gives()
    with pytest.raises(Unauthenticated):
        await upstream.finish()
    headers, form = upstream.issuer.heard["/token"]
    assert "authorization" not in headers
    assert form["client_secret"] == "s e+cret"


async def test_missing_claims_are_fetched_from_userinfo(make: Make) -> None:
    upstream = make(claims={"groups": ["groups"]})
    said = {"sub": "248289761001", "groups": ["analysts"], "name": "Other", "email": "x@y.example"}
    upstream.issuer.answers["/me"] = (200, {}, said)
    done = await upstream.sign_in(email=None)
    assert set(done.user.groups) == {"analysts"}
    assert (done.user.name, done.user.email) == ("Ann Archer", "x@y.example")
    assert upstream.issuer.heard["/me"][0]["authorization"] == "Bearer at"


async def test_nothing_is_fetched_when_nothing_is_missing(upstream: Upstream) -> None:
    await upstream.sign_in(groups=["analysts"])
    assert "/me" not in upstream.issuer.asked


async def test_a_disabled_user_stays_out(upstream: Upstream) -> None:
    user = (await upstream.sign_in()).user
    upstream.users.disable(user.id)
    with pytest.raises(Forbidden, match="disabled"):
        await upstream.sign_in()


async def test_who_signed_in_and_who_did_not_is_in_the_audit(
    upstream: Upstream, audit: AuditLog, database: Database
) -> None:
    user = (await upstream.sign_in()).user
    upstream.users.disable(user.id)
    with pytest.raises(Forbidden):
        await upstream.sign_in()
    await upstream.begin()
    upstream.gives(upstream.id_token(nonce="other"))
    with pytest.raises(Unauthenticated):
        await upstream.finish()
    await audit.close()
    with database.transaction(read=True) as session:
        rows = session.scalars(select(AuditEntryRow).order_by(AuditEntryRow.seq))
        found = [(row.action, row.decision, row.subject, row.resources.split()) for row in rows]
    assert found == [
        ("sign_in", "allowed", user.id, [f"user:{user.id}", "provider:acme"]),
        ("sign_in", "denied", "nobody", ["provider:acme"]),
        ("sign_in", "denied", "nobody", ["provider:acme"]),
    ]


async def test_an_unknown_tenant_stays_out(make: Make) -> None:
    upstream = make(claims={"tenant": "org"}, tenants=["europe"])
    with pytest.raises(Forbidden):
        await upstream.sign_in(org="asia")
    assert (await upstream.sign_in(org="europe")).user.tenant == "europe"


async def test_a_user_who_changes_tenants_stays_out(make: Make) -> None:
    upstream = make(claims={"tenant": "org"}, tenants=["europe", "asia"])
    await upstream.sign_in(org="europe")
    with pytest.raises(Forbidden, match="another tenant"):
        await upstream.sign_in(org="asia")


async def test_too_many_groups_stay_out_with_an_explanation(make: Make) -> None:
    upstream = make(preset="entra")
    with pytest.raises(Forbidden, match="too many"):
        await upstream.sign_in(_claim_names={"groups": "src1"})


async def test_a_refusal_of_the_provider_is_told_without_its_words(upstream: Upstream) -> None:
    for error, told in (("access_denied", "access_denied"), ("<b>x</b>", "an error")):
        await upstream.begin()
        with pytest.raises(Unauthenticated, match=told) as refusal:
            await upstream.finish(error=error, error_description="<script>", code="")
        assert "script" not in str(refusal.value)


async def test_a_provider_that_is_away_is_unavailable(upstream: Upstream) -> None:
    upstream.issuer.answers = {}
    with pytest.raises(Unavailable):
        await upstream.begin()


@pytest.mark.parametrize("path", ["/token", "/me", "/jwks"])
async def test_a_provider_that_goes_away_midway_is_unavailable(
    upstream: Upstream, path: str
) -> None:
    await upstream.begin()
    upstream.gives(upstream.id_token(email=None))
    upstream.issuer.answers[path] = (503, {}, {})
    with pytest.raises(Unavailable) as refusal:
        await upstream.finish()
    assert refusal.value.remedy


async def test_a_client_that_the_provider_does_not_know_is_the_admins_to_mend(
    upstream: Upstream,
) -> None:
    await upstream.begin()
    upstream.issuer.answers["/token"] = (401, {}, {"error": "invalid_client"})
    with pytest.raises(Unavailable, match="as its client") as refusal:
        await upstream.finish()
    assert "admin" in str(refusal.value.remedy)


async def test_there_are_no_other_providers(upstream: Upstream) -> None:
    with pytest.raises(NotFound):
        await upstream.begin("nobody")
    with pytest.raises(NotFound):
        await upstream.finish("nobody")
