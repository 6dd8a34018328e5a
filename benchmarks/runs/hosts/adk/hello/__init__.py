"""The agent that Google's ADK serves."""

from . import agent

__all__ = ["agent"]
