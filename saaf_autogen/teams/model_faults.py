"""What goes wrong with a language model, as one error with a kind and a sentence.

Both SDKs (OpenAI's and Anthropic's) come from one generator and share the names of their errors,
so that they are told apart by name and neither must be installed. An upstream's own text is never
passed on: it can hold keys, prompts and pages of HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from saaf_autogen.clock import Clock
from saaf_autogen.errors import ModelFailed, SaafError

__all__ = [
    "ResponseTooLarge",
    "filtered",
    "is_transient",
    "model_failed",
    "out_of_tokens",
    "retry_after_s",
    "typed_error",
]

_TRANSIENT = frozenset({"rate_limited", "unavailable", "connection"})
_CHECK_KEY = "Check the key in the variable that saaf.yaml names for this model."
_TRY_LATER = "Try again later."
_BY_STATUS: dict[int, tuple[str, str, str]] = {
    400: ("bad_request", "did not take the request", "Check model, options and model_info."),
    401: ("unauthenticated", "did not accept the key", _CHECK_KEY),
    403: ("forbidden", "does not allow this to the key", _CHECK_KEY),
    404: ("not_found", "was not found", "Check `model` and `base_url` in saaf.yaml."),
    408: ("timeout", "took too long to answer", "Raise its timeout_s in saaf.yaml."),
    413: ("too_large", "was sent more than it takes", "Shorten the conversation."),
    422: ("bad_request", "did not take the request", "Check model, options and model_info."),
    429: ("rate_limited", "is asked too often", _TRY_LATER),
}
_UNREADABLE = (json.JSONDecodeError, AttributeError, TypeError, KeyError, UnicodeError)


class ResponseTooLarge(Exception):
    """A model's response passed the limit on its bytes while it was read."""


def model_failed(
    name: str, kind: str, what: str, remedy: str | None = None, **extra: Any
) -> ModelFailed:
    """The typed error of the model that saaf.yaml calls ``name``; ``kind`` is stable."""
    return ModelFailed(
        f"The model {name!r} {what}.", remedy=remedy, extra={"kind": kind, "model": name, **extra}
    )


def out_of_tokens(name: str) -> ModelFailed:
    """The model was cut off before it said anything."""
    return model_failed(name, "truncated", "ran out of tokens", "Raise max_tokens.")


def filtered(name: str) -> ModelFailed:
    """The model's provider keeps the whole answer back."""
    return model_failed(
        name,
        "filtered",
        "holds its answer back: its provider filters the content",
        "Ask for something else, or change the provider's filter.",
    )


def is_transient(error: SaafError) -> bool:
    """Whether another attempt may help."""
    return error.extra.get("kind") in _TRANSIENT


def typed_error(name: str, error: Exception) -> SaafError:
    """Any exception of a model client as an error of ours, without its words."""
    if isinstance(error, SaafError):
        return error
    chain = list(_chain(error))
    if any(isinstance(link, ResponseTooLarge) for link in chain):
        return model_failed(name, "too_large", "answered with more than is read", "Ask for less.")
    names = {cls.__name__ for link in chain for cls in type(link).__mro__}
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(name, status, str(getattr(error, "code", "")))
    if isinstance(error, TimeoutError) or names & {"APITimeoutError", "TimeoutException"}:
        return model_failed(
            name, "timeout", "took too long to answer", "Raise its timeout_s in saaf.yaml."
        )
    if "APIResponseValidationError" in names or isinstance(error, _UNREADABLE):
        return _unreadable(name)
    if names & {"APIConnectionError", "TransportError", "OSError"}:
        return model_failed(
            name, "connection", "could not be reached", "Check its base_url and that it runs."
        )
    if isinstance(error, IndexError):
        return model_failed(name, "empty", "gave no answer", _TRY_LATER)
    if "APIError" in names:
        return model_failed(name, "unavailable", "broke off its answer", _TRY_LATER)
    if "LengthFinishReasonError" in names:
        return out_of_tokens(name)
    if "ContentFilterFinishReasonError" in names:
        return filtered(name)
    if "ValidationError" in names:
        return _unreadable(name)
    if isinstance(error, ValueError):
        return model_failed(
            name,
            "unsupported",
            "cannot do what the agent asks of it",
            "Check its model_info in saaf.yaml: vision, function_calling, structured_output.",
        )
    return _unreadable(name)


def retry_after_s(error: Exception, clock: Clock) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3), or None."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    value = headers.get("retry-after") if headers is not None else None
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None


def _unreadable(name: str) -> ModelFailed:
    return model_failed(
        name,
        "unreadable",
        "gave an answer that cannot be read",
        "Check that its base_url speaks the OpenAI API.",
    )


def _by_status(name: str, status: int, code: str) -> ModelFailed:
    if code == "insufficient_quota":
        return model_failed(
            name, "quota", "has no quota left for this key", "Check its plan and billing."
        )
    if code == "context_length_exceeded":
        return model_failed(
            name, "too_large", "was sent more than it holds", "Use a bounded model_context."
        )
    if status in _BY_STATUS:
        kind, what, remedy = _BY_STATUS[status]
        return model_failed(name, kind, what, remedy, upstream_status=status)
    if status >= 500:
        return model_failed(name, "unavailable", "is failing", _TRY_LATER, upstream_status=status)
    return model_failed(
        name, "bad_request", "refused the request", "Check saaf.yaml.", upstream_status=status
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error = error.__cause__ or error.__context__
        seen += 1
