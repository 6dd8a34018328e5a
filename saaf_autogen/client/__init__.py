"""SAAF in a caller's hands: the same calls in process and over REST."""

from saaf_autogen.client.client import Client
from saaf_autogen.client.run import Run, Runs
from saaf_autogen.client.semantic import Semantic

__all__ = ["Client", "Run", "Runs", "Semantic"]
