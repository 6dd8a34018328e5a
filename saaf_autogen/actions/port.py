"""Actions as one caller in this process reaches them."""

from __future__ import annotations

from typing import Any

from saaf_autogen.actions.invoke import Call, Door, Invoker
from saaf_autogen.actions.spec import ActionOutcome, ActionSpec
from saaf_autogen.auth.principal import Principal

__all__ = ["LocalPort"]


class LocalPort:
    """An ``ActionPort`` onto this process's invoker, bound to one principal."""

    def __init__(
        self, invoker: Invoker, principal: Principal, *, door: Door, run_id: str | None = None
    ) -> None:
        self._invoker = invoker
        self._principal = principal
        self._door = door
        self._run_id = run_id

    async def list_actions(self) -> list[ActionSpec]:
        """The actions that the principal holds all scopes for."""
        principal = await self._invoker.as_it_stands(self._principal)
        return self._invoker.visible_to(principal)

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """Call an action by its name."""
        call = Call(name, arguments, self._principal, self._door, self._run_id, idempotency_key)
        return await self._invoker.invoke(call)
