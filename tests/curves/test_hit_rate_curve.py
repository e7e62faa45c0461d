"""`hit_rate_curve`: the same answer however the stream is given, and the same as asking a cache request by request."""

from __future__ import annotations

from typing import Any

import cachetools
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import cachesim as cs
from cachesim.curves.counting import count
from cachesim.curves.questions import Question
from cachesim.curves.streams import pieces
from cachesim.policies import POLICIES, Lru
from cachesim.policies.replay import replay

BELADY = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]


def stream(n: int = 3000, keys: int = 300, seed: int = 1) -> NDArray[np.int64]:
    return np.random.default_rng(seed).zipf(1.2, n) % keys


@pytest.mark.parametrize(
    ("policy", "faults"),
    [("fifo", [12, 12, 9, 10, 5]), ("lru", [12, 12, 10, 8, 5]), ("opt", [12, 9, 7, 6, 5])],
)
def test_beladys_string(policy, faults):
    assert cs.hit_rate_curve(BELADY, policy, [1, 2, 3, 4, 5]).misses.tolist() == faults


@pytest.mark.parametrize("policy", [*POLICIES, "opt"])
def test_a_stream_in_pieces_gives_what_it_gives_as_a_whole(policy):
    keys = stream()
    whole = cs.hit_rate_curve(keys, policy, [5, 50, 200])
    pieces = cs.hit_rate_curve(iter(np.array_split(keys, 7)), policy, [5, 50, 200])
    one_by_one = cs.hit_rate_curve(iter(keys.tolist()), policy, [5, 50, 200])
    assert whole.misses.tolist() == pieces.misses.tolist() == one_by_one.misses.tolist()


@pytest.mark.parametrize("policy", [*POLICIES, "opt"])
def test_text_gives_what_integers_give_but_for_policies_that_hash(policy):
    keys = stream()
    number = cs.hit_rate_curve(keys, policy, [5, 50]).misses
    text = cs.hit_rate_curve([f"user:{key}" for key in keys], policy, [5, 50]).misses
    if policy == "w-tinylfu":
        assert text == pytest.approx(number, rel=0.02)
    else:
        assert text.tolist() == number.tolist()


@pytest.mark.parametrize("policy", [*POLICIES, "opt"])
def test_without_sizes_the_curve_reaches_from_one_key_to_all(policy):
    keys = stream()
    distinct = len(set(keys.tolist()))
    for given_keys in (keys, iter(keys)):
        curve = cs.hit_rate_curve(given_keys, policy)
        assert (curve.sizes[0], curve.sizes[-1], curve.distinct) == (1, distinct, distinct)
        assert curve.misses[-1] == distinct or policy in ("2q", "s3-fifo", "slru", "lirs", "w-tinylfu", "arc")
        assert len(curve.sizes) == distinct if policy == "lru" else len(curve.sizes) <= 50


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.lists(st.integers(1, 15), min_size=1, max_size=4))
def test_exact_lru_is_lru_at_every_size_asked_for(keys, sizes):
    curve = cs.hit_rate_curve(keys, "lru", sizes)
    assert curve.sizes.tolist() == sorted(set(sizes))
    expected = [len(keys) - sum(replay(POLICIES["lru"](size), keys)) for size in curve.sizes.tolist()]
    assert curve.misses.tolist() == expected


requests = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.25, 1.0, 2.5]), st.integers(0, 6)), min_size=1, max_size=50
)


@given(requests, st.sampled_from(sorted(POLICIES)), st.integers(1, 8), st.sampled_from([0.25, 1.0, 1.5, 7.0]))
def test_a_lifetime_is_that_of_the_readable_policy(rows, policy, size, ttl):
    keys, steps, _ = zip(*rows, strict=True)
    times = np.cumsum(steps)
    curve = cs.hit_rate_curve(keys, policy, [size], times=times, ttl=ttl)
    hits = sum(replay(POLICIES[policy](size), keys, times=times.tolist(), ttl=ttl))
    assert curve.misses.tolist() == [len(keys) - hits]


@given(requests, st.integers(1, 8), st.sampled_from([0.25, 1.0, 1.5, 7.0]))
def test_lru_with_a_lifetime_is_cachetools_ttl_cache(rows, size, ttl):
    keys, steps, _ = zip(*rows, strict=True)
    times = np.cumsum(steps)
    now = 0.0
    cache: cachetools.TTLCache[int, bool] = cachetools.TTLCache(size, ttl, timer=lambda: now)
    misses = 0
    for key, now in zip(keys, times.tolist(), strict=True):  # noqa: B007 (the timer reads it)
        if cache.get(key) is None:
            misses += 1
            cache[key] = True
    assert cs.hit_rate_curve(keys, "lru", [size], times=times, ttl=ttl).misses.tolist() == [misses]


@given(requests, st.sampled_from([name for name, kind in POLICIES.items() if kind.weighs]), st.integers(1, 20))
def test_weights_are_those_of_the_readable_policy(rows, policy, size):
    keys, _, weights = zip(*rows, strict=True)
    curve = cs.hit_rate_curve(keys, policy, [size], weights=weights)
    hits = sum(replay(POLICIES[policy](size, int), keys, weights=weights))
    assert curve.misses.tolist() == [len(keys) - hits]
    assert curve.weighed


