"""Submitters that have one run done after the other, in a process of its own.

``python -m benchmarks.runs.load`` reads an ``Order`` as JSON from stdin and writes ``Figures``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.runs.flows import FLOWS, Flow
from benchmarks.runs.wire import Unexpected

__all__ = ["Figures", "Order", "drive"]

_PATIENCE_S = 60
_FAULTS = (Unexpected, OSError, asyncio.IncompleteReadError, TimeoutError, ValueError, KeyError)


@dataclass(frozen=True)
class Order:
    """What to send: a flow of ``flows.py``, to a port, by so many submitters, for so long.

    ``warm`` runs are done before and not counted.
    """

    flow: str
    port: int
    submitters: int
    seconds: float
    warm: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """What came of it: latencies in milliseconds, runs a second, CPU of the load in ms a run."""

    done: int
    failed: int
    rate: float
    p50_ms: float
    p95_ms: float
    load_cpu_ms: float
    fault: str = ""


async def drive(order: Order) -> Figures:
    """Carry an order out."""
    flows = [FLOWS[order.flow](order.port, order.given) for _ in range(order.submitters)]
    if order.warm:
        each = -(-order.warm // order.submitters)
        await asyncio.gather(*(_submit(flow, time.perf_counter() + 60, each) for flow in flows))
    before, began = _cpu_s(), time.perf_counter()
    ends = began + order.seconds
    results = await asyncio.gather(*(_submit(flow, ends) for flow in flows))
    elapsed, cpu = time.perf_counter() - began, _cpu_s() - before
    took = sorted(ms for part, _ in results for ms in part)
    faults = [fault for _, part in results for fault in part]
    if not took:
        return Figures(0, len(faults), 0, 0, 0, 0, next(iter(faults), ""))
    return Figures(
        done=len(took),
        failed=len(faults),
        rate=len(took) / elapsed,
        p50_ms=took[len(took) // 2],
        p95_ms=took[int(len(took) * 0.95)],
        load_cpu_ms=1000 * cpu / len(took),
        fault=next(iter(faults), ""),
    )


async def _submit(
    flow: Flow, ends: float, most: int | None = None
) -> tuple[list[float], list[str]]:
    took: list[float] = []
    faults: list[str] = []
    while (began := time.perf_counter()) < ends and (most is None or len(took) < most):
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await flow.run()
        except _FAULTS as error:
            faults.append(f"{type(error).__name__}: {error}"[:400])
            if len(faults) > 20:
                break
        else:
            took.append(1000 * (time.perf_counter() - began))
    return took, faults


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Read the order, write the figures."""
    order = Order(**json.load(sys.stdin))
    sys.stdout.write(json.dumps(asdict(asyncio.run(drive(order)))))


if __name__ == "__main__":
    main()
