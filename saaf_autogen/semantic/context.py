"""What a prompt needs of the semantic layer for one question, rendered to a token budget."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from saaf_autogen.embeddings import VectorLibrary
from saaf_autogen.errors import NotFound, SaafError
from saaf_autogen.semantic.questions import unmatched
from saaf_autogen.semantic.rendering import estimate_tokens, render
from saaf_autogen.semantic.retrieval import Retrieval, RetrievalIndex, ScoredQuery
from saaf_autogen.semantic.vectors import ViewVectors
from saaf_autogen.semantic.view import SemanticView

if TYPE_CHECKING:
    from saaf_autogen.embeddings.embedder import Vectors

__all__ = ["ContextBuilder", "context", "estimate_tokens"]

_LOG = logging.getLogger(__name__)
_QUERIES = 5
_MOST_VECTOR_BYTES = 256_000_000
_FAILED = "Found by full text alone: {0}"
_COMING = "Found by full text alone: the vectors are still being made."


class ContextBuilder:
    """Answers ``semantic.context``; keeps the search indexes of the last views by fingerprint.

    Full text answers at once. Vectors of a view are made beside it when it is first asked about,
    of what that view shows and nothing else; until they are there, and while the model fails,
    answers are by full text and say so.

    Args:
        library: makes and keeps vectors; None does without.
        size: how many indexes are kept; fewer where their vectors are large.
        patience_s: how long a question waits for vectors that are being made.
        question_s: how long it waits for its own vector.
        retry_s: how long a model that failed is left alone.
    """

    def __init__(
        self,
        library: VectorLibrary | None = None,
        *,
        size: int = 32,
        patience_s: float = 0.25,
        question_s: float = 3.0,
        retry_s: float = 30.0,
    ) -> None:
        self._library = library
        self._size = size
        self._patience_s = patience_s
        self._question_s = question_s
        self._retry_s = retry_s
        self._failure: tuple[float, str] | None = None
        self._lock = Lock()
        self._indexes: OrderedDict[str, RetrievalIndex] = OrderedDict()
        self._making: dict[str, asyncio.Task[None]] = {}
        # One view at a time: the next one finds most of its texts in the cache.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    def index(self, view: SemanticView) -> RetrievalIndex:
        """The search index of a view; equal views share one."""
        fingerprint = view.fingerprint
        with self._lock:
            found = self._indexes.get(fingerprint)
            if found is not None:
                self._indexes.move_to_end(fingerprint)
                return found
        built = RetrievalIndex(view)
        with self._lock:
            built = self._indexes.setdefault(fingerprint, built)
            self._indexes.move_to_end(fingerprint)
            self._drop_old()
        return built

    async def context(
        self,
        question: str,
        view: SemanticView,
        *,
        warehouse: str | None = None,
        token_budget: int = 1500,
    ) -> dict[str, Any]:
        """What a model should read before it writes SQL for a question.

        Args:
            question: the user's words.
            view: what the caller may see; nothing else is used.
            warehouse: only this one; None takes the one that the question fits best.
            token_budget: bound of ``text`` in estimated tokens.

        Returns:
            ``warehouse``, ``dialect``, ``text``, ``tables`` (names in SQL, best first),
            ``verified_queries``: the nearest, at most 5, each with name, question, sql, score (0 to
            1), parameters, and ``unmatched``: words and values of the question that it does not
            speak of; and ``retrieval``: whether ``vectors`` had a say, and if not, a ``note`` why.

        Raises:
            NotFound: ``warehouse`` has no visible table.
        """
        _check(view, warehouse)
        if not view.tables:
            return _nothing()
        index = await asyncio.to_thread(self.index, view)
        vector, note = await self._vector(index, question)
        return await asyncio.to_thread(
            _answer, index, question, warehouse, token_budget, vector, note
        )

    async def close(self) -> None:
        """Stop making vectors, and close the connections of this event loop."""
        loop = asyncio.get_running_loop()
        making, self._making = list(self._making.values()), {}
        for task in making:
            # Runs may ask in a loop of their own.
            if not task.get_loop().is_closed():
                task.get_loop().call_soon_threadsafe(task.cancel)
        ours = [task for task in making if task.get_loop() is loop]
        await asyncio.gather(*ours, return_exceptions=True)
        if self._library is not None:
            await self._library.close()

    async def _vector(
        self, index: RetrievalIndex, question: str
    ) -> tuple[Vectors | None, str | None]:
        """The question's vector, where the index has vectors too; else why there is none."""
        library = self._library
        if library is None:
            return None, None
        if (reason := self._failing()) is not None:
            return None, _FAILED.format(reason)
        if index.vectors is None:
            await self._wait(index, library)
        if index.vectors is None:
            reason = self._failing()
            return None, _COMING if reason is None else _FAILED.format(reason)
        try:
            async with asyncio.timeout(self._question_s):
                vector = await library.query(question)
        except TimeoutError:
            return None, _FAILED.format(self._fail("The embedding model took too long."))
        except SaafError as error:
            return None, _FAILED.format(self._fail(error.detail))
        if len(vector) != index.vectors.dimension:
            # The endpoint serves another model now: make them anew.
            index.vectors = None
            return None, _COMING
        return vector, None

    async def _wait(self, index: RetrievalIndex, library: VectorLibrary) -> None:
        fingerprint = index.view.fingerprint
        task = self._making.get(fingerprint)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(self._make(index, library))
            self._making[fingerprint] = task
            task.add_done_callback(lambda done: self._made(fingerprint, done))
        await asyncio.wait({task}, timeout=self._patience_s)

    async def _make(self, index: RetrievalIndex, library: VectorLibrary) -> None:
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn:
            try:
                index.vectors = await ViewVectors.of(index.view, library)
            except SaafError as error:
                self._fail(error.detail)
            except Exception:
                # A boundary: nobody awaits this task, and questions go on by full text.
                _LOG.exception("Vectors of the semantic layer could not be made.")
                self._fail("The embedding model failed.")
        with self._lock:
            self._drop_old()

    def _made(self, fingerprint: str, task: asyncio.Task[None]) -> None:
        if self._making.get(fingerprint) is task:
            del self._making[fingerprint]

    def _fail(self, reason: str) -> str:
        _LOG.warning("Contexts are found by full text alone: %s", reason)
        self._failure = (asyncio.get_running_loop().time() + self._retry_s, reason)
        return reason

    def _failing(self) -> str | None:
        """Why the model is left alone for now; None when it may be asked."""
        if self._failure is None or asyncio.get_running_loop().time() >= self._failure[0]:
            return None
        return self._failure[1]

    def _drop_old(self) -> None:
        """Let go of the oldest indexes; called under the lock."""
        total = sum(item.vectors.nbytes for item in self._indexes.values() if item.vectors)
        while len(self._indexes) > 1 and (
            len(self._indexes) > self._size or total > _MOST_VECTOR_BYTES
        ):
            _, dropped = self._indexes.popitem(last=False)
            total -= dropped.vectors.nbytes if dropped.vectors else 0


