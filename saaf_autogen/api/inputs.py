"""What runs ask of humans, over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from pydantic import Field

from saaf_autogen.api.actions import IdempotencyKey, check_key
from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.runs import READ, Service
from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.runs import AnswerRequest, Asking, QuestionPage, Run

__all__ = ["RunInput", "router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])

INPUT = {"security": security_of(["runs:input"])}
_ID = "inp_019ab2c4d5e6f708192a3b4c5d6e7f80"
_EXAMPLES = {
    "text": {
        "summary": "To an agent or a handover: a text",
        "value": {"question_id": _ID, "text": "Yes, book the second one."},
    },
    "done": {
        "summary": "The write took effect, and returned this",
        "value": {"question_id": _ID, "resolution": "done", "value": {"ticket": "T-4711"}},
    },
    "retry": {
        "summary": "The write did not take effect: do it again",
        "value": {"question_id": _ID, "resolution": "retry"},
    },
    "failed": {
        "summary": "The write did not take effect, and is not to be done",
        "value": {"question_id": _ID, "resolution": "failed"},
    },
}


class RunInput(AnswerRequest):
    """An answer, and the id of the question that it is to."""

    question_id: Annotated[str, Field(min_length=1, max_length=64)]


@router.get("/{run_id}/input", summary="What a run asked of humans", openapi_extra=READ)
async def list_questions(
    run_id: str,
    service: Service,
    caller: Caller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> QuestionPage:
    """Its questions, newest first; the one that it waits for, if any, is ``open``."""
    return await service.questions(caller, run_id, cursor=cursor, limit=limit)


@router.post("/{run_id}/input", summary="Answer what a run waits for", openapi_extra=INPUT)
async def answer_run(
    run_id: str,
    body: Annotated[RunInput, Body(openapi_examples=_EXAMPLES)],
    request: Request,
    service: Service,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> Run:
    """The run goes on from where it asked; no model and no tool is called a second time.

    Questions of the kinds ``input`` and ``handoff`` take a ``text``, those of the kind
    ``outcome_unknown`` a ``resolution``. 409 when it was answered before: by whom, and when.
    """
    said = AnswerRequest.model_validate(
        body.model_dump(exclude={"question_id"}, exclude_unset=True)
    )
    return await service.answer(
        caller,
        run_id,
        body.question_id,
        said,
        idempotency_key=check_key(idempotency_key),
        by=Asking("rest", client_address(request)),
    )
