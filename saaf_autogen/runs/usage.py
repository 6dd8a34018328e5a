"""What a run has used, counted as it goes on, and the limits that end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from saaf_autogen.errors import LimitReached
from saaf_autogen.journal import CallKind, CallUsage
from saaf_autogen.runs.limits import RunLimits
from saaf_autogen.runs.tables import RunRow, UsageRow
from saaf_autogen.settings import ModelSettings, PriceSettings

__all__ = ["Meter", "ParticipantUsage", "RunUsage", "prices_of", "usage_rows", "used_in_all"]

NANO = 1_000_000_000
_NANO_PER_TOKEN = NANO / 1_000_000
_MAX_PATH = 300
_MAX_MODEL = 64


class ParticipantUsage(BaseModel):
    """What one participant used of one model.

    ``path`` is its place in the team, such as ``team/analyst``; ``usd`` is None where the model
    has no price.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    usd: float | None = None


class RunUsage(BaseModel):
    """What a run has used, as of its last finished turn or question.

    Attributes:
        usd: by the prices in saaf.yaml at the time of each call; None when any of its models has
            no price: a part of the costs would pass for the whole.
        estimated: a model did not say, so that tokens were counted at four characters each.
    """

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0
    estimated: bool = False
    model_calls: int = 0
    tool_calls: int = 0
    turns: int = 0
    by_participant: list[ParticipantUsage] = []

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> RunUsage:
        """The view of what ``Meter.state`` gave; runs older than meters have their sums only."""
        stored = _latest(stored)
        counts = [*_counts_of(stored)]
        if not counts:
            old = {
                name: _whole(stored.get(name)) for name in ("prompt_tokens", "completion_tokens")
            }
            usd = None if any(old.values()) else 0.0
            return cls(**old, usd=usd, **_others(stored))
        return cls(
            prompt_tokens=sum(count.prompt_tokens for _, _, count in counts),
            completion_tokens=sum(count.completion_tokens for _, _, count in counts),
            usd=_usd(_total([count.nano_usd for _, _, count in counts])),
            estimated=any(count.estimated for _, _, count in counts),
            model_calls=sum(count.calls for _, _, count in counts),
            **_others(stored),
            by_participant=[
                ParticipantUsage(
                    path=path,
                    model=model,
                    calls=count.calls,
                    prompt_tokens=count.prompt_tokens,
                    completion_tokens=count.completion_tokens,
                    estimated=count.estimated,
                    usd=_usd(count.nano_usd),
                )
                for path, model, count in counts
            ],
        )


@dataclass
class _Count:
    """Of one participant and one model; ``nano_usd`` is None where the model has no price."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    nano_usd: int | None = 0

    def add(self, other: _Count) -> None:
        self.calls += other.calls
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.estimated = self.estimated or other.estimated
        self.nano_usd = _total([self.nano_usd, other.nano_usd])


class Meter:
    """Counts what a run uses, and says when that is all it may use.

    A turn that is done again recalls its calls from the journal; they are counted then, as the
    count of an unfinished turn was never stored. A limit is checked before each call, so that
    tokens and dollars may be overshot by the model calls in flight; tool calls never are.

    It belongs to one run and to the thread of its worker.

    Args:
        limits: what the run may use.
        prices: by the names of models; None or absent: no price is known.
        before: what ``state`` gave at the end of the last finished turn. What a turn used that
            waits for a human stands beside it as ``unfinished``: that turn is counted anew.
    """

    def __init__(
        self,
        limits: RunLimits,
        prices: Mapping[str, PriceSettings | None],
        before: Mapping[str, Any],
    ) -> None:
        self._limits = limits
        self._prices = prices
        self._counts = {(path, model): count for path, model, count in _counts_of(before)}
        self._tool_calls = _whole(before.get("tool_calls"))
        self._turns = _whole(before.get("turns"))
        self._reserved = 0

    def permit(self, kind: CallKind) -> None:
        """Ask before a call that is not in the journal.

        A tool call that is permitted counts from now on, whether or not it comes to ``used``.

        Raises:
            LimitReached: the budget is spent; ``extra["reason"]`` is ``tokens``, ``usd`` or
                ``tool_calls``.
        """
        if kind == "model":
            self._permit_model()
        elif kind == "tool":
            limit = self._limits.tool_calls
            if limit is not None and self._tool_calls + self._reserved >= limit:
                raise _reached("tool_calls", limit, f"{limit} tool calls")
            self._reserved += 1

    def permit_turn(self) -> None:
        """Ask before a turn; raises ``LimitReached`` with the reason ``turns``."""
        limit = self._limits.turns
        if self._turns >= limit:
            raise _reached("turns", limit, f"{limit} turns")

    def used(self, usage: CallUsage) -> None:
        """Count a call that has ended."""
        if usage.kind == "tool":
            self._tool_calls += 1
            if not usage.replayed:
                self._reserved = max(0, self._reserved - 1)
        elif usage.kind == "model":
            price = self._prices.get(usage.name)
            count = _Count(
                1,
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.estimated,
                None if price is None else _nano_usd(price, usage),
            )
            self._counts.setdefault((usage.path, usage.name), _Count()).add(count)

    def turn_done(self) -> None:
        """Count a turn that has ended."""
        self._turns += 1

    def state(self) -> dict[str, Any]:
        """Everything counted, JSON-able: what ``runs.usage`` stores with the turn's end."""
        participants: dict[str, dict[str, Any]] = {}
        for (path, model), count in sorted(self._counts.items()):
            participants.setdefault(path, {})[model] = asdict(count)
        return {
            "participants": participants,
            "tool_calls": self._tool_calls + self._reserved,
            "turns": self._turns,
        }

    def usage(self) -> RunUsage:
        """What was used up to now, the turn under way included."""
        return RunUsage.of(self.state())

    def _permit_model(self) -> None:
        counts = self._counts.values()
        tokens, usd = self._limits.tokens, self._limits.usd
        if tokens is not None:
            spent = sum(count.prompt_tokens + count.completion_tokens for count in counts)
            if spent >= tokens:
                raise _reached("tokens", tokens, f"{tokens} tokens")
        if usd is not None:
            total = _total([count.nano_usd for count in counts])
            # A price that was taken away in mid-run: what cannot be counted is not gone on with.
            if total is None or total >= usd * NANO:
                raise _reached("usd", usd, f"{usd:g} USD")


