from __future__ import annotations

import asyncio
import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from saaf_autogen.auth.identity.password_rules import check_password
from saaf_autogen.auth.identity.passwords import Passwords
from saaf_autogen.errors import InvalidArguments, RateLimited
from tests.auth.identity.household import PASSWORD, Household


async def test_a_password_is_hashed_with_argon2id_at_owasps_parameters(home: Household) -> None:
    hashed = await home.people.passwords.hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await home.people.passwords.verify(PASSWORD, hashed) == (True, None)
    assert await home.people.passwords.verify(PASSWORD + " ", hashed) == (False, None)
    assert hashed != await home.people.passwords.hash(PASSWORD)


async def test_the_same_password_from_another_keyboard_is_the_same(home: Household) -> None:
    hashed = await home.people.passwords.hash("Zoe\u0308s ﬁne garden gate")
    assert (await home.people.passwords.verify("Zoës fine garden gate", hashed))[0]


async def test_a_hash_of_old_parameters_is_made_anew_when_its_password_is_right(
    home: Household,
) -> None:
    old = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1)]).hash(PASSWORD)
    matches, fresh = await home.people.passwords.verify(PASSWORD, old)
    assert matches
    assert fresh is not None
    assert await home.people.passwords.verify(PASSWORD, fresh) == (True, None)
    assert await home.people.passwords.verify("wrong", old) == (False, None)


@pytest.mark.parametrize("offered", ["", "\0", "\ud800", "x" * 1024])
async def test_strange_passwords_are_wrong_and_break_nothing(home: Household, offered: str) -> None:
    hashed = await home.people.passwords.hash(PASSWORD)
    assert await home.people.passwords.verify(offered, hashed) == (False, None)
    assert await home.people.passwords.verify(offered, None) == (False, None)


async def test_a_flood_of_sign_ins_is_refused_beyond_a_short_queue() -> None:
    passwords = Passwords(workers=1, waiting=2)
    busy = threading.Event()
    hash_now = passwords.hash_blocking

    def slow(password: str) -> str:
        busy.wait(10)
        return hash_now(password)

    passwords.hash_blocking = slow  # type: ignore[method-assign]  # a slow machine
    hashing = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(RateLimited) as refused:
        await passwords.hash(PASSWORD)
    assert refused.value.extra["retry_after"] > 0
    hashing[2].cancel()
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(passwords.hash(PASSWORD))
    await asyncio.sleep(0.05)
    busy.set()
    for task in (*hashing[:2], waiting):
        assert (await task).startswith("$argon2id$")
    passwords.close()


@pytest.mark.parametrize(
    "good",
    [
        PASSWORD,
        "correct pony battery staple",
        "my password is a secret that nobody reads",
        "\u30d1\u30b9\u30ef\u30fc\u30c9\u3067\u306f\u3042\u308a\u307e\u305b\u3093\u3001\u5c71\u306e\u732b\u3067\u3059",
        "x8#kQ2!vN5@pL9$",
        " spaces at the ends ",
        "a1" + "mountain tulip " * 15,
    ],
)
def test_a_long_password_of_any_kind_of_characters_is_taken(good: str) -> None:
    assert check_password(good, about=["ann", "ann@acme.com", "acme"])


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x8#kQ2!vN5@pL9",
        "mountain tulip " * 18,
        "mountain\x00tulip engine",
        "mountain\ntulip engine",
        "mountain \ud800 tulip engine",
        "password12345678",
        "Password Password",
        "P@ssw0rd-P@ssw0rd!",
        "123456789012345",
        "9876543210987654",
        "qwertyuiopasdfghjkl",
        "lkjhgfdsapoiuytrewq",
        "abcdefghijklmnop",
        "aaaaaaaaaaaaaaaaaaaaaaa",
        "hunter2hunter2hunter2",
        "1q2w3e4r5t6y7u8i",
        "iloveyouiloveyou1",
        "correct horse battery staple",
        "Welcome2Acme-2026!",
        "ann.lee@acme.com",
        "Ann.Lee@Acme.com 2026",
        "annlee annlee annlee",
        "111111111111112",
    ],
)
def test_the_first_that_anybody_would_try_are_refused(bad: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        check_password(bad, about=["ann.lee", "ann.lee@acme.com", "acme"])
    assert len(bad) < 15 or bad not in str(refused.value)
