"""A stand-in for a language model that is none: it answers what a verified query already answers.

``words`` and ``values`` read a question, ``matching`` compares it with verified questions,
``wording`` says rows in words, ``conversation`` decides what to do, and ``model`` speaks AutoGen's
protocol.
"""

from saaf_autogen.teams.offline.model import OFFLINE_INFO, OfflineModel

__all__ = ["OFFLINE_INFO", "OfflineModel"]
