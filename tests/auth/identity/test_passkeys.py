from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saaf_autogen.auth.identity.passkeys import Passkeys
from saaf_autogen.auth.identity.users import UserRecord
from saaf_autogen.errors import ConfigurationError, Conflict, InvalidArguments, Unauthenticated
from tests.auth.identity.device import Device, text
from tests.auth.identity.household import Household, at_once

BROWSER = "a secret of this browser"


def passkeys_of(home: Household, issuer: str = "http://localhost:8000") -> Passkeys:
    return Passkeys(
        home.database, home.people.users, home.audit, issuer=issuer, name="acme", clock=home.clock
    )


@pytest.fixture
def passkeys(home: Household) -> Passkeys:
    return passkeys_of(home)


@pytest.fixture
def ann(home: Household) -> UserRecord:
    return home.user("ann", password=None, name="Ann Lee")


def enrolled(passkeys: Passkeys, user: UserRecord, **device: Any) -> Device:
    made = Device(**device)
    options = passkeys.add_options(user, binding=BROWSER)
    passkeys.add(user, made.create(options), binding=BROWSER, title="my laptop")
    return made


async def test_a_passkey_is_added_and_signs_in_without_a_user_name(anywhere: Household) -> None:
    passkeys = passkeys_of(anywhere)
    ann = anywhere.user("ann", password=None, name="Ann Lee")
    anywhere.user("bob")
    options = passkeys.add_options(ann, binding=BROWSER)
    assert options["rp"] == {"id": "localhost", "name": "acme"}
    assert options["user"]["name"] == "ann"
    assert options["user"]["displayName"] == "Ann Lee"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    device = Device()
    made = passkeys.add(ann, device.create(options), binding=BROWSER, title=" my\nlaptop ")
    assert (made.title, made.transports, made.used_at) == (
        "my laptop",
        ("hybrid", "internal"),
        None,
    )
    asked = passkeys.sign_in_options(binding=BROWSER)
    assert asked["userVerification"] == "required"
    assert not asked.get("allowCredentials"), "nobody learns who has passkeys here"
    assert passkeys.sign_in(device.get(asked), binding=BROWSER, address="192.0.2.1") == ann
    assert passkeys.list(ann)[0].used_at == anywhere.clock.now()
    told = [(each["action"], each["decision"]) for each in await anywhere.recorded()]
    assert told == [("add_passkey", "allowed"), ("sign_in", "allowed")]


def test_a_providers_user_gets_no_way_in_that_outlives_their_account_there(
    home: Household, passkeys: Passkeys
) -> None:
    eve = home.people.users.provision("https://idp.example", "1", tenant="default", name="Eve")
    with pytest.raises(Conflict, match="provider"):
        passkeys.add_options(eve, binding=BROWSER)
    with pytest.raises(Conflict, match="provider"):
        passkeys.add(eve, "{}", binding=BROWSER)


def test_replay_an_answer_counts_once(passkeys: Passkeys, ann: UserRecord) -> None:
    options = passkeys.add_options(ann, binding=BROWSER)
    device = Device()
    made = device.create(options)
    passkeys.add(ann, made, binding=BROWSER)
    with pytest.raises(InvalidArguments):
        passkeys.add(ann, made, binding=BROWSER)
    answer = device.get(passkeys.sign_in_options(binding=BROWSER))
    passkeys.sign_in(answer, binding=BROWSER)
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(answer, binding=BROWSER)


def test_replay_in_parallel_counts_once(anywhere: Household) -> None:
    passkeys = passkeys_of(anywhere)
    device = enrolled(passkeys, anywhere.user("ann"))
    answer = device.get(passkeys.sign_in_options(binding=BROWSER))
    outcomes = at_once(lambda: passkeys.sign_in(answer, binding=BROWSER))
    assert sum(isinstance(each, UserRecord) for each in outcomes) == 1
    assert sum(isinstance(each, Unauthenticated) for each in outcomes) == 7


