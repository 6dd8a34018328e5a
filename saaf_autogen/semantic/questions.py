"""How near a question is to a verified one, whatever values, inflections and word order it has.

A question becomes content words and **slots**. A slot is a value (``Delta``, ``2013-07-04``) with
the columns or types that it may belong to; the values of a verified question's parameters are its
slots. Two questions are compared by a weighted Dice coefficient over words that meet by stem,
by meaning (names and synonyms of the semantic layer) or by spelling, and over slots that can fill
each other.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.visible import VisibleQuery
from saaf_autogen.semantic.words import GENERAL_PHRASES, STOP_WORDS, Phrases, Token, tokens

__all__ = ["Question", "QuestionReader", "Slot", "Word", "similarity", "unmatched", "word_weights"]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    rf"\b\d{{4}}-\d\d?-\d\d?\b|\b\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}\b"
    rf"|\b{_MONTH}\.?\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+\d{{4}}\b)?"
    rf"|\b(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b\.?(?:,?\s+\d{{4}}\b)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])")
_NUMBER_WORD = re.compile(r"\b(?:two|three|four|five|six|seven|eight|nine|ten|twenty)\b", re.I)
_CODE = re.compile(r"\b(?=\w*[A-Z])(?=\w*\d)\w{4,}\b|\b[A-Z]{2,5}\b|\"[^\"]+\"|'[^']{2,}'")
# Values that are ordinary words as well: they count only as they are written.
_ORDINARY = STOP_WORDS | {"march", "so"}
# General phrases that mean the same, rather than something alike.
_SYNONYMOUS = frozenset({"#count", "#average", "#each", "#share", "#total"})
_MOST_SLOTS = 40
_START = re.compile(r"\w+|[^\w\s]")
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True)
class Slot:
    """A value in a question: where it stands and what it may be.

    ``kinds`` holds ``column:TABLE.COLUMN`` and ``type:NUMBER|DATE|CODE``.
    """

    text: str
    kinds: frozenset[str]
    start: int = 0
    end: int = 0

    @property
    def weight(self) -> float:
        """How much it matters that the other question has it too."""
        return 0.5 if self.kinds == {"type:NUMBER"} else 1.2


@dataclass(frozen=True)
class Word:
    """A content word with its meanings."""

    text: str
    stem: str
    meanings: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Question:
    """A question as words and slots."""

    words: tuple[Word, ...]
    slots: tuple[Slot, ...]


@dataclass
class _Value:
    text: str
    kinds: set[str] = field(default_factory=set)
    exact: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{re.escape(self.text)}(?!\w)", re.IGNORECASE)


class QuestionReader:
    """Reads questions in the vocabulary of one view."""

    def __init__(self, view: SemanticView) -> None:
        self._meanings: Phrases[str] = Phrases()
        for concept, phrases in GENERAL_PHRASES.items():
            for phrase in phrases:
                self._meanings.add(phrase, concept)
        self._values: dict[str, _Value] = {}
        for table in view.tables:
            for phrase in (table.name, *table.synonyms):
                self._meanings.add(phrase, table.name)
            for item in table.fields:
                concept = f"{table.name}.{item.name}"
                for phrase in (item.name, item.label, *item.synonyms):
                    self._meanings.add(phrase, concept)
                known = [str(v) for v in item.sample_values if isinstance(v, str)]
                for value in {*known, *item.values}:
                    self._know(value, concept, exact=len(value) <= 3)
                for words in item.values.values():
                    for word in words:
                        self._know(word, concept, exact=word.casefold() in _ORDINARY)
            for named in (*table.filters, *table.metrics):
                for phrase in (named.name, *named.synonyms):
                    self._meanings.add(phrase, f"{table.name}:{named.name}")
        self._by_start: dict[str, list[_Value]] = {}
        for known_value in sorted(self._values.values(), key=lambda item: -len(item.text)):
            start = _START.match(known_value.text.lower())
            if start:
                self._by_start.setdefault(start.group(), []).append(known_value)

    def _know(self, text: str, concept: str, *, exact: bool) -> None:
        if text.isdigit() or not text.strip():
            return
        value = self._values.setdefault(text.casefold(), _Value(text))
        value.kinds.add(f"column:{concept}")
        value.exact = value.exact or (exact and not any(char.isdigit() for char in text))

    def read(self, text: str) -> Question:
        """Read a user's question."""
        return self._question(text, self._find(text))

    def read_query(self, query: VisibleQuery) -> list[Question]:
        """Read a verified query's wordings; its parameters' examples are their slots."""
        return [self._known(text, query) for text in (query.question, *query.questions)]

    def _known(self, text: str, query: VisibleQuery) -> Question:
        """Examples of parameters by their parameter; whatever else looks like a value is a word."""
        slots: list[Slot] = []
        found = self._find(text)
        for name, parameter in query.parameters.items():
            kinds = {f"type:{parameter['type']}"}
            if parameter["column"]:
                kinds = {f"column:{parameter['column']}"}
                if not parameter["values"]:
                    kinds.add("type:CODE")
            elif parameter["type"] == "VARCHAR":
                kinds = {"type:CODE"}
            place = _place(text, name, parameter, found, kinds)
            # A wording without a number ("the top destinations") leaves it to the example.
            if place != (0, 0) or "type:NUMBER" not in kinds:
                slots.append(Slot(text[place[0] : place[1]], frozenset(kinds), *place))
        taken = {(slot.start, slot.end) for slot in slots}
        slots += [slot for slot in found if not any(_overlap(slot, place) for place in taken)]
        return self._question(text, slots)

    def _find(self, text: str) -> list[Slot]:
        slots: list[Slot] = []

        def add(match: re.Match[str], kinds: Iterable[str]) -> None:
            slot = Slot(match.group(), frozenset(kinds), match.start(), match.end())
            taken = any(_overlap(slot, (old.start, old.end)) for old in slots)
            if not taken and len(slots) < _MOST_SLOTS:
                slots.append(slot)

        for match in _DATE.finditer(text):
            add(match, ["type:DATE"])
        for match, value in self._find_values(text):
            if not value.exact or match.group() == value.text:
                add(match, value.kinds)
        for match in _NUMBER.finditer(text):
            if not _YEAR.fullmatch(match.group()):
                add(match, ["type:NUMBER"])
        for match in _NUMBER_WORD.finditer(text):
            add(match, ["type:NUMBER"])
        if not text.isupper():
            for match in _CODE.finditer(text):
                add(match, ["type:CODE"])
        return slots

    def _find_values(self, text: str) -> Iterator[tuple[re.Match[str], _Value]]:
        """Known values in a text, the longest at a place; by their first word, as they are many."""
        lowered, end = text.lower(), 0
        if len(lowered) != len(text):
            return  # Places would shift; no sample value of ours has such letters.
        for start in _START.finditer(lowered):
            before = lowered[start.start() - 1 : start.start()]
            if start.start() < end or (before.isalnum() or before == "_"):
                continue
            for value in self._by_start.get(start.group(), ()):
                whole = value.pattern.match(text, start.start())
                if whole:
                    yield whole, value
                    end = whole.end()
                    break

    def _question(self, text: str, slots: Sequence[Slot]) -> Question:
        words = tokens(text)
        inside = {
            index
            for index, word in enumerate(words)
            if any(_overlap(slot, (word.start, word.end)) for slot in slots)
        }
        meanings = self._read_meanings(words)
        return Question(
            tuple(
                Word(word.text, word.stem, frozenset(meanings[index]))
                for index, word in enumerate(words)
                if index not in inside and _is_content(word, meanings[index])
            ),
            tuple(sorted(slots, key=lambda slot: slot.start)),
        )

    def _read_meanings(self, words: list[Token]) -> list[set[str]]:
        """The meanings of each word; the longest phrase at a place decides."""
        meanings: list[set[str]] = [set() for _ in words]
        spans: list[tuple[int, int]] = [(0, 0)] * len(words)
        found = sorted(self._meanings.find(words), key=lambda item: (item[0] - item[1], item[0]))
        for start, end, meant in found:
            covers = {spans[index] for index in range(start, end)} - {(0, 0), (start, end)}
            # "number of" within "number of flights" is meant; within "tail number of" it is not.
            if covers and not all(first <= start and end <= last for first, last in covers):
                continue
            kept = [item for item in meant if item.startswith("#")] if covers else meant
            for index in range(start, end):
                spans[index] = (start, end) if not covers else spans[index]
                meanings[index].update(kept)
        return meanings


