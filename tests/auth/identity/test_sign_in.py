from __future__ import annotations

import asyncio

import pytest

from saaf_autogen.auth.identity.sign_in import SignIn
from saaf_autogen.errors import Forbidden, InvalidArguments, RateLimited, Unauthenticated
from saaf_autogen.settings import SignInSettings
from tests.auth.identity.household import PASSWORD, Household

HERE = "192.0.2.1"


async def fails(home: Household, name: str = "ann", address: str = HERE) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await home.people.sign_in.with_password(name, "not the password", address)
    return str(refused.value)


async def waits(home: Household, name: str, password: str, address: str = HERE) -> int:
    with pytest.raises(RateLimited) as refused:
        await home.people.sign_in.with_password(name, password, address)
    return int(refused.value.extra["retry_after"])


async def test_the_right_password_signs_in_and_is_recorded(anywhere: Household) -> None:
    ann = anywhere.user()
    assert await anywhere.people.sign_in.with_password("ANN", PASSWORD, HERE) == ann
    await fails(anywhere)
    told = [
        (each["action"], each["decision"], each["subject"], each["address"], each["door"])
        for each in await anywhere.recorded()
    ]
    assert told == [
        ("sign_in", "allowed", ann.id, HERE, "page"),
        ("sign_in", "denied", ann.id, HERE, "page"),
    ]


async def test_enumeration_all_that_fails_is_answered_alike(home: Household) -> None:
    home.user("ann")
    home.people.users.disable(home.user("bob").id)
    home.user("carl", password=None)
    answers = {await fails(home, name) for name in ("ann", "carl", "nobody", "", "\0", "a" * 500)}
    with pytest.raises(Unauthenticated) as refused:
        await home.people.sign_in.with_password("bob", PASSWORD, HERE)
    assert answers == {str(refused.value)}


async def test_enumeration_by_timing_every_attempt_costs_one_hash_of_the_same_cost(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.user("ann")
    home.people.users.disable(home.user("bob").id)
    home.user("carl", password=None)
    passwords, costs = home.people.passwords, []
    verify = passwords._hasher.verify_and_update

    def counted(password: str, stored: str) -> tuple[bool, str | None]:
        costs.append(stored.split("$")[1:4])
        return verify(password, stored)

    monkeypatch.setattr(passwords._hasher, "verify_and_update", counted)
    for name in ("ann", "bob", "carl", "nobody", "x" * 500):
        await fails(home, name)
    with pytest.raises(Unauthenticated):
        await home.people.sign_in.with_password("ann", "x" * 5000, HERE)
    assert costs == [["argon2id", "v=19", "m=19456,t=2,p=1"]] * 6


async def test_a_name_that_nobody_has_is_not_recorded_because_it_may_be_a_password(
    home: Household,
) -> None:
    await fails(home, "my secret typed into the wrong field")
    (entry,) = await home.recorded()
    assert "secret" not in str(entry)
    assert entry["decision"] == "denied"


async def test_guessing_waits_twice_as_long_each_time_from_the_fifth_failure_on(
    anywhere: Household,
) -> None:
    anywhere.user()
    for _ in range(5):
        await fails(anywhere)
    for wait in (1, 2, 4, 8):
        assert await waits(anywhere, "ann", "not the password") == wait
        anywhere.clock.advance(wait)
        await fails(anywhere)
    for _ in range(8):
        anywhere.clock.advance(900)
        await fails(anywhere)
    assert await waits(anywhere, "ann", "x") == 900, "no hard lock-out"


async def test_the_right_password_within_the_wait_is_refused_and_changes_nothing(
    home: Household,
) -> None:
    home.user()
    for _ in range(7):
        await fails(home)
        home.clock.advance(0 if _ < 4 else 2 ** (_ - 4))
    await fails(home)
    recorded = len(await home.recorded())
    assert await waits(home, "ann", PASSWORD) == 8
    assert await waits(home, "ANN ", PASSWORD, "198.51.100.9") == 8, (
        "however written, from anywhere"
    )
    assert len(await home.recorded()) == recorded, "what is not looked at is no decision"
    home.clock.advance(8)
    assert (await home.people.sign_in.with_password("ann", PASSWORD, HERE)).username == "ann"
    for _ in range(5):
        await fails(home)
    assert await waits(home, "ann", PASSWORD) == 1, "a success forgets the account's failures"


async def test_names_that_nobody_has_wait_as_others_do(home: Household) -> None:
    for _ in range(5):
        await fails(home, "nobody")
    assert await waits(home, "nobody", PASSWORD) == 1


async def test_an_address_that_tries_many_names_waits(home: Household) -> None:
    home.user()
    for n in range(20):
        await fails(home, f"user{n}")
    assert await waits(home, "ann", PASSWORD) == 1
    assert await home.people.sign_in.with_password("ann", PASSWORD, "198.51.100.9")
    home.clock.advance(1)
    await fails(home, "user20")
    assert await waits(home, "user21", "x") == 2


async def test_an_own_account_does_not_help_to_guess_at_others(home: Household) -> None:
    home.user("eve")
    wait = 0
    for n in range(24):
        await fails(home, f"user{n}")
        home.clock.advance(wait := (max(0, n - 19) and 2 ** (n - 19)) or (1 if n == 19 else 0))
        await home.people.sign_in.with_password("eve", PASSWORD, HERE)
    assert wait == 16
    await fails(home, "user24")
    assert await waits(home, "eve", PASSWORD) == 32


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("fe80::1%eth0", "fe80::2%eth1", "fe81::1"),
        ("", "", "unix"),
    ],
)
async def test_an_address_is_what_one_person_can_have_whole(
    home: Household, one: str, same: str, other: str
) -> None:
    for n in range(20):
        await fails(home, f"user{n}", one)
    assert await waits(home, "ann", PASSWORD, same) == 1
    await fails(home, "ann", other)


