"""A larger cache holds what a smaller one does: true of LRU, OPT and LFU with a perfect memory, of no other here."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.policies import POLICIES, Lru, Opt, Policy
from cachesim.policies.replay import replay
from tests.policies.twins import fewest_misses, perfect_lfu

STREAMS = st.lists(st.integers(0, 9), max_size=60)
BELADY = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
WORSE = [  # a stream on which a cache of so many entries hits more often than one of one more; the hits of both
    ("fifo", 3, "123412512345", 3, 2),
    ("clock", 2, "ccaadbd", 3, 2),
    ("sieve", 2, "ccaadbd", 3, 2),
    ("s3-fifo", 2, "acbdadc", 1, 0),
    ("2q", 2, "dcbadcbcdbd", 3, 2),
    ("arc", 2, "bdccabdc", 2, 1),
    ("slru", 2, "dcbdaca", 2, 1),
    ("lfu", 2, "baadcbbdadcbccb", 6, 5),
    ("w-tinylfu", 3, "fcbaedeabcfafef", 4, 2),
]


def contents(cache: Policy[int, int], stream: list[int]) -> list[set[int]]:
    """What the cache holds after each request."""
    return [set(cache) for _ in replay(cache, stream)]


@given(STREAMS, st.integers(1, 8))
def test_lru_has_the_stack_property(stream, size):
    pairs = zip(contents(Lru(size), stream), contents(Lru(size + 1), stream), strict=True)
    assert all(small <= large for small, large in pairs)


@given(STREAMS, st.integers(1, 8))
def test_opt_has_the_stack_property(stream, size):
    pairs = zip(contents(Opt(size, stream), stream), contents(Opt(size + 1, stream), stream), strict=True)
    assert all(small <= large for small, large in pairs)


@given(STREAMS, st.integers(1, 8))
def test_lfu_with_a_perfect_memory_has_the_stack_property(stream, size):
    pairs = zip(perfect_lfu(stream, size), perfect_lfu(stream, size + 1), strict=True)
    assert all(small <= large for small, large in pairs)


@pytest.mark.parametrize(("name", "size", "stream", "small", "large"), WORSE)
def test_a_larger_cache_can_hit_less(name, size, stream, small, large):
    assert (sum(replay(POLICIES[name](size), stream)), sum(replay(POLICIES[name](size + 1), stream))) == (small, large)
    assert small > large


@pytest.mark.parametrize(
    ("name", "faults"), [("fifo", [12, 12, 9, 10, 5]), ("lru", [12, 12, 10, 8, 5]), ("opt", [12, 9, 7, 6, 5])]
)
def test_beladys_string_has_the_faults_he_found(name, faults):
    def fault_count(frames):
        cache = Opt(frames, BELADY) if name == "opt" else POLICIES[name](frames)
        return sum(not hit for hit in replay(cache, BELADY))

    assert [fault_count(frames) for frames in range(1, 6)] == faults


# ── OPT ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 5), max_size=14), st.integers(1, 4))
def test_no_choice_of_victims_misses_less_than_opt(stream, size):
    assert sum(not hit for hit in replay(Opt(size, stream), stream)) == fewest_misses(stream, size)


@pytest.mark.parametrize("name", POLICIES)
@given(stream=STREAMS, size=st.integers(1, 8))
def test_no_policy_hits_more_than_opt(name, stream, size):
    assert sum(replay(POLICIES[name](size), stream)) <= sum(replay(Opt(size, stream), stream))


def test_opt_refuses_a_request_that_is_not_the_next_of_its_stream():
    cache: Opt[str, int] = Opt(2, "ab")
    cache["a"] = 1
    with pytest.raises(ValueError, match="request 1 for 'c' is not allowed; 'b' is due in the stream"):
        cache["c"] = 1
    cache["b"] = 1
    with pytest.raises(ValueError, match="request 2 for 'a' is not allowed; none is left in the stream"):
        cache["a"]
    assert list(cache) == ["a", "b"]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60), st.integers(1, 6))
def test_opt_evicts_the_farthest_of_those_held_though_some_are_deleted(steps, size):
    stream = [key for key, _ in steps]
    evicted: list[int] = []
    cache: Opt[int, int] = Opt(size, stream, evicted=lambda key, _: evicted.append(key))

    def next_use(now, key):
        later = [n for n in range(now, len(stream)) if stream[n] == key]
        return later[0] if later else len(stream) + max(n for n in range(now) if stream[n] == key)

    for now, (key, delete) in enumerate(steps):
        due = max(cache, key=partial(next_use, now)) if len(cache) == size else None
        expected = [] if key in cache or due is None else [due]
        cache[key] = key
        assert evicted == expected
        evicted.clear()
        if delete in cache:
            del cache[delete]