def similarity(asked: Question, known: Question, weights: Counter[str] | dict[str, float]) -> float:
    """How near two questions are, from 0 (nothing in common) to 1 (the same but for values).

    Args:
        asked: the user's question.
        known: a wording of a verified query.
        weights: weight by stem; ``""`` holds that of unknown words.
    """
    met = total = 0.0
    for ours, theirs in ((asked.words, known.words), (known.words, asked.words)):
        for word in _distinct(ours):
            weight = weights.get(word.stem, weights.get("", 1.0))
            total += weight
            met += weight * max((_likeness(word, other) for other in theirs), default=0.0)
    left, unfilled = _match(asked.slots, known.slots)
    unit = weights.get("", 1.0)
    for slot in asked.slots:
        weight = unit * slot.weight
        total += weight
        met += 0.0 if slot in left else weight
    for slot in known.slots:
        # A number that is not given ("the top destinations") has a natural default.
        weight = unit * (0.2 if "type:NUMBER" in slot.kinds else slot.weight)
        total += weight
        met += 0.0 if slot in unfilled else weight
    return min(1.0, met / total) if total else 0.0


def unmatched(asked: Question, known: Question) -> tuple[str, ...]:
    """Words and values of a question that the verified one has no counterpart for."""
    words = [
        word.text
        for word in _distinct(asked.words)
        if not any(_likeness(word, other) for other in known.words)
    ]
    left, _ = _match(asked.slots, known.slots)
    return tuple(dict.fromkeys([*words, *(slot.text for slot in left)]))


