"""Many runs at once, each an order whose effects are known, and what must be true of them all."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from saaf_autogen.runs.model import TERMINAL
from tests.chaos import checks
from tests.chaos.report import Report
from tests.chaos.script import MOVES, SHAPES, steps_of
from tests.chaos.site import Site
from tests.chaos.store import OpenQuestion

__all__ = ["Crowd"]

_LOOK_S = 0.2


class Crowd:
    """Submits orders, answers what they ask, waits for their ends, and looks at what came of them.

    Attributes:
        runs: each order's run.
        answered: how many questions were answered, by resolution.
    """

    def __init__(self, site: Site, name: str, *, shapes: Sequence[str] = SHAPES) -> None:
        self.site = site
        self.name = name
        self.shapes = tuple(shapes)
        self.runs: dict[str, str] = {}
        self.answered: Counter[str] = Counter()
        self._references: dict[str, list[Any]] = {}
        self._submitting: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._done: set[str] = set()

    def learn(self) -> None:
        """What each shape's run is when nothing disturbs it."""
        for shape in self.shapes:
            order = f"{self.name}-ref-{shape}"
            self._submit(order, shape)
            self.settle(60)
            events = self.site.caller.events(self.runs[order])
            assert events[-1]["type"] == "run.completed", (shape, events[-1])
            self._references[shape] = checks.story(events, order)
            assert len(self._references[shape]) >= sum(map(len, MOVES[shape].values())), shape

    def submit(
        self, count: int, *, at_once: int = 48, until: Callable[[], bool] = lambda: True
    ) -> None:
        """Begin to submit so many more, with at most ``at_once`` that have not ended.

        There are more than ``count`` when it is not ``until`` by then.
        """
        self._submitting = threading.Thread(
            target=self._submit_all, args=(count, at_once, until), daemon=True
        )
        self._submitting.start()

    def settle(
        self, within_s: float, *, also: Callable[[], bool] = lambda: True, look_s: float = _LOOK_S
    ) -> bool:
        """Answer questions until all are submitted and ended; False when that takes too long."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self.answer()
            if self._fault is not None:
                raise self._fault
            submitting = self._submitting is not None and self._submitting.is_alive()
            if not submitting and also() and not self.open_count():
                return True
            time.sleep(look_s)
        return False

    def answer(self) -> None:
        """Answer each question whose answer the world outside shows."""
        for question in self.site.store.questions():
            self._answer(question)

    def open_count(self) -> int:
        """How many runs have not ended."""
        statuses = self.site.store.statuses()
        return sum(count for status, count in statuses.items() if status not in TERMINAL)

    def called_back(self, within_s: float) -> bool:
        """Wait until every run was called back."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            taken = {each.run for each in self.site.callbacks.deliveries if each.taken}
            if taken.issuperset(self.runs.values()):
                return True
            time.sleep(_LOOK_S)
        return False

    def examine(self, report: Report, campaign: str) -> None:
        """Note everything that must be true once all is quiet."""
        site, store = self.site, self.site.store
        rows = store.runs()
        statuses = {run: str(row["status"]) for run, row in rows.items()}
        report.add(campaign, "runs", len(self.runs))
        faults = checks.run_faults(self.runs.values(), statuses)
        report.none(campaign, "runs lost, stuck or failed", faults)
        expected = {order: steps_of(self.shape_of(order)) for order in self.runs}
        report.add(campaign, "effects", len(site.ledger.effects))
        report.none(
            campaign, "effects not exactly once",
            checks.effect_faults(expected, site.ledger.effects),
        )  # fmt: skip
        report.add(
            campaign, "effects asked for again, and not done again",
            len(site.ledger.attempts) - len(site.ledger.effects),
        )  # fmt: skip
        events, faults = store.events(), []
        for order, run in self.runs.items():
            told = [
                {**event, "data": checks.renamed(event["data"], order)}
                for event in events.get(run, [])
            ]
            if told:
                reference = self._references.get(self.shape_of(order))
                faults += checks.log_faults(f"{run} ({order})", told, reference)
        report.none(campaign, "logs with gaps, repeats or another story", faults)
        deliveries = site.callbacks.deliveries
        repeated = len(deliveries) - len({each.id for each in deliveries})
        report.add(campaign, "callbacks that came again, under the same id", repeated)
        faults = checks.callback_faults(self.runs.values(), deliveries)
        report.none(campaign, "callbacks missing or wrong", faults)
        report.add(campaign, "questions about outcomes answered", dict(self.answered))

    def shape_of(self, order: str) -> str:
        """The shape of an order's run."""
        return order.rsplit("-", 1)[1]

    def _submit_all(self, count: int, at_once: int, until: Callable[[], bool]) -> None:
        try:
            first = len(self.runs)
            for number in itertools.count(first):
                if number >= first + count and until():
                    return
                while self.open_count() >= at_once:
                    time.sleep(_LOOK_S / 4)
                shape = self.shapes[number % len(self.shapes)]
                self._submit(f"{self.name}-{number:04d}-{shape}", shape)
        except BaseException as fault:
            # A boundary of threads: the one who waits raises it.
            self._fault = fault

    def _submit(self, order: str, shape: str) -> None:
        self.runs[order] = self.site.caller.run(
            shape, f"order={order}", order, webhook=self.site.callbacks.url
        )

    def _answer(self, question: OpenQuestion) -> None:
        if question.id in self._done or question.kind != "outcome_unknown":
            return
        order, step = (str(question.data["arguments"][name]) for name in ("order", "step"))
        if not self.site.ledger.is_quiet(order, step):
            return
        receipt = self.site.ledger.look(order, step)
        resolution = "retry" if receipt is None else "done"
        body = {"question_id": question.id, "resolution": resolution}
        body |= {"value": receipt} if receipt else {}
        path = f"/v1/runs/{question.run}/input"
        key = f"{question.id}-answer"
        try:
            self.site.caller.insist("POST", path, body, key=key, within_s=30)
        except AssertionError:
            # The first try may have got through although its answer was lost.
            if any(each.id == question.id for each in self.site.store.questions()):
                raise
        self._done.add(question.id)
        self.answered[resolution] += 1
