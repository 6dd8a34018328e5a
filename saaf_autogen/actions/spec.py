"""What is known of an action without its code, and the port through which callers reach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["ActionOutcome", "ActionPort", "ActionSpec", "Effect"]

Effect = Literal["read", "idempotent", "write"]


@dataclass(frozen=True)
class ActionSpec:
    """An action as its callers see it.

    Attributes:
        name: ``pack.verb_noun``.
        description: the docstring; models read it.
        scopes: every scope that a call needs.
        effect: whether and how it may be repeated.
        parameters: JSON Schema (an object) of the arguments, without the context.
        returns: JSON Schema of the value.
        keyed: a write that may be repeated under its key: another system remembers the key.
    """

    name: str
    description: str
    scopes: tuple[str, ...]
    effect: Effect
    parameters: dict[str, Any]
    returns: dict[str, Any] = field(default_factory=dict)
    keyed: bool = False

    @property
    def tool_name(self) -> str:
        """The name that models see: they allow no dots."""
        return self.name.replace(".", "_")


@dataclass(frozen=True)
class ActionOutcome:
    """The value of a call, JSON-able, and whether it was cut.

    ``cut`` says in a sentence where a result was cut off, or is None when it is whole.
    """

    value: Any
    cut: str | None = None
    call_id: str = ""


class ActionPort(Protocol):
    """Actions as one caller reaches them: in process or over REST, the same results.

    Both raise ``SaafError`` subclasses on refusal; neither decides anything itself.
    """

    async def list_actions(self) -> list[ActionSpec]:
        """The actions that this caller holds all scopes for."""
        ...

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """Call an action by its name."""
        ...
