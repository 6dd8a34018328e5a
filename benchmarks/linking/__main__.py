"""Measures which tables are found for a question. Run: python -m benchmarks.linking."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from benchmarks.linking.datasets import CACHE, DATASETS, read, widened
from benchmarks.linking.measure import Row, measure_dataset, measure_time
from saaf_autogen.embeddings import LocalEmbedder, VectorCache, VectorLibrary

HEAD = (
    "| | recall@10 | all gold@10 | all gold in the text | tokens, median |\n|---|---|---|---|---|"
)


def main() -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.linking",
        description="Schema linking without an LLM: are the tables of the gold SQL found?",
        epilog="Where the data is from: benchmarks/linking/README.md",
    )
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help=f"of {', '.join(DATASETS)}")
    parser.add_argument("--limit", type=int, help="so many questions, spread evenly")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of verified queries")
    parser.add_argument("--threads", type=int, default=1, help="of the embedding model")
    parser.add_argument(
        "--time", type=int, default=300, help="questions over 1,000 tables; 0: none"
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of the data")
    arguments = parser.parse_args()
    try:
        asyncio.run(_run(arguments))
    except FileNotFoundError as error:
        print(f"{error.filename} is missing: see benchmarks/linking/README.md", file=sys.stderr)
        return 1
    return 0


async def _run(arguments: argparse.Namespace) -> None:
    cache = VectorCache(arguments.cache / "linking" / "vectors.sqlite")
    library = VectorLibrary(LocalEmbedder(arguments.threads), cache)
    for name in arguments.datasets or ("spider", "bird"):
        dataset = read(name, arguments.cache, arguments.limit)
        print(f"\n**{name}**: {len(dataset.questions)} questions, {len(dataset.tables)} tables\n")
        print(HEAD)
        for row in await measure_dataset(dataset, library, arguments.seed):
            print(_line(row), flush=True)
    if arguments.time:
        wide = widened(read("spider", arguments.cache, arguments.time), tables=1_000, columns=20)
        times = await measure_time(wide, library, arguments.time)
        print("\n| 1,000 tables of 20 columns | p50, ms | p95, ms |\n|---|---|---|")
        for title, (median, slow) in (("clock", times.clock), ("processor", times.processor)):
            print(f"| a context, {title} | {median * 1e3:.1f} | {slow * 1e3:.1f} |")
        print(f"\nThe full-text index of one caller is built in {times.built:.2f} s.")


def _line(row: Row) -> str:
    shown = "" if row.shown is None else f"{row.shown:.3f}"
    tokens = "" if row.tokens is None else f"{row.tokens:.0f}"
    return f"| {row.method} | {row.recall:.3f} | {row.complete:.3f} | {shown} | {tokens} |"


if __name__ == "__main__":
    sys.exit(main())
