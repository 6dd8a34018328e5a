from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from saaf_autogen.auth.administration.versions import ANY
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import Conflict, SaafError
from tests.auth.administration.conftest import Office

PASSWORD = "seventeen green umbrellas"
LOCKED = "nobody could administrate"


def add_boss(office: Office, name: str, *, groups: list[str] | None = None) -> str:
    body = {"username": name, "password": PASSWORD, "groups": groups or []}
    scopes = [] if groups else ["iam:admin"]
    made = office.desk.users.create(office.principal(), {**body, "scopes": scopes})
    return made.user.id


def lone_boss(office: Office) -> tuple[Principal, str]:
    """An admin by a group, after whom there is no other."""
    seed = office.principal()
    office.desk.groups.create(seed, {"id": "admins", "scopes": ["iam:admin"]})
    user_id = add_boss(office, "boss", groups=["admins"])
    office.desk.clients.disable(seed, "seed", ANY)
    return office.principal(user_id, kind="user"), user_id


def test_the_last_admin_client_cannot_be_disabled(office: Office) -> None:
    with pytest.raises(Conflict, match=LOCKED) as refusal:
        office.desk.clients.disable(office.principal(), "seed", ANY)
    assert "iam:admin" in (refusal.value.remedy or "")
    assert office.desk.clients.get(office.principal(), "seed").active


def test_the_last_admin_cannot_be_disabled_removed_or_stripped(office: Office) -> None:
    boss, user_id = lone_boss(office)
    desk = office.desk
    for attempt in (
        lambda: desk.users.disable(boss, user_id, ANY),
        lambda: desk.users.remove(boss, user_id, ANY),
        lambda: desk.users.change(boss, user_id, {"groups": []}, ANY),
        lambda: desk.groups.remove_member(boss, "admins", user_id, ANY),
        lambda: desk.groups.change(boss, "admins", {"scopes": []}, ANY),
        lambda: desk.groups.remove(boss, "admins", ANY),
    ):
        with pytest.raises(Conflict, match=LOCKED):
            attempt()
    read = desk.users.get(boss, user_id)
    assert (read.active, read.groups, read.version) == (True, ["admins"], 1)
    add_boss(office, "second")
    assert not desk.users.disable(boss, user_id, ANY).active


def test_a_user_who_has_nothing_to_sign_in_with_is_no_admin_yet(office: Office) -> None:
    seed = office.principal()
    office.desk.users.create(seed, {"username": "invited", "scopes": ["iam:admin"]})
    with pytest.raises(Conflict, match=LOCKED):
        office.desk.clients.disable(seed, "seed", ANY)
    add_boss(office, "ready")
    office.desk.clients.disable(seed, "seed", ANY)


def test_the_last_client_through_which_users_administrate_stays(office: Office) -> None:
    seed = office.principal("client:acme-seed", tenant="acme")
    portal = {
        "id": "portal",
        "scopes": ["iam:admin"],
        "grant_types": ["authorization_code"],
        "redirect_uris": ["https://portal.acme.com/cb"],
    }
    office.desk.clients.create(seed, portal)
    office.desk.users.create(
        seed, {"username": "boss", "password": PASSWORD, "scopes": ["iam:admin"]}
    )
    for attempt in (
        lambda: office.desk.clients.disable(seed, "portal", ANY),
        lambda: office.desk.clients.remove(seed, "portal", ANY),
        lambda: office.desk.clients.change(seed, "portal", {"scopes": []}, ANY),
    ):
        with pytest.raises(Conflict, match=LOCKED):
            attempt()
    office.desk.clients.create(seed, {"id": "robot", "scopes": ["iam:admin"]})
    office.desk.clients.remove(seed, "portal", ANY)


def test_admins_of_another_tenant_are_no_admins_here(office: Office) -> None:
    add_boss(office, "here")
    acme = office.principal("client:acme-seed", tenant="acme")
    made = office.desk.users.create(
        acme, {"username": "there", "password": PASSWORD, "scopes": ["iam:admin"]}
    )
    with pytest.raises(Conflict, match=LOCKED):
        office.desk.users.remove(acme, made.user.id, ANY)


def test_two_last_admins_who_disable_one_another_at_once_leave_one(
    office_on_postgres: Office,
) -> None:
    office = office_on_postgres
    one, two = add_boss(office, "one"), add_boss(office, "two")
    office.desk.clients.disable(office.principal(), "seed", ANY)

    def disable(acting: str, other: str) -> bool:
        try:
            office.desk.users.disable(office.principal(acting, kind="user"), other, ANY)
        except SaafError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(disable, (one, two), (two, one)))
    assert sorted(done) == [False, True]
    left = [user for user in office.desk.users.list(office.principal()).data if user.active]
    assert len(left) == 1
