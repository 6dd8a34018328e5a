"""What a password must be (NIST SP 800-63B-4, section 3.1.1.2)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from saaf_autogen.errors import InvalidArguments

__all__ = ["MAX_LENGTH", "MIN_LENGTH", "check_password", "prepare_password"]

MIN_LENGTH = 15
"""What the standard asks where a password is all that is asked for."""

MAX_LENGTH = 256

_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1234567890",
    "0123456789",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
)
"""Walks over keyboards, and counting; as long passwords that leak most are made."""

_COMMON_WORDS = """
password passwort motdepasse contrasena passw0rd p@ssword p@ssw0rd pa55word secret admin
administrator root user guest welcome willkommen letmein iloveyou changeme default temp test
testing login master dragon monkey football baseball sunshine princess superman batman shadow
trustno starwars whatever freedom computer internet company qwerty azerty qwertz asdf asdfgh
zxcvbn zxcvbnm abc abcd abcdef qazwsx spring summer autumn winter january hello helloworld
correcthorsebatterystaple tobeornottobe thequickbrownfox maytheforcebewithyou
thisismypassword mypassword ilovemyself iloveyousomuch letmeinplease openthedoor opensesame
nevergonnagiveyouup lorem ipsum dolor loremipsum loremipsumdolor saaf autogen
"""
_JOINING_WORDS = "is my the a and please now me you new our this be to"


def prepare_password(text: str) -> str:
    """A password as it is hashed: NFKC, so that it is the same on every keyboard."""
    return unicodedata.normalize("NFKC", text)


def check_password(text: str, *, about: Collection[str] = ()) -> str:
    """The prepared password, if it may become one.

    There are no rules on kinds of characters, and none on age, as the standard demands. Each code
    point counts as one character. Nothing of the password is in an error.

    Args:
        text: what the person chose.
        about: words that anybody would try for them: user name, e-mail, name of the deployment.

    Raises:
        InvalidArguments: it is too short or too long, or among the first that anybody would try.
    """
    password = prepare_password(text)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or len(text) > 4 * MAX_LENGTH:
        raise InvalidArguments(
            f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.",
            remedy="A few words that do not belong together are good.",
        )
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in password):
        raise InvalidArguments(
            "The password has characters that no keyboard types.", remedy="Leave them out."
        )
    if _is_expected(password.casefold(), about):
        raise InvalidArguments(
            "This password is among the first that anybody would try.",
            remedy="A few words that do not belong together are good.",
        )
    return password


def _is_expected(password: str, about: Collection[str]) -> bool:
    """Whether it is nothing but common words, walks, repetitions and what is known of the person.

    The whole is judged, never a part of it: a common word within a good password is no fault.
    """
    plain = re.sub(r"[\W_]+", "", password)
    letters = re.sub(r"^\d+|\d+$", "", plain)
    if len(set(password)) < 5 or _repeats(plain) or _walks(plain):
        return True
    words = {re.sub(r"[\W_]+", "", each.casefold()) for each in about}
    words |= {re.sub(r"[\W_]+", "", part) for each in about for part in each.casefold().split("@")}
    known = {each for each in words if len(each) > 2}
    common = {*_COMMON_WORDS.split(), *_JOINING_WORDS.split()}
    return not letters or _is_made_of(letters, known | common)


def _repeats(text: str) -> bool:
    """Whether it is one short piece again and again: ``abcabcabc``, or ``hunter2hunter2``."""
    return any(
        text == (text[:size] * (len(text) // size + 1))[: len(text)]
        for size in range(1, len(text) // 2 + 1)
    )


def _walks(text: str) -> bool:
    """Whether it is one walk over the keyboard or along the alphabet, forwards or backwards."""
    circles = [run * (len(text) // len(run) + 2) for run in _RUNS]
    return any(text in circle or text[::-1] in circle for circle in circles)


def _is_made_of(text: str, words: Collection[str]) -> bool:
    """Whether words of the list, digits between them, put together make the whole of it."""
    reached = {0}
    for end in range(1, len(text) + 1):
        for start in sorted(reached):
            piece = text[start:end]
            if piece in words or piece.isdigit():
                reached.add(end)
                break
    return len(text) in reached
