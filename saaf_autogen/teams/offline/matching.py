"""Does a verified question ask what was asked? Every word of both must be accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.teams.offline.values import Parameter, Placed, Value, find_values
from saaf_autogen.teams.offline.vocabulary import (
    ARTICLES,
    DIRECTIONS,
    GENERIC,
    LIGHT,
    ORDERED,
    STOP,
)
from saaf_autogen.teams.offline.words import Token, concepts, stem, tokenize

__all__ = ["Match", "Verified", "match_question"]

_MAX_CANDIDATES = 5
_MAX_TOKENS = 120


@dataclass(frozen=True)
class Verified:
    """A verified query with its question."""

    question: str
    sql: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def read(cls, data: Any) -> list[Verified]:
        """One of ``verified_queries`` of ``semantic.context``, for each of its wordings."""
        if not isinstance(data, Mapping):
            return []
        sql, declared = data.get("sql"), data.get("parameters")
        wordings = data.get("questions")
        if not isinstance(sql, str) or not sql.strip():
            return []
        parameters = tuple(
            Parameter.read(str(name), said if isinstance(said, Mapping) else {})
            for name, said in (declared.items() if isinstance(declared, Mapping) else ())
        )
        return [
            cls(question, sql, parameters)
            for question in (
                data.get("question"),
                *(wordings if isinstance(wordings, list) else ()),
            )
            if isinstance(question, str)
        ]


@dataclass
class Match:
    """How a question compares with a verified one; it is the same only where nothing is open.

    Attributes:
        unplaced: words of the question that the verified one does not account for.
        beyond: words of the verified question that the question lacks.
        missing: parameters that the question does not place.
        ambiguous: parameters for which it holds more than one value.
        values: the parameters that it places.
    """

    verified: Verified
    unplaced: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    missing: list[Parameter] = field(default_factory=list)
    ambiguous: list[Parameter] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    reordered: bool = False

    @property
    def is_same(self) -> bool:
        """Whether the verified query answers the question."""
        return not (
            self.unplaced or self.beyond or self.missing or self.ambiguous or self.reordered
        )

    @property
    def distance(self) -> int:
        """How much is open; 0 where nothing is."""
        return (
            2 * len(self.unplaced)
            + 2 * len(self.beyond)
            + len(self.missing)
            + len(self.ambiguous)
            + int(self.reordered)
        )


def match_question(question: str, candidates: Sequence[Any]) -> Match | None:
    """The best match among verified queries (best first), or None where there are none."""
    said = question.lower() if question.isupper() else question
    tokens = tokenize(said)[: _MAX_TOKENS + 1]
    matches = [
        _compare(tokens, known)
        for candidate in candidates[:_MAX_CANDIDATES]
        for known in Verified.read(candidate)
    ]
    for match in matches:
        if match.is_same:
            return match
    return min(matches, key=lambda match: match.distance, default=None)


def _compare(tokens: list[Token], verified: Verified) -> Match:
    match = Match(verified)
    if len(tokens) > _MAX_TOKENS:
        match.unplaced.append(tokens[_MAX_TOKENS].text)
    template = tokenize(verified.question)
    theirs = _examples(template, verified.parameters)
    if [token.low for token in tokens] == [token.low for token in template]:
        # The very question: what it does not say stands as the query was verified.
        match.values = {
            parameter.name: parameter.example
            for parameter in verified.parameters
            if parameter.example is not None
        }
        match.missing = [known for known in verified.parameters if known.example is None]
        return match
    ours = _assign(tokens, template, verified.parameters, theirs, match)
    match.values = {name: placed.value for name, placed in ours.items()}
    _account(tokens, template, ours, theirs, match)
    return match


def _examples(template: list[Token], parameters: Sequence[Parameter]) -> dict[str, Placed]:
    """Where the verified question itself says its examples."""
    found: dict[str, Placed] = {}
    taken: set[int] = set()
    for parameter in parameters:
        for placed in find_values(parameter, template):
            same = str(placed.value) == str(parameter.example)
            if same and not placed.indexes & taken:
                found[parameter.name] = placed
                taken |= placed.indexes
                break
    return found


def _assign(
    tokens: list[Token],
    template: list[Token],
    parameters: Sequence[Parameter],
    theirs: Mapping[str, Placed],
    match: Match,
) -> dict[str, Placed]:
    """Give each parameter one value, by the words around it where several would do."""
    options = []
    for parameter in parameters:
        places = [
            placed
            for placed in find_values(parameter, tokens)
            if _same_direction(tokens, placed, template, theirs.get(parameter.name))
        ]
        if not places:
            match.missing.append(parameter)
        else:
            options.append((parameter, places))
    best: list[dict[str, Placed]] = []
    best_score = -1
    for chosen in _choices(options):
        score = sum(
            _likeness(tokens, placed, template, theirs.get(name)) for name, placed in chosen.items()
        )
        if score > best_score:
            best, best_score = [chosen], score
        elif score == best_score:
            best.append(chosen)
    if not best:
        match.missing.extend(parameter for parameter, _ in options)
        return {}
    for parameter, _ in options:
        if len({str(chosen[parameter.name].value) for chosen in best}) > 1:
            match.ambiguous.append(parameter)
    return best[0]


def _choices(
    options: Sequence[tuple[Parameter, list[Placed]]], taken: frozenset[int] = frozenset()
) -> Iterator[dict[str, Placed]]:
    if not options:
        yield {}
        return
    (parameter, places), *rest = options
    for placed in places[:6]:
        if not placed.indexes & taken:
            for others in _choices(rest, taken | placed.indexes):
                yield {parameter.name: placed, **others}


def _likeness(
    tokens: list[Token], placed: Placed, template: list[Token], example: Placed | None
) -> int:
    score = placed.end - placed.start
    if example is not None:
        before = _before(tokens, min(placed.indexes))
        score += 4 * (before != "" and before == _before(template, min(example.indexes)))
        after = _after(tokens, max(placed.indexes))
        score += 2 * (after != "" and after == _after(template, max(example.indexes)))
    return score


def _same_direction(
    tokens: list[Token], placed: Placed, template: list[Token], example: Placed | None
) -> bool:
    if example is None:
        return True
    ours, theirs = _before(tokens, min(placed.indexes)), _before(template, min(example.indexes))
    return ours == theirs or not {ours, theirs} & DIRECTIONS


def _before(tokens: list[Token], index: int) -> str:
    index -= 1
    while index >= 0 and tokens[index].low in ARTICLES:
        index -= 1
    if index > 0 and (tokens[index - 1].low, tokens[index].low) == ("out", "of"):
        return "from"
    return stem(tokens[index].low) if index >= 0 else ""


def _after(tokens: list[Token], index: int) -> str:
    return stem(tokens[index + 1].low) if index + 1 < len(tokens) else ""


def _account(
    tokens: list[Token],
    template: list[Token],
    ours: Mapping[str, Placed],
    theirs: Mapping[str, Placed],
    match: Match,
) -> None:
    asked = concepts(_without(tokens, ours))
    known = concepts(_without(template, theirs))
    asked_names, known_names = {name for name, _ in asked}, {name for name, _ in known}
    parameters = match.verified.parameters
    both = asked_names | known_names
    beside = _named_beside(tokens, ours, parameters)
    for name, index in asked:
        if name in known_names or name in LIGHT or index in beside:
            continue
        if not _is_harmless(name, tokens, index, both):
            match.unplaced.append(_shown(tokens, index, name))
    beside = _named_beside(template, theirs, parameters)
    # A verified question that says "a carrier" and no example leaves the word to the value.
    unsaid = [parameter for parameter in parameters if parameter.name not in theirs]
    excused = _parameter_words(unsaid) | (GENERIC if unsaid else frozenset())
    for name, index in known:
        if name in asked_names or name in LIGHT or name in excused or index in beside:
            continue
        if _is_harmless(name, template, index, both) or _is_descriptive(name, match.verified.sql):
            continue
        match.beyond.append(_shown(template, index, name))
    if ORDERED & both:
        skip = LIGHT | excused
        match.reordered = [name for name, _ in asked if name not in skip] != [
            name for name, _ in known if name not in skip
        ]


def _without(tokens: list[Token], placed: Mapping[str, Placed]) -> list[Token | None]:
    gone = frozenset[int]().union(*(value.indexes for value in placed.values()))
    return [None if index in gone else token for index, token in enumerate(tokens)]


def _named_beside(
    tokens: list[Token], placed: Mapping[str, Placed], parameters: Sequence[Parameter]
) -> set[int]:
    """Words that only name a value beside them: ``carrier UA``, ``month of July``, ``by UA``."""
    beside: set[int] = set()
    for parameter in parameters:
        if parameter.name not in placed:
            continue
        words = _parameter_words([parameter])
        indexes = placed[parameter.name].indexes
        if min(indexes) and tokens[min(indexes) - 1].low == "by":
            beside.add(min(indexes) - 1)
        after = max(indexes) + 1
        if after < len(tokens) and _says_year(parameter.description, tokens[after].low):
            beside.add(after)
        for step, start in ((-1, min(indexes)), (1, max(indexes))):
            at = start + step
            while 0 <= at < len(tokens) and tokens[at].low in STOP:
                at += step
            if 0 <= at < len(tokens) and {name for name, _ in concepts([tokens[at]])} & words:
                beside.add(at)
    return beside


def _says_year(description: str, word: str) -> bool:
    """Whether a description such as ``month of 2013`` answers for the year beside a value."""
    return bool(re.fullmatch(r"(?:19|20)\d\d", word) and re.search(rf"\b{word}\b", description))


def _parameter_words(parameters: Sequence[Parameter]) -> set[str]:
    text = " ".join(f"{known.name} {known.column.rpartition('.')[2]}" for known in parameters)
    return {name for name, _ in concepts(tokenize(re.sub(r"[_.:]", " ", text)))}


def _is_harmless(name: str, tokens: list[Token], index: int, both: set[str]) -> bool:
    if name == "total":
        return "count" in both
    # "flights that left from JFK" are the flights from JFK.
    if name == "depart" and index + 1 < len(tokens) and tokens[index + 1].low == "from":
        return True
    # "the top 5 airlines by flights" ranks, and says what "the most flights" says.
    return name == "per" and tokens[index].low == "by" and bool({"most", "least"} & both)


def _is_descriptive(name: str, sql: str) -> bool:
    """A number that the verified question mentions but its query does not filter by."""
    return name.isdigit() and re.search(rf"(?<!\d){name}(?!\d)", sql) is None


def _shown(tokens: list[Token], index: int, name: str) -> str:
    if name in ("count", "gt", "lt", "gte", "lte", "not") or name.startswith("how-"):
        return " ".join(token.low for token in tokens[index : index + 2])
    return tokens[index].text
