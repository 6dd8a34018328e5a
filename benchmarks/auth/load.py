"""A small HTTP/1.1 load generator: one request over and over, on a few kept connections.

It runs as a process of its own, so that what it costs is not counted as the host's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Figures", "drive"]


@dataclass(frozen=True)
class Figures:
    """One round: requests a second, and latencies in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


async def drive(port: int, request: bytes, *, seconds: float, connections: int) -> Figures:
    """Send the request until the time is over; every answer must be 200."""
    took: list[float] = []
    ends = time.perf_counter() + seconds
    began = time.perf_counter()
    await asyncio.gather(*(_worker(port, request, ends, took) for _ in range(connections)))
    elapsed = time.perf_counter() - began
    took.sort()
    return Figures(
        rate=len(took) / elapsed,
        p50_ms=1000 * took[len(took) // 2],
        p99_ms=1000 * took[int(len(took) * 0.99)],
    )


async def _worker(port: int, request: bytes, ends: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (sent := time.perf_counter()) < ends:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(f"an answer was not 200: {head[:200]!r}")
            lowered = head.lower()
            start = lowered.index(b"content-length:") + len(b"content-length:")
            await reader.readexactly(int(lowered[start : lowered.index(b"\r\n", start)]))
            took.append(time.perf_counter() - sent)
    finally:
        writer.close()


def main() -> None:
    """``python -m benchmarks.auth.load PORT SECONDS CONNECTIONS REQUEST_FILE``: JSON on stdout."""
    port, seconds, connections, file = sys.argv[1:]
    figures = asyncio.run(
        drive(
            int(port),
            Path(file).read_bytes(),
            seconds=float(seconds),
            connections=int(connections),
        )
    )
    sys.stdout.write(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
