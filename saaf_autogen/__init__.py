"""SAAF for AutoGen: the Secure Agent Augmentation Framework.

What users import stands here; each name is loaded when it is first asked for, so that
``import saaf_autogen`` stays fast (AutoGen alone takes seconds).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saaf_autogen.actions.context import ActionContext
    from saaf_autogen.actions.declaration import action
    from saaf_autogen.auth.principal import Principal
    from saaf_autogen.client import Client, Run
    from saaf_autogen.errors import SaafError
    from saaf_autogen.teams.models import ModelClient
    from saaf_autogen.teams.offline import OfflineModel
    from saaf_autogen.teams.workbench import ActionWorkbench

__version__ = "0.1.0"

_HOMES = {
    "ActionContext": "saaf_autogen.actions.context",
    "ActionWorkbench": "saaf_autogen.teams.workbench",
    "Client": "saaf_autogen.client",
    "ModelClient": "saaf_autogen.teams.models",
    "OfflineModel": "saaf_autogen.teams.offline",
    "Principal": "saaf_autogen.auth.principal",
    "Run": "saaf_autogen.client",
    "SaafError": "saaf_autogen.errors",
    "action": "saaf_autogen.actions.declaration",
}

__all__ = [
    "ActionContext",
    "ActionWorkbench",
    "Client",
    "ModelClient",
    "OfflineModel",
    "Principal",
    "Run",
    "SaafError",
    "__version__",
    "action",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
