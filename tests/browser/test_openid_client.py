"""openid-client, a certified relying party, through every flow; people's pages in Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey
from playwright.sync_api import Page

from saaf_autogen.clock import SystemClock
from tests.auth.authorization.documents import DocumentServer, document_server
from tests.browser.person import Person
from tests.peers.relying_party import Landing, converse, landing
from tests.people_site import PASSWORD, add_user
from tests.site import Site, serving_site

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CODE = ["authorization_code", "refresh_token"]
SCOPE = "openid profile email offline_access semantic:read"
KEY = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
DETAILS = '[{"type":"saaf_data","resource":"wh://nyc/main.flights"}]'


@pytest.fixture(scope="module")
def back() -> Iterator[Landing]:
    with landing() as at:
        yield at


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[DocumentServer]:
    """A client's own web server, where its keys and its description are."""
    with document_server() as server:
        keys = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
        server.answers["/keys"] = (200, {"Content-Type": "application/json"}, keys)
        yield server


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, back: Landing, elsewhere: DocumentServer
) -> Iterator[Site]:
    web = {"redirect_uris": [back.url], "post_logout_redirect_uris": [back.root]}
    signing = {"authentication": "private_key_jwt", "jwks_uri": f"{elsewhere.url}/keys"}
    scopes = ["semantic:read", "agents:run"]
    both = {"scopes": scopes, "grant_types": CODE, **web}
    settings = {
        "clients": [
            {"id": "service", "scopes": scopes, "grant_types": ["client_credentials", EXCHANGE]},
            {"id": "signer", "scopes": scopes, "grant_types": ["client_credentials", *CODE],
             **web, **signing},
            {"id": "web", "title": "A web app", **both},
            {"id": "own", "title": "The portal", "first_party": True, **both},
            {"id": "spa", "authentication": "none", **both, "grant_types": [*CODE, DEVICE]},
            {"id": "bound", "requires_dpop": True, "requires_par": True, **both},
        ],
        "oauth": {
            "registration": "open",
            "registration_scopes": scopes,
            "client_documents": ["127.0.0.1"],
        },
    }  # fmt: skip
    # The machine's clock: openid-client compares times with its own.
    folder = tmp_path_factory.mktemp("site")
    with serving_site(folder, settings, clock=SystemClock()) as running:
        add_user(running, "ann", name="Ann", email="ann@example.org", scopes=scopes)
        yield running


@pytest.fixture
def ann(page: Page, back: Landing) -> Person:
    return Person(page, "ann", PASSWORD, back.root)


def given(site: Site, client: str, back: Landing, **more: Any) -> dict[str, Any]:
    asked = {
        "issuer": site.url,
        "client_id": client,
        "redirect_uri": back.url,
        "scope": SCOPE,
        "resource_url": f"{site.url}/v1/actions",
        **more,
    }
    if client in ("service", "web", "own", "bound"):
        asked["client_secret"] = site.secret(client)
    if client == "signer":
        asked["private_jwk"] = KEY.as_dict(private=True)
    return asked


def once(site: Site, client: str, back: Landing, **parameters: str) -> dict[str, Any]:
    """A sign-in without any refresh or sign-out after it."""
    return given(site, client, back, refresh=False, parameters=parameters)


@pytest.mark.parametrize(
    ("client", "method"), [("service", "basic"), ("service", "post"), ("signer", "signature")]
)
def test_a_service_gets_uses_inspects_and_ends_a_token(
    site: Site, back: Landing, client: str, method: str
) -> None:
    asked = given(site, client, back, scope="semantic:read", method=method)
    result = converse("client_credentials", asked)
    assert result["called"]["status"] == 200
    assert result["seen"]["active"] is True
    assert result["seen"]["client_id"] == client
    assert result["after"] == {"active": False}


def test_a_service_gets_a_sender_constrained_token(site: Site, back: Landing) -> None:
    asked = given(site, "service", back, scope="semantic:read", dpop=True)
    result = converse("client_credentials", asked)
    assert result["tokens"]["token_type"].lower() == "dpop"
    assert result["called"]["status"] == 200
    assert result["seen"]["cnf"]["jkt"]


