"""Words of questions and names: splitting, stems, and the phrases that every domain shares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

__all__ = [
    "GENERAL_PHRASES",
    "STOP_WORDS",
    "Phrases",
    "Token",
    "content_stems",
    "split_words",
    "stem",
    "stems",
    "tokens",
]

Meaning = TypeVar("Meaning")
_TOKEN = re.compile(r"\w+(?:['’]\w+)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VOWEL = re.compile(r"[aeiouy]")

STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be been can could did do does for from get give gave go goes"
        " had has have i if in into is it its let list may me my of off on or our out please"
        " show some tell that the their them there these they this those to us want was we"
        " went were what when where which who whose will with would you your make made many"
        " much how",
    )
)
# Word groups of analytic questions; they carry no domain and need no semantic file.
GENERAL_PHRASES: Mapping[str, tuple[str, ...]] = {
    "#count": ("how many", "number of", "count", "count of", "total number of", "how often"),
    "#average": ("average", "avg", "mean", "typical", "typically", "usual", "usually"),
    "#most": (
        "most", "top", "highest", "largest", "biggest", "greatest", "busiest", "maximum", "max",
        "worst", "popular", "longest",
    ),
    "#least": ("least", "fewest", "lowest", "smallest", "minimum", "min", "best"),
    "#each": ("each", "every", "per", "by", "across", "broken down by", "grouped by", "for all"),
    "#share": ("share", "percentage", "percent", "rate", "proportion", "fraction", "ratio"),
    "#total": ("in all", "in total", "total", "overall", "altogether", "all together"),
    "#long": ("longest", "furthest", "farthest", "long"),
    "#relate": ("depend on", "relate to", "related to", "affect", "effect of", "influence",
                "impact of", "correlate with", "correlation with", "vary with", "change with"),
}  # fmt: skip
_EXPANDED = {
    "daily": ("each", "day"),
    "hourly": ("each", "hour"),
    "weekly": ("each", "week"),
    "monthly": ("each", "month"),
    "quarterly": ("each", "quarter"),
    "yearly": ("each", "year"),
    "annual": ("each", "year"),
}
_IRREGULAR = {
    "flew": "fly", "flown": "fly", "flies": "fly", "left": "leav", "went": "go", "gone": "go",
    "sold": "sell", "bought": "buy", "paid": "pay", "built": "build", "took": "take",
    "taken": "take", "worse": "worst", "fewer": "few",
}  # fmt: skip
_SUFFIXES = ("ations", "ation", "ures", "ure", "ings", "ing", "ness", "ed", "est", "ers", "er",
             "als", "al", "ly", "ity")  # fmt: skip


@dataclass(frozen=True)
class Token:
    """A word of a text: as written, its stem, and its place."""

    text: str
    stem: str
    start: int
    end: int


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A crude English stem: enough for departed, departing, departures and departure to meet."""
    word = word.casefold()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in _SUFFIXES:
        root = word.removesuffix(suffix)
        if root != word and len(root) >= 3 and _VOWEL.search(root):
            word = root
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    if word.endswith("ll") and len(word) > 4:
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def tokens(text: str) -> list[Token]:
    """The words of a text in order; names such as ``dep_delay`` or ``depDelay`` are split."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        raw = re.sub(r"['’]s$", "", match.group())
        for part in split_words(raw):
            words = _EXPANDED.get(part.casefold(), (part,))
            found += [Token(word, stem(word), *match.span()) for word in words]
    return found


@lru_cache(maxsize=50_000)
def stems(text: str) -> tuple[str, ...]:
    """The stems of a name or phrase in order; the same ones are asked for again and again."""
    return tuple(token.stem for token in tokens(text))


@lru_cache(maxsize=50_000)
def content_stems(text: str) -> tuple[str, ...]:
    """The stems of a text but for those of stop words."""
    return tuple(t.stem for t in tokens(text) if t.text.casefold() not in STOP_WORDS)


def split_words(name: str) -> list[str]:
    """The words of a name."""
    parts = (piece for part in name.split("_") for piece in _CAMEL.split(part))
    return [part for part in parts if part]


class Phrases(Generic[Meaning]):
    """Finds known phrases, word by word on stems, in texts."""

    def __init__(self) -> None:
        self._by_first: dict[str, dict[tuple[str, ...], list[Meaning]]] = {}

    def add(self, phrase: str, meaning: Meaning) -> None:
        """Know a phrase; it may have several meanings."""
        found = stems(phrase)
        if found:
            self._by_first.setdefault(found[0], {}).setdefault(found, []).append(meaning)

    def find(self, words: list[Token]) -> Iterator[tuple[int, int, list[Meaning]]]:
        """Every occurrence as (first word, word after the last, its meanings)."""
        asked = tuple(word.stem for word in words)
        for start, first in enumerate(asked):
            for phrase, meanings in self._by_first.get(first, {}).items():
                if asked[start : start + len(phrase)] == phrase:
                    yield start, start + len(phrase), meanings
