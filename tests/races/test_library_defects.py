"""Defects of released libraries, found without a hint, and pinned to the versions that have them.

A library that repairs one makes its test say so (it is skipped, with the new version), rather than break CI.
"""

from importlib.metadata import version

import pytest

from cachesim.adapters import library_cache
from cachesim.races import find_race
from tests.races.scenes import in_turn

DEFECTS = [
    pytest.param(
        *("cashews", "7.6.0", "cashews:lock", "no_cancelled_follower", 1),
        id="cashews: who cancels one caller cancels all who wait with them",
    ),
    pytest.param(
        *("aiocache", "0.12.3", "aiocache:redis-stampede", "cluster_single_flight", 2),
        id="aiocache: the lock of another process is not waited for",
    ),
    pytest.param(
        *("aiocache", "0.12.3", "aiocache:cached", "nothing_is_a_value", 1),
        id="aiocache: None is never cached",
    ),
    pytest.param(
        *("async-lru", "2.4.0", "async-lru:ttl", "single_flight", 1),
        id="async-lru: an old flight that is cancelled evicts the newer entry",
    ),
]


@pytest.mark.parametrize(("distribution", "known", "name", "invariant", "nodes"), DEFECTS)
def test_a_known_defect_is_found(distribution, known, name, invariant, nodes):
    race = find_race(in_turn("none", nodes), cache=library_cache(name, ttl=10), invariant=invariant, schedules=2000)
    if race is None and version(distribution) != known:
        pytest.skip(f"{distribution} {version(distribution)} has repaired what {known} had: unpin it here")
    assert race is not None
    assert "✗" in race.diagram


def test_a_library_that_counts_who_waits_lets_nobody_be_cancelled():
    """async-lru keeps the promise that cashews breaks: the finder does not accuse at random."""
    given, cache = in_turn("none", 1), library_cache("async-lru:ttl", ttl=10)
    assert find_race(given, cache=cache, invariant="no_cancelled_follower", schedules=300) is None
