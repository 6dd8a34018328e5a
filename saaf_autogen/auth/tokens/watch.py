"""Carries what other processes change into this one: keys, revocations, principals, grants."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.revisions import Revisions, Topic
from saaf_autogen.auth.tokens.revocation import RevokedTokens
from saaf_autogen.auth.tokens.verifier import TokenVerifier

__all__ = ["TokenWatch"]

_log = logging.getLogger(__name__)


class TokenWatch:
    """Polls the store every ``interval_s`` seconds and tells those who remember something of it.

    Args:
        keys: the embedded issuer's; when they change, the verifier forgets its tokens.
        revoked: revoked tokens; the same.
        verifier: what forgets.
        revisions: the numbers of users, clients, groups and grants; None follows none.
        interval_s: seconds between two looks.
    """

    def __init__(
        self,
        keys: SigningKeys,
        revoked: RevokedTokens,
        verifier: TokenVerifier,
        *,
        revisions: Revisions | None = None,
        interval_s: float = 1,
    ) -> None:
        self._keys = keys
        self._revoked = revoked
        self._verifier = verifier
        self._revisions = revisions
        self._interval_s = interval_s
        self._callbacks: defaultdict[str, list[Callable[[], object]]] = defaultdict(list)
        self._changed: set[str] = set()
        self._looked: list[Callable[[], object]] = []

    def subscribe(self, topic: Topic, callback: Callable[[], object]) -> None:
        """Have ``callback`` called in a thread whenever something of the topic changed.

        The first look counts as a change. A callback that fails because the store is away is
        called again at the next look.
        """
        self._callbacks[topic].append(callback)

    def on_look(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called after each look whose changes were all passed on."""
        self._looked.append(callback)

    async def poll(self) -> None:
        """Look once."""
        keys = await asyncio.to_thread(self._keys.load)
        revoked = await asyncio.to_thread(self._revoked.load)
        if keys or revoked:
            self._verifier.flush()
        if self._revisions is not None:
            self._changed |= await asyncio.to_thread(self._revisions.changed)
        for topic in sorted(self._changed):
            for callback in self._callbacks[topic]:
                await asyncio.to_thread(callback)
            self._changed.discard(topic)
        for looked in self._looked:
            looked()

    async def run(self) -> None:
        """Look again and again, until cancelled; a store that is away is logged and retried."""
        while True:
            try:
                await self.poll()
            except SQLAlchemyError as error:
                name = type(error).__name__
                _log.error("the store could not be read (%s); what was last known holds", name)
            await asyncio.sleep(self._interval_s)
