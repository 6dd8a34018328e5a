from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from saaf_autogen.errors import (
    Conflict,
    InvalidArguments,
    NotFound,
    PreconditionFailed,
)
from tests.auth.identity.household import Household, at_once


def test_a_user_has_an_id_that_no_client_can_have_and_is_found_by_name_however_written(
    anywhere: Household,
) -> None:
    users = anywhere.people.users
    ann = users.add(" Ann.Ünal@Acme.com ", name="Ann", email="ann@acme.com", scopes=["rag:read"])
    assert ann.id.startswith("usr_")
    assert ":" not in ann.id
    assert ann.username == "ann.ünal@acme.com"
    for written in ("ANN.ÜNAL@ACME.COM", "ann.u\u0308nal@acme.com", "\uff41nn.ünal@acme.com"):
        assert users.find_by_name(written) == ann
    assert users.get(ann.id) == ann
    assert ann.scopes == {"rag:read"}
    assert (ann.issuer, ann.subject, ann.version, ann.active) == ("local", ann.id, 1, True)


@pytest.mark.parametrize("name", ["ANN", "\uff41nn", " ann "])
def test_a_user_name_that_looks_like_another_is_taken(home: Household, name: str) -> None:
    home.user("ann")
    with pytest.raises(Conflict):
        home.user(name)
    with pytest.raises(Conflict):
        home.user(name, tenant="other")


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a\u200bb", "a\u202eb", "a\nb", "a\0b", "x" * 121, "client:ann", "<a>"]
)
def test_a_user_name_that_is_none_is_refused_and_finds_nobody(home: Household, name: str) -> None:
    with pytest.raises(InvalidArguments):
        home.user(name)
    assert home.people.users.find_by_name(name) is None
    assert home.people.users.get(name) is None


def test_names_and_addresses_are_clean_or_refused(home: Household) -> None:
    ann = home.user("ann", name="  Zoe\u0308 ", email=" ann@acme.com ")
    assert (ann.name, ann.email) == ("Zoë", "ann@acme.com")
    users = home.people.users
    faulty: tuple[Any, ...] = (
        {"name": "Ann\u202e"},
        {"name": "x" * 201},
        {"email": "ann"},
        {"email": "ann@acme.com\r\nBcc: eve@evil.com"},
        {"attributes": {"region": 1.5}},
        {"attributes": {"a b": "x"}},
        {"attributes": {"big": "x" * 20_000}},
        {"scopes": ["moon:land"]},
        {"groups": ["nobody-made-it"]},
    )
    for change in faulty:
        with pytest.raises(InvalidArguments):
            users.change(ann.id, change)
    assert users.get(ann.id) == ann


def test_an_unknown_scope_is_refused_with_the_known_ones(home: Household) -> None:
    with pytest.raises(InvalidArguments, match="warehouse:query") as refused:
        home.user("ann", scopes=["warehouse:*"])
    assert "warehouse:*" in refused.value.detail


def test_a_change_of_an_old_version_is_refused(anywhere: Household) -> None:
    users = anywhere.people.users
    ann = anywhere.user()
    changed = users.change(ann.id, {"name": "Ann"}, expected=ann.version)
    assert (changed.name, changed.version) == ("Ann", 2)
    for late in (
        lambda: users.change(ann.id, {"name": "Anne"}, expected=1),
        lambda: users.disable(ann.id, expected=1),
        lambda: users.enable(ann.id, expected=1),
        lambda: users.remove(ann.id, expected=1),
    ):
        with pytest.raises(PreconditionFailed):
            late()
    assert users.get(ann.id) == changed


def test_of_parallel_changes_of_one_version_one_succeeds(anywhere: Household) -> None:
    users = anywhere.people.users
    ann = anywhere.user()
    outcomes = at_once(lambda: users.change(ann.id, {"name": "A"}, expected=1))
    assert [isinstance(each, PreconditionFailed) for each in outcomes].count(False) == 1


def test_of_parallel_additions_of_one_name_one_succeeds(anywhere: Household) -> None:
    outcomes = at_once(lambda: anywhere.people.users.add("ann"))
    assert [isinstance(each, Conflict) for each in outcomes].count(False) == 1


