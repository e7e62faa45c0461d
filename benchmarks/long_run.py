"""Memory and time of a run of 10 million requests that keeps no tables, against one of 1 million.

The shop of the throughput benchmark: 10,000 Zipf(0.9) keys, 1,000 requests/s, TTL 10 s; also with one request in ten a
write. Every run has a process of its own. Asked: a peak of memory and a processor time per request of at most 1.1
times those of the shorter run. It takes about 20 minutes; each figure is printed as it comes.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from typing import NamedTuple

import cachesim as cs  # light: the rest of it is loaded where a scenario is made, or the peak would be this process's

SHORT, LONG = 1_000_000, 10_000_000
MOST = 1.1
RATE = 1000
SYSTEMS = {"in-process": ("in-process", 0.0), "cache-aside": ("cache-aside", 0.0), "writes": ("cache-aside", 0.1)}
_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of a peak of memory, as the operating system tells it."""


class Cost(NamedTuple):
    """What a run takes: its peak of memory in bytes, and processor time in seconds per request."""

    memory: float
    time: float


def run(system: str, requests: int) -> Cost:
    """Simulate so many requests in this process."""
    pattern, writes = SYSTEMS[system]
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=RATE),
        keys=cs.keys.Zipf(n=10_000, alpha=0.9),
        cache=cs.Pattern(pattern, ttl=10),
        database=cs.Database(latency=cs.latency.Exponential(0.05)),
        redis=cs.Redis(round_trip=0.0005),
        writes=writes,
        duration=requests / RATE,
    )
    began = time.process_time()
    cs.simulate(scenario, record="summary")
    seconds = time.process_time() - began
    return Cost(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES, seconds / requests)


def apart(system: str, requests: int) -> Cost:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.long_run", system, str(requests)]
    memory, seconds = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return Cost(float(memory), float(seconds))


def main(short: int = SHORT, long: int = LONG) -> None:
    """Print the costs of a short and of a long run, and their ratios."""
    write = sys.stdout.write
    write(f"long runs without tables, Python {platform.python_version()}\n")
    for system in SYSTEMS:
        write(f"  {system}\n")
        costs = []
        for requests in (short, long):
            cost = apart(system, requests)
            costs.append(cost)
            write(f"    {requests:12,} requests{cost.memory / 2**20:10.1f} MiB{cost.time * 1e6:10.2f} us a request\n")
            sys.stdout.flush()
        memory, seconds = (after / before for before, after in zip(*costs, strict=True))
        write(f"    ratio{memory:27.3f}    {seconds:10.3f} (asked: at most {MOST} each)\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(*run(sys.argv[1], int(sys.argv[2])))
    else:
        main()
