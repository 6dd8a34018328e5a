from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tokens import TokenVerifier, TrustedIssuers
from saaf_autogen.egress import EgressClient
from saaf_autogen.settings import IssuerSettings
from saaf_autogen.testing import ManualClock
from tests.auth.tokens.issuer import AUDIENCE, LocalIssuer, local_issuer, new_key

EMBEDDED = "https://saaf.example"
Trust = Callable[..., TokenVerifier]


class OwnKeys:
    """The embedded issuer's."""

    def __init__(self) -> None:
        self.key = new_key()

    def verification_key(self, kid: str) -> Any:
        return self.key if kid == self.key.kid else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer(clock: ManualClock) -> Iterator[LocalIssuer]:
    with local_issuer(clock) as running:
        running.publish()
        yield running


@pytest.fixture
def other_issuer(clock: ManualClock) -> Iterator[LocalIssuer]:
    with local_issuer(clock) as running:
        running.publish()
        yield running


@pytest.fixture
async def egress() -> AsyncIterator[EgressClient]:
    client = EgressClient(["127.0.0.1"], timeout_s=5)
    yield client
    await client.aclose()


@pytest.fixture
def own_keys() -> OwnKeys:
    return OwnKeys()


@pytest.fixture
def trust(egress: EgressClient, clock: ManualClock, own_keys: OwnKeys) -> Trust:
    """Makes a verifier that trusts these issuers, given as settings over a few defaults."""

    def make(*issuers: LocalIssuer | dict[str, Any], **settings: Any) -> TokenVerifier:
        found = [
            {"issuer": each.url, **settings} if isinstance(each, LocalIssuer) else each
            for each in issuers
        ]
        trusted = TrustedIssuers(
            [IssuerSettings.model_validate({"audience": AUDIENCE, **each}) for each in found],
            scopes=ScopeRegistry(),
            egress=egress,
            clock=clock,
            environ={"SECRET": "s e+cret"},
        )
        return TokenVerifier(
            issuer=EMBEDDED,
            audience=EMBEDDED,
            keys=own_keys,
            revoked=frozenset[str | None](),
            clock=clock,
            trusted=trusted,
        )

    return make