def context(
    question: str, view: SemanticView, token_budget: int = 1500, warehouse: str | None = None
) -> dict[str, Any]:
    """As ``ContextBuilder.context``, by full text alone, with an index for this one question."""
    _check(view, warehouse)
    if not view.tables:
        return _nothing()
    return _answer(RetrievalIndex(view), question, warehouse, token_budget, None, None)


def _check(view: SemanticView, warehouse: str | None) -> None:
    if warehouse is not None and warehouse not in view.warehouses:
        names = ", ".join(view.warehouses)
        raise NotFound(
            f"There is no warehouse {warehouse[:100]!r} with tables that you may see.",
            remedy=f"Visible warehouses: {names}." if names else "Ask an admin for a grant.",
        )


def _nothing() -> dict[str, Any]:
    return {
        "warehouse": None,
        "dialect": None,
        "text": "No table is visible to you.",
        "tables": [],
        "verified_queries": [],
        "retrieval": {"vectors": False, "note": None},
    }


def _answer(
    index: RetrievalIndex,
    question: str,
    warehouse: str | None,
    token_budget: int,
    vector: Vectors | None,
    note: str | None,
) -> dict[str, Any]:
    found = index.search(question, warehouse, vector)
    first = found.tables[0]
    return {
        "warehouse": first.warehouse,
        "dialect": first.dialect,
        "text": render(index.view, found, token_budget),
        "tables": [table.sql_name for table in found.tables],
        "verified_queries": [
            _scored(found, item) for item in found.queries[:_QUERIES] if item.score > 0
        ],
        "retrieval": {"vectors": found.vectors, "note": note},
    }


def _scored(found: Retrieval, item: ScoredQuery) -> dict[str, Any]:
    return {
        "name": item.query.name,
        "question": item.query.question,
        "questions": list(item.query.questions),
        "sql": item.query.sql,
        "score": round(item.score, 4),
        "unmatched": list(unmatched(found.question, item.wording)),
        "parameters": item.query.to_dict()["parameters"],
    }