async def test_guesses_at_once_are_not_looked_at_beyond_the_free_ones(anywhere: Household) -> None:
    anywhere.user()
    guesses = [
        anywhere.people.sign_in.with_password("ann", f"guess {n}", f"192.0.2.{n}")
        for n in range(16)
    ]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    looked_at = [each for each in outcomes if isinstance(each, Unauthenticated)]
    assert len(looked_at) == 5
    assert all(isinstance(each, Unauthenticated | RateLimited) for each in outcomes)


async def test_failures_are_forgotten_after_a_day(home: Household) -> None:
    home.user()
    for _ in range(4):
        await fails(home)
    home.clock.advance(86_400)
    await fails(home)
    await fails(home)


async def test_a_flood_costs_nobody_their_free_attempts(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.user()

    async def full(*_: object) -> tuple[bool, None]:
        raise RateLimited("Too many.", extra={"retry_after": 2})

    with monkeypatch.context() as patch:
        patch.setattr(home.people.passwords, "verify", full)
        for _ in range(10):
            assert await waits(home, "ann", PASSWORD) == 2
    assert await home.people.sign_in.with_password("ann", PASSWORD, HERE)


async def test_a_sign_in_moves_a_hash_to_new_parameters(home: Household) -> None:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    old = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1)]).hash(PASSWORD)
    ann = home.people.users.add("ann", password_hash=old)
    cookie = home.cookie(ann)
    await home.people.sign_in.with_password("ann", PASSWORD, HERE)
    found = home.people.users.credentials("ann")
    assert found is not None
    assert "m=19456,t=2,p=1" in str(found[1])
    assert home.people.sessions.find(cookie) is not None, "the password is the same"
    await home.people.sign_in.with_password("ann", PASSWORD, HERE)


async def test_a_password_is_changed_by_who_knows_it(home: Household) -> None:
    ann = home.user()
    cookie = home.cookie(ann)
    sign_in, fresh = home.people.sign_in, "another tulip, engine 8"
    with pytest.raises(Unauthenticated):
        await sign_in.change_password(ann, "not the password", fresh, HERE)
    with pytest.raises(InvalidArguments):
        await sign_in.change_password(ann, PASSWORD, "short", HERE)
    await sign_in.change_password(ann, PASSWORD, fresh, HERE)
    assert home.people.sessions.find(cookie) is None
    assert home.ended == [ann.id]
    await fails(home)
    assert await sign_in.with_password("ann", fresh, HERE)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await sign_in.change_password(ann, "a guess", fresh, HERE)
    with pytest.raises(RateLimited):
        await sign_in.change_password(ann, fresh, PASSWORD, HERE)
    with pytest.raises(Forbidden):
        await sign_in.change_password(home.user("carl", password=None), "", PASSWORD, HERE)


async def test_a_host_without_passwords_takes_none(home: Household) -> None:
    home.user()
    people = home.people
    sign_in = SignIn(
        people.users,
        people.passwords,
        people.backoff,
        home.audit,
        SignInSettings(password=False),
        issuer="http://localhost:8000",
        name="acme",
        clock=home.clock,
    )
    with pytest.raises(Forbidden):
        await sign_in.with_password("ann", PASSWORD, HERE)
