"""A request from its first sight to a code."""

from __future__ import annotations

import pytest

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.server.authorization import PageRefusal, RedirectRefusal
from tests.auth.authorization.flows import Flow, answer_of, sign_in
from tests.site import Site


@pytest.fixture
def fresh(site: Site, ann: UserRecord) -> UserRecord:
    """Ann, who allowed nobody anything yet."""
    for client in ("app", "native", "web", "own"):
        site.identity.consents.forget(ann, client)
    return ann


def test_nobody_signed_in_means_sign_in(site: Site) -> None:
    request = Flow(site).read()
    assert site.identity.authorizations.next_step(request, None, None) == "sign_in"


def test_an_approval_gives_a_code_with_state_and_iss(site: Site, fresh: UserRecord) -> None:
    flow, session = Flow(site), sign_in(site, fresh)
    request = flow.read(nonce="n-1")
    authorizations = site.identity.authorizations
    assert authorizations.next_step(request, session, fresh) == "consent"
    location = authorizations.approve(request, fresh, session, request.scopes)
    answer = answer_of(location)
    assert location.startswith(request.redirect_uri + "?code=")
    assert (answer["state"], answer["iss"]) == ("s-1", site.url)
    redeemed = flow.redeem(location)
    assert redeemed.status_code == 200, redeemed.text
    assert redeemed.json()["scope"].split() == ["openid", "semantic:read"]


def test_the_answer_keeps_the_query_of_the_redirect_uri(site: Site, fresh: UserRecord) -> None:
    uri = "https://app.example.com/tenant?id=1"
    request = Flow(site).read(redirect_uri=uri, state=None)
    location = site.identity.authorizations.deny(request)
    assert location.startswith(uri + "&error=access_denied&")
    assert "state" not in answer_of(location)


def test_a_client_gets_no_more_than_the_user_has(site: Site, fresh: UserRecord) -> None:
    request = Flow(site).read(scope="openid warehouse:query semantic:edit semantic:read")
    assert "semantic:read" in request.scopes  # it comes with semantic:edit, which is the client's
    grantable = site.identity.authorizations.grantable(request, fresh)
    assert grantable == ("openid", "semantic:read")


def test_a_client_gets_no_more_than_was_ticked(site: Site, fresh: UserRecord) -> None:
    flow, session = Flow(site), sign_in(site, fresh)
    request = flow.read()
    location = site.identity.authorizations.approve(
        request, fresh, session, ["openid", "iam:admin", "warehouse:query"]
    )
    assert flow.redeem(location).json()["scope"] == "openid"


def test_a_user_with_none_of_it_sends_access_denied(site: Site, fresh: UserRecord) -> None:
    request = Flow(site).read(scope="warehouse:query")
    with pytest.raises(RedirectRefusal) as refusal:
        site.identity.authorizations.next_step(request, sign_in(site, fresh), fresh)
    assert answer_of(refusal.value.location)["error"] == "access_denied"


def test_a_client_of_another_tenant_gets_nothing(site: Site, fresh: UserRecord) -> None:
    request, session = Flow(site, "elsewhere").read(), sign_in(site, fresh)
    with pytest.raises(RedirectRefusal, match="not for this user"):
        site.identity.authorizations.next_step(request, session, fresh)
    with pytest.raises(RedirectRefusal, match="not for this user"):
        site.identity.authorizations.approve(request, fresh, session, request.scopes)


def test_consent_is_asked_once_and_again_for_more(site: Site, fresh: UserRecord) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, fresh)
    request = Flow(site).read(scope="openid")
    authorizations.approve(request, fresh, session, request.scopes)
    assert authorizations.next_step(Flow(site).read(scope="openid"), session, fresh) == "approve"
    more = Flow(site).read(scope="openid semantic:read")
    assert authorizations.next_step(more, session, fresh) == "consent"
    again = Flow(site).read(scope="openid", prompt="consent")
    assert authorizations.next_step(again, session, fresh) == "consent"


def test_consent_to_a_program_on_the_users_machine_is_asked_each_time(
    site: Site, fresh: UserRecord
) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, fresh)
    request = Flow(site, "native").read()
    authorizations.approve(request, fresh, session, request.scopes)
    assert authorizations.next_step(Flow(site, "native").read(), session, fresh) == "consent"


def test_the_deployments_own_client_needs_no_consent(site: Site, fresh: UserRecord) -> None:
    request, session = Flow(site, "own").read(), sign_in(site, fresh)
    assert site.identity.authorizations.next_step(request, session, fresh) == "approve"


def test_prompt_none_never_asks(site: Site, fresh: UserRecord) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, fresh)
    request = Flow(site).read(prompt="none")
    with pytest.raises(RedirectRefusal) as refusal:
        authorizations.next_step(request, None, None)
    assert refusal.value.error == "login_required"
    with pytest.raises(RedirectRefusal) as refusal:
        authorizations.next_step(request, session, fresh)
    assert answer_of(refusal.value.location)["error"] == "consent_required"
    allowed = Flow(site).read()
    authorizations.approve(allowed, fresh, session, allowed.scopes)
    assert authorizations.next_step(request, session, fresh) == "approve"


