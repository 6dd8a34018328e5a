from __future__ import annotations

import pytest

from saaf_autogen import errors
from saaf_autogen.errors import (
    InsufficientScope,
    SaafError,
    SqlRefused,
    error_from_problem,
)


def tree(kind: type[SaafError]) -> list[type[SaafError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]


CLASSES = [each for each in tree(SaafError) if each.__module__ == errors.__name__]


def test_codes_are_unique_and_every_class_is_drawn_in_the_tree() -> None:
    codes = [each.code for each in CLASSES]
    assert len(codes) == len(set(codes))
    for each in CLASSES:
        assert each.__name__ in (errors.__doc__ or "")
        assert each.__name__ in errors.__all__


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_problem_document_becomes_the_same_error_far_away(kind: type[SaafError]) -> None:
    error: SaafError
    if kind is InsufficientScope:
        error = InsufficientScope(["b:y", "a:x"], action="an.action")
    elif kind is SqlRefused:
        error = SqlRefused("No.", rule="one_statement", line=2, column=7, remedy="Write one.")
    else:
        error = kind("It went wrong.", remedy="Mend it.")
    copy = error_from_problem(error.problem())
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.problem() == error.problem()
    if isinstance(copy, InsufficientScope):
        assert copy.missing == ("a:x", "b:y")
    if isinstance(copy, SqlRefused):
        assert (copy.rule, copy.line, copy.column) == ("one_statement", 2, 7)


def test_an_unknown_problem_becomes_the_class_of_its_status() -> None:
    assert isinstance(error_from_problem({"code": "new", "status": 429}), errors.RateLimited)
    assert type(error_from_problem({"title": "?"})) is SaafError