@pytest.mark.parametrize(
    ("client", "more"),
    [
        ("web", {}),
        ("web", {"par": True}),
        ("spa", {}),
        ("spa", {"dpop": True}),
        ("bound", {"par": True, "dpop": True}),
        ("signer", {"par": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "plain",
)
def test_a_person_signs_in_and_consents(
    site: Site, back: Landing, ann: Person, client: str, more: dict[str, Any]
) -> None:
    asked = given(site, client, back, post_logout_redirect_uri=back.root, **more)
    result = converse("code", asked, ann.visit)
    user = site.identity.users.find_by_name("ann")
    assert user
    assert result["claims"]["sub"] == user.id == result["person"]["sub"]
    assert result["person"]["email"] == "ann@example.org"
    assert result["called"]["status"] == 200
    assert result["refreshed"]["scope"].split() == result["tokens"]["scope"].split()
    # A refresh token that comes back ends the whole family.
    assert result["reuse"] == result["after_reuse"] == "invalid_grant"
    assert result["left_at"] == f"{back.root}?state=bye"


def test_a_device_is_connected_by_a_person(site: Site, back: Landing, ann: Person) -> None:
    result = converse("device", given(site, "spa", back), ann.visit)
    assert result["claims"]["sub"].startswith("usr_")
    assert ann.steps == ["sign in", "go on", "allow"]


def test_a_request_is_narrowed_by_its_details(site: Site, back: Landing, ann: Person) -> None:
    asked = once(site, "web", back, authorization_details=DETAILS)
    tokens = converse("code", asked, ann.visit)["tokens"]
    assert tokens["authorization_details"][0]["resource"] == "wh://nyc/main.flights"


def test_a_token_is_for_the_resource_that_was_named(site: Site, back: Landing, ann: Person) -> None:
    asked = once(site, "web", back, resource=site.url)
    tokens = converse("code", {**asked, "token_parameters": {"resource": site.url}}, ann.visit)
    seen = site.http.post(
        "/oauth/introspect",
        data={"token": tokens["tokens"]["access_token"]},
        auth=("web", site.secret("web")),
    ).json()
    assert seen["aud"] in (site.url, [site.url])
    assert tokens["called"]["status"] == 200


def test_a_token_is_exchanged_for_one_that_names_the_actor(
    site: Site, back: Landing, ann: Person
) -> None:
    token = converse("code", once(site, "web", back), ann.visit)["tokens"]["access_token"]
    asked = given(site, "service", back, scope="semantic:read", subject_token=token)
    exchanged = converse("exchange", asked)["tokens"]
    seen = site.http.post(
        "/oauth/introspect",
        data={"token": exchanged["access_token"]},
        auth=("service", site.secret("service")),
    ).json()
    assert seen["act"]["sub"] == "client:service"
    assert seen["sub"].startswith("usr_")
    assert seen["scope"] == "semantic:read"


@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_a_client_registers_itself_and_signs_a_person_in(
    site: Site, back: Landing, ann: Person, method: str
) -> None:
    metadata: dict[str, Any] = {
        "client_name": "Registered",
        "redirect_uris": [back.url],
        "grant_types": CODE,
        "token_endpoint_auth_method": method,
    }
    asked = given(site, "", back, metadata=metadata)
    if method == "private_key_jwt":
        asked["private_jwk"] = KEY.as_dict(private=True)
        metadata["jwks"] = {"keys": [KEY.as_dict(private=False)]}
    result = converse("register", asked, ann.visit)
    assert ann.steps == ["sign in", "allow"]
    assert result["registered"]["token_endpoint_auth_method"] == method
    assert result["claims"]["aud"] == result["registered"]["client_id"]
    assert result["called"]["status"] == 200


@pytest.mark.parametrize(
    ("method", "more"),
    [("none", {}), ("private_key_jwt", {"par": True}), ("none", {"par": True, "dpop": True})],
    ids=["public", "keys+par", "public+par+dpop"],
)
def test_a_client_that_describes_itself_at_its_address_signs_a_person_in(
    site: Site,
    back: Landing,
    ann: Person,
    elsewhere: DocumentServer,
    method: str,
    more: dict[str, Any],
) -> None:
    keys = {"jwks_uri": f"{elsewhere.url}/keys"} if method == "private_key_jwt" else {}
    client_id = elsewhere.describe(
        f"/{method}{len(more)}",
        redirect_uris=[back.url],
        token_endpoint_auth_method=method,
        **keys,
    )
    asked = given(site, client_id, back, **more)
    if method == "private_key_jwt":
        asked["private_jwk"] = KEY.as_dict(private=True)
    result = converse("code", asked, ann.visit)
    assert ann.steps == ["sign in", "allow"]
    assert result["claims"]["aud"] == client_id
    assert result["called"]["status"] == 200
    assert result["reuse"] == "invalid_grant"


class TestRefusals:
    def test_a_person_who_cancels_sends_access_denied_with_iss(
        self, site: Site, back: Landing, ann: Person
    ) -> None:
        ann.decision = "Cancel"
        refused = converse("refused", once(site, "web", back, prompt="consent"), ann.visit)
        assert ann.steps == ["sign in", "cancel"]
        assert refused["error"] == "access_denied"
        assert refused["answer"]["iss"] == site.url
        assert "code" not in refused["answer"]

    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"resource": "https://elsewhere.example"}, "invalid_target"),
            ({"scope": "openid no:such"}, "invalid_scope"),
            ({"prompt": "none"}, "login_required"),
        ],
        ids=["plain PKCE", "foreign resource", "unknown scope", "nobody is signed in"],
    )
    def test_a_request_is_refused_to_the_client_and_nobody_is_asked(
        self, site: Site, back: Landing, ann: Person, parameters: dict[str, str], error: str
    ) -> None:
        refused = converse("refused", once(site, "web", back, **parameters), ann.visit)
        assert ann.steps == []
        assert refused["error"] == error
        assert refused["answer"]["iss"] == site.url
        assert refused["answer"]["state"]

    def test_a_foreign_redirect_address_shows_a_page_and_goes_nowhere(
        self, site: Site, page: Page
    ) -> None:
        foreign = "http://127.0.0.1.attacker.example/callback"
        query = f"response_type=code&client_id=web&redirect_uri={foreign}"
        page.goto(f"{site.url}/oauth/authorize?{query}")
        assert page.url.startswith(site.url)
        assert page.get_by_role("heading", level=1).count() == 1


