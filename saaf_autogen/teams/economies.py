"""What AutoGen does again for each message or agent although nothing comes of it, left out.

Its runtime makes a span with all its attributes for each message also where spans go nowhere, and
each new agent looks through everything that its class has. A turn makes a team, so both count.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from autogen_core import RoutedAgent
from autogen_core._telemetry import TraceHelper
from opentelemetry.trace import INVALID_SPAN, NoOpTracerProvider

__all__ = ["install"]

_trace_block = TraceHelper.trace_block
_discover = RoutedAgent.__dict__["_discover_handlers"].__func__
_handlers: WeakKeyDictionary[type, Any] = WeakKeyDictionary()


class _NoSpan:
    def __enter__(self) -> Any:
        return INVALID_SPAN

    def __exit__(self, *_: object) -> None:
        return None


_NO_SPAN = _NoSpan()


def _traced(self: TraceHelper[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
    if isinstance(self.tracer_provider, NoOpTracerProvider):
        return _NO_SPAN
    return _trace_block(self, *args, **kwargs)


def _handlers_of(cls: type) -> Any:
    if cls not in _handlers:
        _handlers[cls] = _discover(cls)
    return _handlers[cls]


def install() -> None:
    """Leave it out; doing it again changes nothing."""
    TraceHelper.trace_block = _traced  # type: ignore[method-assign]  # the economy itself
    RoutedAgent._discover_handlers = classmethod(_handlers_of)  # type: ignore[method-assign, assignment]  # the economy itself
