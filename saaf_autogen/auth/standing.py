"""What a principal that was vouched for earlier may still do now."""

from __future__ import annotations

from saaf_autogen.auth.principal import Principal

__all__ = ["Standing"]


class Standing:
    """Compares a principal with what holds now; in memory, but for the first time after a change."""

    async def now(self, principal: Principal) -> Principal:
        """The principal with the groups, attributes and scopes that it has now.

        Raises:
            Unauthenticated: its token was revoked, or its user or client is no longer active.
            Forbidden: an admin blocked this subject of an external issuer.
            Unavailable: nobody can tell, because the store is away for too long.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Ask the store anew; called when the topic ``principals`` changed."""
        raise NotImplementedError