def word_weights(questions: Iterable[Question]) -> dict[str, float]:
    """Inverse document frequencies of stems over the verified questions."""
    documents = [{word.stem for word in question.words} for question in questions]
    counts = Counter(word for document in documents for word in document)
    size = len(documents)
    weights = {word: math.log(1 + size / (0.5 + count)) for word, count in counts.items()}
    return weights | {"": math.log(1 + size / 1.5)}


def _is_content(word: Token, meanings: set[str]) -> bool:
    return bool(meanings) or word.text.casefold() not in STOP_WORDS


def _distinct(words: Sequence[Word]) -> list[Word]:
    """One word for each stem; the words of a general phrase ("how many") count once."""
    seen: set[str] = set()
    kept: list[Word] = []
    for word in words:
        general = sorted(meaning for meaning in word.meanings if meaning.startswith("#"))
        key = general[0] if general else word.stem
        if key not in seen:
            seen.add(key)
            kept.append(word)
    return kept


def _likeness(one: Word, two: Word) -> float:
    if one.stem == two.stem:
        return 1.0
    shared = one.meanings & two.meanings
    if shared:
        if any(meaning in _SYNONYMOUS for meaning in shared):
            return 1.0
        # "late" may be of departure or of arrival: it meets either, but weakly.
        return 0.85 if one.meanings == two.meanings or len(shared) > 1 else 0.65
    if min(len(one.stem), len(two.stem)) < 5 or one.stem[0] != two.stem[0]:
        return 0.0
    if abs(len(one.stem) - len(two.stem)) > 2:
        return 0.0
    return 0.8 if difflib.SequenceMatcher(None, one.stem, two.stem).ratio() >= 0.84 else 0.0


def _match(asked: Sequence[Slot], known: Sequence[Slot]) -> tuple[list[Slot], list[Slot]]:
    """Pairs slots that can fill each other; returns what is left of both."""
    left, unfilled = list(asked), list(known)
    for slot in sorted(asked, key=lambda item: len(item.kinds)):
        fit = next((other for other in unfilled if slot.kinds & other.kinds), None)
        if fit is not None:
            left.remove(slot)
            unfilled.remove(fit)
    return left, unfilled


def _overlap(slot: Slot, place: tuple[int, int]) -> bool:
    return slot.start < place[1] and place[0] < slot.end


def _place(
    text: str, name: str, parameter: object, found: list[Slot], kinds: set[str]
) -> tuple[int, int]:
    """Where a parameter's value stands in the question; an empty place where it does not."""
    example = parameter["example"] if isinstance(parameter, dict) else None
    for wanted in (f":{name}", str(example)):
        match = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text)
        if match:
            return match.span()
    fit = next((slot for slot in found if slot.kinds & kinds), None)
    return (fit.start, fit.end) if fit else (0, 0)
