from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, SaafError
from saaf_autogen.settings import GroupSettings
from tests.auth.identity.household import PASSWORD, Household

BAD = "Welcome2Acme-2026"


def offer(home: Household) -> str:
    offered = home.people.invitations.first_admin()
    assert offered is not None
    return offered.token


async def test_the_first_admin_is_made_by_a_token_once_and_may_administrate(
    anywhere: Household,
) -> None:
    invitations = anywhere.people.invitations
    token = offer(anywhere)
    found = invitations.find(token)
    assert found is not None
    assert (found.purpose, found.user) == ("first-admin", None)
    ann = await invitations.redeem_first_admin(
        token, username="Ann", password=PASSWORD, name="Ann Lee", address="192.0.2.1"
    )
    assert {"iam:admin", "audit:read"} <= ann.scopes
    assert (ann.username, ann.groups) == ("ann", ("admins",))
    assert invitations.first_admin() is None
    assert invitations.find(token) is None
    with pytest.raises(NotFound):
        await invitations.redeem_first_admin(token, username="eve", password=PASSWORD)
    assert await anywhere.people.sign_in.with_password("ann", PASSWORD, "192.0.2.1") == ann
    entry = (await anywhere.recorded())[0]
    assert (entry["action"], entry["subject"]) == ("redeem_first_admin", ann.id)
    assert token not in str(entry)
    assert PASSWORD not in str(entry)


async def test_parallel_redemptions_of_the_first_admins_token_make_one_admin(
    anywhere: Household,
) -> None:
    token = offer(anywhere)
    outcomes = await asyncio.gather(
        *(
            anywhere.people.invitations.redeem_first_admin(
                token, username=f"user{n}", password=PASSWORD
            )
            for n in range(6)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, NotFound) for each in outcomes) == 5
    assert len(anywhere.people.users.list()) == 1


async def test_a_new_token_ends_the_one_before(anywhere: Household) -> None:
    first, second = offer(anywhere), offer(anywhere)
    assert anywhere.people.invitations.find(first) is None
    with pytest.raises(NotFound):
        await anywhere.people.invitations.redeem_first_admin(
            first, username="eve", password=PASSWORD
        )
    assert anywhere.people.invitations.find(second) is not None


async def test_a_name_or_password_that_cannot_be_taken_leaves_the_token(home: Household) -> None:
    token = offer(home)
    home.user("bob")
    for username, password, kind in (
        ("ann", "short", InvalidArguments),
        ("ann", BAD, InvalidArguments),
        ("ann", None, InvalidArguments),
        ("a b", PASSWORD, InvalidArguments),
        ("BOB", PASSWORD, Conflict),
    ):
        with pytest.raises(kind):
            await home.people.invitations.redeem_first_admin(
                token, username=username, password=password
            )
    assert home.people.groups.list() == []
    assert await home.people.invitations.redeem_first_admin(
        token, username="ann", password=PASSWORD
    )


async def test_no_token_is_offered_while_an_active_user_holds_iam_admin_in_any_way(
    anywhere: Household,
) -> None:
    people = anywhere.people
    people.groups.add("bosses", scopes=["iam:admin"])
    people.groups.add("chiefs", tenant="other", scopes=["iam:admin"])
    ann, bob = anywhere.user("ann"), anywhere.user("bob", tenant="other")
    people.groups.add_member("chiefs", bob.id, tenant="other")
    assert people.invitations.first_admin(), "an admin of another tenant is none here"
    token = offer(anywhere)
    people.users.change(ann.id, {"scopes": ["iam:admin"]})
    assert people.invitations.first_admin() is None
    with pytest.raises(NotFound):
        await people.invitations.redeem_first_admin(token, username="eve", password=PASSWORD)
    people.users.disable(ann.id)
    assert people.invitations.first_admin()
    people.users.change(ann.id, {"scopes": [], "groups": ["bosses"]})
    assert people.invitations.first_admin()
    people.users.enable(ann.id)
    assert people.invitations.first_admin() is None
    people.groups.remove("bosses")
    assert people.invitations.first_admin()
    people.groups.add("bosses", scopes=["iam:admin"])
    people.users.provision("https://idp", "1", tenant="default", groups=["bosses"])
    assert people.invitations.first_admin(), "a provider's group makes no admin"
    people.users.provision("https://idp", "1", tenant="default", scopes=["iam:admin"])
    assert people.invitations.first_admin() is None


@pytest.mark.parametrize("scopes", [["rag:read"], ["iam:admin", "rag:read"]])
async def test_a_declared_group_of_admins_stays_as_the_file_says(
    home: Household, scopes: list[str]
) -> None:
    home.people.groups.ensure([GroupSettings(id="admins", scopes=scopes)])
    ann = await home.people.invitations.redeem_first_admin(
        offer(home), username="ann", password=PASSWORD
    )
    assert ann.scopes == {"iam:admin", "rag:read"}
    group = home.people.groups.get("admins")
    assert group is not None
    assert list(group.scopes) == scopes


