from __future__ import annotations

from collections.abc import Callable

import pytest

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.families import FamilyStore
from saaf_autogen.auth.tokens import RevokedTokens
from saaf_autogen.project.people import ending_families
from tests.auth.identity.household import Household

CLIENT = ClientRecord(id="notebook", tenant="default", title="", scopes=("rag:read",))


@pytest.mark.parametrize(
    "end",
    [
        lambda users, user_id: users.disable(user_id),
        lambda users, user_id: users.remove(user_id),
        lambda users, user_id: users.set_password(user_id, None),
    ],
)
def test_a_disabled_users_tokens_end_with_them_in_every_process(
    anywhere: Household, end: Callable[[UserStore, str], None]
) -> None:
    database, clock = anywhere.database, anywhere.clock
    revoked, elsewhere = RevokedTokens(database, clock), RevokedTokens(database, clock)
    families = FamilyStore(database, clock, revoked, lifetime_s=3600)
    on_end = ending_families(clock, revoked, lifetime_s=3600)
    users = UserStore(database, clock, ScopeRegistry(), on_end=on_end)
    ann, bob = users.add("ann"), users.add("bob")
    order = ApprovedOrder(scopes=("rag:read",), audience=("http://localhost:8000",))
    with database.transaction() as session:
        hers = families.start(session, client=CLIENT, user_id=ann.id, order=order)
        his = families.start(session, client=CLIENT, user_id=bob.id, order=order)
    end(users, ann.id)
    elsewhere.load()
    for known in (revoked, elsewhere):
        assert hers.id in known
        assert his.id not in known
    assert families.list("default", user_id=ann.id) == []
    assert [each.id for each in families.list("default")] == [his.id]