def test_what_one_browser_was_asked_no_other_answers(
    home: Household, passkeys: Passkeys, ann: UserRecord
) -> None:
    device, eve = enrolled(passkeys, ann), home.user("eve")
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(device.get(passkeys.sign_in_options(binding="other")), binding=BROWSER)
    options = passkeys.add_options(eve, binding="other")
    with pytest.raises(InvalidArguments):
        passkeys.add(eve, Device().create(options), binding=BROWSER)
    with pytest.raises(InvalidArguments):
        passkeys.add(ann, Device().create(options), binding="other")
    asked = passkeys.sign_in_options(binding=BROWSER)
    with pytest.raises(InvalidArguments):
        passkeys.add(ann, Device().create({**options, **asked}), binding=BROWSER)


def test_a_challenge_expires(home: Household, passkeys: Passkeys, ann: UserRecord) -> None:
    device = enrolled(passkeys, ann)
    asked = passkeys.sign_in_options(binding=BROWSER)
    home.clock.advance(300)
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(device.get(asked), binding=BROWSER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://localhost:8000"},
        {"origin": "http://localhost:8001"},
        {"origin": "http://evil.localhost:8000"},
        {"rp_id": "evil.com"},
        {"verifies": False},
    ],
)
def test_a_page_of_another_origin_or_an_owner_who_was_not_asked_for_is_refused(
    passkeys: Passkeys, ann: UserRecord, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArguments):
        enrolled(passkeys, ann, **wrong)
    device = enrolled(passkeys, ann)
    asked = passkeys.sign_in_options(binding=BROWSER)
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(replace(device, **wrong).get(asked), binding=BROWSER)
    assert passkeys.sign_in(device.get(passkeys.sign_in_options(binding=BROWSER)), binding=BROWSER)


def test_another_key_another_handle_or_an_unknown_passkey_is_refused(
    home: Household, passkeys: Passkeys, ann: UserRecord
) -> None:
    device, eve = enrolled(passkeys, ann), home.user("eve")
    for other in (
        replace(device, key=Device().key),
        replace(device, handle=text(eve.id.encode())),
        replace(device, handle=None),
        replace(device, handle=""),
        Device(handle=device.handle),
    ):
        asked = passkeys.sign_in_options(binding=BROWSER)
        with pytest.raises(Unauthenticated):
            passkeys.sign_in(other.get(asked), binding=BROWSER)


def test_a_copied_device_is_noticed_by_its_count(passkeys: Passkeys, ann: UserRecord) -> None:
    device = enrolled(passkeys, ann, counts=True)
    copy = replace(device)
    for _ in range(2):
        passkeys.sign_in(device.get(passkeys.sign_in_options(binding=BROWSER)), binding=BROWSER)
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(copy.get(passkeys.sign_in_options(binding=BROWSER)), binding=BROWSER)


def test_a_disabled_user_does_not_sign_in(
    home: Household, passkeys: Passkeys, ann: UserRecord
) -> None:
    device = enrolled(passkeys, ann)
    home.people.users.disable(ann.id)
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(device.get(passkeys.sign_in_options(binding=BROWSER)), binding=BROWSER)


def test_a_passkey_is_removed_by_its_user_alone(
    home: Household, passkeys: Passkeys, ann: UserRecord
) -> None:
    device, eve = enrolled(passkeys, ann), home.user("eve")
    (passkey,) = passkeys.list(ann)
    assert not passkeys.remove(eve, passkey.id)
    assert passkeys.remove(ann, passkey.id)
    assert not passkeys.remove(ann, passkey.id)
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(device.get(passkeys.sign_in_options(binding=BROWSER)), binding=BROWSER)


def test_nobody_takes_over_a_passkey_by_adding_it_again(
    home: Household, passkeys: Passkeys, ann: UserRecord
) -> None:
    device, eve = enrolled(passkeys, ann), home.user("eve")
    options = passkeys.add_options(eve, binding=BROWSER)
    with pytest.raises(Conflict):
        passkeys.add(eve, Device(id=device.id).create(options), binding=BROWSER)
    assert passkeys.list(eve) == []
    asked = passkeys.add_options(ann, binding=BROWSER)
    assert [each["id"] for each in asked["excludeCredentials"]] == [text(device.id)]


