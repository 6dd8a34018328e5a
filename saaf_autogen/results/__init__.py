"""What is done with a result before a caller sees it."""

from saaf_autogen.results.cap import cap

__all__ = ["cap"]