def test_a_rename_keeps_to_free_names(home: Household) -> None:
    users = home.people.users
    ann, bob = home.user("ann"), home.user("bob")
    with pytest.raises(Conflict):
        users.change(bob.id, {"username": "ANN"})
    assert users.change(bob.id, {"username": "Rob"}).username == "rob"
    assert users.change(ann.id, {"username": "Ann"}).username == "ann"
    assert users.find_by_name("bob") is None


def test_of_parallel_renames_to_one_name_one_succeeds(anywhere: Household) -> None:
    users = anywhere.people.users
    ids = iter([anywhere.user(f"user{n}", password=None).id for n in range(6)])
    outcomes = at_once(lambda: users.change(next(ids), {"username": "ann"}), 6)
    assert [isinstance(each, Conflict) for each in outcomes].count(False) == 1


def test_a_membership_given_while_its_group_is_removed_leaves_nothing_behind(
    anywhere: Household,
) -> None:
    users, groups = anywhere.people.users, anywhere.people.groups
    ann = anywhere.user("ann", password=None)
    for _ in range(4):
        groups.add("admins", scopes=["iam:admin"])
        works: Iterator[Callable[[], object]] = iter(
            [
                lambda: users.change(ann.id, {"groups": ["admins"]}),
                lambda: groups.add_member("admins", ann.id),
                lambda: groups.remove("admins"),
            ]
        )

        def act(works: Iterator[Callable[[], object]] = works) -> object:
            return next(works)()

        outcomes = at_once(act, 3)
        fine = (InvalidArguments, NotFound)
        assert all(not isinstance(each, Exception) or isinstance(each, fine) for each in outcomes)
        groups.add("admins", scopes=["iam:admin"])
        found = users.get(ann.id)
        assert found is not None
        assert found.scopes == frozenset()
        groups.remove("admins")


def test_tenants_do_not_see_or_change_each_others_users(home: Household) -> None:
    users = home.people.users
    ann = home.user("ann", tenant="other")
    assert users.list() == []
    assert users.get(ann.id, tenant="default") is None
    assert users.find_by_name("ann", tenant="default") is None
    for reach in (
        lambda: users.change(ann.id, {"name": "Eve"}),
        lambda: users.disable(ann.id),
        lambda: users.enable(ann.id),
        lambda: users.remove(ann.id),
        lambda: users.set_password(ann.id, None),
    ):
        with pytest.raises(NotFound):
            reach()
    assert users.list(tenant="other") == [ann]


def test_pages_of_users_leave_nobody_out_and_show_nobody_twice(home: Household) -> None:
    users = home.people.users
    made = {home.user(f"user{n}", password=None).id for n in range(7)}
    seen: list[str] = []
    while page := users.list(after=seen[-1] if seen else None, limit=3):
        assert len(page) <= 3
        seen += [each.id for each in page]
    assert seen == sorted(made)
    assert [each.username for each in users.list(search="USER3")] == ["user3"]
    assert users.list(search="%") == []


def test_disabling_and_removing_ends_sessions_and_tokens_at_once(anywhere: Household) -> None:
    people = anywhere.people
    ann, bob = anywhere.user("ann"), anywhere.user("bob")
    first, second = anywhere.cookie(ann), anywhere.cookie(ann)
    other = anywhere.cookie(bob)
    assert not people.users.disable(ann.id).active
    assert people.sessions.find(first) is None
    assert people.sessions.find(second) is None
    assert anywhere.ended == [ann.id]
    people.users.enable(ann.id)
    assert people.sessions.find(first) is None, "what was ended stays ended"
    people.users.remove(bob.id)
    assert people.sessions.find(other) is None
    assert anywhere.ended == [ann.id, bob.id]
    assert people.users.get(bob.id) is None


def test_a_new_password_ends_sessions_and_tokens(home: Household) -> None:
    ann = home.user()
    cookie = home.cookie(ann)
    home.people.users.set_password(ann.id, home.people.passwords.hash_blocking("x" * 15))
    assert home.people.sessions.find(cookie) is None
    assert home.ended == [ann.id]


