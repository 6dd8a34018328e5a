"""What a prompt needs of the semantic layer for one question, rendered to a token budget."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from saaf_autogen.errors import NotFound
from saaf_autogen.semantic.questions import unmatched
from saaf_autogen.semantic.rendering import estimate_tokens, render
from saaf_autogen.semantic.retrieval import Retrieval, RetrievalIndex, ScoredQuery
from saaf_autogen.semantic.view import SemanticView

__all__ = ["ContextBuilder", "context", "estimate_tokens"]

_QUERIES = 5


class ContextBuilder:
    """Answers ``semantic.context``; keeps the search indexes of the last views by fingerprint.

    Args:
        size: how many indexes are kept.
    """

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._lock = Lock()
        self._indexes: OrderedDict[str, RetrievalIndex] = OrderedDict()

    def index(self, view: SemanticView) -> RetrievalIndex:
        """The search index of a view; equal views share one."""
        with self._lock:
            found = self._indexes.get(view.fingerprint)
            if found is not None:
                self._indexes.move_to_end(view.fingerprint)
                return found
        built = RetrievalIndex(view)
        with self._lock:
            self._indexes[view.fingerprint] = built
            while len(self._indexes) > self._size:
                self._indexes.popitem(last=False)
        return built

    def context(
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
            ``warehouse``, ``dialect``, ``text``, ``tables`` (names in SQL, best first) and
            ``verified_queries``: the nearest, at most 5, each with name, question, sql, score (0 to
            1), parameters, and ``unmatched``: words and values of the question that it does not
            speak of.

        Raises:
            NotFound: ``warehouse`` has no visible table.
        """
        if warehouse is not None and warehouse not in view.warehouses:
            names = ", ".join(view.warehouses)
            raise NotFound(
                f"There is no warehouse {warehouse[:100]!r} with tables that you may see.",
                remedy=f"Visible warehouses: {names}." if names else "Ask an admin for a grant.",
            )
        if not view.tables:
            return {
                "warehouse": None,
                "dialect": None,
                "text": "No table is visible to you.",
                "tables": [],
                "verified_queries": [],
            }
        found = self.index(view).search(question, warehouse)
        first = found.tables[0]
        return {
            "warehouse": first.warehouse,
            "dialect": first.dialect,
            "text": render(view, found, token_budget),
            "tables": [table.sql_name for table in found.tables],
            "verified_queries": [
                _scored(found, item) for item in found.queries[:_QUERIES] if item.score > 0
            ],
        }


def context(
    question: str, view: SemanticView, token_budget: int = 1500, warehouse: str | None = None
) -> dict[str, Any]:
    """As ``ContextBuilder.context``, with an index that is built for this one question."""
    builder = ContextBuilder(size=1)
    return builder.context(question, view, warehouse=warehouse, token_budget=token_budget)


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
