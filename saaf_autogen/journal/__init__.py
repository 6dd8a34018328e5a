"""The names by which a run remembers what it already did.

A call is named by where it stands in the run, never by an id that a model or a message made:
those differ when a turn is done again.
"""

from saaf_autogen.journal.key import CallKey
from saaf_autogen.journal.turn import Emit, TurnEvent, TurnExecutor, TurnRequest, TurnResult

__all__ = ["CallKey", "Emit", "TurnEvent", "TurnExecutor", "TurnRequest", "TurnResult"]