async def test_an_invited_user_sets_a_password_once(anywhere: Household) -> None:
    invitations = anywhere.people.invitations
    ann = anywhere.user("ann", password=None)
    invited = invitations.invite(ann.id)
    assert invited.purpose == "invitation"
    found = invitations.find(invited.token)
    assert found is not None
    assert found.user == ann
    for bad in ("short", BAD, "ann ann ann ann 2026", None):
        with pytest.raises(InvalidArguments):
            await invitations.redeem(invited.token, password=bad)
    signed_in = await invitations.redeem(invited.token, password=PASSWORD)
    assert (signed_in.id, signed_in.has_password) == (ann.id, True)
    assert await anywhere.people.sign_in.with_password("ann", PASSWORD, "192.0.2.1")
    with pytest.raises(NotFound):
        await invitations.redeem(invited.token, password="another tulip, engine 8")


async def test_parallel_redemptions_of_an_invitation_set_one_password(
    anywhere: Household,
) -> None:
    ann = anywhere.user("ann", password=None)
    token = anywhere.people.invitations.invite(ann.id).token
    passwords = [f"mountain tulip engine {n}" for n in range(6)]
    outcomes = await asyncio.gather(
        *(anywhere.people.invitations.redeem(token, password=each) for each in passwords),
        return_exceptions=True,
    )
    won = [n for n, each in enumerate(outcomes) if not isinstance(each, BaseException)]
    assert len(won) == 1
    assert await anywhere.people.sign_in.with_password("ann", passwords[won[0]], "192.0.2.1")


async def test_a_new_password_ends_sessions_waits_and_all_other_links(home: Household) -> None:
    invitations = home.people.invitations
    ann = home.user()
    cookie = home.cookie(ann)
    first, second = invitations.invite(ann.id), invitations.invite(ann.id)
    assert first.purpose == second.purpose == "password-reset"
    assert home.people.sessions.find(cookie) is not None, "asking for a link changes nothing"
    for _ in range(6):
        with pytest.raises(SaafError):
            await home.people.sign_in.with_password("ann", "not the password", "192.0.2.9")
    await invitations.redeem(second.token, password="another tulip, engine 8")
    assert home.people.sessions.find(cookie) is None
    assert home.ended == [ann.id]
    assert invitations.find(first.token) is None
    assert await home.people.sign_in.with_password("ann", "another tulip, engine 8", "192.0.2.9")


async def test_links_expire(home: Household) -> None:
    invitations = home.people.invitations
    ann, bob = home.user("ann"), home.user("bob", password=None)
    reset, invitation, setup = invitations.invite(ann.id), invitations.invite(bob.id), offer(home)
    assert reset.expires_at < invitation.expires_at
    home.clock.advance((reset.expires_at - home.clock.now()).total_seconds())
    assert invitations.find(reset.token) is None
    assert invitations.find(invitation.token) is not None
    home.clock.advance((invitation.expires_at - home.clock.now()).total_seconds())
    with pytest.raises(NotFound):
        await invitations.redeem(invitation.token, password=PASSWORD)
    with pytest.raises(NotFound):
        await invitations.redeem_first_admin(setup, username="eve", password=PASSWORD)


async def test_a_disabled_or_removed_users_link_is_good_for_nothing(anywhere: Household) -> None:
    people = anywhere.people
    ann = anywhere.user("ann", password=None)
    token = people.invitations.invite(ann.id).token
    people.users.disable(ann.id)
    assert people.invitations.find(token) is None
    with pytest.raises(NotFound):
        await people.invitations.redeem(token, password=PASSWORD)
    with pytest.raises(Conflict):
        people.invitations.invite(ann.id)
    people.users.enable(ann.id)
    again = people.invitations.invite(ann.id).token
    people.users.remove(ann.id)
    with pytest.raises(NotFound):
        await people.invitations.redeem(again, password=PASSWORD)


def test_only_local_users_of_the_tenant_are_invited(home: Household) -> None:
    invite = home.people.invitations.invite
    upstream = home.people.users.provision("https://idp", "1", tenant="default")
    with pytest.raises(Conflict):
        invite(upstream.id)
    with pytest.raises(NotFound):
        invite(home.user("ann", tenant="other").id)
    for nobody in ("", "usr_0", "\0"):
        with pytest.raises(NotFound):
            invite(nobody)


async def test_a_token_is_good_for_its_own_purpose_alone(home: Household) -> None:
    invitations = home.people.invitations
    ann = home.user("ann", password=None)
    invited, setup = invitations.invite(ann.id).token, offer(home)
    with pytest.raises(NotFound):
        await invitations.redeem_first_admin(invited, username="eve", password=PASSWORD)
    with pytest.raises(NotFound):
        await invitations.redeem(setup, password=PASSWORD)
    for other in (
        setup.replace("setup_", "invite_"),
        invited.replace("invite_", "setup_"),
        invited.replace("invite_", "reset_"),
        invited + "x",
        invited.upper(),
        "invite_",
        "",
        "\0",
        "é" * 40,
    ):
        assert invitations.find(other) is None
    assert invitations.find(invited) is not None
    assert invitations.find(setup) is not None


def test_the_store_gives_no_token_away(home: Household) -> None:
    token = offer(home)
    with home.database.transaction(read=True) as session:
        rows = str(session.execute(text("SELECT * FROM one_time_values")).all())
    assert token not in rows
    assert token.removeprefix("setup_") not in rows
