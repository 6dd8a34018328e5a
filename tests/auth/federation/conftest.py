from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.federation import Federation, FinishedSignIn
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.settings import ProviderSettings
from saaf_autogen.testing import ManualClock
from tests.auth.tokens.issuer import LocalIssuer, local_issuer

HOST = "https://saaf.example"
BROWSER = "the browser's own secret"
RSA = RSAKey.generate_key(2048, auto_kid=True)


@dataclass
class Upstream:
    """A federation with one provider that says what a test wants, as both sides see it."""

    federation: Federation
    users: UserStore
    issuer: LocalIssuer
    clock: ManualClock
    asked: dict[str, str] = field(default_factory=dict)

    async def begin(self, provider: str = "acme", browser: str = BROWSER) -> dict[str, str]:
        """Begin; what the browser carries to the provider."""
        address = await self.federation.begin(provider, "/account", browser)
        self.asked = {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
        return self.asked

    def id_token(
        self, *, header: dict[str, Any] | None = None, key: Any = None, **changes: Any
    ) -> str:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.issuer.url,
            "aud": "saaf",
            "sub": "248289761001",
            "nonce": self.asked.get("nonce"),
            "iat": now,
            "exp": now + 300,
            "name": "Ann Archer",
            "email": "ann@acme.example",
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": "RS256", "kid": RSA.kid, **(header or {})}
        return jwt.encode(head, claims, key or RSA, algorithms=[head["alg"]], default_type=None)

    def gives(self, id_token: str | None = None, **answer: Any) -> None:
        """What the token endpoint gives next."""
        body = {
            "access_token": "at",
            "token_type": "Bearer",
            "id_token": id_token or self.id_token(),
        }
        self.issuer.answers["/token"] = (200, {"content-type": "application/json"}, body | answer)
        self.issuer.answers.setdefault("/me", (200, {}, {"sub": "248289761001"}))

    async def finish(
        self, provider: str = "acme", browser: str = BROWSER, **query: str
    ) -> FinishedSignIn:
        """Come back with the state that was sent and a code, but for ``query``."""
        sent = {"code": "the-code", "state": self.asked.get("state", ""), **query}
        sent = {name: value for name, value in sent.items() if value}
        return await self.federation.finish(provider, urlencode(sent), browser)

    async def sign_in(self, **claims: Any) -> FinishedSignIn:
        await self.begin()
        self.gives(self.id_token(**claims))
        return await self.finish()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer(clock: ManualClock) -> Iterator[LocalIssuer]:
    with local_issuer(clock) as running:
        running.publish(RSA)
        yield running


@pytest.fixture
def other_issuer(clock: ManualClock) -> Iterator[LocalIssuer]:
    with local_issuer(clock) as running:
        running.publish(RSA)
        yield running


@pytest.fixture
async def egress() -> AsyncIterator[EgressClient]:
    client = EgressClient(["127.0.0.1"], timeout_s=5)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store at its newest revision, to copy: migrating one for each test takes longer."""
    file = tmp_path_factory.mktemp("migrated") / "saaf.sqlite"
    store = Database(f"sqlite:///{file}")
    store.migrate()
    store.close()
    return file


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    shutil.copy(migrated, tmp_path / "saaf.sqlite")
    store = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    yield store
    store.close()


@pytest.fixture
async def audit(database: Database) -> AsyncIterator[AuditLog]:
    log = AuditLog(database, "00" * 32, delay_s=0.01)
    yield log
    await log.close()


@pytest.fixture
def make(
    database: Database,
    tmp_path: Path,
    clock: ManualClock,
    issuer: LocalIssuer,
    other_issuer: LocalIssuer,
    egress: EgressClient,
    audit: AuditLog,
) -> Callable[..., Upstream]:
    """Makes an upstream with settings over a few defaults; ``evil`` is a second provider."""

    def upstream(**settings: Any) -> Upstream:
        users = UserStore(database, clock, ScopeRegistry())
        given = {
            "id": "acme",
            "title": "Acme",
            "issuer": issuer.url,
            "client_id": "saaf",
            "client_secret_env": "SECRET",
            **settings,
        }
        evil = {"id": "evil", "title": "Evil", "issuer": other_issuer.url, "client_id": "saaf"}
        federation = Federation(
            [ProviderSettings.model_validate(given), ProviderSettings.model_validate(evil)],
            url=HOST,
            users=users,
            audit=audit,
            once=OneTimeStore(database, clock),
            sealer=Sealer.load(tmp_path),
            scopes=ScopeRegistry(),
            egress=egress,
            clock=clock,
            environ={"SECRET": "s e+cret"},
        )
        return Upstream(federation, users, issuer, clock)

    return upstream


@pytest.fixture
def upstream(make: Callable[..., Upstream]) -> Upstream:
    return make()
