"""Requests that wait: pushed by their client (RFC 9126), or parked while their user signs in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.server.authorization.parameters import Parameters
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import new_secret

__all__ = ["PARKED_S", "PUSHED_S", "WaitingRequest", "WaitingRequests", "is_waiting_uri"]

PUSHED_S = 60
PARKED_S = 900
_PUSHED = "urn:ietf:params:oauth:request_uri:"
_PARKED = "urn:saaf:params:oauth:parked:"


@dataclass(frozen=True)
class WaitingRequest:
    """A request as it came.

    Attributes:
        started_at: when it first came.
        dpop_jkt: of the proof that came with it.
        pushed: under which it was pushed, or None.
        parked: under which it was parked, or None.
    """

    parameters: Parameters
    started_at: datetime
    dpop_jkt: str | None = None
    pushed: str | None = None
    parked: str | None = None


class WaitingRequests:
    """Keeps them. Synchronous: call it in a thread from async code.

    A pushed request can be opened for a minute, and again if the page is reloaded; it is used up
    by its approval, not by being looked at. A user who takes longer has it parked meanwhile.
    """

    def __init__(self, once: OneTimeStore, clock: Clock) -> None:
        self._once = once
        self._clock = clock

    def push(
        self, client: ClientRecord, pairs: Sequence[tuple[str, str]], dpop_jkt: str | None
    ) -> str:
        """Keep a pushed request; returns its ``request_uri``."""
        uri = new_secret(_PUSHED)
        now = self._clock.now()
        self._once.put(
            "pushed",
            uri,
            # Kept past its minute, so that its one approval can still be told from a second.
            expires_at=now + timedelta(seconds=PUSHED_S + PARKED_S),
            data={
                "pairs": [list(pair) for pair in pairs],
                "started_at": now.isoformat(),
                "dpop_jkt": dpop_jkt,
            },
            tenant=client.tenant,
        )
        return uri

    def park(
        self,
        client: ClientRecord,
        pairs: Sequence[tuple[str, str]],
        *,
        started_at: datetime,
        dpop_jkt: str | None,
        pushed: str | None,
    ) -> str:
        """Keep a request while its user is busy; returns its ``request_uri``."""
        uri = new_secret(_PARKED)
        self._once.put(
            "parked",
            uri,
            expires_at=self._clock.now() + timedelta(seconds=PARKED_S),
            data={
                "pairs": [list(pair) for pair in pairs],
                "started_at": started_at.isoformat(),
                "dpop_jkt": dpop_jkt,
                "pushed": pushed,
            },
            tenant=client.tenant,
        )
        return uri

    def find(self, uri: str, client_id: str | None) -> WaitingRequest | None:
        """The request, which stays; None if it is unknown, used, too old, or another client's."""
        parked = uri.startswith(_PARKED)
        data = self._once.peek("parked" if parked else "pushed", uri)
        if data is None:
            return None
        started_at = datetime.fromisoformat(data["started_at"])
        age = self._clock.now() - started_at
        if not parked and age >= timedelta(seconds=PUSHED_S):
            return None
        parameters = Parameters(tuple((name, value) for name, value in data["pairs"]))
        if parameters.get("client_id") != client_id:
            return None
        return WaitingRequest(
            parameters,
            started_at,
            data["dpop_jkt"],
            pushed=data["pushed"] if parked else uri,
            parked=uri if parked else None,
        )

    def use(self, *, pushed: str | None, parked: str | None) -> bool:
        """Use it up; False if it was used before."""
        taken = [
            self._once.take(purpose, uri) is not None
            for purpose, uri in (("parked", parked), ("pushed", pushed))
            if uri is not None
        ]
        return all(taken)


def is_waiting_uri(uri: str) -> bool:
    """Whether a ``request_uri`` has the form of those that are given out here."""
    return uri.startswith((_PUSHED, _PARKED))
