"""Vectors on disk by the hash of what they are of. Losing it costs time and nothing else."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]

__all__ = ["VectorCache", "vector_key"]

_LOG = logging.getLogger(__name__)
_BUSY_S = 5.0
_KEYS_AT_ONCE = 500
_SCHEMA = """CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL, crc INTEGER NOT NULL)"""


def vector_key(model: str, text: str) -> bytes:
    """SHA-256 over a model's identity and a text."""
    return hashlib.sha256(model.encode() + b"\0" + text.encode("utf-8", "surrogatepass")).digest()


class VectorCache:
    """A SQLite file of vectors that several processes may share.

    Whatever is wrong with the file, ``get`` finds less and ``put`` keeps nothing: a file that is
    damaged is put away and made anew, a vector that is damaged is as if it were not there.

    Args:
        path: the file; its folder is made.
        most: vectors kept; the oldest go first.
    """

    def __init__(self, path: Path, *, most: int = 200_000) -> None:
        self._path = path
        self._most = most

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """The vectors that are kept, float32 of shape (dimension,), by their keys."""
        import numpy as np

        found: dict[bytes, Vector] = {}
        try:
            with closing(self._open()) as connection:
                for start in range(0, len(keys), _KEYS_AT_ONCE):
                    chosen = list(keys[start : start + _KEYS_AT_ONCE])
                    marks = ",".join("?" * len(chosen))
                    rows = connection.execute(
                        f"SELECT key, vector, crc FROM vectors WHERE key IN ({marks})",  # noqa: S608 - only marks
                        chosen,
                    )
                    for key, vector, crc in rows:
                        if isinstance(vector, bytes) and _checksum(vector) == crc:
                            found[bytes(key)] = np.frombuffer(vector, "<f4")
        except (sqlite3.Error, OSError) as error:
            self._recover(error)
        return found

    def put(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keep vectors."""
        rows = list(_rows(vectors.items()))
        try:
            with closing(self._open()) as connection, connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO vectors (key, vector, crc) VALUES (?, ?, ?)", rows
                )
                connection.execute(
                    "DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?",
                    (self._most,),
                )
        except (sqlite3.Error, OSError) as error:
            self._recover(error)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(self._path, timeout=_BUSY_S)
        try:
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _recover(self, error: Exception) -> None:
        """A damaged file, or one of another shape, is removed; a busy or full disk is let be."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            _LOG.warning("The cache of vectors %s is damaged and is made anew.", self._path)
            for suffix in ("", "-journal"):
                with suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink()
        else:
            _LOG.warning("The cache of vectors %s cannot be used: %s", self._path, error)


def _rows(vectors: Iterable[tuple[bytes, Vector]]) -> Iterable[tuple[bytes, bytes, int]]:
    for key, vector in vectors:
        content = vector.astype("<f4").tobytes()
        yield key, content, _checksum(content)


def _checksum(content: bytes) -> int:
    return zlib.crc32(content)
