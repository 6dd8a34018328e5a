"""Attacks on the authorization endpoint, over a real socket; each is named for what it tries."""

from __future__ import annotations

from urllib.parse import urlencode

import httpx
import pytest

from tests.auth.authorization.flows import APP, Flow, answer_of
from tests.site import Site


def page(site: Site, query: str) -> httpx.Response:
    response = site.http.get(f"/oauth/authorize?{query}")
    assert response.status_code >= 400, response.headers
    assert "location" not in response.headers
    return response


def sent_back(site: Site, query: str, error: str) -> dict[str, str]:
    response = site.http.get(f"/oauth/authorize?{query}")
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith(APP + "?")
    answer = answer_of(location)
    assert answer["error"] == error
    assert answer["state"] == "s-1"
    assert answer["iss"] == site.url
    assert "code" not in answer
    assert answer["error_description"].isascii()
    return answer


@pytest.mark.parametrize(
    "uri",
    [
        APP + "/",
        APP + "/../evil",
        APP + "x",
        APP + "?next=https://evil.example",
        APP + "#fragment",
        "https://app.example.com.evil.example/callback",
        "https://app.example.com@evil.example/callback",
        "https://user@app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://APP.example.com/callback",
        "http://app.example.com/callback",
        "https://app.example.com/%63allback",
        "https://app.example.com/tenant?id=1&x=2",
        "https://app.example.com/tenant",
        "https://app.example.com\\@evil.example/callback",
        "//app.example.com/callback",
        "javascript:alert(1)",
        "https://evil.example/callback",
        " " + APP,
    ],
)
def test_another_redirect_uri_gets_a_page_and_no_redirect(site: Site, uri: str) -> None:
    assert page(site, Flow(site).query(redirect_uri=uri)).status_code == 400


def test_a_request_without_a_redirect_uri_gets_a_page(site: Site) -> None:
    assert page(site, Flow(site).query(redirect_uri=None)).status_code == 400


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:80/callback/x",
        "http://127.0.0.1:1234/other",
        "http://127.0.0.1:1234/callback?x=1",
        "http://127.0.0.1:1234/callback#x",
        "http://127.0.0.1:99999/callback",
        "http://x@127.0.0.1:1234/callback",
        "http://127.0.0.1:1234@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.1:1234/callback",
        "http://2130706433/callback",
        "https://127.0.0.1:1234/callback",
        "http://[::1]:1234/other",
        "http://[::ffff:127.0.0.1]/callback",
        "http://localhost:4001/callback",
        "http://localhost/callback",
        "com.example.app:/callback/x",
        "com.example.app://callback",
    ],
)
def test_loopback_gives_way_in_its_port_alone(site: Site, uri: str) -> None:
    page(site, Flow(site, "native").query(redirect_uri=uri))


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://127.0.0.1/callback",
        "http://[::1]:49152/callback",
        "http://localhost:4000/callback",
        "com.example.app:/callback",
    ],
)
def test_a_native_application_listens_on_any_port_of_loopback(site: Site, uri: str) -> None:
    request = Flow(site, "native").read(redirect_uri=uri)
    assert request.redirect_uri == uri
    assert request.goes_to_this_machine


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (None, None),
        (None, "S256"),
        ("x" * 43, None),
        ("x" * 43, "plain"),
        ("x" * 43, "s256"),
        ("x" * 42, "S256"),
        ("x" * 44, "S256"),
        ("x" * 42 + "=", "S256"),
    ],
)
def test_a_request_without_pkce_by_s256_is_refused_with_iss_and_state(
    site: Site, challenge: str | None, method: str | None
) -> None:
    query = Flow(site).query(code_challenge=challenge, code_challenge_method=method)
    sent_back(site, query, "invalid_request")


def test_confidential_clients_need_pkce_too(site: Site) -> None:
    query = Flow(site, "web").query(code_challenge=None, code_challenge_method=None)
    response = site.http.get(f"/oauth/authorize?{query}")
    assert answer_of(response.headers["location"])["error"] == "invalid_request"


@pytest.mark.parametrize("kind", ["token", "id_token", "code token", "code id_token", "none"])
def test_response_types_that_put_tokens_into_addresses_are_refused(site: Site, kind: str) -> None:
    query = Flow(site).query(response_type=kind)
    sent_back(site, query, "unsupported_response_type")


@pytest.mark.parametrize("mode", ["fragment", "web_message", "form_post", "query.jwt"])
def test_another_response_mode_is_refused(site: Site, mode: str) -> None:
    sent_back(site, Flow(site).query(response_mode=mode), "invalid_request")


def test_a_missing_response_type_is_refused(site: Site) -> None:
    sent_back(site, Flow(site).query(response_type=None), "invalid_request")


