"""Durable execution of agents: runs, events, callbacks."""

from saaf_autogen.runs.callbacks import CallbackDeliverer
from saaf_autogen.runs.claims import ClaimRules
from saaf_autogen.runs.engine import NoWorker, RunEngine
from saaf_autogen.runs.execution import RunExecution
from saaf_autogen.runs.inputs import AnswerRequest, QuestionPage, QuestionView
from saaf_autogen.runs.model import (
    TERMINAL,
    Agent,
    AgentLookup,
    Run,
    RunEvent,
    RunPage,
    RunRequest,
    RunStatus,
    Webhook,
)
from saaf_autogen.runs.notifier import Notifier
from saaf_autogen.runs.presence import Presence
from saaf_autogen.runs.service import Asking, RunService, SecretFor
from saaf_autogen.runs.tables import CallbackRow, RunEventRow, RunRow
from saaf_autogen.runs.worker import Chore, Worker

__all__ = [
    "TERMINAL",
    "Agent",
    "AgentLookup",
    "AnswerRequest",
    "Asking",
    "CallbackDeliverer",
    "CallbackRow",
    "Chore",
    "ClaimRules",
    "NoWorker",
    "Presence",
    "RunExecution",
    "Worker",
    "Notifier",
    "QuestionPage",
    "QuestionView",
    "Run",
    "RunEngine",
    "RunEvent",
    "RunEventRow",
    "RunPage",
    "RunRequest",
    "RunRow",
    "RunService",
    "RunStatus",
    "SecretFor",
    "Webhook",
]
