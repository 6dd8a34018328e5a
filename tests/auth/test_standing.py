"""What a principal still holds: read once, remembered, and never longer than anyone may answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.standing import STALE_S, Standing
from saaf_autogen.auth.tokens.revocation import revoked_name
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.errors import Forbidden, SaafError, Unauthenticated, Unavailable
from saaf_autogen.settings import ClientSettings
from saaf_autogen.testing import ManualClock

HERE, IDP = "https://here", "https://idp"
SCOPES = ["semantic:read", "warehouse:query"]


class House:
    """Users and clients, and the standing over them."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock, scopes = database, ManualClock(), ScopeRegistry()
        self.users = UserStore(database, self.clock, scopes)
        self.groups = GroupStore(database, self.clock, scopes)
        self.clients = ClientStore(database, Sealer(bytes(32)), self.clock, scopes)
        self.revoked: set[str | None] = set()
        self.reads = 0
        self.standing = Standing(
            database,
            user=self._user,
            is_document=lambda client_id: client_id.startswith("https://"),
            revoked=self.revoked,
            issuer=HERE,
            trusted={IDP},
            clock=self.clock,
        )
        self.client("app")

    def _user(self, user_id: str) -> Any:
        self.reads += 1
        return self.users.get(user_id)

    def client(self, client_id: str, **more: Any) -> Principal:
        body = {"scopes": SCOPES, "groups": ["analysts"], "attributes": {"carrier": "UA"}, **more}
        self.clients.add(ClientSettings.model_validate({"id": client_id, **body}))
        return self.of_client(client_id)

    def of_client(self, client_id: str, **more: Any) -> Principal:
        body: dict[str, Any] = {
            "issuer": HERE,
            "subject": f"client:{client_id}",
            "client_id": client_id,
            "scopes": SCOPES,
            **more,
        }
        return Principal.model_validate(body)

    def user(self, name: str = "ann", **more: Any) -> Principal:
        self.groups.add("staff") if self.groups.get("staff") is None else None
        made = self.users.add(name, **{"scopes": SCOPES, **more})
        return self.of_user(made.id)

    def of_user(self, user_id: str, **more: Any) -> Principal:
        body: dict[str, Any] = {
            "issuer": HERE,
            "subject": user_id,
            "kind": "user",
            "client_id": "app",
            "scopes": [*SCOPES, "openid"],
            "token_id": "jti",
            "family": "fam",
            **more,
        }
        return Principal.model_validate(body)

    async def now(self, principal: Principal) -> Principal:
        self.standing.flush()
        return await self.standing.now(principal)


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


class TestUsers:
    async def test_groups_and_attributes_are_those_of_now(self, house: House) -> None:
        ann = house.user(attributes={"carrier": "UA"})
        held = await house.now(ann.model_copy(update={"groups": frozenset({"former"})}))
        assert (held.groups, held.attributes) == (frozenset(), {"carrier": "UA"})
        house.groups.add_member("staff", ann.subject)
        house.users.change(ann.subject, {"attributes": {"carriers": ["UA", "DL"]}})
        held = await house.now(ann)
        assert held.groups == {"staff"}
        assert held.attributes == {"carriers": ("UA", "DL")}

    async def test_scopes_are_those_that_all_may_have_now(self, house: House) -> None:
        ann = house.user()
        assert (await house.now(ann)).scopes == {*SCOPES, "openid"}
        house.users.change(ann.subject, {"scopes": ["semantic:read", "audit:read"]})
        assert (await house.now(ann)).scopes == {"semantic:read", "openid"}
        narrow = ClientSettings(id="app", scopes=["warehouse:query"])
        house.clients.change(narrow)
        assert (await house.now(ann)).scopes == {"openid"}

    async def test_a_scope_that_implies_others_leaves_those_when_it_goes(
        self, house: House
    ) -> None:
        house.clients.change(ClientSettings(id="app", scopes=["semantic:read"]))
        ann = house.user(scopes=["semantic:edit"])
        held = await house.now(ann.model_copy(update={"scopes": frozenset({"semantic:edit"})}))
        assert held.scopes == {"semantic:read"}

    async def test_a_disabled_user_is_refused_until_enabled(self, house: House) -> None:
        ann = house.user()
        assert await house.now(ann)
        house.users.disable(ann.subject)
        with pytest.raises(Unauthenticated, match="no longer active") as refusal:
            await house.now(ann)
        assert refusal.value.extra["error"] == "invalid_token"
        house.users.enable(ann.subject)
        assert await house.now(ann)

    @pytest.mark.parametrize(
        "more", [{"subject": "usr_nobody"}, {"tenant": "acme"}, {"subject": "client:app2"}]
    )
    async def test_whom_nobody_knows_is_refused(self, house: House, more: Any) -> None:
        ann = house.user()
        with pytest.raises(Unauthenticated):
            await house.now(ann.model_copy(update=more))

    async def test_a_removed_user_is_refused(self, house: House) -> None:
        ann = house.user()
        house.users.remove(ann.subject)
        with pytest.raises(Unauthenticated):
            await house.now(ann)