@pytest.mark.parametrize(
    "resource", ["https://api.example.com", "/", "https://evil.example/x", "urn:x"]
)
def test_a_foreign_resource_is_refused(site: Site, resource: str) -> None:
    sent_back(site, Flow(site).query(resource=resource), "invalid_target")
    both = Flow(site).query() + "&" + urlencode([("resource", site.url), ("resource", resource)])
    sent_back(site, both, "invalid_target")


@pytest.mark.parametrize(
    "scope", ["openid nothing:known", "admin", "*", "warehouse:*", "a\u00e9:b"]
)
def test_an_unknown_scope_is_refused(site: Site, scope: str) -> None:
    sent_back(site, Flow(site).query(scope=scope), "invalid_scope")


def test_scopes_that_are_not_the_clients_are_refused_if_nothing_else_is_asked(site: Site) -> None:
    sent_back(site, Flow(site).query(scope="iam:admin"), "invalid_scope")
    assert Flow(site).read(scope="iam:admin warehouse:query").scopes == ("warehouse:query",)


@pytest.mark.parametrize(
    "details", ["[]", "{}", "x", '[{"type":"other"}]', '[{"type":"saaf_data","resource":"x"}]']
)
def test_authorization_details_that_cannot_be_honoured_are_refused(
    site: Site, details: str
) -> None:
    query = Flow(site).query(authorization_details=details)
    sent_back(site, query, "invalid_authorization_details")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "surprise"])
def test_a_repeated_parameter_is_refused_on_a_page(site: Site, name: str) -> None:
    flow = Flow(site)
    twice = urlencode([*flow.fields(surprise="x").items(), (name, "again")])
    assert page(site, twice).status_code == 400


@pytest.mark.parametrize("text", ["a%0d%0aSet-Cookie:x=1", "a%00b", "%7f", "%c2%85", "%ff"])
@pytest.mark.parametrize("name", ["state", "nonce", "login_hint", "surprise"])
def test_control_characters_are_refused_on_a_page(site: Site, name: str, text: str) -> None:
    page(site, Flow(site).query(**{name: None}) + f"&{name}={text}")


def test_what_is_too_long_to_be_carried_about_is_refused(site: Site) -> None:
    page(site, Flow(site).query(state="x" * 2049))
    page(site, Flow(site).query(surprise="x" * 20_000))
    sent_back(site, Flow(site).query(nonce="x" * 513), "invalid_request")
    assert Flow(site).read(state="x" * 2048).state == "x" * 2048


def test_request_objects_are_refused_and_never_fetched(site: Site) -> None:
    sent_back(site, Flow(site).query(request="e30.e30."), "request_not_supported")
    for uri in ("https://evil.example/r", "http://127.0.0.1/", "urn:x", "file:///etc/passwd"):
        sent_back(site, Flow(site).query(request_uri=uri), "request_uri_not_supported")
    sent_back(site, Flow(site).query(registration="{}"), "registration_not_supported")


@pytest.mark.parametrize("prompt", ["none login", "create", "LOGIN", "none consent"])
def test_a_prompt_that_makes_no_sense_is_refused(site: Site, prompt: str) -> None:
    sent_back(site, Flow(site).query(prompt=prompt), "invalid_request")


@pytest.mark.parametrize("age", ["-1", "x", "1.5", "1e3", "9" * 10])
def test_a_max_age_that_is_no_number_is_refused(site: Site, age: str) -> None:
    sent_back(site, Flow(site).query(max_age=age), "invalid_request")


@pytest.mark.parametrize("jkt", ["x", "x" * 44, "x" * 42 + "!"])
def test_a_dpop_jkt_that_is_no_thumbprint_is_refused(site: Site, jkt: str) -> None:
    sent_back(site, Flow(site).query(dpop_jkt=jkt), "invalid_request")


def test_unknown_and_unfit_clients_get_a_page(site: Site) -> None:
    for client in ("nobody", "machine", "../app", "x" * 600, "https://evil.example/app"):
        page(site, Flow(site, client).query(redirect_uri=APP))
    page(site, Flow(site).query(client_id=None))


def test_a_disabled_client_gets_a_page(site: Site) -> None:
    site.identity.clients.disable("web")
    try:
        page(site, Flow(site, "web").query())
    finally:
        site.identity.clients.enable("web")
    assert Flow(site, "web").read().client.id == "web"


def test_a_client_that_must_push_cannot_send_its_request_by_the_browser(site: Site) -> None:
    response = site.http.get(f"/oauth/authorize?{Flow(site, 'pushing').query()}")
    answer = answer_of(response.headers["location"])
    assert (answer["error"], answer["iss"]) == ("invalid_request", site.url)


def test_markup_in_parameters_never_comes_back_as_markup(site: Site) -> None:
    text = "<script>alert(1)</script>"
    for change in ({"redirect_uri": text}, {"client_id": text}, {"state": text, "scope": text}):
        response = site.http.get(f"/oauth/authorize?{Flow(site).query(**change)}")
        assert text not in response.text
        assert "<" not in response.headers.get("location", "")
