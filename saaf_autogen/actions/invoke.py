"""The only way to an action's handler, whichever door the call came through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from string import Formatter
from typing import Any
from urllib.parse import quote

from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.actions.context import ActionContext, ContextFactory
from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.actions.effects import EffectKey, EffectStore, Fence, outcome_unknown
from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.actions.spec import ActionOutcome, ActionSpec
from saaf_autogen.audit import AuditLog, AuditOutcome, AuditRecord, CallIds, Decision, Door
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.standing import Standing
from saaf_autogen.clock import Clock
from saaf_autogen.db import is_away
from saaf_autogen.errors import (
    ApprovalRequired,
    AuditUnavailable,
    ResourceDenied,
    SaafError,
    TimedOut,
    Unavailable,
    Upstream,
)
from saaf_autogen.limits import RateLimiter
from saaf_autogen.results import cap
from saaf_autogen.settings import LimitSettings

__all__ = ["Call", "Door", "Invoker"]

_COVERED = "scopes and grants cover the call"
_PAUSE_S = 0.5
_THREADS = 64
_RETRY_S = (0.1, 0.3, 1.0, 3.0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A caller asks for an action.

    ``holder`` and ``fence`` are of a run's worker: see ``LocalPort``.
    """

    name: str
    arguments: Mapping[str, Any]
    principal: Principal
    door: Door
    run_id: str | None = None
    idempotency_key: str | None = None
    address: str | None = None
    holder: str | None = None
    fence: Fence | None = None


@dataclass
class _Attempt:
    """What becomes known of a call on its way."""

    call: Call
    call_id: str
    started: float
    arguments: dict[str, Any] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    key: EffectKey | None = None


