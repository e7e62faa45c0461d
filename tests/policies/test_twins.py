"""LIRS and W-TinyLFU decide as a plain second version of each, written from the paper, on every request."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.policies import POLICIES, Lirs, WTinyLfu
from cachesim.policies.frequency_sketch import FrequencySketch
from cachesim.policies.replay import replay
from tests.policies.twins import PlainLirs, PlainWTinyLfu


@st.composite
def streams(draw, smallest):
    """A size and requests for somewhat more keys than that; runs and loops are as likely as chance."""
    size = draw(st.integers(smallest, 12))
    keys = st.integers(0, 3 * size)
    piece = st.one_of(
        st.lists(keys, max_size=20),
        st.builds(lambda first, n: list(range(first, first + n)), keys, st.integers(1, 2 * size)),
        st.builds(lambda first, n: 2 * list(range(first, first + n)), keys, st.integers(1, 2 * size)),
    )
    return size, [key for part in draw(st.lists(piece, max_size=8)) for key in part]


@given(streams(smallest=2))
def test_lirs_decides_as_its_plain_twin(case):
    size, keys = case
    twin = PlainLirs(size)
    assert list(replay(Lirs(size), keys)) == [twin.access(key) for key in keys]


@given(streams(smallest=1))
def test_w_tinylfu_decides_as_its_plain_twin(case):
    size, keys = case
    twin = PlainWTinyLfu(size)
    assert list(replay(WTinyLfu(size), keys)) == [twin.access(key) for key in keys]


@pytest.mark.parametrize("size", [2, 7, 50, 100, 230])
def test_both_decide_as_their_twins_on_long_skewed_streams(size):
    generator = random.Random(size)
    weights = [rank**-0.8 for rank in range(1, 6 * size)]
    keys = generator.choices(range(len(weights)), weights, k=6_000)
    lirs, w_tinylfu = PlainLirs(size), PlainWTinyLfu(size)
    assert list(replay(Lirs(size), keys)) == [lirs.access(key) for key in keys]
    assert list(replay(WTinyLfu(size), keys)) == [w_tinylfu.access(key) for key in keys]


@pytest.mark.parametrize("name", POLICIES)
@given(keys=st.lists(st.integers(0, 3), max_size=40))
def test_a_cache_of_one_holds_the_last_key_whatever_the_policy(name, keys):
    hits = [n > 0 and keys[n - 1] == key for n, key in enumerate(keys)]
    assert list(replay(POLICIES[name](1), keys)) == hits


@given(st.integers(1, 20), st.lists(st.integers(0, 30), max_size=300))
def test_the_sketch_counts_each_key_up_to_15_and_never_too_low(size, keys):
    sketch, exact = FrequencySketch(size), dict.fromkeys(range(31), 0)
    for n, key in enumerate(keys, start=1):
        sketch.count(key)
        exact[key] = min(exact[key] + 1, 15)
        if n == 10 * size or (n > 10 * size and (n - 10 * size) % (5 * size) == 0):
            exact = {other: count // 2 for other, count in exact.items()}
        assert all(exact[other] <= sketch.frequency(other) <= 15 for other in exact)


def test_the_sketch_is_seldom_more_than_one_too_high_for_as_many_keys_as_the_cache_holds():
    size = 1_000
    sketch = FrequencySketch(size)
    for key in range(size):
        sketch.count(f"key {key}")
    assert sum(sketch.frequency(f"key {key}") for key in range(size)) <= 1.02 * size
