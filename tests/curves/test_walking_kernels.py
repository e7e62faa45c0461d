"""FIFO, LRU, CLOCK and SIEVE, compiled, with lifetimes and weights too: they decide as the readable classes do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cachetools
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.curves.chunks import Chunk
from cachesim.curves.kernels import fifo, fills, kernel_class
from cachesim.curves.numbering import Numbering
from cachesim.policies import POLICIES
from cachesim.policies.replay import replay

every_policy = pytest.mark.parametrize("policy", ["fifo", "lru", "clock", "sieve"])


def chunks(
    keys: list[int], lengths: list[int], times: Sequence[float] | None = None, weights: list[int] | None = None
) -> list[Chunk]:
    """The stream in chunks of these lengths, over and over."""
    numbering, start = Numbering(), 0
    found: list[Chunk] = []
    while start < len(keys):
        part = slice(start, start + lengths[len(found) % len(lengths)])
        ids = numbering.number(np.array(keys[part]))
        found.append(
            Chunk(
                ids,
                numbering.distinct,
                numbering.stable_keys,
                None if times is None else np.array(times[part], np.float64),
                None if weights is None else np.array(weights[part], np.int64),
            )
        )
        start = part.stop
    return found


def compiled(policy: str, size: int, ttl: float | None, stream: list[Chunk]) -> list[int]:
    """The misses of each chunk."""
    cache = kernel_class(policy)(size, ttl=ttl)
    return [cache.run(chunk) for chunk in stream]


def readable(policy: str, size: int, keys: list[int], **given: Any) -> list[int]:
    """1 for each request that misses, 0 for one that hits."""
    sized = {"getsizeof": int} if given.get("weights") is not None else {}
    return [int(not hit) for hit in replay(POLICIES[policy](size, **sized), keys, **given)]


@st.composite
def streams(draw: st.DrawFn) -> list[int]:
    """Skewed requests, scans, loops, and one key over and over."""
    key = st.integers(0, draw(st.integers(0, 30)))
    skewed = st.lists(st.tuples(key, key).map(min), max_size=40)
    scan = st.builds(lambda first, n: list(range(first, first + n)), key, st.integers(1, 40))
    loop = st.builds(lambda part, times: part * times, st.lists(key, min_size=1, max_size=12), st.integers(2, 4))
    return [key for part in draw(st.lists(skewed | scan | loop, min_size=1, max_size=6)) for key in part]


@every_policy
@given(keys=streams())
def test_it_hits_where_the_class_does_at_every_size(policy, keys):
    for size in range(1, len(set(keys)) + 2):
        assert compiled(policy, size, None, chunks(keys, [1])) == readable(policy, size, keys)


@every_policy
@given(data=st.data(), keys=streams(), size=st.integers(1, 30))
def test_it_hits_where_the_class_does_with_lifetimes_and_weights(policy, data, keys, size):
    n = len(keys)
    ttl, times, weights = None, None, None
    kind = data.draw(st.sampled_from(["lifetimes", "weights", "both"]))
    if kind != "weights":
        ttl = data.draw(st.sampled_from([0.3, 1.0, 4.0, 20.0, 1000.0]))
        gaps = st.sampled_from([0.0, 0.0, 0.1, 0.3, 1.0, 5.0])
        times = np.cumsum(data.draw(st.lists(gaps, min_size=n, max_size=n))).tolist()
    if kind != "lifetimes":
        weights = data.draw(st.lists(st.sampled_from([0, 1, 1, 2, 5, 12]), min_size=n, max_size=n))
    stream = chunks(keys, [1], times, weights)
    assert compiled(policy, size, ttl, stream) == readable(policy, size, keys, ttl=ttl, times=times, weights=weights)


@every_policy
@pytest.mark.parametrize("ttl", [None, 3.0, 200.0, 5000.0])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize(("distinct", "size"), [(60, 20), (1000, 100), (1000, 5000)])
def test_long_streams_are_closed_up_without_a_trace(policy, ttl, weighed, distinct, size):
    generator = random.Random(distinct + size)
    n = 40_000
    keys = [min(generator.randrange(distinct), generator.randrange(distinct)) for _ in range(n)]
    times = np.cumsum([generator.choice((0.0, 0.5, 1.0)) for _ in range(n)]).tolist()
    weights = [generator.choice((1, 1, 2, 3)) for _ in range(n)] if weighed else None
    missed = readable(policy, size, keys, ttl=ttl, times=times, weights=weights)
    for lengths in ([n], [7000, 1, 500]):
        stream = chunks(keys, lengths, times, weights)
        ends = np.cumsum([0, *(len(chunk.ids) for chunk in stream)])
        assert compiled(policy, size, ttl, stream) == [sum(missed[start:end]) for start, end in pairwise(ends)]


@every_policy
@given(data=st.data(), keys=streams(), size=st.integers(1, 30))
def test_chunks_of_any_lengths_give_what_the_whole_does(policy, data, keys, size):
    lengths = data.draw(st.lists(st.integers(1, 50), min_size=1))
    assert sum(compiled(policy, size, None, chunks(keys, lengths))) == sum(readable(policy, size, keys))


@given(data=st.data(), keys=streams(), size=st.integers(1, 30), ttl=st.sampled_from([0.3, 1.0, 4.0, 20.0]))
def test_lru_with_a_lifetime_is_the_ttl_cache_of_cachetools(data, keys, size, ttl):
    gaps = st.sampled_from([0.0, 0.1, 0.3, 1.0, 3.7])
    times = np.cumsum(data.draw(st.lists(gaps, min_size=len(keys), max_size=len(keys)))).tolist()
    now = 0.0
    cache: cachetools.TTLCache[int, None] = cachetools.TTLCache(size, ttl, timer=lambda: now)
    missed = []
    for key, now in zip(keys, times, strict=True):  # noqa: B007  # the timer reads it
        try:
            cache[key]
        except KeyError:
            cache[key] = None
            missed.append(1)
        else:
            missed.append(0)
    assert compiled("lru", size, ttl, chunks(keys, [1], times)) == missed


def test_while_nothing_useful_is_evicted_a_larger_cache_does_the_same():
    keys = [generator.randrange(50) for generator in [random.Random(1)] for _ in range(3000)]
    stream = chunks(keys, [700], times=list(range(3000)))
    misses, evictions = [], []
    for size in range(1, 50):
        cache = kernel_class("lru")(size, ttl=20.0)
        misses.append(sum(cache.run(chunk) for chunk in stream))
        evictions.append(cache.evictions)
    enough = evictions.index(0)
    assert 5 < enough < 25
    assert min(evictions[:enough]) > 0
    assert set(evictions[enough:]) == {0}
    assert len(set(misses[enough:])) == 1


@every_policy
def test_a_lifetime_too_short_to_show_in_the_clock_is_none_at_all(policy):
    keys, times = [1, 1, 2, 1, 2, 3, 1], [1.8e9] * 7
    assert compiled(policy, 2, 1e-9, chunks(keys, [1], times)) == [1] * 7


@every_policy
def test_an_object_larger_than_the_cache_is_not_stored_and_evicts_nothing(policy):
    keys, weights = [1, 2, 3, 1, 2, 3], [4, 4, 9, 4, 4, 9]
    assert compiled(policy, 8, None, chunks(keys, [1], weights=weights)) == [1, 1, 1, 0, 0, 1]


@every_policy
@given(data=st.data(), size=st.integers(1, 30))
def test_it_hits_where_libcachesim_does(policy, data, size):
    libcachesim = pytest.importorskip("libcachesim", exc_type=ImportError)
    keys = data.draw(streams())
    name = {"fifo": "FIFO", "lru": "LRU", "clock": "Clock", "sieve": "Sieve"}[policy]
    cache, request = getattr(libcachesim, name)(cache_size=size, hashpower=8), libcachesim.Request()
    request.obj_size, request.valid = 1, True
    missed = []
    for key in keys:
        request.obj_id = key
        missed.append(int(not cache.get(request)))
    assert compiled(policy, size, None, chunks(keys, [1])) == missed


def test_the_numbers_of_fills_start_anew_before_they_run_out(monkeypatch):
    monkeypatch.setattr(fifo, "_MOST_FILLS", 100)
    generator = random.Random(1)
    for size in (3, 40):
        keys = [generator.randrange(60) for _ in range(5000)]
        assert sum(compiled("fifo", size, None, chunks(keys, [37]))) == sum(readable("fifo", size, keys))


@every_policy
def test_so_do_those_of_fills_with_a_lifetime(policy, monkeypatch):
    monkeypatch.setattr(fills, "_MOST_FILLS", 5000)
    generator = random.Random(1)
    keys, times = [generator.randrange(60) for _ in range(30_000)], list(range(30_000))
    missed = sum(readable(policy, 20, keys, ttl=15.0, times=times))
    assert sum(compiled(policy, 20, 15.0, chunks(keys, [37], times))) == missed


@every_policy
def test_a_cache_of_any_size_may_be_asked_for(policy):
    assert compiled(policy, 1 << 50, None, chunks([1, 2, 1, 3, 2], [2])) == [2, 1, 0]
