"""What a run asks of a human, and what a human answers, as callers see both."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from saaf_autogen.runs.text import canonical, clean_json

__all__ = [
    "AnswerRequest",
    "QuestionKind",
    "QuestionPage",
    "QuestionState",
    "QuestionView",
    "Resolution",
]

QuestionKind = Literal["input", "handoff", "outcome_unknown"]
QuestionState = Literal["open", "answered", "expired", "withdrawn"]
Resolution = Literal["done", "retry", "failed"]
_MAX_TEXT = 200_000
_MAX_VALUE = 64 * 1024


class QuestionView(BaseModel):
    """A question of a run.

    ``kind`` says what answers it. ``input``: an agent asks in the middle of its turn, and
    ``handoff``: the team handed over to a human; both take a ``text``. ``outcome_unknown``: nobody
    knows whether a write took effect; it takes a ``resolution``, and ``data`` names the ``action``
    with its ``arguments``, its ``idempotency_key`` and the ``first_call_id`` of the attempt.
    ``answered_at`` is when it was answered, or closed without an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    run_id: str
    kind: QuestionKind
    source: str
    prompt: str
    data: dict[str, Any] = {}
    state: QuestionState
    asked_at: datetime
    expires_at: datetime | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None


class QuestionPage(BaseModel):
    """Questions of a run, newest first; ``next_cursor`` is None on the last page."""

    data: list[QuestionView]
    next_cursor: str | None = None


class AnswerRequest(BaseModel):
    """An answer: a ``text``, or what became of a write.

    ``done``: it took effect, with ``value`` as what it returned. ``retry``: it did not, do it
    again. ``failed``: it did not, and it is not to be done.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)] | None = None
    resolution: Resolution | None = None
    value: Any = None

    @field_validator("value")
    @classmethod
    def _small(cls, value: Any) -> Any:
        try:
            clean = clean_json(value)
            size = len(canonical(clean).encode())
        except RecursionError as error:
            raise ValueError("value is nested too deeply") from error
        if size > _MAX_VALUE:
            raise ValueError(f"value is over {_MAX_VALUE} bytes of JSON")
        return clean

    @model_validator(mode="after")
    def _one_kind(self) -> AnswerRequest:
        if (self.text is None) == (self.resolution is None):
            raise ValueError("an answer has either text or resolution")
        if "value" in self.model_fields_set and self.resolution != "done":
            raise ValueError("value comes with the resolution done alone")
        return self
