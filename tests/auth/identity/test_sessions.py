from __future__ import annotations

import pytest
from sqlalchemy import text

from saaf_autogen.errors import NotFound, Unauthenticated
from tests.auth.identity.household import Household, at_once


def test_session_fixation_a_cookie_from_before_the_sign_in_never_becomes_anybodys(
    anywhere: Household,
) -> None:
    sessions = anywhere.people.sessions
    eve, ann = anywhere.user("eve"), anywhere.user("ann")
    planted = anywhere.cookie(eve)
    cookie, record = sessions.start(
        ann, amr=("pwd",), address="192.0.2.1", user_agent="Firefox", replaces=planted
    )
    assert cookie != planted
    assert sessions.find(planted) is None
    found = sessions.find(cookie)
    assert found is not None
    assert found == (record, found[1])
    assert found[1].id == ann.id
    assert found[1].signed_in_at == anywhere.clock.now()


def test_the_store_gives_no_cookie_away(home: Household) -> None:
    cookie = home.cookie(home.user())
    assert len(cookie) == 43
    with home.database.transaction(read=True) as session:
        rows = str(session.execute(text("SELECT * FROM sessions")).all())
    assert cookie not in rows


def test_finding_a_session_is_one_query_with_groups_and_scopes_of_the_moment(
    anywhere: Household,
) -> None:
    people = anywhere.people
    people.groups.add("analysts", scopes=["warehouse:query"])
    people.groups.add("staff", scopes=["rag:read"])
    ann = people.users.provision(
        "https://idp.acme.com", "42", tenant="default", groups=["staff", "abroad"]
    )
    people.groups.add_member("analysts", ann.id)
    cookie = anywhere.cookie(ann)
    sent = anywhere.statements(lambda: people.sessions.find(cookie))
    assert len(sent) == 1, sent
    found = people.sessions.find(cookie)
    assert found is not None
    assert found[1] == people.users.get(ann.id)
    assert found[1].groups == ("abroad", "analysts", "staff")
    assert found[1].scopes == {"warehouse:query", "rag:read"}


def test_a_visit_is_noted_at_most_once_a_minute(home: Household) -> None:
    sessions = home.people.sessions
    cookie = home.cookie(home.user())
    home.clock.advance(59)
    assert len(home.statements(lambda: sessions.find(cookie))) == 1
    home.clock.advance(1)
    assert len(home.statements(lambda: sessions.find(cookie))) == 2
    assert len(home.statements(lambda: sessions.find(cookie))) == 1
    found = sessions.find(cookie)
    assert found is not None
    assert found[0].seen_at == home.clock.now()


def test_a_session_ends_when_idle_and_at_the_latest_after_its_lifetime(home: Household) -> None:
    sessions = home.people.sessions
    ann = home.user()
    idle, busy = home.cookie(ann), home.cookie(ann)
    for _ in range(15):
        home.clock.advance(1800)
        assert sessions.find(busy) is not None
    assert sessions.find(idle) is None
    assert len(sessions.list(user_id=ann.id)) == 1
    home.clock.advance(1800)
    assert sessions.find(busy) is None
    assert sessions.list(user_id=ann.id) == []
    home.cookie(ann)
    with home.database.transaction(read=True) as session:
        assert session.scalar(text("SELECT count(*) FROM sessions")) == 1, "old ones are swept"


def test_a_disabled_user_has_no_session_and_gets_none(anywhere: Household) -> None:
    ann = anywhere.user()
    cookie = anywhere.cookie(ann)
    with anywhere.database.transaction() as session:
        session.execute(text("UPDATE users SET disabled_at = created_at"))
    assert anywhere.people.sessions.find(cookie) is None
    with pytest.raises(Unauthenticated):
        anywhere.cookie(ann)


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "x" * 44, "\0" * 43, "é" * 43])
def test_a_cookie_that_is_none_finds_nobody(home: Household, cookie: str) -> None:
    home.cookie(home.user())
    assert home.people.sessions.find(cookie) is None


def test_sessions_end_one_by_one_or_all_but_this_one(anywhere: Household) -> None:
    sessions = anywhere.people.sessions
    ann, bob = anywhere.user("ann"), anywhere.user("bob")
    cookies = [anywhere.cookie(ann) for _ in range(3)]
    records = [found[0] for each in cookies if (found := sessions.find(each))]
    assert not sessions.end(records[0].id, user_id=bob.id)
    assert not sessions.end(records[0].id, tenant="other")
    assert sessions.end(records[0].id, user_id=ann.id, tenant="default")
    assert not sessions.end(records[0].id)
    assert sessions.end_all(ann.id, tenant="other") == 0
    assert sessions.end_all(ann.id, but=records[1].id) == 1
    assert [sessions.find(each) is not None for each in cookies] == [False, True, False]
    assert sessions.get(records[1].id) == records[1]
    with pytest.raises(NotFound):
        sessions.get(records[1].id, tenant="other")
    with pytest.raises(NotFound):
        sessions.get(records[0].id)


def test_what_a_browser_says_of_itself_is_kept_short_and_clean(home: Household) -> None:
    cookie, record = home.people.sessions.start(
        home.user(), amr=("pwd",), address="x" * 500, user_agent="Fire\x1b[31mfox\n" + "y" * 500
    )
    assert len(record.address) == 64
    assert len(record.user_agent) <= 200
    assert record.user_agent.startswith("Fire [31mfox y")
    assert home.people.sessions.find(cookie) is not None


def test_tenants_list_their_own_sessions(home: Household) -> None:
    home.cookie(home.user("ann", tenant="other"))
    assert home.people.sessions.list() == []
    assert len(home.people.sessions.list(tenant="other")) == 1


def test_sign_ins_at_once_are_sessions_of_their_own(anywhere: Household) -> None:
    ann = anywhere.user()
    cookies = at_once(lambda: anywhere.cookie(ann))
    assert len({str(each) for each in cookies}) == 8
    assert all(anywhere.people.sessions.find(str(each)) for each in cookies)
