"""The parameters of an authorization request, before anything of their meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from saaf_autogen.auth.server.authorization.refusals import PageRefusal

__all__ = ["MAX_STATE", "Parameters", "read_query"]

MAX_STATE = 2048
_MAX_QUERY = 8_192
_MAX_FIELDS = 60
_REPEATABLE = frozenset({"resource"})
_KNOWN = frozenset(
    {
        "authorization_details",
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "dpop_jkt",
        "login_hint",
        "max_age",
        "nonce",
        "prompt",
        "redirect_uri",
        "resource",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Parameters:
    """Each parameter once, but for ``resource``; one without a value counts as absent.

    Raises:
        PageRefusal: one is repeated, holds control characters, or ``state`` is too long to be
            given back.
    """

    pairs: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.pairs]
        if any(names.count(name) > 1 for name in set(names) - _REPEATABLE):
            raise PageRefusal("A parameter is repeated.")
        if any(_CONTROL.search(text) for pair in self.pairs for text in pair):
            raise PageRefusal("A parameter holds control characters.")
        if len(self.get("state") or "") > MAX_STATE:
            raise PageRefusal(f"The state is over {MAX_STATE} characters.")

    def get(self, name: str) -> str | None:
        """The value, or None if there is none."""
        return next((value for key, value in self.pairs if key == name and value), None)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a parameter that may be repeated."""
        return tuple(value for key, value in self.pairs if key == name and value)

    def known(self) -> tuple[tuple[str, str], ...]:
        """The pairs that mean something here, which are those worth keeping."""
        return tuple(pair for pair in self.pairs if pair[0] in _KNOWN)


def read_query(query: str) -> Parameters:
    """The parameters of a query, undecoded as it came.

    Raises:
        PageRefusal: it is too long, no clean UTF-8, or as ``Parameters`` says.
    """
    if len(query) > _MAX_QUERY:
        raise PageRefusal("The request is too long: push it first (RFC 9126).", status=414)
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise PageRefusal("The request is no query in UTF-8.") from error
    return Parameters(tuple(pairs))
