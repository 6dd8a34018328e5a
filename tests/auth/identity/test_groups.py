from __future__ import annotations

import pytest

from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, PreconditionFailed
from saaf_autogen.settings import GroupSettings
from tests.auth.identity.household import Household, at_once

ANALYSTS = GroupSettings(id="analysts", title="Analysts", scopes=["warehouse:query"])


def test_members_have_the_scopes_of_their_groups_and_their_own(anywhere: Household) -> None:
    users, groups = anywhere.people.users, anywhere.people.groups
    groups.add("analysts", scopes=["warehouse:query"])
    groups.add("editors", scopes=["semantic:edit"])
    ann = users.add("ann", scopes=["rag:read"], groups=["analysts"])
    assert ann.scopes == {"rag:read", "warehouse:query"}
    assert groups.add_member("editors", ann.id)
    assert not groups.add_member("editors", ann.id)
    found = users.get(ann.id)
    assert found is not None
    assert found.groups == ("analysts", "editors")
    assert found.scopes == {"rag:read", "warehouse:query", "semantic:edit"}
    assert found.own_scopes == ("rag:read",)
    assert found.version == ann.version + 1
    assert [each.members for each in groups.list()] == [1, 1]
    assert users.list(group="editors") == [found]
    assert groups.remove_member("editors", ann.id)
    assert not groups.remove_member("editors", ann.id)
    groups.remove("analysts")
    found = users.get(ann.id)
    assert found is not None
    assert found.groups == ()
    assert found.scopes == {"rag:read"}


def test_declared_groups_follow_the_file_and_keep_their_members(anywhere: Household) -> None:
    users, groups = anywhere.people.users, anywhere.people.groups
    groups.ensure([ANALYSTS])
    ann = users.add("ann", groups=["analysts"])
    groups.ensure([ANALYSTS.model_copy(update={"scopes": ["rag:read"]})])
    changed = users.get(ann.id)
    assert changed is not None
    assert changed.scopes == {"rag:read"}
    groups.ensure([])
    gone = users.get(ann.id)
    assert gone is not None
    assert (gone.groups, gone.scopes) == ((), frozenset())
    withdrawn = groups.get("analysts")
    assert withdrawn is not None
    assert not withdrawn.active
    with pytest.raises(InvalidArguments, match="no group analysts"):
        users.add("bob", groups=["analysts"])
    with pytest.raises(NotFound):
        groups.add_member("analysts", ann.id)
    groups.ensure([ANALYSTS])
    back = users.get(ann.id)
    assert back is not None
    assert back.scopes == {"warehouse:query"}


def test_a_start_that_changes_nothing_says_so_to_nobody(home: Household) -> None:
    home.people.groups.ensure([ANALYSTS])
    before = home.revision()
    home.people.groups.ensure([ANALYSTS])
    assert home.revision() == before


def test_what_the_file_says_is_not_changed_elsewhere(home: Household) -> None:
    groups = home.people.groups
    groups.ensure([ANALYSTS])
    for change in (
        lambda: groups.change("analysts", title="Mine"),
        lambda: groups.change("analysts", scopes=["iam:admin"]),
        lambda: groups.remove("analysts"),
    ):
        with pytest.raises(Conflict) as refused:
            change()
        assert "saaf.yaml" in str(refused.value)
    groups.ensure([])
    with pytest.raises(Conflict, match="remove that group first"):
        groups.add("analysts", scopes=["iam:admin"])
    groups.remove("analysts")
    assert groups.add("analysts").members == 0


def test_a_file_takes_over_a_group_that_an_admin_made(home: Household) -> None:
    groups = home.people.groups
    groups.add("analysts", scopes=["iam:admin"])
    groups.ensure([ANALYSTS])
    group = groups.get("analysts")
    assert group is not None
    assert (group.declared, group.scopes) == (True, ("warehouse:query",))


def test_a_group_made_anew_has_none_of_the_members_of_the_one_before(home: Household) -> None:
    groups = home.people.groups
    groups.add("admins", scopes=["iam:admin"])
    ann = home.user(groups=["admins"])
    groups.remove("admins")
    groups.add("admins", scopes=["iam:admin"])
    found = home.people.users.get(ann.id)
    assert found is not None
    assert found.scopes == frozenset()


def test_versions_ids_and_scopes_are_checked(home: Household) -> None:
    groups = home.people.groups
    made = groups.add("analysts", title=" A ")
    assert made.title == "A"
    assert groups.change("analysts", scopes=["rag:read"], expected=1).version == 2
    with pytest.raises(PreconditionFailed):
        groups.change("analysts", title="B", expected=1)
    with pytest.raises(PreconditionFailed):
        groups.remove("analysts", expected=1)
    with pytest.raises(InvalidArguments, match="moon:land"):
        groups.add("moon", scopes=["moon:land"])
    for name in ("", "Ann", "a b", "a\n", "x" * 64, "*"):
        with pytest.raises(InvalidArguments):
            groups.add(name)
        assert groups.get(name) is None
    with pytest.raises(Conflict):
        groups.add("analysts")


def test_groups_of_one_tenant_have_no_members_of_another(home: Household) -> None:
    groups = home.people.groups
    groups.add("analysts", tenant="other", scopes=["iam:admin"])
    groups.add("analysts")
    ann = home.user(groups=["analysts"])
    assert ann.scopes == frozenset()
    for reach in (groups.add_member, groups.remove_member):
        with pytest.raises(NotFound):
            reach("analysts", ann.id, tenant="other")
    assert [each.tenant for each in groups.list(tenant="other")] == ["other"]
    groups.remove("analysts", tenant="other")
    assert home.people.users.list(group="analysts") == [ann]


def test_a_providers_group_of_another_tenant_gives_nothing(home: Household) -> None:
    home.people.groups.add("admins", tenant="other", scopes=["iam:admin"])
    ann = home.people.users.provision(
        "https://idp.acme.com", "42", tenant="default", groups=["admins"]
    )
    assert ann.scopes == frozenset()


def test_hosts_that_start_at_once_make_each_group_once(anywhere: Household) -> None:
    outcomes = at_once(lambda: anywhere.people.groups.ensure([ANALYSTS]))
    assert outcomes == [None] * 8
    assert [each.id for each in anywhere.people.groups.list()] == ["analysts"]


def test_pages_of_groups_go_by_id(home: Household) -> None:
    groups = home.people.groups
    for name in ("c", "a", "b"):
        groups.add(name)
    assert [each.id for each in groups.list(limit=2)] == ["a", "b"]
    assert [each.id for each in groups.list(after="b")] == ["c"]
