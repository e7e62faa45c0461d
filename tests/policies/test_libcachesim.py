"""Nine policies hit and miss as those of libCacheSim, request by request."""

import random
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesim.policies import POLICIES
from cachesim.policies.replay import replay

libcachesim: ModuleType = pytest.importorskip("libcachesim", exc_type=ImportError)

SAME = {  # its name there, and from what size on its queues are as ours
    "fifo": ("FIFO", 1),
    "lru": ("LRU", 1),
    "clock": ("Clock", 1),
    "sieve": ("Sieve", 1),
    "lfu": ("LFU", 2),
    "arc": ("ARC", 2),
    "slru": ("SLRU", 4),
    "2q": ("TwoQ", 10),
    "s3-fifo": ("S3FIFO", 20),
}


DELETING = [policy for policy in SAME if policy not in ("slru", "arc")]
"""SLRU goes on counting there what was removed, and ARC keeps more ghosts than it should."""


class Theirs:
    """A cache of libCacheSim."""

    def __init__(self, name: str, size: int) -> None:
        self.cache = getattr(libcachesim, name)(cache_size=size, hashpower=8)
        self.request = libcachesim.Request()
        self.request.obj_size, self.request.valid = 1, True

    def hits(self, key: int) -> bool:
        self.request.obj_id = key
        return bool(self.cache.get(self.request))


@pytest.mark.parametrize("policy", SAME)
@settings(max_examples=30)
@given(data=st.data())
def test_it_hits_where_libcachesim_does(policy, data):
    name, smallest = SAME[policy]
    size = data.draw(st.integers(smallest, smallest + 30))
    if policy == "slru":
        size -= size % 4  # else libCacheSim's segments add up to less than the cache
    generator = data.draw(st.randoms(use_true_random=False))
    n, skew = data.draw(st.integers(2, 6 * size)), data.draw(st.sampled_from([0.0, 0.6, 0.9, 1.2]))
    weights = [rank**-skew for rank in range(1, n + 1)]
    keys = generator.choices(range(n), weights, k=data.draw(st.integers(1, 800)))
    scan = data.draw(st.integers(0, 3 * size))
    keys += [*range(scan), *keys[:200], *range(scan)]
    theirs = Theirs(name, size)
    assert list(replay(POLICIES[policy](size), keys)) == [theirs.hits(key) for key in keys]


@pytest.mark.parametrize("policy", DELETING)
@pytest.mark.parametrize("more", [0, 5, 30])
def test_it_hits_where_libcachesim_does_though_keys_are_deleted(policy, more):
    name, smallest = SAME[policy]
    size = smallest + more
    generator, ours, theirs = random.Random(size), POLICIES[policy](size), Theirs(name, size)
    for _ in range(5_000):
        key = int(4 * size * generator.random() ** 2)
        assert theirs.hits(key) == (key in ours)
        ours.setdefault(key, key)
        gone = int(4 * size * generator.random())
        if gone in ours and generator.random() < 0.5:
            del ours[gone]
            theirs.cache.remove(gone)
