"""Workers of one machine see at once when one of them is dead: its lock on a file is gone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there, a dead worker's lease runs out
    fcntl = None  # type: ignore[assignment]  # the module or nothing

__all__ = ["Presence"]


def _this_machine() -> str:
    """A name for this machine since its start, the same in all of its containers."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{uuid.getnode():x}"


class Presence:
    """A folder with a locked file for each living worker of this machine.

    The system opens a lock when its process dies, and not while it is merely stopped. Where
    machines share a folder, locks may hold within each alone: so each has one of its own in it.

    Args:
        folder: where workers show themselves; None: nobody does, nor is known to be dead.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder / _this_machine() if folder and fcntl else None
        self._shown: dict[str, int] = {}

    def show(self, worker_id: str) -> None:
        """Lock this worker's file."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path(worker_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._shown[worker_id] = handle

    def hide(self, worker_id: str) -> None:
        """Unlock and remove this worker's file."""
        handle = self._shown.pop(worker_id, None)
        if handle is not None:
            self._path(worker_id).unlink(missing_ok=True)
            os.close(handle)

    def dead(self, worker_ids: Iterable[str]) -> list[str]:
        """Those workers that lived on this machine and are dead."""
        return [each for each in worker_ids if each not in self._shown and self._is_dead(each)]

    def _is_dead(self, worker_id: str) -> bool:
        if self._folder is None:
            return False
        try:
            handle = os.open(self._path(worker_id), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False  # it lives elsewhere, or left in good order
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True

    def forget(self, worker_ids: Iterable[str]) -> None:
        """Remove the files of workers that were given up."""
        for worker_id in worker_ids:
            if self._folder is not None and worker_id not in self._shown:
                self._path(worker_id).unlink(missing_ok=True)

    def _path(self, worker_id: str) -> Path:
        return (self._folder or Path()) / f"{worker_id}.lock"
