"""States as changes: they fold back to what they were, and do not grow with what was before."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from saaf_autogen.runs.history import apply_change, change_between

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.lists(json_values, min_size=1, max_size=6))
def test_changes_fold_back_to_every_state(states: list[Any]) -> None:
    before: Any = None
    folded: Any = None
    for state in states:
        change = change_between(before, state)
        folded = apply_change(folded, json.loads(json.dumps(change)))
        # As JSON: in Python 1, 1.0 and True are equal.
        assert json.dumps(folded, sort_keys=True) == json.dumps(state, sort_keys=True)
        before = copy.deepcopy(state)


def test_a_longer_conversation_costs_what_was_added() -> None:
    thread: list[dict[str, str]] = []
    sizes: list[int] = []
    state: dict[str, Any] | None = None
    for number in range(500):
        thread.append({"source": "a", "content": f"message {number:04d}"})
        after = {"agents": {"manager": {"thread": list(thread), "turn": number}, "idle": {}}}
        sizes.append(len(json.dumps(change_between(state, after))))
        state = after
    assert max(sizes[1:]) < 200


def test_numbers_and_truth_values_are_told_apart() -> None:
    assert change_between({"x": 1}, {"x": True}) == {"k": {"x": {"=": True}}}
    assert change_between({"x": [1]}, {"x": [1]}) is None
    assert change_between({"x": [1]}, {"x": [1.0]}) == {"k": {"x": {"=": [1.0]}}}
    assert change_between([{"n": 0}], [{"n": False}, 2]) == {"=": [{"n": False}, 2]}
