"""The semantic layer over REST: what there is for the caller, for programs that poll or cache it.

Each operation is the action of the same name, called through invoke like any other.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from saaf_autogen.actions.invoke import Call
from saaf_autogen.actions.spec import ActionOutcome
from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.auth.principal import Principal
from saaf_autogen.project import Project

__all__ = ["router"]

router = APIRouter(prefix="/v1/semantic", tags=["semantic"])

_SCOPES = ["semantic:read"]
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing changed since the answer with the ETag of If-None-Match"}
}
_OPENAPI = {"security": security_of(_SCOPES)}

WarehouseName = Annotated[
    str | None, Query(max_length=100, description="Only this warehouse; leave out for all.")
]


@router.get(
    "/tables",
    summary="The tables that you may see",
    responses=_NOT_MODIFIED,
    openapi_extra=_OPENAPI,
    response_class=JSONResponse,
)
async def list_tables(
    request: Request,
    caller: Caller,
    warehouse: WarehouseName = None,
    after: Annotated[
        str | None, Query(max_length=1_000, description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Response:
    """Name, description, synonyms and tags of each, in pages: go on with `after=` the `next`."""
    arguments = {"warehouse": warehouse, "after": after, "limit": limit + 1}
    outcome = await _call(request, caller, "semantic.list_tables", arguments)
    tables = outcome.value[:limit]
    # The host's own limit on results may have cut the page shorter than was asked for.
    more = len(outcome.value) > limit or outcome.cut is not None
    following = tables[-1]["resource"] if more and tables else None
    return _tagged(request, {"data": tables, "next": following})


@router.get(
    "/tables/{table}",
    summary="All that you may see of a table",
    responses=_NOT_MODIFIED,
    openapi_extra=_OPENAPI,
    response_class=JSONResponse,
)
async def describe_table(
    table: str, request: Request, caller: Caller, warehouse: WarehouseName = None
) -> Response:
    """Columns and what they mean, keys, hints, joins, metrics and filters."""
    arguments = {"table": table, "warehouse": warehouse}
    outcome = await _call(request, caller, "semantic.describe_table", arguments)
    return _tagged(request, {"data": outcome.value, "cut": outcome.cut})


@router.get(
    "/context",
    summary="What a model should read before it writes SQL for a question",
    responses=_NOT_MODIFIED,
    openapi_extra=_OPENAPI,
    response_class=JSONResponse,
)
async def context(
    request: Request,
    caller: Caller,
    question: Annotated[str, Query(min_length=1, max_length=2_000)],
    warehouse: WarehouseName = None,
    token_budget: Annotated[int, Query(ge=100, le=20_000)] = 1_500,
) -> Response:
    """The tables and columns that matter, joins, hints and verified queries, rendered compactly."""
    arguments = {"question": question, "warehouse": warehouse, "token_budget": token_budget}
    outcome = await _call(request, caller, "semantic.context", arguments)
    return _tagged(request, {"data": outcome.value, "cut": outcome.cut})


async def _call(
    request: Request, caller: Principal, action: str, arguments: dict[str, Any]
) -> ActionOutcome:
    project: Project = request.app.state.saaf
    given = {name: value for name, value in arguments.items() if value is not None}
    address = client_address(request)
    return await project.invoker.invoke(Call(action, given, caller, "rest", address=address))


def _tagged(request: Request, content: dict[str, Any]) -> Response:
    """The content with its ETag, or 304 where the caller has it (RFC 9110, section 13.1.2).

    The tag is of the content itself, so callers with other grants have other tags.
    """
    response = JSONResponse(content)
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if _matches(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _matches(conditions: list[str], tag: str) -> bool:
    tags = {part.strip().removeprefix("W/") for line in conditions for part in line.split(",")}
    return "*" in tags or tag in tags
