"""The names by which a run remembers what it already did, and the protocol of its turns.

A call is named by where it stands in the run, never by an id that a model or a message made:
those differ when a turn is done again.
"""

from saaf_autogen.journal.journal import Entry, Journal, MemoryJournal
from saaf_autogen.journal.key import CallKey, CallKind
from saaf_autogen.journal.turn import (
    Answer,
    CallUsage,
    Fenced,
    Question,
    TurnEvent,
    TurnExecutor,
    TurnHost,
    TurnRequest,
    TurnResult,
)

__all__ = [
    "Answer",
    "CallKey",
    "CallKind",
    "CallUsage",
    "Entry",
    "Fenced",
    "Journal",
    "MemoryJournal",
    "Question",
    "TurnEvent",
    "TurnExecutor",
    "TurnHost",
    "TurnRequest",
    "TurnResult",
]
