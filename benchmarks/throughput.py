"""Requests per second of simulation, against the same system written by hand in bare simpy.

Zipf(0.9) keys, 1,000 requests/s, TTL 10 s, 20 connections of 50 ms, over two key sets: hot data (100 keys, 99 % hits)
and a shop (10,000 keys, 67 % hits). Each pattern is held against a bare model of the same thing: without round trips
for the in-process pattern, with the same round trips for cache-aside. Runs alternate, and the ratio is the median over
the pairs, so that a drifting machine does not decide it.
"""

from __future__ import annotations

import gc
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import cachesim as cs
from benchmarks.bare import bare

SECONDS, PAIRS = 100.0, 7
TARGETS = {"in-process": 1.0 if sys.version_info >= (3, 12) else 0.7, "cache-aside": 0.5}


def scenario(pattern: str, round_trip: float, keys: int = 10_000) -> cs.Scenario:
    """One pattern in front of the same database."""
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=1000),
        keys=cs.keys.Zipf(n=keys, alpha=0.9),
        cache=cs.Pattern(pattern, ttl=10),
        database=cs.Database(latency=cs.latency.Exponential(0.05), connections=20),
        redis=cs.Redis(round_trip=round_trip),
        duration=SECONDS,
    )


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one run, garbage collected before."""
    gc.collect()
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    """Print requests per second and ratios."""
    write = sys.stdout.write
    write(f"throughput, Python {platform.python_version()}, medians of {PAIRS} pairs\n")
    write(f"  {'':24}{'(a) bare simpy':>16}{'simulated':>14}    ratio\n")
    for letter, pattern, round_trip in (("b", "in-process", 0.0), ("c", "cache-aside", 0.0005)):
        for name, keys in (("hot data", 100), ("shop", 10_000)):
            system = scenario(pattern, round_trip, keys)
            pairs = [(seconds(partial(bare, system)), seconds(partial(cs.simulate, system))) for _ in range(PAIRS)]
            n = SECONDS * 1000
            by_hand, simulated = (n / median(column) for column in zip(*pairs, strict=True))
            ratio = median(a / b for a, b in pairs)
            write(f"  ({letter}) {pattern}, {name:{19 - len(pattern)}}{by_hand:12,.0f}/s{simulated:12,.0f}/s")
            write(f"    {letter}/a {ratio:.2f} (asked: {TARGETS[pattern]:.2f})\n")


if __name__ == "__main__":
    main()
