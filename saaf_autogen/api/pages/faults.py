"""What is wrong with one field of a form."""

from __future__ import annotations

from saaf_autogen.errors import InvalidArguments

__all__ = ["FieldFault"]


class FieldFault(InvalidArguments):
    """A field holds what cannot be taken; the page says so beside it.

    Args:
        field: its name in the form.
        detail: a sentence.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
