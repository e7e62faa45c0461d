"""Hit-rate curves: kernels against libCacheSim at its best, numbering against pandas, threads against one.

2 million Zipf(.9) requests over 100,000 keys, 10,000 entries. libCacheSim reads a trace file, with the size of its hash
table that suits it best; our keys are numbered beforehand, which is timed apart. Each is the best of several, in turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import libcachesim
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.counting import count
from cachesim.curves.kernels import kernel_class
from cachesim.curves.numbering import Numbering
from cachesim.curves.questions import Question
from cachesim.curves.stack_distances import StackDistances
from cachesim.curves.streams import pieces

REQUESTS, KEYS, SIZE = 2_000_000, 100_000, 10_000
ROUNDS = 7

POLICIES = {  # the name in libCacheSim, and how many times faster a kernel is to be; None: as it may be
    "fifo": ("FIFO", 6.0),
    "lru": ("LRU", 5.0),
    "lfu": ("LFU", 6.0),
    "random": ("Random", None),
    "clock": ("Clock", 5.0),
    "sieve": ("Sieve", 5.0),
    "slru": ("SLRU", None),
    "2q": ("TwoQ", 5.0),
    "arc": ("ARC", 3.0),
    "s3-fifo": ("S3FIFO", 6.0),
    "lirs": ("LIRS", None),
    "w-tinylfu": ("WTinyLFU", 5.0),
}


def zipf(requests: int, keys: int, alpha: float = 0.9) -> NDArray[np.int64]:
    """Requests whose rank r has probability in proportion to r ** -alpha; which key has which rank is drawn."""
    rng = np.random.default_rng(1)
    shares = np.cumsum(np.arange(1, keys + 1) ** -alpha)
    ranks = np.searchsorted(shares, rng.random(requests) * shares[-1])
    found: NDArray[np.int64] = rng.permutation(keys)[ranks]
    return found


def best(*functions: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """The shortest time of each, in seconds; they take turns, so that all see the same machine."""
    shortest = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            shortest[i] = min(shortest[i], time.perf_counter() - start)
    return shortest


def write_trace(keys: NDArray[np.int64], path: Path) -> None:
    """In libCacheSim's own binary format, the quickest for it to read."""
    fields = [("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")]
    rows = np.zeros(len(keys), fields)
    rows["key"], rows["size"], rows["next"] = keys + 1, 1, -2
    rows.tofile(path)


def run_libcachesim(name: str, path: Path, hashpower: int) -> None:
    """One cache of `SIZE` entries on the trace."""
    settings = libcachesim.ReaderInitParam(ignore_obj_size=True)
    reader = libcachesim.TraceReader(str(path), libcachesim.TraceType.ORACLE_GENERAL_TRACE, settings)
    getattr(libcachesim, name)(cache_size=SIZE, hashpower=hashpower).process_trace(reader)


def run_kernel(policy: str, chunk: Chunk) -> None:
    """One cache of `SIZE` entries on the numbered stream."""
    kernel_class(policy)(SIZE).run(chunk)


def run_count(question: Question, threads: int, *stream: NDArray[Any]) -> None:
    """Many caches, in this many threads."""
    count(pieces(*stream), question, held=True, threads=threads)


def numbered(keys: NDArray[np.int64]) -> Chunk:
    """The stream as one chunk."""
    numbering = Numbering()
    ids = numbering.number(keys)
    return Chunk(ids, numbering.distinct, numbering.stable_keys)


def report(what: str, value: float, wanted: str = "") -> None:
    """A line of the table."""
    print(f"{what:64}{value:9.2f}  {wanted}", flush=True)


def kernels(keys: NDArray[np.int64], trace: Path) -> float:
    """Each policy's kernel; returns the time of libCacheSim's LRU."""
    chunk = numbered(keys)
    lru = 0.0
    for policy, (name, wanted) in POLICIES.items():
        powers = range(16, 21)
        others = best(*(partial(run_libcachesim, name, trace, power) for power in powers), rounds=2)
        power = powers[int(np.argmin(others))]
        run = partial(run_kernel, policy, chunk)
        run()  # compiled, or read from the disk
        ours, theirs = best(run, partial(run_libcachesim, name, trace, power))
        rates = f"{REQUESTS / ours / 1e6:.0f} and {REQUESTS / theirs / 1e6:.0f} M requests/s"
        report(f"{policy}: times as fast as libCacheSim ({rates})", theirs / ours, f">= {wanted}" if wanted else "")
        lru = theirs if policy == "lru" else lru
    return lru


def curves(keys: NDArray[np.int64], trace: Path, lru: float) -> None:
    """Many sizes and lifetimes at once."""
    chunk = numbered(keys)
    StackDistances().run(chunk)
    ours, theirs = best(lambda: StackDistances().run(chunk), partial(run_libcachesim, "LRU", trace, 16))
    report("the whole LRU curve: time of one libCacheSim LRU run", ours / theirs, "<= .8")

    sizes = np.unique(np.geomspace(100, KEYS, 16).astype(np.int64))
    question = Question(policy="s3-fifo", sizes=sizes, ttls=(None,), weighed=False, seed=0)
    one, two = best(*(partial(run_count, question, threads, keys) for threads in (1, 2)), rounds=3)
    report("16 sizes of S3-FIFO: times as fast on 2 threads as on one", one / two, ">= 1.85")

    times = np.cumsum(np.random.default_rng(2).exponential(size=REQUESTS))
    sizes = np.unique(np.geomspace(100, KEYS, 20).astype(np.int64))
    ttls = tuple(np.geomspace(100, REQUESTS, 20).tolist())
    question = Question(policy="lru", sizes=sizes, ttls=ttls, weighed=False, seed=0)
    (grid,) = best(partial(run_count, question, 2, keys, times), rounds=1)
    report("20 x 20 sizes and lifetimes: times of one libCacheSim LRU run", grid / lru, "<= 60")


def numbering() -> None:
    """A million keys to dense numbers."""
    rng = np.random.default_rng(3)
    for top, distinct in product((1 << 63, None), (1000, 100_000, 1_000_000)):
        keys = rng.integers(0, top or distinct, distinct)[rng.integers(0, distinct, 1_000_000)]
        ours, theirs = best(partial(numbered, keys), partial(pd.factorize, keys))
        kind = "63-bit keys" if top else "keys from a narrow range"
        report(f"numbering of {distinct:,} {kind}: time of pandas.factorize", ours / theirs, "<= 1")


def first_curve() -> None:
    """From `import cachesim` to a curve, in processes of their own, kernels cached: what a user waits for."""
    code = (
        "import time; start = time.perf_counter(); import cachesim; cachesim.hit_rate_curve([1, 2, 1] * 1000);"
        "print(time.perf_counter() - start)"
    )
    ask = partial(subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True)
    times = sorted(float(ask().stdout) for _ in range(ROUNDS))
    report("a first LRU curve: seconds from import, the median", times[ROUNDS // 2], f"<= .5 (best {times[0]:.2f})")


def main() -> None:
    """Print all figures."""
    keys = zipf(REQUESTS, KEYS)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "zipf.oracleGeneral"
        write_trace(keys, trace)
        lru = kernels(keys, trace)
        curves(keys, trace, lru)
    numbering()
    first_curve()


if __name__ == "__main__":
    main()