def prices_of(models: Mapping[str, ModelSettings]) -> dict[str, PriceSettings | None]:
    """The prices of saaf.yaml's models; those that run offline cost nothing."""
    free = PriceSettings(prompt=0, completion=0)
    return {
        name: model.prices or (free if model.provider == "offline" else None)
        for name, model in models.items()
    }


def used_in_all(stored: Mapping[str, Any], counted: dict[str, Any]) -> dict[str, Any]:
    """What an ended run has used, when its last turn was cut off while it was done again.

    Args:
        stored: ``runs.usage``, with what the turn had used up to its question.
        counted: what ``Meter.state`` gives: of that turn, what was recalled so far.
    """
    known = _latest(stored)
    return dict(known) if _calls(known) > _calls(counted) else counted


def usage_rows(row: RunRow, at: datetime) -> list[UsageRow]:
    """What an ended run used, for metering: a row for each participant and model.

    Args:
        row: the run, with its last usage.
        at: when it ended.
    """
    counts: dict[tuple[str, str], _Count] = {}
    for path, model, count in _counts_of(_latest(row.usage)):
        # The columns are bounded; what a very deep team shares of its names is counted together.
        key = path[:_MAX_PATH], model[:_MAX_MODEL]
        counts.setdefault(key, _Count()).add(count)
    return [
        UsageRow(
            run_id=row.id,
            path=path,
            model=model,
            tenant=row.tenant,
            owner=row.owner,
            agent_id=row.agent_id,
            at=at,
            **asdict(count),
        )
        for (path, model), count in counts.items()
    ]


def _latest(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """With what the turn used that waits for a human: it was paid for, should the run end so."""
    unfinished = stored.get("unfinished")
    return unfinished if isinstance(unfinished, Mapping) else stored


def _counts_of(stored: Mapping[str, Any]) -> Iterator[tuple[str, str, _Count]]:
    participants = stored.get("participants")
    if not isinstance(participants, Mapping):
        return
    for path, models in participants.items():
        for model, count in models.items():
            yield path, model, _Count(**count)


def _calls(stored: Mapping[str, Any]) -> int:
    models = sum(count.calls for _, _, count in _counts_of(stored))
    return models + _whole(stored.get("tool_calls"))


def _others(stored: Mapping[str, Any]) -> dict[str, int]:
    return {name: _whole(stored.get(name)) for name in ("tool_calls", "turns")}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _nano_usd(price: PriceSettings, usage: CallUsage) -> int:
    per_million = usage.prompt_tokens * price.prompt + usage.completion_tokens * price.completion
    return round(per_million * _NANO_PER_TOKEN)


def _total(amounts: list[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / NANO


def _reached(reason: str, limit: float, words: str) -> LimitReached:
    return LimitReached(
        f"The run has used the {words} that it may use.",
        remedy=f"Ask for a larger budget.{reason}, within what the agent and saaf.yaml "
        "(runs.budget, runs.max_turns) allow.",
        extra={"reason": reason, "limit": limit},
    )
