"""Plans that were made before.

A plan is used again only where everything that it was made from is the same: the text, the most
rows, the kinds of the parameters, what each table's name meant, and all that the policy says of
the tables it reads. So a changed grant, or another caller with other grants, makes a new plan.
Values of parameters are never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from threading import Lock

from saaf_autogen.semantic.vocabulary import Vocabulary
from saaf_autogen.sql.guard.plan import Plan, VisibleTable

__all__ = ["MadePlan", "PlanCache"]

_MAX_VARIANTS = 8


@dataclass(frozen=True)
class MadePlan:
    """A plan and what it was made from.

    Attributes:
        plan: with the values of row policies and masks, and none of the caller's.
        callers: the caller's parameters, by the names that they have in the plan.
        lookups: what each name of a table meant: from catalog, schema and name.
        tables: the tables that it reads.
        vocabulary: the names of the semantic layer that it could use.
        reusable: whether no value of the caller's became part of its text, as that of LIMIT does.
    """

    plan: Plan
    callers: Mapping[str, str]
    lookups: Mapping[tuple[str, str, str], str | None]
    tables: Mapping[str, VisibleTable]
    vocabulary: Vocabulary
    reusable: bool = True

    def holds(
        self,
        find: Callable[[str, str, str], str | None],
        visible: Mapping[str, VisibleTable],
        vocabulary: Vocabulary,
    ) -> bool:
        """Whether it would be made again."""
        return (
            self.vocabulary == vocabulary
            and all(find(*name) == found for name, found in self.lookups.items())
            and all(_same(table, visible.get(name)) for name, table in self.tables.items())
        )


class PlanCache:
    """The plans that were used last, for any number of threads.

    Args:
        size: the most texts to keep, each with a few plans for different callers.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._plans: OrderedDict[Hashable, tuple[MadePlan, ...]] = OrderedDict()

    def get(self, key: Hashable) -> tuple[MadePlan, ...]:
        """Plans of that key, the newest first."""
        with self._lock:
            found = self._plans.get(key, ())
            if found:
                self._plans.move_to_end(key)
            return found

    def put(self, key: Hashable, made: MadePlan) -> None:
        """Keep a plan, and forget what was used least."""
        with self._lock:
            self._plans[key] = (made, *self._plans.get(key, ()))[:_MAX_VARIANTS]
            self._plans.move_to_end(key)
            while len(self._plans) > self._size:
                self._plans.popitem(last=False)


def _same(one: VisibleTable, two: VisibleTable | None) -> bool:
    # By their texts, too: to Python 1, 1.0 and True are equal, to an engine they are not.
    return one is two or (one == two and repr(one.access) == repr(two.access))