def test_every_change_says_that_principals_changed(anywhere: Household) -> None:
    users, groups = anywhere.people.users, anywhere.people.groups
    ann = users.add("ann")
    groups.add("analysts")
    for change in (
        lambda: users.change(ann.id, {"scopes": ["rag:read"]}),
        lambda: groups.add_member("analysts", ann.id),
        lambda: groups.change("analysts", scopes=["rag:read"]),
        lambda: groups.remove_member("analysts", ann.id),
        lambda: groups.remove("analysts"),
        lambda: users.disable(ann.id),
        lambda: users.enable(ann.id),
        lambda: users.remove(ann.id),
    ):
        before = anywhere.revision()
        change()
        assert anywhere.revision() == before + 1


def test_a_change_within_another_transaction_ends_with_it(anywhere: Household) -> None:
    users = anywhere.people.users

    def change_and_fail() -> None:
        with anywhere.database.transaction() as session:
            ann = users.within(session).add("ann")
            assert users.within(session).change(ann.id, {"name": "Ann"}).name == "Ann"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert users.find_by_name("ann") is None


def test_a_providers_user_is_found_by_issuer_and_subject_and_never_by_address(
    anywhere: Household,
) -> None:
    users = anywhere.people.users
    local = anywhere.user("ann", email="ann@acme.com")
    told: dict[str, Any] = {"tenant": "default", "email": "ann@acme.com", "email_verified": True}
    first = users.provision("https://idp.acme.com", "42", name="Ann", **told)
    assert first.id != local.id
    assert users.provision("https://idp.acme.com", "42", name="Ann", **told) == first
    assert users.provision("https://other.com", "42", **told).id not in (first.id, local.id)
    assert users.find_by_name("ann") == local
    with pytest.raises(InvalidArguments):
        users.provision("local", local.id, tenant="default")
    with pytest.raises(Conflict):
        users.provision("https://idp.acme.com", "42", tenant="other")


def test_a_providers_user_follows_the_provider_at_each_sign_in(home: Household) -> None:
    users, groups = home.people.users, home.people.groups
    groups.add("analysts", scopes=["warehouse:query"])
    groups.add("editors", scopes=["semantic:edit"])
    say: dict[str, Any] = {"tenant": "default", "name": "Ann\u202e\n Lee", "email": "no address"}
    ann = users.provision(
        "https://idp.acme.com", "42", groups=["analysts", "Sales Team", "a\u202eb"],
        scopes=["rag:read"], attributes={"region": "EU"}, **say,
    )  # fmt: skip
    assert (ann.name, ann.email, ann.groups) == ("Ann Lee", None, ("Sales Team", "analysts"))
    assert ann.scopes == {"rag:read", "warehouse:query"}
    groups.add_member("editors", ann.id)
    before = home.revision()
    ann = users.provision("https://idp.acme.com", "42", **say)
    assert (ann.groups, ann.memberships) == (("editors",), ("editors",))
    assert ann.scopes == {"semantic:edit"}
    assert dict(ann.attributes) == {}
    assert home.revision() == before + 1
    users.provision("https://idp.acme.com", "42", **say)
    assert home.revision() == before + 1, "nothing changed"
    with pytest.raises(Conflict, match="provider"):
        users.change(ann.id, {"scopes": ["iam:admin"]})
    with pytest.raises(Conflict, match="provider"):
        users.set_password(ann.id, "x")
    assert users.change(ann.id, {"groups": []}).groups == ()


def test_first_sign_ins_at_once_make_one_user(anywhere: Household) -> None:
    users = anywhere.people.users
    outcomes = at_once(lambda: users.provision("https://idp.acme.com", "42", tenant="default"))
    assert len({each.id for each in outcomes if not isinstance(each, Exception)}) == 1
    assert len(users.list()) == 1


def test_a_scope_that_no_pack_declares_any_more_gives_nothing(home: Household) -> None:
    ann = home.user(scopes=["rag:read"])
    with home.database.transaction() as session:
        session.execute(text("""UPDATE users SET scopes = '["rag:read", "tools.gone:send"]'"""))
    found = home.people.users.get(ann.id)
    assert found is not None
    assert found.scopes == {"rag:read"}
