"""The composition root: a deployment folder becomes a working host.

``deployment.py`` reads and checks the folder, ``project.py`` wires it up. Each name is loaded when
it is first asked for: commands that only look for the folder need not wait for AutoGen.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saaf_autogen.project.deployment import Deployment, check_deployment, read_deployment
    from saaf_autogen.project.discovery import find_project
    from saaf_autogen.project.project import Project

_HOMES = {
    "Deployment": "saaf_autogen.project.deployment",
    "Project": "saaf_autogen.project.project",
    "check_deployment": "saaf_autogen.project.deployment",
    "find_project": "saaf_autogen.project.discovery",
    "read_deployment": "saaf_autogen.project.deployment",
}

__all__ = ["Deployment", "Project", "check_deployment", "find_project", "read_deployment"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
