"""What one run may use: the smallest of what saaf.yaml, the agent's file and the caller say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, TypeVar

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.settings import AgentLimitSettings, RunSettings

__all__ = ["Amounts", "AsksForLimits", "HasLimits", "RunLimits", "limits_of"]

Number = TypeVar("Number", int, float)
_UNITS = {"timeout_s": " s", "turns": " turns", "tokens": " tokens", "usd": " USD"}


@dataclass(frozen=True)
class RunLimits:
    """The most that a run may use; None: no limit.

    Attributes:
        timeout_s: seconds at work; waiting for a slot or for a human does not count.
        turns: turns of the team.
        tokens: of prompts and answers together, over all model calls.
        usd: US dollars by the prices of the models.
        tool_calls: calls of tools.
    """

    timeout_s: float
    turns: int
    tokens: int | None = None
    usd: float | None = None
    tool_calls: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The limits that there are, as ``runs.limits`` stores them."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], settings: RunSettings | None = None) -> RunLimits:
        """Read stored limits back; what older rows lack is as ``settings`` say."""
        settings = settings or RunSettings()
        names = {field.name for field in fields(cls)}
        kept = {name: value for name, value in stored.items() if name in names}
        return cls(**{"timeout_s": settings.timeout_s, "turns": _turns(settings), **kept})


class Amounts(Protocol):
    """What a budget is made of; None: not said."""

    @property
    def tokens(self) -> int | None:
        """Of prompts and answers together."""
        ...

    @property
    def usd(self) -> float | None:
        """US dollars."""
        ...

    @property
    def tool_calls(self) -> int | None:
        """Calls of tools."""
        ...

    @property
    def turns(self) -> int | None:
        """Turns of the team."""
        ...


class AsksForLimits(Protocol):
    """A request for a run, as far as it asks for limits."""

    @property
    def timeout_s(self) -> float | None:
        """Seconds at work."""
        ...

    @property
    def budget(self) -> Amounts:
        """Everything else."""
        ...


class HasLimits(Protocol):
    """An agent, as far as its file says what a run of it may use."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def limits(self) -> AgentLimitSettings:
        """What its file says."""
        ...

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Those of its models that have no price."""
        ...


def limits_of(request: AsksForLimits, agent: HasLimits, settings: RunSettings) -> RunLimits:
    """The limits of a new run.

    Raises:
        InvalidArguments: the request asks for more than the agent's file or saaf.yaml allows, or
            a limit in US dollars cannot be kept because a model of the agent has no price.
    """
    given, file, budget = request.budget, agent.limits, settings.budget
    limits = RunLimits(
        timeout_s=_allowed(
            "timeout_s", request.timeout_s, _least(file.timeout_s, settings.timeout_s)
        )
        or settings.timeout_s,
        turns=_allowed("turns", given.turns, _least(file.turns, _turns(settings)))
        or settings.max_turns,
        tokens=_allowed("tokens", given.tokens, _least(file.tokens, budget.tokens)),
        usd=_allowed("usd", given.usd, _least(file.usd, budget.usd)),
        tool_calls=_allowed(
            "tool_calls", given.tool_calls, _least(file.tool_calls, budget.tool_calls)
        ),
    )
    if limits.usd is not None and agent.unpriced:
        raise InvalidArguments(
            f"A limit in USD cannot be kept: {', '.join(agent.unpriced)} of the agent "
            f"{agent.id!r} has no price.",
            remedy="Limit tokens instead, or have the operator add models.NAME.prices to "
            "saaf.yaml.",
            extra={"faults": [{"field": "budget.usd", "message": "a model has no price"}]},
        )
    return limits


def _allowed(name: str, asked: Number | None, most: Number | None) -> Number | None:
    """What was asked for, or else the most that there may be."""
    if asked is None:
        return most
    if most is not None and asked > most:
        field = name if name == "timeout_s" else f"budget.{name}"
        limit = f"{most:g}{_UNITS.get(name, '')}" if isinstance(most, float) else f"{most}"
        raise InvalidArguments(
            f"{field} is {asked:g}, and a run of this agent may have at most {limit}.",
            remedy="Ask for less, or leave it out to get the most.",
            extra={"faults": [{"field": field, "message": f"at most {limit}"}], "maximum": most},
        )
    return asked


def _least(*limits: Number | None) -> Number | None:
    given = [limit for limit in limits if limit is not None]
    return min(given) if given else None


def _turns(settings: RunSettings) -> int:
    return min(settings.max_turns, settings.budget.turns or settings.max_turns)
