"""The metadata tables of the last views, so that a query does not build them anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.semantic.metadata import MetadataResult, MetadataTables, Scalar
from saaf_autogen.semantic.view import SemanticView

__all__ = ["MetadataCache"]


@dataclass
class _Kept:
    tables: MetadataTables
    users: int = 0
    dropped: bool = False


class MetadataCache:
    """Metadata tables by what they show; equal views share one. For any number of threads.

    Args:
        size: how many are kept; what was used least is closed once nobody uses it.
        clock: for the deadline of queries.
    """

    def __init__(self, size: int = 16, *, clock: Clock | None = None) -> None:
        self._size = size
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def query(
        self, view: SemanticView, sql: str, parameters: Mapping[str, Scalar] | None = None
    ) -> MetadataResult:
        """One query on the tables of a view; arguments and errors as of ``MetadataTables``."""
        with self._tables(view) as tables:
            return tables.query(sql, parameters)

    def close(self) -> None:
        """Close all that nobody uses now, and the rest when they are left."""
        with self._lock:
            self._shrink(0)

    @contextmanager
    def _tables(self, view: SemanticView) -> Iterator[MetadataTables]:
        kept = self._take(view.fingerprint)
        if kept is None:
            kept = self._add(view.fingerprint, MetadataTables(view, clock=self._clock))
        try:
            yield kept.tables
        finally:
            with self._lock:
                kept.users -= 1
                _close_unused(kept)

    def _take(self, key: str) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                kept.users += 1
            return kept

    def _add(self, key: str, tables: MetadataTables) -> _Kept:
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                # Another thread was faster.
                tables.close()
                known.users += 1
                return known
            kept = self._kept[key] = _Kept(tables, users=1)
            self._shrink(self._size)
            return kept

    def _shrink(self, size: int) -> None:
        while len(self._kept) > size:
            _, oldest = self._kept.popitem(last=False)
            oldest.dropped = True
            _close_unused(oldest)


def _close_unused(kept: _Kept) -> None:
    if kept.dropped and not kept.users:
        kept.tables.close()
