"""LFU, RANDOM, SLRU, 2Q, ARC, S3-FIFO, W-TinyLFU, LIRS and OPT, compiled: they decide as the readable classes do."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.kernels import kernel_class
from cachesim.policies import POLICIES, Opt
from cachesim.policies.hashing import SplitMix64, splitmix64, stable_key
from cachesim.policies.replay import replay
from cachesim.traces import read_keys

ONLINE = ["lfu", "random", "slru", "2q", "arc", "s3-fifo", "w-tinylfu", "lirs"]
SEED = 3

every_online = pytest.mark.parametrize("policy", ONLINE)


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[int]]:
    """A size, and requests for about as many keys and for more: skewed ones, scans and loops."""
    size = draw(st.integers(1, 30))
    key = st.integers(0, draw(st.integers(0, 4 * size)))
    skewed = st.lists(st.tuples(key, key).map(min), max_size=4 * size)
    scan = st.builds(lambda first, n: list(range(first, first + n)), key, st.integers(1, 3 * size))
    loop = st.builds(lambda part, times: part * times, scan, st.integers(2, 4))
    return size, [key for part in draw(st.lists(skewed | scan | loop, max_size=8)) for key in part]


def skewed(length: int, distinct: int, seed: int) -> list[int]:
    """Zipf(.8), in an order of keys of its own."""
    generator = random.Random(seed)
    keys = generator.sample(range(10 * distinct), distinct)
    return generator.choices(keys, [rank**-0.8 for rank in range(1, distinct + 1)], k=length)


def numbered(keys: list[Any]) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """The number of each request's key, in the order of first appearance, and the stable key of each number."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int32), np.array([stable_key(key) for key in numbers], np.uint64)


def chunk(ids: NDArray[np.int32], stable: NDArray[np.uint64], start: int, end: int) -> Chunk:
    """A part of the stream; of the keys to come it knows nothing."""
    distinct = int(ids[:end].max(initial=-1)) + 1
    return Chunk(ids[start:end], distinct, lambda: stable[:distinct])


def misses_by_parts(policy: str, size: int, keys: list[Any], cuts: list[int]) -> list[int]:
    """What the kernel misses in each part of the stream that is cut so."""
    ids, stable = numbered(keys)
    kernel = kernel_class(policy)(size, SEED)
    return [kernel.run(chunk(ids, stable, start, end)) for start, end in pairwise(cuts)]


def misses(policy: str, size: int, keys: list[Any]) -> int:
    return misses_by_parts(policy, size, keys, [0, len(keys)])[0]


def hits(policy: str, size: int, keys: list[Any]) -> list[bool]:
    """Of each request, by the kernel: chunks of one."""
    return [not missed for missed in misses_by_parts(policy, size, keys, list(range(len(keys) + 1)))]


def readable_hits(policy: str, size: int, keys: list[Any]) -> list[bool]:
    if policy == "opt":
        return list(replay(Opt(size, keys), keys))
    options: dict[str, Any] = {"seed": SEED} if policy == "random" else {}
    return list(replay(POLICIES[policy](size, **options), keys))


@every_online
@given(case=streams())
def test_it_hits_where_the_readable_class_does(policy, case):
    size, keys = case
    assert hits(policy, size, keys) == readable_hits(policy, size, keys)


@every_online
@pytest.mark.parametrize("size", [99, 100, 230, 1000])
def test_it_does_so_on_long_skewed_streams(policy, size):
    keys = skewed(20 * size, 5 * size, seed=size)
    assert hits(policy, size, keys) == readable_hits(policy, size, keys)


@every_online
def test_it_does_so_at_every_size_from_one_entry_to_more_than_there_are_keys(policy):
    keys = skewed(1_500, 60, seed=1)
    for size in range(1, len(set(keys)) + 3):
        assert misses(policy, size, keys) == readable_hits(policy, size, keys).count(False)


@every_online
@given(case=streams(), data=st.data())
def test_a_stream_in_chunks_is_the_stream(policy, case, data):
    size, keys = case
    cuts = data.draw(st.lists(st.integers(0, len(keys)), max_size=6))
    assert sum(misses_by_parts(policy, size, keys, [0, *sorted(cuts), len(keys)])) == misses(policy, size, keys)


