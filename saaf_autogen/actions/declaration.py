"""The ``@action`` decorator: what a function declares of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from saaf_autogen.actions.spec import Effect

__all__ = ["ActionDeclaration", "Touches", "action", "declaration_of"]

Function = TypeVar("Function", bound=Callable[..., Any])
_MARK = "__saaf_action__"

# Given the context and the validated arguments: the resources that the call touches. It raises
# what the caller should see when one of them is denied.
Touches = Callable[[Any, Mapping[str, Any]], Awaitable[Sequence[str]] | Sequence[str]]


@dataclass(frozen=True)
class ActionDeclaration:
    """What ``@action`` was given."""

    scopes: tuple[str, ...]
    effect: Effect
    resources: tuple[str, ...] | Touches
    name: str | None
    keyed: bool = False


def action(
    *,
    scopes: Sequence[str],
    effect: Effect,
    resources: Sequence[str] | Touches = (),
    name: str | None = None,
    keyed: bool = False,
) -> Callable[[Function], Function]:
    """Declare a function as an action. The function itself is returned, unchanged.

    Args:
        scopes: every scope that a call needs; at least one.
        effect: ``read`` changes nothing; ``idempotent`` may be repeated without harm; a ``write``
            happens once per idempotency key.
        resources: the resources that the arguments touch, as templates over the arguments
            (``"sheet://{sheet_id}/{tab}"``), or a function of (context, arguments) that
            returns their names and refuses what is not granted.
        name: ``pack.verb_noun``; by default the module's name and the function's.
        keyed: this ``write`` hands ``ctx.idempotency_key`` on to a system that remembers keys, so
            that a repeat of it is harmless there. After a crash it is done again by itself, where
            another write waits for a human.
    """
    if not scopes or isinstance(scopes, str):
        raise TypeError("@action needs scopes=[…] with at least one scope: unknown means deny.")
    if effect not in ("read", "idempotent", "write"):
        raise TypeError(f"@action: effect is {effect!r}; use 'read', 'idempotent' or 'write'.")
    if keyed and effect != "write":
        raise TypeError(f"@action: keyed says how a write is repeated; this is {effect!r}.")
    touches = resources if callable(resources) else tuple(resources)
    declaration = ActionDeclaration(tuple(scopes), effect, touches, name, keyed)

    def declare(function: Function) -> Function:
        setattr(function, _MARK, declaration)
        return function

    return declare


def declaration_of(function: object) -> ActionDeclaration | None:
    """What ``@action`` recorded on a function, if it did."""
    declaration = getattr(function, _MARK, None)
    return declaration if isinstance(declaration, ActionDeclaration) else None
