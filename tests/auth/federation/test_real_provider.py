"""A certified OpenID provider (npm oidc-provider) to sign in with, over its own pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.federation import Federation, FinishedSignIn
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import Unauthenticated
from saaf_autogen.settings import ProviderSettings
from tests.peers.provider import OpenIdProvider, RealClock, openid_provider

HOST = "http://127.0.0.1:9"
SECRET = "a secret: with/odd+characters & more"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    callback = f"{HOST}/sign-in/with/acme/callback"
    clients = [
        {"client_id": "saaf:host", "client_secret": SECRET, "redirect_uris": [callback]},
        {
            "client_id": "elliptic",
            "client_secret": SECRET,
            "redirect_uris": [callback],
            "id_token_signed_response_alg": "ES256",
            "token_endpoint_auth_method": "client_secret_post",
        },
        {
            "client_id": "public",
            "redirect_uris": [callback],
            "token_endpoint_auth_method": "none",
        },
    ]
    accounts = {"ann": {"name": "Ann Archer", "email": "ann@acme.example", "groups": ["eu"]}}
    claims = {"profile": ["name", "groups"], "email": ["email", "email_verified"]}
    with openid_provider(clients=clients, accounts=accounts, claims=claims) as running:
        yield running


@pytest.fixture
async def egress() -> AsyncIterator[EgressClient]:
    client = EgressClient(["127.0.0.1"])
    yield client
    await client.aclose()


@pytest.fixture
def make(
    provider: OpenIdProvider,
    database: Database,
    tmp_path: Path,
    egress: EgressClient,
    audit: AuditLog,
) -> Callable[..., Federation]:
    def federation(**settings: Any) -> Federation:
        clock = RealClock()
        given = {
            "id": "acme",
            "title": "Acme",
            "issuer": provider.issuer,
            "client_id": "saaf:host",
            "client_secret_env": "SECRET",
            **settings,
        }
        return Federation(
            [ProviderSettings.model_validate(given)],
            url=HOST,
            users=UserStore(database, clock, ScopeRegistry()),
            audit=audit,
            once=OneTimeStore(database, clock),
            sealer=Sealer.load(tmp_path),
            scopes=ScopeRegistry(),
            egress=egress,
            clock=clock,
            environ={"SECRET": SECRET},
        )

    return federation


async def come_back(provider: OpenIdProvider, federation: Federation, login: str) -> str:
    """The query with which the provider sends a browser back."""
    address = await federation.begin("acme", "/account", "browser")
    target = await asyncio.to_thread(provider.visit, address, login)
    assert target.startswith(f"{federation.redirect_uri('acme')}?")
    return urlsplit(target).query


async def sign_in(provider: OpenIdProvider, federation: Federation, login: str) -> FinishedSignIn:
    query = await come_back(provider, federation, login)
    return await federation.finish("acme", query, "browser")


async def test_a_person_signs_in_over_the_providers_pages(
    provider: OpenIdProvider, make: Callable[..., Federation]
) -> None:
    federation = make()
    done = await sign_in(provider, federation, "ann")
    assert (done.user.issuer, done.user.subject) == (provider.issuer, "ann")
    assert (done.user.name, done.user.email) == ("Ann Archer", "ann@acme.example")
    assert done.user.groups == ("eu",)
    assert done.return_to == "/account"
    assert (await sign_in(provider, federation, "ann")).user.id == done.user.id
    assert (await sign_in(provider, federation, "bob")).user.id != done.user.id


@pytest.mark.parametrize(
    "settings",
    [{"client_id": "elliptic"}, {"client_id": "public", "client_secret_env": None}],
    ids=["ES256", "public"],
)
async def test_other_kinds_of_clients_work_too(
    provider: OpenIdProvider, make: Callable[..., Federation], settings: dict[str, Any]
) -> None:
    done = await sign_in(provider, make(**settings), "ann")
    assert done.user.subject == "ann"


async def test_its_answer_names_itself_and_counts_once(
    provider: OpenIdProvider, make: Callable[..., Federation]
) -> None:
    federation = make()
    query = await come_back(provider, federation, "ann")
    answer = dict(parse_qsl(query))
    assert answer["iss"] == provider.issuer
    await federation.finish("acme", query, "browser")
    with pytest.raises(Unauthenticated):
        await federation.finish("acme", query, "browser")
    answer = dict(parse_qsl(await come_back(provider, federation, "ann")))
    del answer["iss"]
    with pytest.raises(Unauthenticated, match="not from the provider"):
        await federation.finish("acme", urlencode(answer), "browser")


async def test_a_code_of_another_sign_in_is_refused_by_its_pkce_verifier(
    provider: OpenIdProvider, make: Callable[..., Federation]
) -> None:
    federation = make()
    stolen = dict(parse_qsl(await come_back(provider, federation, "ann")))
    mine = dict(parse_qsl(await come_back(provider, federation, "mallory")))
    with pytest.raises(Unauthenticated, match="did not take back"):
        await federation.finish("acme", urlencode({**mine, "code": stolen["code"]}), "browser")
