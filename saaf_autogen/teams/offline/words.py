"""Questions as tokens, and tokens as concepts: what a word stands for, whatever its form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from saaf_autogen.teams.offline.vocabulary import CLASS_OF, INFINITIVES, PHRASES, STOP

__all__ = ["Token", "concepts", "stem", "tokenize"]


@dataclass(frozen=True)
class Token:
    """A word, number or sign of a question.

    ``low`` is its lower-case form; ``quoted`` says that it stood in quotation marks.
    """

    text: str
    low: str
    quoted: bool = False


_TOKEN = re.compile(
    r"""
    \d{4}-\d{2}-\d{2}(?!\w)                 # ISO date
    | \d+(?:[/:]\d+)+ | \d+-\d+             # 7/4/2013, 18:30, 5-10: kept whole
    | (?<!\w)-\d+(?:\.\d+)?(?!\w)           # negative number
    | \d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\w) | \d+\.\d+(?!\w)
    | \w+(?:['’&]\w+)*
    | [^\s\w.,;:?!'"“”‘’()\[\]…–—-]         # signs such as %, <, =
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`")


def tokenize(text: str) -> list[Token]:
    """The tokens of a question, contractions and hyphenated words taken apart."""
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text.replace("’", "'")):
        inside = any(start < match.start() and match.end() < end for start, end in quoted)
        tokens += [Token(word, word.lower(), inside) for word in _parts(match.group())]
    return tokens


def _parts(word: str) -> list[str]:
    low = word.lower()
    if low in {"can't", "cannot"}:
        return ["can", "not"]
    if low == "won't":
        return ["will", "not"]
    if low.endswith("n't"):
        return [word[:-3], "not"]
    if low == "what's":
        return ["what", "is"]
    for ending in ("'s", "'re", "'m", "'d", "'ve", "'ll"):
        if low.endswith(ending):
            return [word[: -len(ending)]]
    return [word]


def stem(word: str) -> str:
    """A word without its inflection: ``delays``, ``delayed`` and ``delay`` are one."""
    if not word.isalpha() or len(word) <= 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def concepts(tokens: Sequence[Token | None]) -> list[tuple[str, int]]:
    """What is said, in order: each concept with the index of its first token.

    Args:
        tokens: a question's tokens; None stands for a value that was taken out.
    """
    found: list[tuple[str, int]] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        length, name = _phrase(tokens, index)
        if length:
            found.append((name, index))
            index += length
            continue
        if token is not None and (concept := _concept(token, tokens, index)):
            found.append((concept, index))
        index += 1
    return found


def _phrase(tokens: Sequence[Token | None], index: int) -> tuple[int, str]:
    for length in (3, 2):
        words = tuple(
            token.low if token is not None else "" for token in tokens[index : index + length]
        )
        if words in PHRASES:
            return length, PHRASES[words]
    return 0, ""


def _concept(token: Token, tokens: Sequence[Token | None], index: int) -> str | None:
    is_literal = token.quoted or (len(token.text) > 1 and token.text.isupper())
    if token.low in STOP and not is_literal:
        return None
    if token.low == "to":
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        return None if following is not None and following.low in INFINITIVES else "to"
    if token.low in CLASS_OF and not is_literal:
        return CLASS_OF[token.low]
    return stem(token.low)
