"""SAAF in a caller's hands: the same calls in process and over REST."""

from saaf_autogen.client.client import Client
from saaf_autogen.client.run import Run, Runs

__all__ = ["Client", "Run", "Runs"]
