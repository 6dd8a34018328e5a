"""Names of strangers, and times, as pages show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saaf_autogen.api.pages.text import clean, clip, duration, moment
from saaf_autogen.api.pages.words import browser_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Acme\u202eeman\u202c", "Acmeeman"),
        ("\u2066Acme\u2069\u200f", "Acme"),
        ("A\u200bc\ufeffm\u00ade", "Acme"),
        ("A\U000e0041cme", "Acme"),
        ("a\u0301\u0301\u0301\u0301\u0301\u0301b", "a\u0301\u0301\u0301b"),
        ("Ацме 漢字 عربي", "Ацме 漢字 عربي"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("x\ud800y", "xy"),
    ],
)
def test_what_changes_how_its_neighbours_look_goes_and_scripts_stay(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_cleaned_text_turns_no_direction_and_stays_clean(text: str) -> None:
    cleaned = clean(text)
    assert not set(cleaned) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e")
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(st.text(), st.integers(1, 50))
def test_clipped_text_is_one_line_of_at_most_so_many_characters(text: str, length: int) -> None:
    line = clip(text, length)
    assert len(line) <= length
    assert "\n" not in line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 second"), (1, "1 second"), (40.2, "41 seconds"), (100, "2 minutes"), (7200, "2 hours")],
)
def test_a_time_to_wait_is_rounded_up(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_a_moment_is_told_with_its_zone() -> None:
    assert moment(datetime(2026, 11, 3, 4, 5, tzinfo=UTC)) == "3 Nov 2026, 04:05 UTC"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605 Version/18 Safari/605", "Safari on Mac"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537 Edg/140", "Edge on Windows"),
        ("curl/8", "curl/8"),
        ("", "A browser"),
    ],
)
def test_a_browser_is_told_in_a_few_words(agent: str, words: str) -> None:
    assert browser_words(agent) == words
