"""Durable execution of agents: runs, events, callbacks."""

from saaf_autogen.runs.callbacks import CallbackDeliverer
from saaf_autogen.runs.dbos_engine import DbosEngine
from saaf_autogen.runs.engine import RunEngine
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
from saaf_autogen.runs.service import Asking, RunService, SecretFor
from saaf_autogen.runs.tables import CallbackRow, RunEventRow, RunRow

__all__ = [
    "TERMINAL",
    "Agent",
    "AgentLookup",
    "Asking",
    "CallbackDeliverer",
    "CallbackRow",
    "DbosEngine",
    "Notifier",
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
