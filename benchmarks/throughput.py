"""Requests per second of simulation, against the same system written by hand in bare simpy.

One shop: Zipf(0.9) over 10,000 keys, 1,000 requests/s, TTL 10 s, 20 connections of 50 ms. Each pattern is held against
a bare model of the same thing: without round trips for the in-process pattern, with the same round trips for
cache-aside. Runs alternate, and the ratio is the median over the pairs, so that a drifting machine does not decide it.
"""

from __future__ import annotations

import gc
import platform
import sys
import time
from collections.abc import Callable
from statistics import median

import cachesim as cs
from benchmarks.bare import bare

SECONDS, PAIRS = 100.0, 7
TARGETS = {"in-process": 1.0 if sys.version_info >= (3, 12) else 0.7, "cache-aside": 0.5}


def scenario(pattern: str, round_trip: float) -> cs.Scenario:
    """The shop with one pattern."""
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=1000),
        keys=cs.keys.Zipf(n=10_000, alpha=0.9),
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
    write(f"throughput, Python {platform.python_version()}, {PAIRS} pairs, medians\n")
    for letter, pattern, round_trip in (("b", "in-process", 0.0), ("c", "cache-aside", 0.0005)):
        shop = scenario(pattern, round_trip)
        n = cs.simulate(shop, record="summary").metrics["requests"]
        pairs = [(seconds(lambda: bare(shop)), seconds(lambda: cs.simulate(shop))) for _ in range(PAIRS)]  # noqa: B023
        by_hand, simulated = (n / median(column) for column in zip(*pairs, strict=True))
        ratio = median(a / b for a, b in pairs)
        write(f"  (a) bare simpy, round trip {round_trip:g} s   {by_hand:10,.0f} requests/s\n")
        write(f"  ({letter}) {pattern:11}                  {simulated:10,.0f} requests/s\n")
        write(f"      {letter}/a {ratio:.2f} (at least {TARGETS[pattern]:.2f} asked)\n")
