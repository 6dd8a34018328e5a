"""Environments of the servers that are compared: each its own, below ``benchmarks/.cache``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENTS", "Environment", "NotHere"]

_CACHE = Path(__file__).parent.parent / ".cache"
_LISTS = Path(__file__).parent / "requirements"


class NotHere(RuntimeError):
    """A server cannot be installed or run on this machine; says why."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, made by uv from ``requirements/NAME.txt`` when it is first needed.

    ``python`` is the interpreter's version; None is the one that runs the benchmark.
    """

    name: str
    python: str | None = None

    @property
    def folder(self) -> Path:
        """Where it is."""
        return _CACHE / self.name

    def bin(self, program: str) -> str:
        """A program of this environment, which is made if it is not there.

        Raises:
            NotHere: it cannot be made; the message is uv's last line.
        """
        wanted = (_LISTS / f"{self.name}.txt").read_text()
        done = self.folder / ".installed.txt"
        if not done.exists() or done.read_text() != wanted:
            self._make()
            done.write_text(wanted)
        return str(self.folder / "bin" / program)

    def _make(self) -> None:
        uv = Path(sys.executable).parent / "uv"
        found = str(uv) if uv.exists() else shutil.which("uv")
        if found is None:
            raise NotHere("uv is not there")
        python = str(self.folder / "bin" / "python")
        _run([found, "venv", "-q", "--clear", "--python", _interpreter(self.python),
              str(self.folder)])  # fmt: skip
        _run([found, "pip", "install", "-q", "--python", python,
              "-r", str(_LISTS / f"{self.name}.txt")])  # fmt: skip


def _interpreter(version: str | None) -> str:
    """A Python of this version: this one, one on the path, or one of pyenv's."""
    if version is None or sys.version.startswith(f"{version}."):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next((str(found) for found in pyenv.glob(f"{version}.*/bin/python")), version)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - uv
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise NotHere(f"uv {command[1]}: {said[-1]}")


ENVIRONMENTS = {
    each.name: each
    for each in (
        Environment("dbos"),
        Environment("agno"),
        Environment("langgraph"),
        Environment("aegra", python="3.12"),
        Environment("studio"),
        Environment("adk"),
    )
}