class _NotBegun(Exception):
    """The host's own store was away before anything was begun."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


class Invoker:
    """Decides and executes calls.

    The order of the steps is the order of their costs and of what they reveal: nothing is said
    about arguments to a caller without the scope, nothing about a result to one without the grant.
    """

    def __init__(
        self,
        *,
        registry: ActionRegistry,
        policy: Policy,
        contexts: ContextFactory,
        audit: AuditLog,
        effects: EffectStore,
        limits: LimitSettings,
        calls: RateLimiter,
        clock: Clock,
        standing: Standing | None = None,
    ) -> None:
        self._registry = registry
        self._policy = policy
        self._contexts = contexts
        self._audit = audit
        self._effects = effects
        self._limits = limits
        self._calls = calls
        self._clock = clock
        self._standing = standing
        self._ids = CallIds()
        # Handlers may block for as long as they like; the host's own work has other threads.
        self._threads = ThreadPoolExecutor(_THREADS, "saaf-actions")

    def close(self) -> None:
        """Begin no more handlers in threads; those under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def as_it_stands(self, principal: Principal) -> Principal:
        """The principal with what it holds now; raises as ``Standing.now``."""
        return principal if self._standing is None else await self._standing.now(principal)

    def visible_to(self, principal: Principal) -> list[ActionSpec]:
        """The actions that a principal holds all scopes for."""
        held = self._policy.effective_scopes(principal)
        return [each.spec for each in self._registry if held.issuperset(each.spec.scopes)]

    async def invoke(self, call: Call) -> ActionOutcome:
        """Decide a call, execute it, and leave exactly one audit record of it.

        The call of a run waits while the store is away, as its worker does: no model should be
        told of it, and nothing was begun. Each such attempt has its own record.

        Raises:
            SaafError: a refusal, or the failure of the handler, whose own words are not passed on.
                A fault of the host while it decides, such as a store that is away, is recorded
                and raised as it is.
        """
        tries = 0
        while True:
            try:
                return await self._invoke(call)
            except _NotBegun as away:
                if call.holder is None:
                    raise away.cause from away.cause.__cause__
                _log.warning("a call waits for the store (%s)", type(away.cause).__name__)
            await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1

    async def _invoke(self, call: Call) -> ActionOutcome:
        attempt = _Attempt(call, self._ids.draw(), self._clock.monotonic())
        try:
            self._audit.require_room()
        except AuditUnavailable as full:
            raise _NotBegun(full) from full
        try:
            principal = await self.as_it_stands(call.principal)
            if principal is not call.principal:
                attempt.call = call = replace(call, principal=principal)
            action = self._registry.get(call.name)
            context = self._contexts.build(call.principal, attempt.call_id, call.run_id)
            earlier = await self._decide(action, context, attempt)
        except SaafError as refusal:
            self._audit.note(self._record(attempt, "denied", refusal.detail))
            raise _told(refusal) from refusal.__cause__
        except Exception as fault:
            # A boundary: a fault of the host while it decides is a call all the same.
            reason = f"the host failed to decide ({type(fault).__name__})"
            self._audit.note(self._record(attempt, "denied", reason))
            raise _told(fault) from fault.__cause__
        if earlier is not None:
            reason = "the key's earlier outcome was returned"
            self._audit.note(self._record(attempt, "allowed", reason, outcome="replayed"))
            return earlier
        if action.spec.effect == "read":
            return await self._read(action, context, attempt)
        return await self._write(action, context, attempt)

    async def _decide(
        self, action: ActionDefinition, context: ActionContext, attempt: _Attempt
    ) -> ActionOutcome | None:
        call = attempt.call
        if call.door != "rest":
            # The API has counted its call already, with those that never came here.
            self._calls.admit(call.principal.key, call.principal.client_id or "")
        self._policy.require_scopes(call.principal, action.spec.scopes, action=call.name)
        attempt.arguments = action.validate(call.arguments)
        attempt.resources = await self._resources(action, context, attempt.arguments)
        return await self._look_up(action, context, attempt)

    async def _resources(
        self, action: ActionDefinition, context: ActionContext, arguments: Mapping[str, Any]
    ) -> tuple[str, ...]:
        declared = action.declaration.resources
        if callable(declared):
            touched = declared(context, arguments)
            return tuple(touched if not hasattr(touched, "__await__") else await touched)
        verb = "read" if action.spec.effect == "read" else "write"
        names = tuple(_fill(template, arguments) for template in declared)
        for name in names:
            decision = self._policy.resource_access(context.principal, name, verb)
            if not decision.allowed:
                raise ResourceDenied(decision.reason, remedy="Ask an admin for a grant.")
            if decision.approval:
                raise ApprovalRequired(
                    f"A grant on {name} asks for an approval, and nobody can be asked here."
                )
        return names

    async def _look_up(
        self, action: ActionDefinition, context: ActionContext, attempt: _Attempt
    ) -> ActionOutcome | None:
        if action.spec.effect == "read":
            return None
        call = attempt.call
        attempt.key = EffectKey.of(
            call.principal,
            call.idempotency_key or attempt.call_id,
            action=call.name,
            arguments=call.arguments,
            effect=action.spec.effect,
            keyed=action.spec.keyed,
        )
        context.idempotency_key = attempt.key.handed_on
        return await self._effects.look_up(attempt.key, call.holder)

    async def _read(
        self, action: ActionDefinition, context: ActionContext, attempt: _Attempt
    ) -> ActionOutcome:
        outcome = "cancelled"
        try:
            result = await self._execute(action, context, attempt)
            outcome = "ok"
            return result
        except SaafError as error:
            outcome = error.code
            raise
        finally:
            # The decision and what became of it, in one entry: both are known by now.
            self._audit.note(self._record(attempt, "allowed", _COVERED, outcome=outcome))

    async def _write(
        self, action: ActionDefinition, context: ActionContext, attempt: _Attempt
    ) -> ActionOutcome:
        key = attempt.key
        if key is None:
            raise SaafError("A write came without its effect key.")
        # What a run's call did is worth waiting for: forgotten, its fate would be unknown.
        insist = attempt.call.holder is not None
        await self._reserve(key, attempt)
        reserved = self._clock.monotonic()
        try:
            await self._audit.write(self._record(attempt, "allowed", _COVERED))
            await self._confirm(key, attempt, reserved)
        except BaseException as error:
            await self._effects.release(key, attempt.call_id, insist=insist)
            # The intent may be stored; that nothing was done is told with it or later.
            self._audit.note(self._outcome(attempt, _code(error)))
            raise _told(error) from error.__cause__
        try:
            result = await self._execute(action, context, attempt)
            await self._effects.finish(key, result, insist=insist)
        except BaseException as error:
            await asyncio.shield(self._close_failed(key, attempt, error))
            if isinstance(error, SQLAlchemyError):
                raise Unavailable(
                    "The effect took place but could not be recorded.",
                    remedy="Repeat the call with the same Idempotency-Key to learn its state.",
                ) from error
            # A model that is told of a mere failure tries again, under another key.
            lost = isinstance(error, SaafError) and not _had_none(error) and not key.repeatable
            if insist and lost:
                raise outcome_unknown(key, attempt.call_id) from error
            raise
        self._audit.note(self._outcome(attempt, "ok"))
        return result

    async def _reserve(self, key: EffectKey, attempt: _Attempt) -> None:
        call = attempt.call
        try:
            await self._effects.reserve(key, attempt.call_id, holder=call.holder, fence=call.fence)
        except SaafError as refusal:
            self._audit.note(self._record(attempt, "denied", refusal.detail))
            raise
        except Exception as fault:
            # A boundary: the store is away, or the fence said no. Nothing was begun.
            reason = f"the call could not begin ({type(fault).__name__})"
            self._audit.note(self._record(attempt, "denied", reason))
            raise _told(fault) from fault.__cause__

    async def _confirm(self, key: EffectKey, attempt: _Attempt, reserved: float) -> None:
        """A process that was paused between its mark and the call may have lost both."""
        fence = attempt.call.fence
        if fence is not None and self._clock.monotonic() - reserved > _PAUSE_S:
            await self._effects.confirm(key, attempt.call_id, fence)

    async def _close_failed(self, key: EffectKey, attempt: _Attempt, error: BaseException) -> None:
        """A refusal by the handler had no effect; after anything else nobody can know."""
        self._audit.note(self._outcome(attempt, _code(error)))
        try:
            if _had_none(error):
                insist = attempt.call.holder is not None
                await self._effects.release(key, attempt.call_id, insist=insist)
            else:
                await self._effects.give_up(key, attempt.call_id)
        except SQLAlchemyError:
            # Still marked in flight: its lease runs out and then the outcome is unknown.
            _log.error("the effect of %s could not be closed", attempt.call_id)

    async def _execute(
        self, action: ActionDefinition, context: ActionContext, attempt: _Attempt
    ) -> ActionOutcome:
        limit = self._limits.action_timeout_s
        try:
            async with asyncio.timeout(limit):
                value = await action.call(attempt.arguments, context, self._threads)
        except SaafError:
            raise
        except TimeoutError as error:
            raise TimedOut(f"{action.spec.name} took longer than {limit:g} s.") from error
        except Exception as error:
            # The boundary to code that others wrote: its words may hold secrets, so they are
            # logged with their type and never passed on.
            _log.exception("%s failed in %s", attempt.call_id, action.spec.name)
            raise Upstream(
                f"{action.spec.name} failed ({type(error).__name__}).",
                remedy=f"The host's log has the details under {attempt.call_id}.",
            ) from error
        shaped, cut = cap(value, rows=self._limits.result_rows, size=self._limits.result_bytes)
        return ActionOutcome(shaped, cut, attempt.call_id)

    def _record(
        self, attempt: _Attempt, decision: Decision, reason: str, *, outcome: str | None = None
    ) -> AuditRecord:
        ended = decision == "denied" or outcome is not None
        return AuditRecord.by(
            attempt.call.principal,
            call_id=attempt.call_id,
            at=self._clock.now(),
            door=attempt.call.door,
            action=attempt.call.name,
            resources=attempt.resources,
            decision=decision,
            reason=reason,
            run_id=attempt.call.run_id,
            outcome=outcome,
            duration_ms=(self._clock.monotonic() - attempt.started) * 1000 if ended else None,
            address=attempt.call.address,
        )

    def _outcome(self, attempt: _Attempt, outcome: str) -> AuditOutcome:
        duration_ms = (self._clock.monotonic() - attempt.started) * 1000
        return AuditOutcome(
            attempt.call_id, self._clock.now(), attempt.call.principal.tenant, outcome, duration_ms
        )


def _told(error: BaseException) -> BaseException:
    """The same, or that the store was away."""
    causes = (error, error.__cause__) if isinstance(error, Unavailable) else (error,)
    away = isinstance(error, AuditUnavailable) or any(each and is_away(each) for each in causes)
    return _NotBegun(error) if away and isinstance(error, Exception) else error


def _had_none(error: BaseException) -> bool:
    """Whether a handler's failure says that there was no effect: it refused."""
    return isinstance(error, SaafError) and error.status < 500


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, SaafError) else type(error).__name__


def _fill(template: str, arguments: Mapping[str, Any]) -> str:
    """A resource's name from its template; values cannot add segments or wildcards."""
    filled = ""
    for text, name, _spec, _conversion in Formatter().parse(template):
        filled += text
        if name is not None:
            filled += quote(str(arguments[name]), safe="")
    return filled
