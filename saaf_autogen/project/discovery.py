"""Finding the deployment folder."""

from __future__ import annotations

import os
from pathlib import Path

from saaf_autogen.errors import ConfigurationError

__all__ = ["CONFIG_FILE", "PROJECT_VARIABLE", "find_project"]

CONFIG_FILE = "saaf.yaml"
PROJECT_VARIABLE = "SAAF_PROJECT"


def find_project(start: str | Path | None = None) -> Path:
    """The deployment folder: ``start``, else ``$SAAF_PROJECT``, else the nearest one upward.

    A folder given by name must hold ``saaf.yaml`` itself or below one that does.
    """
    given = start if start is not None else os.environ.get(PROJECT_VARIABLE)
    folder = Path(given or ".").expanduser().resolve()
    if folder.is_file() and folder.name == CONFIG_FILE:
        return folder.parent
    for candidate in (folder, *folder.parents):
        if (candidate / CONFIG_FILE).is_file():
            return candidate
    raise ConfigurationError(
        f"There is no {CONFIG_FILE} in {folder} or above it.",
        remedy=f"Go to a deployment folder, pass --project FOLDER, or set {PROJECT_VARIABLE}.",
    )