def test_several_lifetimes_give_a_row_a_size_and_a_column_a_lifetime():
    keys, times = stream(), np.arange(3000) * 0.1
    grid = cs.hit_rate_curve(keys, "lru", [10, 100, 300], times=times, ttl=[1, 10, 100, 1e6])
    assert grid.hit_ratios.shape == (3, 4)
    for ttl in (1, 10, 100, 1e6):
        one = cs.hit_rate_curve(keys, "lru", [10, 100, 300], times=times, ttl=ttl)
        assert grid.for_ttl(ttl).misses.tolist() == one.misses.tolist()
    never = cs.hit_rate_curve(keys, "lru", [10, 100, 300])
    assert grid.for_ttl(1e6).misses.tolist() == never.misses.tolist()


@pytest.mark.parametrize("sizes", [[10, 100, 300], [300, 100, 10]])
def test_misses_do_not_depend_on_which_size_is_done_first(sizes):
    """A large cache that evicts nothing stands for larger ones, never for a smaller one whose thread came late."""
    keys, times = stream(), np.arange(3000) * 0.1
    question = Question("lru", np.array(sizes), (100.0,), weighed=False, seed=0)
    answer = count(pieces(keys, times), question, held=True, threads=1)
    expected = [len(keys) - sum(replay(Lru(size), keys.tolist(), times=times.tolist(), ttl=100)) for size in sizes]
    assert answer.misses[:, 0].tolist() == expected


def test_an_unlimited_cache_with_a_lifetime_is_the_closed_form():
    """Poisson, rate 2 a key, TTL 5: h = 10/11 (theory.md); 200 keys, 4 s.e. of a renewal process, in all .0008."""
    rng = np.random.default_rng(5)
    n = 400_000
    keys, times = rng.integers(0, 200, n), np.cumsum(rng.standard_exponential(n) / 400)
    curve = cs.hit_rate_curve(keys, "lru", [200], times=times, ttl=5)
    assert curve.hit_ratios[0] == pytest.approx(10 / 11, abs=0.0008)


def test_integers_of_any_width_are_the_same_keys():
    keys = stream()
    curves = [cs.hit_rate_curve(keys.astype(kind), "w-tinylfu", [40]) for kind in (np.int16, np.uint32, np.int64)]
    assert len({int(curve.misses[0]) for curve in curves}) == 1


@pytest.mark.parametrize("sample_rate", [1.0, 0.5])
def test_a_seed_of_numpy_is_the_same_seed(sample_rate):
    seeds: list[Any] = [-3, np.int64(-3), np.int16(-3)]
    curves = [cs.hit_rate_curve(stream(), "random", [50], sample_rate=sample_rate, seed=seed) for seed in seeds]
    assert len({float(curve.misses[0]) for curve in curves}) == 1


def test_equal_seeds_give_equal_curves_of_random_and_others_do_not():
    misses = [cs.hit_rate_curve(stream(), "random", [50], seed=seed).misses[0] for seed in (1, 1, 2)]
    assert misses[0] == misses[1] != misses[2]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"policy": "mru"}, r"policy: 'mru' is not allowed; fifo, lru, .*, w-tinylfu, opt"),
        ({"sizes": []}, r"sizes: \[\] is not allowed; whole numbers, 1 or more"),
        ({"sizes": [0, 1]}, "whole numbers, 1 or more"),
        ({"sizes": [1.5]}, "whole numbers, 1 or more"),
        ({"sizes": ["10"]}, "whole numbers, 1 or more"),
        ({"sizes": [[1, 2]]}, "whole numbers, 1 or more"),
        ({"sizes": [1 << 63]}, "whole numbers, 1 or more, that fit 63 bits"),
        ({"seed": 1.5}, "seed: 1.5 is not allowed; a whole number"),
        ({"ttl": 5}, "ttl: the times of the requests are needed too"),
        ({"ttl": 0, "times": [0, 1, 2]}, "ttl: 0 is not allowed; seconds, 0.001 or more"),
        ({"ttl": float("nan"), "times": [0, 1, 2]}, "ttl: nan is not allowed"),
        ({"ttl": [], "times": [0, 1, 2]}, r"ttl: \[\] is not allowed"),
        ({"ttl": 5, "times": iter([0, 1, 2])}, "times: must be given as the keys are"),
        ({"weights": [1, 1, 1], "policy": "arc"}, "weights: are not allowed with policy 'arc', which counts entries"),
        ({"ttl": 5, "times": [0, 1, 2], "policy": "opt"}, "ttl: is not allowed with policy 'opt'"),
        ({"sample_rate": 0}, "sample_rate: 0 is not allowed; above 0, at most 1"),
        ({"sample_rate": 1.5}, "sample_rate: 1.5 is not allowed"),
    ],
)
def test_what_is_not_allowed_is_told_in_one_line(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        cs.hit_rate_curve(["a", "b", "a"], **changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("nothing", [[], np.array([], np.int64), iter([])])
def test_a_stream_without_requests_is_refused(nothing):
    with pytest.raises(ValueError, match="keys: there are none; at least one request is needed"):
        cs.hit_rate_curve(nothing)


def test_one_request_is_a_stream():
    curve = cs.hit_rate_curve(["a"])
    assert (curve.sizes.tolist(), curve.misses.tolist(), curve.size_for(0.1)) == ([1], [1], None)
