"""Values of parameters in a question: enumerated ones, dates, months, numbers, literals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from saaf_autogen.teams.offline.vocabulary import BEFORE_MONTH, ENGLISH, MONTHS, NUMBER_WORDS
from saaf_autogen.teams.offline.words import Token, tokenize

__all__ = ["Parameter", "Placed", "find_values"]

Value = str | int | float


@dataclass(frozen=True)
class Parameter:
    """A parameter of a verified query, as ``semantic.context`` describes it."""

    name: str
    column: str
    type: str
    example: Value | None
    description: str
    values: Mapping[str, Sequence[str]] | None

    @classmethod
    def read(cls, name: str, data: Mapping[str, Any]) -> Parameter:
        """A parameter from the JSON of ``semantic.context``; what does not fit is left out."""
        values = data.get("values")
        example = data.get("example")
        return cls(
            name=name,
            column=str(data.get("column") or ""),
            type=str(data.get("type") or "VARCHAR").upper(),
            example=example if isinstance(example, str | int | float) else None,
            description=str(data.get("description") or ""),
            values={
                str(key): [str(word) for word in words if isinstance(word, str)]
                for key, words in values.items()
                if isinstance(words, list | tuple)
            }
            if isinstance(values, Mapping) and values
            else None,
        )

    @property
    def is_number(self) -> bool:
        """Whether the query takes a number."""
        return not self.type.startswith(
            ("VARCHAR", "TEXT", "STRING", "CHAR", "DATE", "TIME", "BOOL")
        )

    @property
    def role(self) -> str:
        """``month``, ``day``, ``year`` or nothing, by the name of the parameter or its column."""
        for name in (self.name.lower(), self.column.rpartition(".")[2].lower()):
            for role in ("month", "day", "year"):
                if name == role or name.endswith(f"_{role}"):
                    return role
        return ""


@dataclass(frozen=True)
class Placed:
    """A value that a question holds for a parameter: tokens ``start`` up to ``end``."""

    start: int
    end: int
    value: Value
    also: tuple[int, ...] = ()

    @property
    def indexes(self) -> frozenset[int]:
        """The tokens that it accounts for."""
        return frozenset(range(self.start, self.end)) | frozenset(self.also)


def find_values(parameter: Parameter, tokens: Sequence[Token]) -> list[Placed]:
    """Every place of a question that can be the parameter's value, longest first."""
    if parameter.values is not None:
        return _enumerated(parameter, tokens)
    if parameter.type.startswith(("DATE", "TIME")):
        return list(_dates(parameter, tokens))
    if parameter.role == "month":
        return list(_months(tokens))
    if parameter.is_number:
        return list(_numbers(parameter, tokens))
    return list(_literals(parameter, tokens))


def _enumerated(parameter: Parameter, tokens: Sequence[Token]) -> list[Placed]:
    found: dict[tuple[int, int], set[str]] = {}
    for key, synonyms in (parameter.values or {}).items():
        for form in (key, *synonyms):
            words = [token.low for token in tokenize(form)]
            for start in range(len(tokens) - len(words) + 1 if words else 0):
                span = tokens[start : start + len(words)]
                said = [token.low for token in span] == words
                if said and _is_meant(tokens, start, len(words), form):
                    found.setdefault((start, start + len(words)), set()).add(key)
    placed: list[Placed] = []
    for (start, end), keys in sorted(found.items(), key=lambda item: item[0][0] - item[0][1]):
        # A form that stands for two codes is no value; a longer one hides what lies within it.
        hidden = any(other.start <= start and end <= other.end for other in placed)
        if len(keys) == 1 and not hidden:
            placed.append(Placed(start, end, _typed(parameter, next(iter(keys)))))
    shape = None if parameter.is_number else _shape(str(parameter.example or ""))
    if shape is not None:
        # The known values need not be all; a code in capitals stands for itself.
        known = frozenset[int]().union(*(value.indexes for value in placed))
        placed += [value for value in _shaped(shape, tokens) if not value.indexes & known]
    return placed


def _is_meant(tokens: Sequence[Token], start: int, length: int, form: str) -> bool:
    if length != 1:
        return True
    token = tokens[start]
    if token.low in MONTHS:
        return _month_at(tokens, start) is not None
    return not (token.low in ENGLISH and token.text != form)


def _typed(parameter: Parameter, key: str) -> Value:
    if not parameter.is_number:
        return key
    try:
        return int(key)
    except ValueError:
        try:
            return float(key)
        except ValueError:
            return key


def _month_at(tokens: Sequence[Token], index: int) -> int | None:
    token = tokens[index] if 0 <= index < len(tokens) else None
    number = MONTHS.get(token.low) if token is not None else None
    if token is None or number is None:
        return None
    if token.low in ("may", "march", "mar") and not (index and token.text[0].isupper()):
        previous = tokens[index - 1].low if index else ""
        return number if previous in BEFORE_MONTH else None
    return number


