"""Passwords: hashed with Argon2id, a few at a time."""

from __future__ import annotations

import asyncio
import base64
import functools
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from saaf_autogen.auth.identity.password_rules import prepare_password
from saaf_autogen.errors import RateLimited

if TYPE_CHECKING:
    from pwdlib import PasswordHash

__all__ = ["Passwords"]

Result = TypeVar("Result")
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
"""OWASP's parameters for Argon2id: 19 MiB, two passes, one lane."""

_RETRY_AFTER_S = 2


class Passwords:
    """Hashes and verifies, in threads of its own.

    Each hash takes ~20 ms of a core and 19 MiB: at most ``workers`` are under way and ``waiting``
    wait; more are refused, so that a flood of sign-ins neither fills the memory nor stops
    whatever else the host does.

    Args:
        workers: hashes at a time.
        waiting: how many more may wait.
    """

    def __init__(self, *, workers: int = 2, waiting: int = 16) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        # A hash that no password has, at today's parameters: it costs what a real one costs.
        salt, key = (_random(size) for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${key}"
        self._room = threading.BoundedSemaphore(workers + waiting)

    async def hash(self, password: str) -> str:
        """The hash to keep of a password, with its parameters and salt (PHC string format).

        Raises:
            RateLimited: too many wait already.
        """
        return await self._work(lambda: self.hash_blocking(password))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether it is the password of a hash; and a new hash if that one is of old parameters.

        Without a hash (no such user, or one without a password) the answer is no, at the same
        cost.

        Raises:
            RateLimited: too many wait already.
        """
        return await self._work(lambda: self.verify_blocking(password, stored))

    def hash_blocking(self, password: str) -> str:
        """``hash``, here and now: for the command line."""
        return self._hasher.hash(_prepared(password))

    def verify_blocking(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """``verify``, here and now."""
        prepared = _prepared(password)
        matches, fresh = self._hasher.verify_and_update(prepared, stored or self._nobody)
        return matches and stored is not None, fresh

    def close(self) -> None:
        """Begin no more; what is under way ends."""
        self._threads.shutdown(cancel_futures=True)

    @functools.cached_property
    def _hasher(self) -> PasswordHash:
        from pwdlib import PasswordHash
        from pwdlib.hashers.argon2 import Argon2Hasher

        return PasswordHash(
            [Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)]
        )

    async def _work(self, work: Callable[[], Result]) -> Result:
        if not self._room.acquire(blocking=False):
            raise RateLimited(
                "Too many people sign in at this moment.",
                remedy="Try again in a moment.",
                extra={"retry_after": _RETRY_AFTER_S},
            )
        future: Future[Result] = self._threads.submit(work)
        # A caller who goes away gives the place back only once the hash is done or was not begun.
        future.add_done_callback(lambda _done: self._room.release())
        return await asyncio.wrap_future(future)


def _prepared(password: str) -> bytes:
    # What no keyboard types is wrong like any other wrong password, and no error.
    return prepare_password(password).encode(errors="surrogatepass")


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
