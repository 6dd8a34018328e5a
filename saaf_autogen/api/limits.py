"""Counts a call against the limit of its caller."""

from __future__ import annotations

from typing import Protocol

from fastapi import Request

from saaf_autogen.api.addresses import client_address
from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.errors import RateLimited
from saaf_autogen.limits import Limits

__all__ = ["charge"]


class HasLimits(Protocol):
    """What ``request.app.state.saaf`` must offer to this module."""

    @property
    def limits(self) -> Limits:
        """The limiters of the host."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Where refusals are recorded."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...


def charge(request: Request, principal: Principal, *, cost: int = 1) -> None:
    """Count a call of a principal, whatever becomes of it afterwards; ``cost`` 0 counts nothing.

    The answer tells what is left (see ``api.rate_guard``).

    Raises:
        RateLimited: the minute's calls are used up; the audit is told of it once a minute.
    """
    if not cost:
        return
    state: HasLimits = request.app.state.saaf
    who = (principal.key, principal.client_id or "")
    # Told before the answer is known: this caller is no stranger, even where it is refused.
    request.state.charged = True
    try:
        request.state.room = state.limits.calls.take(*who, cost=cost)
    except RateLimited as refusal:
        if _to_be_told(state.limits, who):
            state.audit.note(
                AuditRecord.by(
                    principal,
                    action="host.limit_calls",
                    door="rest",
                    at=state.clock.now(),
                    decision="denied",
                    reason=refusal.detail,
                    address=client_address(request),
                )
            )
        raise


def _to_be_told(limits: Limits, who: tuple[str, ...]) -> bool:
    # Refusals come by the thousand; the audit would be the victim.
    try:
        limits.told.take(*who)
    except RateLimited:
        return False
    return True