@pytest.mark.parametrize("change", [{"prompt": "login"}, {"prompt": "select_account"}])
def test_prompt_login_is_met_by_a_sign_in_after_the_request_and_by_no_older_one(
    site: Site, fresh: UserRecord, change: dict[str, str]
) -> None:
    authorizations, old = site.identity.authorizations, sign_in(site, fresh)
    site.clock.advance(1)
    request = Flow(site).read(**change)
    assert authorizations.next_step(request, old, fresh) == "sign_in"
    with pytest.raises(RedirectRefusal) as refusal:
        authorizations.approve(request, fresh, old, request.scopes)
    assert refusal.value.error == "login_required"
    parked = authorizations.park(request)
    site.clock.advance(30)
    returned = authorizations.read(parked)
    assert authorizations.next_step(returned, old, fresh) == "sign_in"
    assert authorizations.next_step(returned, sign_in(site, fresh), fresh) == "consent"


def test_max_age_counts_from_the_sign_in_to_the_request(site: Site, fresh: UserRecord) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, fresh)
    site.clock.advance(60)
    assert authorizations.next_step(Flow(site).read(max_age="60"), session, fresh) == "consent"
    for age in ("59", "0"):
        request = Flow(site).read(max_age=age)
        assert authorizations.next_step(request, session, fresh) == "sign_in"
    parked = authorizations.park(request)
    site.clock.advance(5)
    later = sign_in(site, fresh)
    site.clock.advance(300)  # at the consent page
    returned = authorizations.read(parked)
    assert authorizations.next_step(returned, later, fresh) == "consent"


def test_a_parked_request_is_answered_once(site: Site, fresh: UserRecord) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, fresh)
    parked = authorizations.park(Flow(site).read())
    first, second = authorizations.read(parked), authorizations.read(parked)
    assert authorizations.park(first) == parked
    authorizations.approve(first, fresh, session, first.scopes)
    with pytest.raises(PageRefusal, match="answered before"):
        authorizations.approve(second, fresh, session, second.scopes)
    with pytest.raises(PageRefusal, match="answered before"):
        authorizations.read(parked)


def test_a_refused_request_cannot_be_approved_afterwards(site: Site, fresh: UserRecord) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, fresh)
    request = authorizations.read(authorizations.park(Flow(site).read()))
    assert answer_of(authorizations.deny(request))["error"] == "access_denied"
    with pytest.raises(PageRefusal):
        authorizations.approve(request, fresh, session, request.scopes)


def test_a_parked_request_ends_after_a_quarter_of_an_hour(site: Site) -> None:
    authorizations = site.identity.authorizations
    parked = authorizations.park(Flow(site).read())
    site.clock.advance(899)
    assert authorizations.read(parked).client.id == "app"
    site.clock.advance(2)
    with pytest.raises(PageRefusal, match="expired"):
        authorizations.read(parked)


def test_a_parked_request_is_of_its_client_alone(site: Site) -> None:
    authorizations = site.identity.authorizations
    parked = authorizations.park(Flow(site).read())
    with pytest.raises(PageRefusal):
        authorizations.read(parked.replace("client_id=app", "client_id=own"))


def test_a_client_that_is_disabled_meanwhile_gets_nothing(site: Site) -> None:
    authorizations = site.identity.authorizations
    parked = authorizations.park(Flow(site, "web").read())
    site.identity.clients.disable("web")
    try:
        with pytest.raises(PageRefusal):
            authorizations.read(parked)
    finally:
        site.identity.clients.enable("web")


def test_a_disabled_user_must_sign_in_which_they_cannot(site: Site) -> None:
    user = site.identity.users.add("ben", scopes=["semantic:read"])
    session = sign_in(site, user)
    disabled = site.identity.users.disable(user.id) or site.identity.users.get(user.id)
    assert disabled is not None
    authorizations, request = site.identity.authorizations, Flow(site).read()
    assert authorizations.next_step(request, session, disabled) == "sign_in"
    with pytest.raises(RedirectRefusal):
        authorizations.approve(request, disabled, session, request.scopes)


def test_offline_access_is_for_clients_with_refresh_tokens(site: Site) -> None:
    assert "offline_access" in Flow(site).read(scope="openid offline_access").scopes
    pushed = Flow(site, "pushing").fields(scope="openid offline_access")
    site_answer = site.http.post(
        "/oauth/par", data=pushed, auth=("pushing", site.secret("pushing"))
    ).json()
    query = f"client_id=pushing&request_uri={site_answer['request_uri']}"
    assert site.identity.authorizations.read(query).scopes == ("openid",)


def test_a_request_without_scopes_asks_for_all_of_the_clients(site: Site) -> None:
    assert Flow(site).read(scope=None).scopes == ("warehouse:query", "semantic:edit")


def test_the_audience_is_this_host_and_details_are_kept(site: Site, fresh: UserRecord) -> None:
    details = '[{"type":"saaf_data","resource":"wh://main/sales.orders"}]'
    request = Flow(site).read(resource=site.url + "/", authorization_details=details)
    assert request.audience == (site.url,)
    assert request.details is not None
    assert request.details[0]["resource"] == "wh://main/sales.orders"


def test_a_login_hint_is_passed_on_if_it_could_be_a_name(site: Site) -> None:
    assert Flow(site).read(login_hint="ann@acme.com").login_hint == "ann@acme.com"
    assert Flow(site).read(login_hint="x" * 400).login_hint is None


def test_where_the_answer_goes_is_told_to_the_page(site: Site) -> None:
    assert Flow(site).read().redirect_host == "app.example.com"
    assert not Flow(site).read().goes_to_this_machine
    assert Flow(site, "native").read().redirect_host == "127.0.0.1:49152"
    own = Flow(site, "native").read(redirect_uri="com.example.app:/callback")
    assert own.redirect_host == "com.example.app:"
