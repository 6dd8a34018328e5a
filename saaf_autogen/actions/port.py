"""Actions as one caller in this process reaches them."""

from __future__ import annotations

from typing import Any

from saaf_autogen.actions.effects import Fence
from saaf_autogen.actions.invoke import Call, Door, Invoker
from saaf_autogen.actions.spec import ActionOutcome, ActionSpec
from saaf_autogen.auth.principal import Principal

__all__ = ["LocalPort"]


class LocalPort:
    """An ``ActionPort`` onto this process's invoker, bound to one principal.

    Args:
        invoker: decides and executes.
        principal: who calls.
        door: as the audit tells doors apart.
        run_id: the run that calls.
        holder: names the worker's hold on the run; calls of an earlier one were cut off.
        fence: raises, within the transaction that marks a write as begun, when none may begin.
    """

    def __init__(
        self,
        invoker: Invoker,
        principal: Principal,
        *,
        door: Door,
        run_id: str | None = None,
        holder: str | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._invoker = invoker
        self._principal = principal
        self._door = door
        self._run_id = run_id
        self._holder = holder
        self._fence = fence

    async def list_actions(self) -> list[ActionSpec]:
        """The actions that the principal holds all scopes for."""
        principal = await self._invoker.as_it_stands(self._principal)
        return self._invoker.visible_to(principal)

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """Call an action by its name."""
        call = Call(
            name,
            arguments,
            self._principal,
            self._door,
            self._run_id,
            idempotency_key,
            holder=self._holder,
            fence=self._fence,
        )
        return await self._invoker.invoke(call)
