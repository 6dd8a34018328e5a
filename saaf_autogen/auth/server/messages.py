"""What goes into the authorization server and what comes out, without a web framework."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Payload, OAuth2Request

from saaf_autogen.auth.server.trace import Trace

__all__ = ["MAX_FORM_BYTES", "Answer", "FormRequest", "OAuthForm", "read_form"]

MAX_FORM_BYTES = 32_768
_MAX_FIELDS = 60
_REPEATABLE = frozenset({"resource", "audience"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class FormRequest:
    """A form that was posted to an endpoint.

    Attributes:
        content_type: the header's value, or "".
        authorization: every ``Authorization`` header that came.
        query: the query of the address, undecoded.
        body: at most ``MAX_FORM_BYTES``.
        dpop: every ``DPoP`` header that came (RFC 9449).
        address: where it came from, for limits; "" if that is not known.
    """

    content_type: str
    authorization: tuple[str, ...]
    query: str
    body: bytes
    dpop: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True)
class Answer:
    """A JSON answer with its headers; never to be stored by a cache."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._lists: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._lists[name].append(value)
        self._data = {name: values[0] for name, values in self._lists.items()}

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return self._lists


class OAuthForm(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """The request as Authlib's grants read it; only the body has parameters.

    Attributes:
        dpop: as in ``FormRequest``.
        path: of the endpoint, to which a proof must be.
        trace: what the audit is to know of it.
    """

    def __init__(
        self,
        authorization: str | None,
        pairs: list[tuple[str, str]],
        *,
        dpop: tuple[str, ...] = (),
        path: str = "",
    ) -> None:
        # Authlib refuses plain http here; where TLS ends is for the deployment to say.
        super().__init__("POST", "https://issuer.invalid/")
        self.authorization = authorization
        self.payload = _Payload(pairs)
        self.dpop = dpop
        self.path = path
        self.trace = Trace()

    @property
    def args(self) -> dict[str, str]:
        """Parameters of the query: none are taken."""
        return {}

    @property
    def form(self) -> dict[str, str]:
        """Parameters of the body, each of them once."""
        data: dict[str, str] = self.payload.data
        return data

    def values(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return list(self.payload.datalist.get(name, ()))


def read_form(request: FormRequest, path: str = "") -> OAuthForm:
    """Check the form of a request, before anything of its content.

    A parameter without a value counts as absent (RFC 6749, section 3.2).

    Raises:
        InvalidRequestError: parameters in the query, a repeated one, another media type, more
            than one ``Authorization`` header, or text that is no clean UTF-8.
    """
    if request.query:
        raise InvalidRequestError("Parameters belong in the body, not in the address.")
    if len(request.authorization) > 1:
        raise InvalidRequestError("There is more than one Authorization header.")
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise InvalidRequestError("The body is not application/x-www-form-urlencoded.")
    pairs = _pairs(request.body)
    names = [name for name, _ in pairs]
    if any(names.count(name) > 1 for name in set(names) - _REPEATABLE):
        raise InvalidRequestError("A parameter is repeated.")
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise InvalidRequestError("A parameter holds control characters.")
    authorization = request.authorization[0] if request.authorization else None
    given = [(name, value) for name, value in pairs if value]
    return OAuthForm(authorization, given, dpop=request.dpop, path=path)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    if len(body) > MAX_FORM_BYTES:
        raise InvalidRequestError("The body is too large.", status_code=413)
    try:
        return parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise InvalidRequestError("The body is not a form in UTF-8.") from error
