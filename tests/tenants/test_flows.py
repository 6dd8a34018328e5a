"""The authorization server and its pages let nothing pass from one tenant to another."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from tests.api.pages.visitor import Visitor
from tests.site import Site, serving_site
from tests.tenants.planting import CALLBACK, MARK, MINE, THEIRS, settings_of
from tests.tenants.probes import SEPARATE

PASSWORD = "seventeen green umbrellas"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


@dataclass
class World:
    """Ann of the first tenant with a browser, Bob of the second with all that he has open."""

    site: Site
    visitor: Visitor
    bob: UserRecord
    asked: set[str]

    def post(self, path: str, **form: str) -> httpx.Response:
        """A request of the first tenant's client."""
        auth = ("mine", self.site.secret("mine"))
        response = self.site.http.post(path, auth=auth, data=form)
        self.asked.add(path)
        return clean(response)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        """A page in Ann's browser."""
        self.asked.add(path.partition("?")[0])
        return clean(self.visitor.http.get(path, **rest))

    def send(self, page: httpx.Response, path: str, /, **fields: str) -> httpx.Response:
        """A form in Ann's browser."""
        self.asked.add(path)
        return clean(self.visitor.send(page, path, **fields))

    def family(self) -> str:
        """A connection of Bob's."""
        client = self.site.identity.clients.find("theirs")
        assert client is not None
        order = ApprovedOrder(scopes=("runs:read", "offline_access"), audience=(self.site.url,))
        with self.site.project.database.transaction() as session:
            families = self.site.identity.families
            return families.start(session, client=client, user_id=self.bob.id, order=order).id


def clean(response: httpx.Response) -> httpx.Response:
    """A response that shows nothing of the second tenant."""
    shown = f"{response.headers} {response.text}"
    assert MARK not in shown
    assert "Bob" not in shown
    assert response.status_code < 500
    return response


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("flows") / "site"
    with serving_site(folder, settings_of("doc://*")) as site, Visitor(site) as visitor:
        hashed = site.identity.people.passwords.hash_blocking(PASSWORD)
        users = site.identity.users
        users.add("ann", tenant=MINE, scopes=["runs:read"], password_hash=hashed)
        bob = users.add(
            "bob", tenant=THEIRS, name=f"Bob {MARK}", scopes=["runs:read"], password_hash=hashed
        )
        assert visitor.sign_in("ann", PASSWORD).status_code in (302, 303)
        yield World(site, visitor, bob, {"/sign-in"})


def active(site: Site, token: str, client: str) -> bool:
    answer = site.http.post(
        "/oauth/introspect", auth=(client, site.secret(client)), data={"token": token}
    )
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["active"])


def test_a_token_of_another_tenant_is_not_told_of_nor_taken_back(world: World) -> None:
    token = world.site.token("theirs")
    answer = world.post("/oauth/introspect", token=token)
    assert answer.json() == {"active": False}
    world.post("/oauth/revoke", token=token)
    assert active(world.site, token, "theirs")


def test_a_token_of_another_tenant_is_not_exchanged(world: World) -> None:
    mine, theirs = world.site.token("mine"), world.site.token("theirs")
    form = {"grant_type": EXCHANGE, "subject_token_type": ACCESS}
    assert world.post("/oauth/token", **form, subject_token=theirs).status_code == 400
    as_actor = world.post(
        "/oauth/token", **form, subject_token=mine, actor_token=theirs, actor_token_type=ACCESS
    )
    assert as_actor.status_code == 400


def test_codes_of_another_tenant_give_no_tokens(world: World) -> None:
    site, identity = world.site, world.site.identity
    client = identity.clients.find("theirs")
    assert client is not None
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    code = identity.codes.issue(
        client=client,
        user=world.bob,
        redirect_uri=CALLBACK,
        code_challenge=base64.urlsafe_b64encode(digest).decode().rstrip("="),
        order=ApprovedOrder(scopes=("runs:read",), audience=(site.url,)),
    )
    refused = world.post(
        "/oauth/token",
        grant_type="authorization_code",
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=verifier,
    )
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_a_device_of_another_tenant_is_neither_polled_nor_let_in(world: World) -> None:
    site = world.site
    begun = site.http.post(
        "/oauth/device_authorization",
        auth=("theirs", site.secret("theirs")),
        data={"scope": "runs:read"},
    ).json()
    world.post("/oauth/device_authorization", scope="runs:read")
    polled = world.post("/oauth/token", grant_type=DEVICE, device_code=begun["device_code"])
    assert polled.json()["error"] == "invalid_grant"
    page = world.get("/device")
    entered = world.send(page, "/device", user_code=begun["user_code"])
    assert "No device waits" in entered.text
    decided = world.send(page, "/device/decision", user_code=begun["user_code"], decision="allow")
    assert "No device waits" in decided.text
    pending = site.identity.devices.pending(begun["user_code"])
    assert pending is not None


def test_a_user_is_not_sent_to_another_tenants_client(world: World) -> None:
    query = {
        "response_type": "code",
        "client_id": "theirs",
        "redirect_uri": CALLBACK,
        "scope": "runs:read",
        "state": "s",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    page = world.get("/oauth/authorize", params=query)
    assert "code=" not in page.headers.get("Location", "")
    if page.status_code == 200:
        decided = world.send(page, "/oauth/authorize/decision", decision="allow")
        assert "code=" not in decided.headers.get("Location", "")
    world.send(world.get("/account"), "/oauth/authorize/decision", decision="allow", **query)
    refused = world.post("/oauth/par", **query)
    assert refused.status_code in (400, 401)


def test_an_account_page_shows_and_ends_what_is_the_users_own(world: World) -> None:
    sessions, family = world.site.identity.sessions, world.family()
    cookie, session = sessions.start(world.bob, amr=["pwd"], address="", user_agent=MARK)
    page = world.get("/account")
    world.send(page, "/account/sessions/end", session=session.id)
    world.send(page, "/account/disconnect", client_id="theirs")
    assert sessions.find(cookie) is not None
    kept = world.site.identity.families.get(family)
    assert kept is not None
    assert kept.revoked_at is None


def test_a_registration_token_of_one_client_is_none_of_another(world: World) -> None:
    body = {"redirect_uris": [CALLBACK], "client_name": "Walker", "scope": "runs:read"}
    made = world.site.http.post("/oauth/register", json=body)
    world.asked.add("/oauth/register")
    headers = {"Authorization": f"Bearer {made.json().get('registration_access_token', 'x')}"}
    for method in ("GET", "PUT", "DELETE"):
        rest: dict[str, Any] = {"json": body} if method == "PUT" else {}
        refused = world.site.http.request(method, "/oauth/register/theirs", headers=headers, **rest)
        assert clean(refused).status_code == 401
    world.asked.add("/oauth/register/{client_id}")


def test_what_is_left_of_the_pages_shows_nothing_of_another_tenant(world: World) -> None:
    token = {"Authorization": f"Bearer {world.site.token('mine')}"}
    for path in sorted(SEPARATE - world.asked):
        address = re.sub(r"\{\w+\}", "walk", path)
        for method in ("GET", "POST"):
            if path == "/sign-out" and method == "POST":
                continue
            clean(
                world.visitor.http.request(method, address, data={} if method == "POST" else None)
            )
            clean(world.site.http.request(method, address, headers=token))
        world.asked.add(path)
    assert world.asked >= SEPARATE
