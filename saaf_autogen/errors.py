"""Every error that SAAF raises on purpose, in one tree.

* SaafError
  x ConfigurationError            a deployment that cannot be loaded (carries findings)
  + InvalidRequest                400  the request itself cannot be read
  + InvalidArguments              422  readable, but not what the operation takes
    - SqlRefused                  422  the SQL guard said no: rule, place, remedy
  + Unauthenticated               401
  + Forbidden                     403
    - InsufficientScope           403  names every missing scope
    - ResourceDenied              403  no grant covers the resource
    - ApprovalRequired            403  a grant asks for approval and no approver can be asked
  + NotFound                      404
  + Conflict                      409
    - OutcomeUnknown              409  a write was in flight when its host died
    - InputRequired               409  a run waits for a human's answer
  + PreconditionFailed            412  it changed since the caller read it (If-Match)
  + PreconditionRequired          428  a change came without If-Match
  + IdempotencyMismatch           422
  + PayloadTooLarge               413
  + LimitReached                  422  a run's own limit, such as its turns
  + RateLimited                   429
  + Upstream                      502  something outside SAAF failed
    - ModelFailed                 502
    - WarehouseFailed             502
    - TeamFailed                  502  a team ended with an error of its own
  + TimedOut                      504
  + Unavailable                   503
    - AuditUnavailable            503  no audit, no write

Each class has a stable ``code`` for programs, an HTTP ``status``, and each instance a ``detail``
that says what happened and, where there is one, a ``remedy`` that says what to do next. The API
renders them as RFC 9457 problem details, the CLI as a line, tools as ``is_error`` results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

__all__ = [
    "ApprovalRequired",
    "AuditUnavailable",
    "ConfigurationError",
    "Conflict",
    "Finding",
    "Forbidden",
    "IdempotencyMismatch",
    "InputRequired",
    "InsufficientScope",
    "InvalidArguments",
    "InvalidRequest",
    "LimitReached",
    "ModelFailed",
    "NotFound",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "PreconditionFailed",
    "PreconditionRequired",
    "RateLimited",
    "ResourceDenied",
    "SaafError",
    "SqlRefused",
    "TeamFailed",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "Upstream",
    "WarehouseFailed",
    "error_from_problem",
]


class SaafError(Exception):
    """Root of the tree.

    Args:
        detail: a sentence on what happened, safe to show to the caller.
        remedy: a sentence on what to do next.
        extra: further members of the problem document, JSON-able.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str, *, remedy: str | None = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.extra: dict[str, Any] = dict(extra or {})

    def __str__(self) -> str:
        return f"{self.detail} {self.remedy}" if self.remedy else self.detail

    def problem(self) -> dict[str, Any]:
        """The error as an RFC 9457 problem document, without ``instance``."""
        document: dict[str, Any] = {
            "type": f"urn:saaf:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.remedy:
            document["remedy"] = self.remedy
        return {**self.extra, **document}


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of a deployment's files: where it is and how to mend it.

    ``line`` counts from 1; 0 means the file as a whole.
    """

    file: Path
    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class ConfigurationError(SaafError):
    """The deployment folder is not usable; ``findings`` says where and why."""

    code = "configuration"
    title = "The deployment cannot be loaded"
    findings: tuple[Finding, ...] = ()

    def __init__(
        self, detail: str, *, findings: Sequence[Finding] = (), remedy: str | None = None
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.findings = tuple(findings)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {finding}" for finding in self.findings)])


class InvalidRequest(SaafError):
    """The request cannot be read."""

    code = "invalid_request"
    status = 400
    title = "The request cannot be read"


class InvalidArguments(SaafError):
    """The request was read, but it is not what the operation takes."""

    code = "invalid_arguments"
    status = 422
    title = "The arguments are not valid"


class SqlRefused(InvalidArguments):
    """The SQL guard refused a query.

    Args:
        rule: the stable name of the rule, such as ``one_statement``.
        line, column: the place in the caller's SQL, from 1; 0 where unknown.
    """

    code = "sql_refused"
    title = "The SQL was refused"

    def __init__(
        self, detail: str, *, rule: str, remedy: str | None = None, line: int = 0, column: int = 0
    ) -> None:
        extra: dict[str, Any] = {"rule": rule}
        if line:
            extra |= {"line": line, "column": column}
        super().__init__(detail, remedy=remedy, extra=extra)
        self.rule = rule
        self.line = line
        self.column = column


class Unauthenticated(SaafError):
    """No usable credential came with the call."""

    code = "unauthenticated"
    status = 401
    title = "Authentication is required"


class Forbidden(SaafError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class InsufficientScope(Forbidden):
    """Scopes are missing; all of them are named (RFC 6750, section 3.1)."""

    code = "insufficient_scope"
    title = "A scope is missing"

    def __init__(self, missing: Iterable[str], *, action: str) -> None:
        self.missing = tuple(sorted(missing))
        names = " ".join(self.missing)
        super().__init__(
            f"{action} needs the scope {names}, which this caller does not hold.",
            remedy="Ask for a token with it, or ask an admin to allow it for this client.",
            extra={"missing_scopes": list(self.missing)},
        )


class ResourceDenied(Forbidden):
    """No grant covers the resource."""

    code = "resource_denied"
    title = "No grant covers the resource"


class ApprovalRequired(Forbidden):
    """A grant asks for an approval and there is nobody who can be asked."""

    code = "approval_required"
    title = "Approval is required"


class NotFound(SaafError):
    """There is no such thing, or the caller may not know that there is."""

    code = "not_found"
    status = 404
    title = "Not found"


class Conflict(SaafError):
    """The state of the thing does not admit this."""

    code = "conflict"
    status = 409
    title = "Conflict"


class OutcomeUnknown(Conflict):
    """A write was in flight when its host died: nobody knows whether it took effect."""

    code = "outcome_unknown"
    title = "The outcome of an earlier attempt is unknown"


class InputRequired(Conflict):
    """A run waits for a human's answer; ``question`` in ``extra`` is what it asks."""

    code = "input_required"
    title = "The run waits for an answer"


class PreconditionFailed(SaafError):
    """The thing changed since the caller read it (RFC 9110, section 13)."""

    code = "precondition_failed"
    status = 412
    title = "It changed in the meantime"


class PreconditionRequired(SaafError):
    """A change must say which version it is of (RFC 6585, section 3)."""

    code = "precondition_required"
    status = 428
    title = "If-Match is required"


class IdempotencyMismatch(SaafError):
    """An Idempotency-Key came back with another body."""

    code = "idempotency_mismatch"
    status = 422
    title = "The Idempotency-Key belongs to another request"


class PayloadTooLarge(SaafError):
    """The body is larger than the host takes."""

    code = "payload_too_large"
    status = 413
    title = "The body is too large"


class LimitReached(SaafError):
    """A run came to a limit that was set for it; ``reason`` in ``extra`` names the limit."""

    code = "limit_reached"
    status = 422
    title = "A limit of the run was reached"


class RateLimited(SaafError):
    """Too many calls."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"


class Upstream(SaafError):
    """Something outside SAAF failed; its own words are not passed on."""

    code = "upstream_failed"
    status = 502
    title = "An external system failed"


class ModelFailed(Upstream):
    """The language model could not be asked, or its answer could not be read."""

    code = "model_failed"
    title = "The model failed"


class WarehouseFailed(Upstream):
    """The warehouse refused or failed; the text is sanitised."""

    code = "warehouse_failed"
    title = "The warehouse failed"


class TeamFailed(Upstream):
    """A team of agents ended with an error that is none of its model's or tools'."""

    code = "team_failed"
    title = "The team failed"


class TimedOut(SaafError):
    """The work took longer than its limit."""

    code = "timed_out"
    status = 504
    title = "The time limit was reached"


class Unavailable(SaafError):
    """The host cannot do this now."""

    code = "unavailable"
    status = 503
    title = "Not available now"


class AuditUnavailable(Unavailable):
    """The audit log cannot be written, so nothing that needs it is done."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"


def error_from_problem(document: Mapping[str, Any]) -> SaafError:
    """The error that a problem document stands for: a caller far away raises what the host did.

    An unknown ``code`` becomes the class of its status, or the root of the tree.
    """
    classes: list[type[SaafError]] = [SaafError, *_subclasses(SaafError)]
    code, status = document.get("code"), document.get("status")
    by_code = [each for each in classes if each.code == code]
    by_status = [each for each in classes if each.status == status]
    kind = (by_code or by_status or [SaafError])[0]
    members = {"type", "title", "status", "code", "detail", "remedy", "instance"}
    detail = str(document.get("detail") or document.get("title") or "The call failed.")
    extra = {key: value for key, value in document.items() if key not in members}
    # Subclasses build their sentence from parts; here the sentence is given.
    error = kind.__new__(kind)
    SaafError.__init__(error, detail, remedy=document.get("remedy"), extra=extra)
    if isinstance(error, InsufficientScope):
        error.missing = tuple(extra.get("missing_scopes", ()))
    if isinstance(error, SqlRefused):
        error.rule = str(extra.get("rule", ""))
        error.line, error.column = int(extra.get("line", 0)), int(extra.get("column", 0))
    return error


def _subclasses(kind: type[SaafError]) -> list[type[SaafError]]:
    found: list[type[SaafError]] = []
    for each in kind.__subclasses__():
        found += [each, *_subclasses(each)]
    return found
