"""Query parameters that an operation does not take are refused, as unknown fields of bodies are."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from saaf_autogen.errors import InvalidArguments

__all__ = ["only_known_query", "refuse_query"]


async def only_known_query(request: Request) -> None:
    """Refuse a misspelt parameter: ignored, it would silently answer another question."""
    route = request.scope.get("route")
    refuse_query(request, _names(route.dependant) if isinstance(route, APIRoute) else ())


def refuse_query(request: Request, known: Collection[str] = ()) -> None:
    """Refuse parameters of the address other than the known ones."""
    if not request.scope.get("query_string"):
        return
    unknown = sorted(set(request.query_params).difference(known))
    if unknown:
        raise InvalidArguments(
            f"The address holds unknown parameters: {', '.join(unknown)}.",
            remedy=f"Known ones: {', '.join(sorted(known)) or 'none'}.",
            extra={"faults": [{"field": name, "message": "unknown"} for name in unknown]},
        )


def _names(dependant: Dependant) -> set[str]:
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_names, dependant.dependencies))
