"""Is the process alive, and is it ready for work?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/livez", summary="The process is alive")
async def livez() -> dict[str, str]:
    """Always ``ok`` while the event loop turns."""
    return {"status": "ok"}


@router.get("/readyz", summary="The host can take work")
async def readyz(request: Request) -> JSONResponse:
    """Whether the store answers and the run engine is up; 503 when one does not.

    ``warnings`` tell of what this host cannot cure, such as open runs that no worker executes.
    """
    checks: dict[str, bool] = await request.app.state.saaf.readiness()
    ready = all(checks.values())
    body: dict[str, Any] = {"status": "ok" if ready else "unavailable", "checks": checks}
    if ready:
        body["warnings"] = await request.app.state.saaf.warnings()
    return JSONResponse(body, 200 if ready else 503)
