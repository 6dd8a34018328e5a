"""Writing files whole or not at all, and never over what a person wrote."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from saaf_autogen.errors import ConfigurationError

__all__ = ["file_name", "write_new"]

_OTHERS = re.compile(r"[^\w.-]+")


def file_name(name: str, suffix: str) -> str:
    """The name of a file for a model: one part of a path, whatever the model is called."""
    return f"{_OTHERS.sub('_', name).strip('._-')[:80] or 'model'}{suffix}"


def write_new(file: Path, text: str, *, force: bool = False) -> None:
    """Write a file at once: readers see the old one or the new one, never a part.

    Raises:
        ConfigurationError: it exists and ``force`` is not given, or its folder takes no files.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written: {error.strerror}.", remedy="Choose another place."
        ) from error
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(0o644)
        if force:
            draft.replace(file)
        else:
            # A link fails where the name is taken, however late someone took it.
            os.link(draft, file)
    except FileExistsError as error:
        remedy = "Choose another --output, or pass --force to replace it."
        raise ConfigurationError(f"{file} exists.", remedy=remedy) from error
    finally:
        draft.unlink(missing_ok=True)
