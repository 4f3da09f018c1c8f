"""Every allowed combination of the family's parts, trained for a few iterations at the smallest
size; one line each.

    python benchmarks/variants.py [--full] [--shard I/N]

Without ``--full`` it is the covering set of pairs that the tests run. With it, the full product:
hours on two cores, so shards can be spread over machines. The exit code is 1 where a combination
fails. The combinations are those of ``tests/family.py``.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tests"))

import family as of  # pyright: ignore[reportMissingImports]
import jax


def shard_of(text: str) -> tuple[int, int]:
    """Return ``2/8`` as (2, 8)."""
    first, _, second = text.partition("/")
    if not (first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second)):
        raise argparse.ArgumentTypeError(f"{text}: must be I/N with 1 <= I <= N")
    return int(first), int(second)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="the full product instead of the covering set"
    )
    parser.add_argument(
        "--shard", type=shard_of, default=(1, 1), metavar="I/N", help="the I-th of N parts"
    )
    given = parser.parse_args()
    product, allowed, covering = (
        math.prod(len(values) for values in of.AXES.values()),
        of.allowed(),
        of.covering(),
    )
    print(
        (
            f"{len(of.AXES)} axes, {product} combinations, {len(allowed)} "
            f"allowed, {len(covering)} cover every pair"
        ),
        flush=True,
    )
    number, shards = given.shard
    chosen, failures, began = (
        (allowed if given.full else covering)[number - 1 :: shards],
        0,
        time.perf_counter(),
    )
    for combination in chosen:
        since = time.perf_counter()
        try:
            of.play(combination)
            verdict = "ok"
        except Exception:  # a line for each, whatever went wrong with it
            failures, verdict = failures + 1, "FAILS"
            traceback.print_exc()
        print(
            f"{verdict:5} {time.perf_counter() - since:5.1f} s  {' '.join(combination)}", flush=True
        )
        jax.clear_caches()
    print(f"{len(chosen) - failures} of {len(chosen)} train; {time.perf_counter() - began:.0f} s")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
