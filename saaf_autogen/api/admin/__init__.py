"""``/v1/admin/…``: administration over REST. The services of ``auth.administration`` decide."""

from __future__ import annotations

from fastapi import APIRouter

from saaf_autogen.api.admin import access, audit, clients, groups, keys, sessions, users
from saaf_autogen.api.admin.rules import deny_router, grant_router

__all__ = ["admin_router"]


def admin_router() -> APIRouter:
    """All routes below ``/v1/admin``."""
    router = APIRouter(prefix="/v1/admin")
    modules = (users, groups, clients, sessions, keys, audit, access)
    for each in (*(module.router for module in modules), grant_router(), deny_router()):
        router.include_router(each)
    return router
