"""The HTTP host: one FastAPI application over one project."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline

from saaf_autogen import __version__
from saaf_autogen.api import agents, batch, health, inputs, runs, schedules, semantic, usage
from saaf_autogen.api.actions import action_operations, action_route, action_router
from saaf_autogen.api.addresses import ClientAddresses
from saaf_autogen.api.admin import admin_router
from saaf_autogen.api.body import BodyGuard
from saaf_autogen.api.headers import SecurityHeaders
from saaf_autogen.api.oauth import oauth_router, token_route
from saaf_autogen.api.pages import pages_router
from saaf_autogen.api.problems import PROBLEM_SCHEMA, add_problem_handlers
from saaf_autogen.api.query import only_known_query
from saaf_autogen.api.rate_guard import RateGuard
from saaf_autogen.api.security import SCHEME_NAME, oauth2_scheme
from saaf_autogen.project import Project

__all__ = ["create_app"]

_PROBLEM = {
    "description": "A problem document (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def create_app(project: Project) -> FastAPI:
    """The host of a project. The project is started and closed with the application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await project.start()
        try:
            yield
        finally:
            await project.close()

    # The documentation page takes nothing from foreign hosts.
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        title=f"SAAF: {project.settings.name}",
        version=__version__,
        description="AutoGen agents and actions, under OAuth 2.0 scopes and data grants.",
        lifespan=lifespan,
        # A path and the same with a slash are not the same resource; no redirects with tokens.
        redirect_slashes=False,
    )
    app.state.saaf = project
    components: dict[str, Any] = {}
    offers = project.identity.metadata
    # Routes are tried in their order: first what is asked most.
    app.include_router(runs.router, dependencies=[Depends(only_known_query)])
    app.include_router(oauth_router(issues=offers.issues, registers=offers.registers))
    app.include_router(pages_router(project))
    app.include_router(health.router)
    # The first, as they are the ones that are called most.
    app.router.routes.insert(0, action_route(project.invoker))
    if offers.issues:
        app.router.routes.insert(1, token_route())
    for router in (agents.router, action_router(project.invoker), semantic.router):
        app.include_router(router, dependencies=[Depends(only_known_query)])
    for router in (batch.router, schedules.router):
        app.include_router(router, dependencies=[Depends(only_known_query)])
    for router in (inputs.router, usage.router, usage.admin_router, admin_router()):
        app.include_router(router, dependencies=[Depends(only_known_query)])
    add_problem_handlers(app)
    # The last one added is the outermost: what the guard refuses carries the headers too.
    app.add_middleware(BodyGuard, limit=project.settings.limits.body_bytes)
    addresses = ClientAddresses(project.server.trusted_proxies)
    app.add_middleware(RateGuard, limits=project.limits, addresses=addresses)
    app.add_middleware(SecurityHeaders)
    app.openapi = lambda: _openapi(app, project, components)  # type: ignore[method-assign]  # FastAPI's own hook
    return app


def _openapi(app: FastAPI, project: Project, schemas: dict[str, Any]) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=[{"url": project.server.public_url}],
        )
        document["paths"] |= action_operations(project.deployment.registry, schemas)
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update({**schemas, "Problem": PROBLEM_SCHEMA})
        scheme = oauth2_scheme(
            project.deployment.scopes,
            issuer_url=project.server.public_url,
            enabled=project.settings.oauth.enabled,
        )
        components["securitySchemes"] = {SCHEME_NAME: scheme}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _document_errors(path, operation)
        app.openapi_schema = document
    return app.openapi_schema


def _document_errors(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    if path.startswith("/v1/"):
        responses["4XX"] = _PROBLEM
        responses["5XX"] = _PROBLEM