@every_online
def test_it_does_so_when_keys_return_forever_and_nothing_is_evicted(policy):
    keys = 2_000 * [0, 1, 2, 0, 3, 3, 1]
    assert misses(policy, 5, keys) == 4


@every_online
def test_text_is_as_good_as_numbers(policy):
    keys = [f"key {key}" for key in skewed(2_000, 100, seed=2)]
    assert hits(policy, 20, keys) == readable_hits(policy, 20, keys)


@pytest.mark.parametrize("policy", [name for name in ONLINE if name != "w-tinylfu"])  # whose sketch grows with the size
def test_a_cache_that_is_far_too_large_costs_nothing(policy):
    assert misses(policy, 10**12, skewed(1_000, 100, seed=3)) == 100


@every_online
def test_caches_that_run_at_the_same_time_know_nothing_of_each_other(policy):
    keys, sizes = skewed(50_000, 1_000, seed=4), [10, 20, 50, 100, 200, 500]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda size: misses(policy, size, keys), sizes))
    assert together == [misses(policy, size, keys) for size in sizes]


@given(streams())
def test_opt_misses_as_often_as_the_readable_class(case):
    size, keys = case
    assert misses("opt", size, keys) == readable_hits("opt", size, keys).count(False)


@pytest.mark.parametrize("size", [1, 3, 100, 2_000])
def test_opt_does_so_on_a_long_stream_whose_next_uses_lie_far_apart(size):
    scan = list(range(100_000, 400_000))
    keys = [*skewed(3_000, 500, seed=5), *scan, *skewed(3_000, 500, seed=5)]
    assert misses("opt", size, keys) == readable_hits("opt", size, keys).count(False)


def test_random_draws_by_its_seed():
    keys = skewed(2_000, 100, seed=6)
    ids, stable = numbered(keys)
    whole = chunk(ids, stable, 0, len(ids))
    assert len({kernel_class("random")(20, seed).run(whole) for seed in (0, 1, -1, 2**70)}) > 1
    assert kernel_class("random")(20, -1).run(whole) == kernel_class("random")(20, 2**64 - 1).run(whole)


# ── The compiled hash ─────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32))
def test_hash_and_generator_are_those_of_the_policies(x, n):
    from cachesim.curves.kernels import hashing

    assert int(hashing.splitmix64(np.uint64(x))) == splitmix64(x)
    assert hashing.below(np.uint64(x), n) == SplitMix64(x).below(n)


# ── Others ────────────────────────────────────────────────────────────────────────────────────────────────────────

LIBCACHESIM = {"lfu": ("LFU", 2), "arc": ("ARC", 2), "slru": ("SLRU", 4), "2q": ("TwoQ", 10), "s3-fifo": ("S3FIFO", 20)}


@pytest.mark.parametrize("policy", LIBCACHESIM)
@pytest.mark.parametrize("seed", range(20))
def test_it_hits_where_libcachesim_does(policy, seed):
    libcachesim = pytest.importorskip("libcachesim", exc_type=ImportError)
    name, smallest = LIBCACHESIM[policy]
    generator = random.Random(seed)
    size = generator.randint(smallest, 10 * smallest)
    if policy == "slru":
        size -= size % 4  # else its segments add up to less than the cache
    keys = skewed(40 * size, generator.randint(size // 2, 10 * size), seed)
    keys += [*range(3 * size), *keys[:500], *range(3 * size)]
    other = getattr(libcachesim, name)(cache_size=size, hashpower=12)
    request = libcachesim.Request()
    request.obj_size, request.valid = 1, True
    found = []
    for key in keys:
        request.obj_id = key + 1
        found.append(other.get(request))
    assert hits(policy, size, keys) == found


@cache
def web07() -> list[str]:
    return list(read_keys(Path(os.environ["CACHESIM_TRACES"]) / "web07.trace.xz"))


@pytest.mark.skipif("CACHESIM_TRACES" not in os.environ, reason="recorded requests lie beside the checkout")
@pytest.mark.parametrize(
    ("policy", "known"),
    [("lfu", [58731, 50193, 40641]), ("arc", [50018, 42162, 34784]), ("opt", [40692, 33582, 26913])],
)
def test_the_misses_on_a_recorded_stream_are_those_known(policy, known):
    assert [misses(policy, size, web07()) for size in (75, 300, 1200)] == known