def test_a_key_that_is_none_is_not_kept(passkeys: Passkeys, ann: UserRecord) -> None:
    options = passkeys.add_options(ann, binding=BROWSER)
    with pytest.raises(InvalidArguments):
        passkeys.add(ann, Device().create(options, y=1), binding=BROWSER)
    assert passkeys.list(ann) == []


def test_there_is_a_most_of_passkeys(passkeys: Passkeys, ann: UserRecord) -> None:
    waiting = passkeys.add_options(ann, binding=BROWSER)
    for _ in range(20):
        enrolled(passkeys, ann)
    with pytest.raises(Conflict):
        passkeys.add_options(ann, binding=BROWSER)
    with pytest.raises(Conflict):
        passkeys.add(ann, Device().create(waiting), binding=BROWSER)
    assert len(passkeys.list(ann)) == 20


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    broken=st.sampled_from(
        ["id", "clientDataJSON", "authenticatorData", "signature", "userHandle"]
    ),
    value=st.one_of(
        st.none(), st.integers(), st.text(max_size=40), st.binary(max_size=60).map(text)
    ),
)
def test_whatever_a_browser_answers_is_refused_in_one_way(
    passkeys: Passkeys, broken: str, value: Any
) -> None:
    device = Device(handle=text(b"usr_0"))
    answer = device.get(passkeys.sign_in_options(binding=BROWSER), **{broken: value})
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(answer, binding=BROWSER)


@pytest.mark.parametrize(
    "answer", ["", "{", "[]", "null", "{}", '{"response": {}}', '"x"', "[" * 5000, "x" * 70_000]
)
def test_what_is_no_answer_at_all_is_refused(
    passkeys: Passkeys, ann: UserRecord, answer: str
) -> None:
    with pytest.raises(Unauthenticated):
        passkeys.sign_in(answer, binding=BROWSER)
    with pytest.raises(InvalidArguments):
        passkeys.add(ann, answer, binding=BROWSER)


@pytest.mark.parametrize("name", ["attestationObject", "clientDataJSON", "id"])
@pytest.mark.parametrize("value", ["", "AAAA", "_w", text(json.dumps({"a": 1}).encode())])
def test_a_passkey_that_cannot_be_read_is_refused(
    passkeys: Passkeys, ann: UserRecord, name: str, value: str
) -> None:
    options = passkeys.add_options(ann, binding=BROWSER)
    with pytest.raises(InvalidArguments):
        passkeys.add(ann, Device().create(options, **{name: value}), binding=BROWSER)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8000", "https://[::1]", "http://saaf.acme.com", "https://10.0.0.1"]
)
def test_an_address_at_which_browsers_know_no_passkeys_is_said_at_start(
    home: Household, issuer: str
) -> None:
    with pytest.raises(ConfigurationError, match="Browsers know no passkeys"):
        passkeys_of(home, issuer)


@pytest.mark.parametrize(
    ("issuer", "host", "origin"),
    [
        ("https://saaf.acme.com", "saaf.acme.com", "https://saaf.acme.com"),
        ("https://saaf.acme.com:443/x", "saaf.acme.com", "https://saaf.acme.com"),
        ("https://Saaf.acme.com:8443", "saaf.acme.com", "https://saaf.acme.com:8443"),
        ("http://localhost", "localhost", "http://localhost"),
    ],
)
def test_passkeys_are_bound_to_the_public_address(
    home: Household, issuer: str, host: str, origin: str
) -> None:
    passkeys = passkeys_of(home, issuer)
    device = enrolled(passkeys, home.user(), origin=origin, rp_id=host)
    asked = passkeys.sign_in_options(binding=BROWSER)
    assert passkeys.sign_in(device.get(asked), binding=BROWSER)


def test_passkeys_without_their_package_are_said_at_start(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "webauthn", None)
    with pytest.raises(ConfigurationError, match=r"saaf-autogen\[passkeys\]"):
        passkeys_of(home)
