"""Carries revocations and new keys of other processes into this one."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.tokens.revocation import RevokedTokens
from saaf_autogen.auth.tokens.verifier import TokenVerifier

__all__ = ["TokenWatch"]

_log = logging.getLogger(__name__)


class TokenWatch:
    """Polls the store every ``interval_s`` seconds and flushes the verifier on changes."""

    def __init__(
        self,
        keys: SigningKeys,
        revoked: RevokedTokens,
        verifier: TokenVerifier,
        *,
        interval_s: float = 2,
    ) -> None:
        self._keys = keys
        self._revoked = revoked
        self._verifier = verifier
        self._interval_s = interval_s

    async def poll(self) -> None:
        """Look once."""
        keys = await asyncio.to_thread(self._keys.load)
        revoked = await asyncio.to_thread(self._revoked.load)
        if keys or revoked:
            self._verifier.flush()

    async def run(self) -> None:
        """Look again and again, until cancelled; a store that is away is logged and retried."""
        while True:
            try:
                await self.poll()
            except SQLAlchemyError as error:
                name = type(error).__name__
                _log.error("revocations could not be read (%s); the last known ones hold", name)
            await asyncio.sleep(self._interval_s)
