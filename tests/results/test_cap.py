from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from saaf_autogen.results import cap


def test_a_result_within_its_limits_is_left_alone() -> None:
    value = {"columns": [], "rows": [[1], [2]], "row_count": 2, "cut": None}
    assert cap(value, rows=2, size=1000) == (value, None)


def test_rows_past_the_limit_are_cut_and_it_is_said() -> None:
    value = {"rows": [[number] for number in range(10)], "row_count": 10, "cut": None}
    kept, cut = cap(value, rows=3, size=1000)
    assert kept["rows"] == [[0], [1], [2]]
    assert kept["row_count"] == 3
    assert kept["cut"] == cut == "cut at 3 of 10 rows"


def test_a_table_that_was_cut_before_says_where_it_is_cut_now() -> None:
    value = {"rows": [[number] for number in range(10)], "cut": "cut at 10 rows"}
    assert cap(value, rows=20, size=1000) == (value, "cut at 10 rows")
    kept, cut = cap(value, rows=3, size=1000)
    assert kept["cut"] == cut == "cut at 3 rows; there are more"


def test_a_list_is_cut_where_its_bytes_end() -> None:
    kept, cut = cap(["x" * 100] * 50, rows=1000, size=1000)
    assert 0 < len(kept) < 50
    assert cut is not None
    assert f"cut at {len(kept)} of 50 rows" in cut


def test_text_is_cut_between_characters() -> None:
    kept, cut = cap("ä" * 1000, rows=10, size=999)
    assert kept == "ä" * 499
    assert cut == "cut at 999 of 2000 bytes"


def test_an_object_that_cannot_be_cut_is_withheld() -> None:
    kept, cut = cap({"a": "x" * 5000}, rows=10, size=1000)
    assert kept is None
    assert cut is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=60,
)


@given(JSON)
def test_what_is_kept_fits_and_a_cut_is_never_silent(value: Any) -> None:
    kept, cut = cap(value, rows=5, size=200)
    assert len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace")) <= 200 + 100
    assert (kept == value) == (cut is None) or value is None
