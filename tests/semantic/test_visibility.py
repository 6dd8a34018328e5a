from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from saaf_autogen.auth.access import FALSE, TRUE, AllOf, AnyOf, Comparison, Predicate
from saaf_autogen.semantic.visibility import columns_of, may_hold

EU = Comparison("region", "eq", "EU")
ANN = Comparison("owner", "eq", "ann")


@pytest.mark.parametrize(
    ("predicate", "value", "answer"),
    [
        (EU, "EU", True),
        (EU, "US", False),
        (ANN, "EU", None),
        (TRUE, "EU", True),
        (FALSE, "EU", False),
        (AllOf((EU, ANN)), "EU", None),
        (AllOf((EU, ANN)), "US", False),
        (AnyOf((EU, ANN)), "EU", True),
        (AnyOf((EU, ANN)), "US", None),
        (AnyOf((AllOf((EU, ANN)), Comparison("region", "eq", "US"))), "US", True),
        (Comparison("REGION", "ne", "EU"), "US", True),
        (Comparison("region", "in", ("EU", "UK")), "UK", True),
        (Comparison("region", "in", ()), "UK", False),
        (Comparison("region", "gt", 5), 7, True),
        (Comparison("region", "gt", 5), "7", True),
        (Comparison("region", "lte", Decimal("7.0")), 7, True),
        (Comparison("region", "lt", 5), "many", False),
        (Comparison("region", "eq", 7), "7", True),
        (Comparison("region", "gte", date(2013, 7, 1)), date(2013, 7, 4), True),
        (Comparison("region", "gte", date(2013, 7, 5)), "2013-07-04", False),
        (Comparison("region", "eq", True), True, True),
    ],
)
def test_a_predicate_on_one_known_value_is_true_false_or_depends(
    predicate: Predicate, value: Any, answer: bool | None
) -> None:
    assert may_hold(predicate, "region", value) is answer


def test_columns_of_are_those_of_all_parts() -> None:
    assert columns_of(AllOf((EU, AnyOf((ANN, TRUE))))) == {"region", "owner"}
