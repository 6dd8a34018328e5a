"""Both benchmarks of the guard: TPC-H, then the benign queries."""

from __future__ import annotations

import argparse

from benchmarks.guard import benign, tpch


def main(arguments: list[str] | None = None) -> int:
    """Run both; the exit code tells whether either found something wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.guard",
        description=__doc__,
        epilog="Each has options of its own: python -m benchmarks.guard.tpch --help, "
        "python -m benchmarks.guard.benign --help.",
    )
    parser.parse_args(arguments)
    return tpch.main([]) | benign.main([])


if __name__ == "__main__":
    raise SystemExit(main())
