"""Kills processes at random points of the work, and starts them again as a supervisor would."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.chance import chance
from tests.chaos.ledger import Moment
from tests.chaos.nodes import Node
from tests.chaos.store import HeldRun, Store

__all__ = ["Kill", "Killer"]

_PAUSE_S = (0.1, 1.0)
_LATE_S = 0.3
_LOOK_S = 0.1


@dataclass(frozen=True)
class Kill:
    """A process was killed: when, at which moment, and what it held."""

    node: str
    moment: str
    at: float
    held: list[HeldRun] = field(default_factory=list)


class Killer:
    """``watch`` counts what happens in the world outside; after a random number, somebody dies.

    That is in the middle of a model call, right before an effect, or right after one, before its
    answer; in every third case a moment later, wherever the process then is. Most wait until the
    one that died before is back; every fifth does not.

    Args:
        seed: of all choices.
        kills: how many there shall be.
        gap: how many moments lie between two of them, on average.
    """

    def __init__(self, seed: int, kills: int, gap: float) -> None:
        self.kills: list[Kill] = []
        self._random = chance(seed, "killer")
        self._wanted = self._left = kills
        self._gap = gap
        self._count = 0
        self._lock = threading.Lock()
        self._nodes: Sequence[Node] = ()
        self._store: Store | None = None
        self._next = 0
        self._hasty = False
        self._starting: list[threading.Thread] = []

    @property
    def is_done(self) -> bool:
        """Whether there were as many kills as there shall be."""
        struck = len(self.kills) == self._wanted
        return struck and not any(each.is_alive() for each in self._starting)

    def begin(self, nodes: Sequence[Node], store: Store) -> None:
        """From now on."""
        with self._lock:
            self._nodes, self._store = nodes, store
            self._draw()

    def pause(self) -> None:
        """No more of them until it begins again; returns when all that died were started."""
        with self._lock:
            self._store = None
        while any(each.is_alive() for each in self._starting):
            time.sleep(0.05)

    def watch(self, moment: Moment) -> None:
        """A moment in the world outside."""
        with self._lock:
            self._count += 1
            if self._store is None or self._left == 0 or self._count < self._next:
                return
            if not self._hasty and any(each.is_alive() for each in self._starting):
                return
            alive = [node for node in self._nodes if node.is_alive]
            if not alive:
                return
            # Those that execute runs die four times as often as those that only host.
            weights = [4 if node.executes else 1 for node in alive]
            node = self._random.choices(alive, weights)[0]
            later = self._random.random() < 1 / 3
            self._left -= 1
            self._draw()
            store = self._store
            pause = self._random.uniform(0, _LATE_S)
        if later:
            threading.Timer(pause, self._kill, (store, node, "later")).start()
        else:
            self._kill(store, node, moment)

    def _kill(self, store: Store, node: Node, moment: str) -> None:
        at = time.time()
        node.kill()
        held = store.held_by(node.pid) if node.executes else []
        again = threading.Thread(target=self._again, args=(store, node), daemon=True)
        self._starting.append(again)
        again.start()
        self.kills.append(Kill(node.name, moment, at, held))

    def _again(self, store: Store, node: Node) -> None:
        time.sleep(chance(node.name, len(node.started)).uniform(*_PAUSE_S))
        node.start()
        while node.is_alive and not node.answers():
            time.sleep(_LOOK_S)
        while node.is_alive and node.executes and store.worker_of(node.pid) is None:
            time.sleep(_LOOK_S)
        with self._lock:
            self._draw()

    def _draw(self) -> None:
        self._hasty = self._random.random() < 1 / 5
        self._next = self._count + max(1, round(self._gap * self._random.uniform(0.4, 1.5)))
