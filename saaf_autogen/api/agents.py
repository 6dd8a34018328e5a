"""The agents of the deployment."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from saaf_autogen.api.security import Caller, security_of
from saaf_autogen.project import Project

__all__ = ["router"]

router = APIRouter(prefix="/v1/agents", tags=["agents"])


@router.get(
    "",
    summary="The agents that can be run",
    openapi_extra={"security": security_of(["agents:run"])},
)
async def list_agents(request: Request, caller: Caller) -> dict[str, Any]:
    """Id, title, description and the most that a run of each may do."""
    project: Project = request.app.state.saaf
    project.policy.require_scopes(caller, ["agents:run"], action="GET /v1/agents")
    return {
        "data": [
            {
                "id": agent.id,
                "title": agent.title,
                "description": agent.description,
                "scopes": list(agent.scopes),
                "resources": list(agent.resources) if agent.resources is not None else None,
            }
            for agent in project.deployment.agents.values()
        ]
    }
