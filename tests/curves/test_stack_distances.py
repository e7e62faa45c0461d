"""Stack distances are exact: on any stream, in chunks of any lengths, and their histogram is LRU at every size."""

from __future__ import annotations

import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.numbering import Numbering
from cachesim.curves.stack_distances import StackDistances, stack_distances
from cachesim.policies import Lru
from cachesim.policies.replay import replay


def plainly(keys: list[int]) -> list[int]:
    """From a list that is searched, the key used last at its end."""
    stack: list[int] = []
    distances = []
    for key in keys:
        distances.append(len(stack) - 1 - stack.index(key) if key in stack else -1)
        if key in stack:
            stack.remove(key)
        stack.append(key)
    return distances


def in_chunks(keys: list[int], lengths: list[int]) -> tuple[StackDistances, list[int]]:
    """The distances of the stream, in chunks of these lengths over and over."""
    numbering, found, distances = Numbering(), StackDistances(), []
    start = turn = 0
    while start < len(keys):
        part = keys[start : start + lengths[turn % len(lengths)]]
        ids = numbering.number(np.array(part))
        distances += found.run(Chunk(ids, numbering.distinct, numbering.stable_keys)).tolist()
        start, turn = start + len(part), turn + 1
    return found, distances


STREAMS = st.lists(
    st.lists(st.integers(0, 40), max_size=60)
    | st.builds(lambda first, n: list(range(first, first + n)), st.integers(0, 40), st.integers(1, 60))
    | st.builds(lambda n, times: list(range(n)) * times, st.integers(1, 20), st.integers(1, 6))
    | st.builds(lambda key, times: [key] * times, st.integers(0, 40), st.integers(1, 200)),
    max_size=5,
).map(lambda parts: [key for part in parts for key in part])


def test_a_known_stream_has_its_known_distances():
    ids = np.array([string.ascii_lowercase.index(key) for key in "abcbadac"])
    assert stack_distances(ids).tolist() == [-1, -1, -1, 1, 2, -1, 1, 3]


@given(keys=STREAMS, lengths=st.lists(st.integers(1, 50), min_size=1))
def test_distances_count_the_other_keys_used_in_between(keys, lengths):
    assert in_chunks(keys, lengths)[1] == plainly(keys)
    assert stack_distances(np.array(keys, np.int64)).tolist() == plainly(keys)


@given(keys=STREAMS)
def test_the_histogram_is_lru_at_every_size(keys):
    found, distances = in_chunks(keys, [17])
    assert found.requests == len(keys)
    assert len(found.histogram) == len(set(keys))
    assert found.histogram.sum() == len(keys) - len(set(keys))
    assert found.histogram.tolist() == [distances.count(distance) for distance in range(len(set(keys)))]
    for size in range(1, len(set(keys)) + 2):
        assert found.histogram[:size].sum() == sum(replay(Lru(size), keys))


def loops(n: int, distinct: int) -> NDArray[np.int64]:
    return np.arange(n) % distinct


@pytest.mark.parametrize("distinct", [1, 2, 63, 64, 65, 5000, 50_000])
def test_a_loop_has_the_distance_of_its_length_however_often_positions_are_closed_up(distinct):
    distances = stack_distances(loops(300_000, distinct))
    assert (distances[:distinct] == -1).all()
    assert (distances[distinct:] == distinct - 1).all()


def test_a_scan_has_first_uses_alone():
    assert (stack_distances(np.arange(200_000)) == -1).all()


def test_a_scan_there_and_back_has_every_distance():
    n = 150_000
    keys = np.concatenate((np.arange(n), np.arange(n)[::-1]))
    assert stack_distances(keys)[n:].tolist() == list(range(n))


def test_a_long_random_stream_that_grows_has_the_distances_of_a_plain_count():
    generator = random.Random(1)
    keys = [generator.randrange(1 + i // 40) for i in range(60_000)]
    found, distances = in_chunks(keys, [1, 997, 5000])
    assert distances == plainly(keys)
    assert len(found.histogram) == len(set(keys))