def _day_at(tokens: Sequence[Token], index: int) -> int | None:
    match = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", _low(tokens, index))
    return int(match.group(1)) if match and 1 <= int(match.group(1)) <= 31 else None


def _year_at(tokens: Sequence[Token], index: int) -> int | None:
    low = _low(tokens, index)
    return int(low) if re.fullmatch(r"(?:19|20)\d\d", low) else None


def _low(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].low if 0 <= index < len(tokens) else ""


def _months(tokens: Sequence[Token]) -> Iterator[Placed]:
    for index in range(len(tokens)):
        month = _month_at(tokens, index)
        if month is not None:
            yield Placed(index, index + 1, month)
        elif _low(tokens, index) == "month" and re.fullmatch(
            "[1-9]|1[0-2]", _low(tokens, index + 1)
        ):
            yield Placed(index, index + 2, int(_low(tokens, index + 1)))


@dataclass(frozen=True)
class _Day:
    """A day and month, with a year or not, and the tokens that say them."""

    month: int
    day: int
    year: int | None
    day_index: int
    indexes: tuple[int, ...]


def _days(tokens: Sequence[Token]) -> Iterator[_Day]:
    for index in range(len(tokens)):
        month = _month_at(tokens, index)
        if month is None:
            continue
        after = index + 2 if _low(tokens, index + 1) == "the" else index + 1
        before = index - 2 if _low(tokens, index - 1) == "of" else index - 1
        for at, following in ((after, after + 1), (before, index + 1)):
            day = _day_at(tokens, at)
            if day is None:
                continue
            year = _year_at(tokens, following)
            indexes = (index, at, *((following,) if year else ()))
            yield _Day(month, day, year, at, indexes)
            break


def _dates(parameter: Parameter, tokens: Sequence[Token]) -> Iterator[Placed]:
    for index, token in enumerate(tokens):
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", token.low) and _date(token.low):
            yield Placed(index, index + 1, token.low)
    year_of_example = _date(str(parameter.example or "")[:10])
    for found in _days(tokens):
        year = found.year or (year_of_example.year if year_of_example else None)
        iso = f"{year:04}-{found.month:02}-{found.day:02}" if year else ""
        if _date(iso):
            start = min(found.indexes)
            yield Placed(start, start + 1, iso, found.indexes)


def _date(iso: str) -> date | None:
    try:
        return date.fromisoformat(iso)
    except ValueError:
        return None


def _numbers(parameter: Parameter, tokens: Sequence[Token]) -> Iterator[Placed]:
    days = list(_days(tokens))
    if parameter.role == "day":
        for found in days:
            yield Placed(found.day_index, found.day_index + 1, found.day)
    day_indexes = {found.day_index for found in days}
    for index, token in enumerate(tokens):
        plain = token.low.replace(",", "")
        number: Value | None = NUMBER_WORDS.get(token.low)
        if re.fullmatch(r"-?\d+", plain) and len(plain) <= 15:
            number = int(plain)
        elif re.fullmatch(r"-?\d+\.\d+", plain) and len(plain) <= 20:
            number = float(plain)
        if number is None or index in day_indexes:
            continue
        is_year = _year_at(tokens, index) is not None
        if parameter.role == "year" and not is_year:
            continue
        if parameter.role == "day" and not (isinstance(number, int) and 1 <= number <= 31):
            continue
        yield Placed(index, index + 1, number)


def _literals(parameter: Parameter, tokens: Sequence[Token]) -> Iterator[Placed]:
    """Text without known values: what is quoted, or what is shaped like the example."""
    index = 0
    while index < len(tokens):
        end = index
        while end < len(tokens) and tokens[end].quoted:
            end += 1
        if end > index:
            yield Placed(index, end, " ".join(token.text for token in tokens[index:end]))
            index = end
        else:
            index += 1
    shape = _shape(str(parameter.example or ""))
    if shape is not None:
        yield from _shaped(shape, tokens)


def _shaped(shape: re.Pattern[str], tokens: Sequence[Token]) -> Iterator[Placed]:
    for index, token in enumerate(tokens):
        if not token.quoted and shape.fullmatch(token.text):
            yield Placed(index, index + 1, token.text)


def _shape(example: str) -> re.Pattern[str] | None:
    """``N14228`` gives a letter and digits, ``JFK`` three capitals; plain words give nothing."""
    if not re.fullmatch(r"(?=.*[A-Z0-9])[A-Z0-9]+", example):
        return None
    if example.isalpha():
        return re.compile(f"[A-Z]{{{len(example)}}}")
    if example[0].isalpha():
        return re.compile(r"[A-Z]\d[A-Z0-9]*")
    return None
