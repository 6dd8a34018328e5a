"""Clients that describe themselves at their id: what is fetched, from where, and what is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey

from saaf_autogen.auth.client_record import ClientRecord
from saaf_autogen.auth.server.client_documents import ClientDocuments, client_of
from saaf_autogen.egress import EgressClient
from saaf_autogen.testing import ManualClock
from tests.auth.authorization.documents import DocumentServer, document_server
from tests.auth.authorization.flows import Flow, answer_of, sign_in
from tests.site import Site, serving_site

HOME = "https://client.example.com/callback"


@pytest.fixture(scope="module")
def server() -> Iterator[DocumentServer]:
    with document_server() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def documents(clock: ManualClock) -> Any:
    egress = EgressClient(["127.0.0.1"])
    yield ClientDocuments(egress, clock, hosts=["127.0.0.1"], scopes=["semantic:read"])
    await egress.aclose()


async def taken(documents: ClientDocuments, client_id: str) -> ClientRecord | None:
    await documents.fetch(client_id)
    return documents.known(client_id)


async def test_a_document_makes_a_public_client(
    server: DocumentServer, documents: ClientDocuments
) -> None:
    client_id = server.describe("/good", client_secret_note="x")
    client = await taken(documents, client_id)
    assert client is not None
    assert (client.id, client.origin, client.authentication) == (client_id, "document", "none")
    assert client.redirect_uris == (HOME,)
    assert client.scopes == ("semantic:read",)
    assert not client.first_party
    assert client.active


async def test_a_document_asks_for_no_more_than_the_deployment_allows(
    server: DocumentServer, documents: ClientDocuments
) -> None:
    every = server.describe(
        "/greedy",
        scope="iam:admin semantic:read",
        grant_types=["authorization_code", "client_credentials", "password"],
        first_party=True,
        groups=["admins"],
        introspects=True,
    )
    client = await taken(documents, every)
    assert client is not None
    assert client.scopes == ("semantic:read",)
    assert client.grant_types == ("authorization_code",)
    assert (client.groups, client.first_party, client.introspects) == ((), False, False)
    none = await taken(documents, server.describe("/modest", scope="openid"))
    assert none is not None
    assert none.scopes == ()


@pytest.mark.parametrize(
    "members",
    [
        {"client_id": "http://127.0.0.1/other"},
        {"client_id": None},
        {"client_secret": "x"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": ["none"]},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": HOME},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": [HOME, "http://evil.example/callback"]},
        {"redirect_uris": [HOME + "#x"]},
        {"redirect_uris": [f"https://{n}.example.com" for n in range(30)]},
        {"grant_types": "authorization_code"},
        {"scope": ["semantic:read"]},
        {"padding": "x" * 10_300},
    ],
)
async def test_an_unsound_document_makes_no_client(
    server: DocumentServer, documents: ClientDocuments, members: dict[str, Any]
) -> None:
    assert await taken(documents, server.describe("/bad", **members)) is None


@pytest.mark.parametrize("body", [b"[]", b"x", b"\xff", b'"x"', b"[" * 5000, b""])
async def test_what_is_no_document_makes_no_client(
    server: DocumentServer, documents: ClientDocuments, body: bytes
) -> None:
    server.answers["/odd"] = (200, {"Content-Type": "application/json"}, body)
    assert await taken(documents, server.url + "/odd") is None


async def test_another_media_type_makes_no_client(
    server: DocumentServer, documents: ClientDocuments
) -> None:
    assert await taken(documents, server.describe("/page", kind="text/html")) is None
    kind = "application/json; charset=utf-8"
    assert await taken(documents, server.describe("/json", kind=kind)) is not None


async def test_a_redirect_is_not_followed(
    server: DocumentServer, documents: ClientDocuments
) -> None:
    target = server.describe("/target")
    server.answers["/moved"] = (302, {"Location": target}, b"")
    assert await taken(documents, server.url + "/moved") is None
    assert "/target" not in server.asked


async def test_a_document_on_a_private_address_is_refused(clock: ManualClock) -> None:
    with document_server() as server:
        egress = EgressClient()
        documents = ClientDocuments(egress, clock, hosts=["*"], scopes=[])
        for host in (
            "127.0.0.1",
            "localhost",
            "[::1]",
            "169.254.169.254",
            "10.0.0.1",
            "2130706433",
        ):
            for scheme in ("https", "http"):
                port = server.url.rpartition(":")[2]
                assert await taken(documents, f"{scheme}://{host}:{port}/client") is None
        assert server.asked == []
        await egress.aclose()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a/../b",
        "/./a",
        "/a/%2e%2e/b",
        "/a#x",
        "/a b",
        "/a\\b",
        "/\u00e9",
        "/" + "x" * 600,
    ],
)
async def test_an_id_that_is_no_proper_address_is_not_fetched(
    server: DocumentServer, documents: ClientDocuments, path: str
) -> None:
    before = len(server.asked)
    assert await taken(documents, server.url + path) is None
    assert len(server.asked) == before


async def test_a_host_that_is_not_allowed_is_not_asked(
    server: DocumentServer, documents: ClientDocuments
) -> None:
    before = len(server.asked)
    for host in ("localhost", "user@127.0.0.1", "127.0.0.1.evil.example", "evil.example"):
        url = server.url.replace("127.0.0.1", host) + "/good"
        assert await taken(documents, url) is None
    assert len(server.asked) == before


@pytest.mark.parametrize(
    ("cache", "lasts"),
    [
        ("", 600),
        ("max-age=120", 120),
        ("max-age=1", 60),
        ("no-store", 60),
        ("max-age=999999", 86400),
    ],
)
async def test_a_document_is_remembered_within_a_minute_and_a_day(
    server: DocumentServer,
    documents: ClientDocuments,
    clock: ManualClock,
    cache: str,
    lasts: int,
) -> None:
    client_id = server.describe("/cached", cache=cache)
    before = server.asked.count("/cached")
    assert await taken(documents, client_id) is not None
    clock.advance(lasts - 1)
    assert await taken(documents, client_id) is not None
    assert server.asked.count("/cached") == before + 1
    clock.advance(2)
    assert documents.known(client_id) is None
    assert await taken(documents, client_id) is not None
    assert server.asked.count("/cached") == before + 2


async def test_a_failure_is_remembered_for_a_moment(
    server: DocumentServer, documents: ClientDocuments, clock: ManualClock
) -> None:
    url = server.url + "/late"
    assert await taken(documents, url) is None
    server.describe("/late")
    assert await taken(documents, url) is None
    assert server.asked.count("/late") == 1
    clock.advance(31)
    assert await taken(documents, url) is not None


async def test_a_client_that_goes_away_is_forgotten(
    server: DocumentServer, documents: ClientDocuments, clock: ManualClock
) -> None:
    client_id = server.describe("/gone", cache="max-age=60")
    assert await taken(documents, client_id) is not None
    server.answers["/gone"] = (404, {}, b"")
    clock.advance(61)
    assert await taken(documents, client_id) is None


def test_keys_are_for_clients_that_sign_and_never_both_ways() -> None:
    jwks = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
    document = {
        "client_id": "https://a.example/c",
        "redirect_uris": [HOME],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": jwks,
    }
    client = client_of(document, "https://a.example/c", scopes=[])
    assert (client.authentication, client.jwks) == ("private_key_jwt", jwks)
    with pytest.raises(ValueError, match="one of jwks"):
        client_of({**document, "jwks_uri": "https://a.example/k"}, "https://a.example/c", scopes=[])
    secret = {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}
    with pytest.raises(ValueError, match="jwks"):
        client_of({**document, "jwks": secret}, "https://a.example/c", scopes=[])


def test_a_described_client_goes_the_whole_way(
    server: DocumentServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {
        "oauth": {"client_documents": ["127.0.0.1"], "registration_scopes": ["semantic:read"]},
        "tenants": ["default", "acme"],
    }
    client_id = server.describe("/whole")
    with serving_site(tmp_path_factory.mktemp("documents"), settings) as site:
        metadata = site.http.get("/.well-known/oauth-authorization-server").json()
        assert metadata["client_id_metadata_document_supported"] is True
        user = site.identity.users.add("ann", tenant="acme", scopes=["semantic:read"])
        flow = Flow(site, client_id)
        query = urlencode({**flow.fields(redirect_uri=HOME)})
        assert site.http.get(f"/oauth/authorize?{query}").status_code in (200, 303)
        authorizations = site.identity.authorizations
        site.on_loop(authorizations.prepare(query))
        # Nobody vouched for it: before its user signed in, nobody is sent to it.
        for change in ({"scope": "nothing:known"}, {"prompt": "none"}):
            faulty = urlencode(flow.fields(redirect_uri=HOME, **change))
            response = site.http.get(f"/oauth/authorize?{faulty}")
            assert response.status_code == 400
            assert "location" not in response.headers
        request = authorizations.read(query)
        session = sign_in(site, user)
        assert authorizations.next_step(request, session, user) == "consent"
        location = authorizations.approve(request, user, session, request.scopes)
        assert answer_of(location)["iss"] == site.url
        redeemed = flow.redeem(location, redirect_uri=HOME)
        assert redeemed.status_code == 200, redeemed.text
        again = _refresh(site, client_id, redeemed.json()["refresh_token"])
        assert again.status_code == 200, again.text


def _refresh(site: Site, client_id: str, token: str) -> Any:
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
    return site.http.post("/oauth/token", data=form)
