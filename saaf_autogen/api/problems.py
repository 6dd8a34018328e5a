"""Errors over HTTP: RFC 9457 problem documents, everywhere but at OAuth's own endpoints."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from saaf_autogen.api.security import challenge, scheme_of
from saaf_autogen.db import is_away
from saaf_autogen.errors import (
    InsufficientScope,
    InvalidArguments,
    NotFound,
    SaafError,
    Unavailable,
)

__all__ = ["PROBLEM_SCHEMA", "add_problem_handlers", "problem_response"]

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)
_RETRY_AFTER_S = 5

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable, for programs"},
        "detail": {"type": "string"},
        "remedy": {"type": "string", "description": "what to do next"},
        "instance": {"type": "string"},
    },
}


def problem_response(error: SaafError, *, instance: str = "") -> JSONResponse:
    """The error as a response, with the headers that its status asks for."""
    headers: dict[str, str] = {}
    document = error.problem()
    authenticate = document.pop("www_authenticate", None)
    if authenticate:
        headers["WWW-Authenticate"] = str(authenticate)
    if "retry_after" in document:
        headers["Retry-After"] = str(document["retry_after"])
    headers.update(document.pop("ratelimit", {}))
    if instance:
        document["instance"] = instance
    return JSONResponse(document, error.status, headers, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Render every error of the application as a problem document."""
    app.add_exception_handler(SaafError, _saaf)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(SQLAlchemyError, _store)
    app.add_exception_handler(Exception, _unexpected)


async def _saaf(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, SaafError):
        raise error
    if isinstance(error, InsufficientScope):
        issuer_url = request.app.state.saaf.identity.issuer.url
        error.extra["www_authenticate"] = challenge(error, issuer_url, scheme=scheme_of(request))
    if error.status >= 500:
        _log.error("%s %s: %s", request.method, request.url.path, error)
    return problem_response(error, instance=request.url.path)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    # Inputs are not echoed: NaN and lone surrogates in them could not be written as JSON.
    faults = [
        {"field": ".".join(str(part) for part in fault["loc"][1:]), "message": fault["msg"]}
        for fault in error.errors()
    ]
    told = "; ".join(f"{fault['field'] or 'body'}: {fault['message']}" for fault in faults)
    refusal = InvalidArguments(f"The request is not valid: {told}.", extra={"faults": faults})
    return problem_response(refusal, instance=request.url.path)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        missing = NotFound("There is nothing at this address.", remedy="See /docs.")
        return problem_response(missing, instance=request.url.path)
    return _plain(error.status_code, str(error.detail), request.url.path, error.headers)


async def _store(request: Request, error: Exception) -> JSONResponse:
    if not is_away(error):
        raise error
    away = Unavailable(
        "The host's store cannot be used at the moment.",
        remedy="Try again later; an operator must look whether it is there and has room.",
        extra={"retry_after": _RETRY_AFTER_S},
    )
    reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
    _log.error("%s %s: the store is away: %s", request.method, request.url.path, reason)
    return problem_response(away, instance=request.url.path)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    internal = SaafError("The host failed on this request.", remedy="Its log has the details.")
    return problem_response(internal, instance=request.url.path)


def _plain(
    status: int, detail: str, instance: str, headers: Mapping[str, str] | None
) -> JSONResponse:
    document = {
        "type": "about:blank",
        "title": detail,
        "status": status,
        "code": detail.lower().replace(" ", "_"),
        "detail": f"{detail}.",
        "instance": instance,
    }
    return JSONResponse(document, status, dict(headers or {}), media_type=MEDIA_TYPE)
