"""What a cache does on a stream: hits, lifetimes from the fill, and sizes."""

from itertools import accumulate

import cachetools
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.policies import POLICIES, Fifo, Lru
from cachesim.policies.replay import replay

KEYS = st.integers(0, 6)
PAUSES = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])


@given(st.lists(KEYS, max_size=60), st.integers(1, 5))
def test_a_request_hits_if_its_key_is_held_and_is_inserted_otherwise(keys, size):
    cache, reference = Lru[int, int](size), Lru[int, int](size)
    for key, hit in zip(keys, replay(cache, keys), strict=True):
        assert hit == (key in reference)
        reference[key] = 1
        assert list(cache) == list(reference)


@given(st.lists(st.tuples(KEYS, PAUSES), max_size=60), st.integers(1, 5), st.sampled_from([0.25, 1.0, 2.5]))
def test_lru_with_a_lifetime_hits_where_cachetools_ttl_cache_does(steps, size, ttl):
    keys, times = [key for key, _ in steps], list(accumulate(pause for _, pause in steps))
    now = 0.0
    reference = cachetools.TTLCache[int, int](size, ttl, timer=lambda: now)
    for key, time, hit in zip(keys, times, replay(Lru(size), keys, times=times, ttl=ttl), strict=True):
        now = time
        assert hit == (key in reference)
        if hit:
            reference[key]
        else:
            reference[key] = 1


@pytest.mark.parametrize("name", POLICIES)
@given(steps=st.lists(st.tuples(KEYS, PAUSES), max_size=80), size=st.integers(1, 6))
def test_no_value_is_used_at_its_deadline_or_later(name, steps, size):
    keys, times = [key for key, _ in steps], list(accumulate(pause for _, pause in steps))
    filled: dict[int, float] = {}
    cache = POLICIES[name](size)
    for key, now, hit in zip(keys, times, replay(cache, keys, times=times, ttl=2), strict=True):
        if hit:
            assert now < filled[key] + 2
        else:
            filled[key] = now
            assert all(now < filled[other] + 2 for other in cache)


def test_what_has_expired_makes_room_before_anything_useful_is_evicted():
    cache = Fifo[str, int](2)
    hits = list(replay(cache, "abbca", times=[0, 4, 7, 7, 7], ttl=4))
    assert hits == [False, False, True, False, False]
    assert list(cache) == ["c", "a"]


def test_a_key_filled_anew_has_its_new_lifetime():
    assert list(replay(Lru(1), "aba" + "a", times=[0, 1, 2, 5], ttl=5)) == [False, False, False, True]


@pytest.mark.parametrize("name", [name for name, policy in POLICIES.items() if policy.weighs])
@given(steps=st.lists(st.tuples(KEYS, st.integers(1, 9)), max_size=60), size=st.integers(1, 12))
def test_objects_take_the_room_that_they_had_at_the_fill(name, steps, size):
    cache = POLICIES[name](size, getsizeof=int)
    filled: dict[int, int] = {}
    keys, weights = [key for key, _ in steps], [weight for _, weight in steps]
    for (key, weight), hit in zip(steps, replay(cache, keys, weights=weights), strict=True):
        if not hit:
            filled[key] = weight
            assert (key in cache) == (weight <= size)
        assert cache.currsize == sum(filled[other] for other in cache) <= size


def test_arrays_do_as_streams():
    keys, times = np.array([1, 2, 1, 3, 1]), np.arange(5.0)
    assert list(replay(Lru(2), keys.tolist(), times=times, ttl=3.0)) == [False, False, True, False, False]


def test_a_lifetime_without_times_is_refused():
    with pytest.raises(ValueError, match="ttl: 5 is not allowed without the times of the requests"):
        next(replay(Lru(2), "a", ttl=5))