class TestSessions:
    def test_who_is_signed_in_is_told_without_being_asked(
        self, site: Site, back: Landing, ann: Person
    ) -> None:
        first = converse("code", once(site, "own", back), ann.visit)["claims"]
        assert ann.steps == ["sign in"]
        silent = converse("code", once(site, "own", back, prompt="none"), ann.visit)["claims"]
        assert ann.steps == ["sign in"]
        assert silent["auth_time"] == first["auth_time"]
        assert silent["sub"] == first["sub"]

    def test_what_was_not_allowed_needs_consent_which_none_forbids(
        self, site: Site, back: Landing, ann: Person
    ) -> None:
        converse("code", once(site, "own", back), ann.visit)
        refused = converse("refused", once(site, "spa", back, prompt="none"), ann.visit)
        assert refused["error"] == "consent_required"

    def test_a_sign_in_that_is_too_old_is_made_again(
        self, site: Site, back: Landing, ann: Person
    ) -> None:
        def sign_in(max_age: int) -> dict[str, Any]:
            asked = once(site, "own", back, max_age=str(max_age))
            asked["checks"] = {"maxAge": max_age}
            return dict(converse("code", asked, ann.visit)["claims"])

        first = sign_in(3600)
        assert sign_in(3600)["auth_time"] == first["auth_time"]
        assert ann.steps == ["sign in"]
        assert sign_in(0)["auth_time"] >= first["auth_time"]
        assert ann.steps == ["sign in", "sign in"]