class TestClients:
    async def test_a_client_of_a_user_must_be_active(self, house: House) -> None:
        ann = house.user()
        house.clients.disable("app")
        with pytest.raises(Unauthenticated, match="client app"):
            await house.now(ann)

    async def test_every_client_that_acts_must_be_active_and_bounds_the_scopes(
        self, house: House
    ) -> None:
        house.client("relay", scopes=["semantic:read"])
        acts = (Actor(subject="agent:bot"), Actor(subject="client:relay"))
        ann = house.user().model_copy(update={"actors": acts})
        assert (await house.now(ann)).scopes == {"semantic:read", "openid"}
        house.clients.disable("relay")
        with pytest.raises(Unauthenticated, match="client relay"):
            await house.now(ann)

    async def test_a_client_has_what_it_has_now(self, house: House) -> None:
        own = house.client("own")
        held = await house.now(own)
        assert (held.groups, held.attributes) == (frozenset({"analysts"}), {"carrier": "UA"})
        house.clients.change(ClientSettings(id="own", scopes=["semantic:read"], groups=["others"]))
        held = await house.now(own)
        assert (held.groups, held.scopes) == (frozenset({"others"}), frozenset({"semantic:read"}))

    async def test_a_client_whose_document_is_not_at_hand_is_as_its_token_says(
        self, house: House
    ) -> None:
        ann = house.user().model_copy(update={"client_id": "https://app.example/client.json"})
        assert (await house.now(ann)).scopes == ann.scopes


class TestTokens:
    @pytest.mark.parametrize("name", ["jti", "fam", revoked_name("default", "jti")])
    async def test_a_revoked_token_or_family_is_refused_at_once(
        self, house: House, name: str
    ) -> None:
        ann = house.user()
        assert await house.standing.now(ann)
        house.revoked.add(name)
        with pytest.raises(Unauthenticated, match="was revoked"):
            await house.standing.now(ann)

    async def test_revocation_counts_for_other_issuers_and_in_process_too(
        self, house: House
    ) -> None:
        house.revoked.add("jti")
        for issuer in (IDP, "local"):
            with pytest.raises(Unauthenticated):
                await house.standing.now(house.of_user("ann", issuer=issuer))


class TestIssuers:
    async def test_a_principal_of_a_trusted_issuer_is_as_its_token_says(self, house: House) -> None:
        ann = house.of_user("ann", issuer=IDP, groups=["theirs"], attributes={"a": 1})
        assert await house.now(ann) is ann

    async def test_an_admin_blocks_a_subject_of_another_issuer(self, house: House) -> None:
        known = house.users.provision(IDP, "ann", tenant="default")
        ann = house.of_user("ann", issuer=IDP)
        assert await house.now(ann)
        house.users.disable(known.id)
        with pytest.raises(Forbidden, match="disabled"):
            await house.now(ann)
        assert await house.now(ann.model_copy(update={"tenant": "acme"}))

    async def test_an_issuer_that_is_not_trusted_any_more_is_refused(self, house: House) -> None:
        with pytest.raises(Unauthenticated, match="not an issuer that is trusted"):
            await house.now(house.of_user("ann", issuer="https://former"))

    async def test_principals_of_this_process_are_as_they_are(self, house: House) -> None:
        local = Principal(issuer="local", subject="local", kind="user")
        assert await house.now(local) is local


class TestMemory:
    async def test_the_store_is_asked_once(self, house: House) -> None:
        ann = house.user()
        for _ in range(50):
            await house.standing.now(ann)
        assert house.reads == 1

    async def test_many_who_ask_at_once_ask_the_store_once(self, house: House) -> None:
        ann = house.user()
        await asyncio.gather(*(house.standing.now(ann) for _ in range(50)))
        assert house.reads == 1

    async def test_what_changed_is_asked_anew(self, house: House) -> None:
        ann = house.user()
        await house.standing.now(ann)
        house.users.disable(ann.subject)
        assert await house.standing.now(ann)
        house.standing.flush()
        with pytest.raises(Unauthenticated):
            await house.standing.now(ann)

    async def test_an_answer_that_was_read_before_a_change_is_not_kept(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann = house.user()
        found = house.users.get

        def slow(user_id: str) -> Any:
            record = found(user_id)
            house.users.disable(user_id)
            house.standing.flush()
            return record

        with monkeypatch.context() as patch:
            patch.setattr(house.users, "get", slow)
            await house.standing.now(ann)
        with pytest.raises(Unauthenticated):
            await house.standing.now(ann)

    async def test_it_holds_while_someone_looks_at_the_store(self, house: House) -> None:
        ann = house.user()
        for _ in range(5):
            await house.standing.now(ann)
            house.clock.advance(STALE_S)
            house.standing.confirm()
        assert house.reads == 1

    async def test_the_last_answer_holds_for_a_while_without_the_store_and_then_none(
        self, house: House
    ) -> None:
        ann = house.user()
        await house.standing.now(ann)
        with house.database.transaction() as session:
            session.execute(text("ALTER TABLE users RENAME TO users_away"))
        house.clock.advance(STALE_S)
        assert await house.standing.now(ann)
        house.clock.advance(0.1)
        with pytest.raises(Unavailable, match="store does not answer"):
            await house.standing.now(ann)
        # Whoever was never seen before is refused at once.
        with pytest.raises(Unavailable):
            await house.standing.now(ann.model_copy(update={"subject": "usr_other"}))
        with house.database.transaction() as session:
            session.execute(text("ALTER TABLE users_away RENAME TO users"))
        assert await house.standing.now(ann)

    async def test_a_caller_who_leaves_takes_no_answer_from_the_others(self, house: House) -> None:
        ann = house.user()
        first, second = (asyncio.create_task(house.standing.now(ann)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).subject == ann.subject

    async def test_nothing_is_copied_where_nothing_changed(self, house: House) -> None:
        own = house.client("own")
        whole = await house.standing.now(own)
        assert await house.standing.now(whole) is whole


async def test_every_refusal_has_a_remedy(house: House) -> None:
    house.revoked.add("gone")
    for principal in (
        house.of_user("usr_x"),
        house.of_user("x", token_id="gone"),
        house.of_user("x", issuer="https://former"),
    ):
        with pytest.raises(SaafError) as refusal:
            await house.now(principal)
        assert refusal.value.remedy
