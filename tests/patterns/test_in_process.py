"""What in-process promises besides: a bound on its size, the eviction policy asked for, `renew`, its events."""

import asyncio
import random
from itertools import accumulate
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.patterns import InProcess
from cachesim.patterns.in_process import PolicyName
from cachesim.policies import POLICIES
from cachesim.policies.replay import replay
from tests.patterns.kit import OriginError, World


def test_every_policy_can_be_asked_for():
    assert list(get_args(PolicyName)) == list(POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [1, 3, 10, 30])
def test_it_hits_where_the_policy_alone_does(policy, size):
    world = World()
    cache = world.make("in-process", ttl=2 * size, size=size, policy=policy)
    seed: dict[str, Any] = {"seed": random.Random(1).getrandbits(64)} if policy == "random" else {}
    generator = random.Random(size)
    keys = [str(int(3 * size * generator.random() ** 2)) for _ in range(1_000)]
    pauses = generator.choices([0.0, 0.25, 1.0], k=1_000)
    hits = []

    async def load():
        return "value"

    async def ask():
        for key, pause in zip(keys, pauses, strict=True):
            await asyncio.sleep(pause)
            before = cache.stats.hits
            await cache.get_or_set(key, load)
            hits.append(cache.stats.hits > before)

    world.run(ask())
    alone = replay(POLICIES[policy](size, **seed), keys, times=accumulate(pauses), ttl=2 * size)
    assert hits == list(alone)


@pytest.mark.parametrize("policy", POLICIES)
@given(actions=st.lists(st.tuples(st.sampled_from(["set", "get", "delete", "wait"]), st.integers(0, 9)), max_size=60))
def test_the_bound_on_the_size_holds_whatever_happens(policy, actions):
    world = World()
    cache = world.make("in-process", ttl=3, jitter=1, size=4, policy=policy, stale_if_error=1, renew=True)

    async def load():
        return "value"

    async def act():
        for action, n in actions:
            if action == "set":
                await cache.set(str(n), n)
            elif action == "get":
                await cache.get_or_set(str(n), load)
            elif action == "delete":
                await cache.delete(str(n))
            else:
                await asyncio.sleep(n / 4)
            assert len(cache) <= 4

    world.run(act())
    held = world.kinds("stored")
    for kind in ("expired", "deleted", "evicted"):  # each tells of a value that was stored
        for key in world.kinds(kind):
            held.remove(key)


async def test_expired_values_make_room_before_useful_ones_are_evicted(world, make_in_process, origin):
    cache = make_in_process(size=3, policy="fifo")
    await cache.set("first", "useful", ttl=100)
    await cache.set("second", "soon useless", ttl=1)
    await cache.set("third", "useful", ttl=100)
    await asyncio.sleep(2)
    await cache.set("fourth", "new")
    assert await cache.get_or_set("first", origin.load) == "useful"
    assert (world.kinds("expired"), world.kinds("evicted")) == (["second"], [])


async def test_a_value_kept_for_stale_serves_makes_room_when_nobody_may_have_it_any_more(world, make_in_process):
    cache = make_in_process(ttl=1, stale_if_error=5, size=2)
    await cache.set("a", 1)
    await cache.set("b", 1, ttl=100)
    await asyncio.sleep(5.9)
    await cache.set("b", 2, ttl=100)
    assert world.kinds("expired") == []
    await asyncio.sleep(0.1)
    await cache.set("c", 1)
    assert (world.kinds("expired"), world.kinds("evicted")) == (["a"], [])


async def test_overwriting_evicts_nothing(world, make_in_process):
    cache = make_in_process(size=2)
    for _ in range(3):
        await cache.set("a", 1)
        await cache.set("b", 1)
    assert world.kinds("evicted") == []
    assert len(cache) == 2


async def test_a_cache_of_one_holds_the_last(make_in_process, origin):
    cache = make_in_process(size=1)
    await cache.set("a", "a")
    await cache.set("b", "b")
    assert await cache.get_or_set("b", origin.load) == "b"
    assert await cache.get_or_set("a", origin.load) == "value 1"


# renew


async def test_a_read_renews_the_lifetime_when_asked_to(make_in_process, origin):
    cache = make_in_process(ttl=2, renew=True)
    await cache.set("k", "set")
    for _ in range(5):
        await asyncio.sleep(1.5)
        assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_a_read_does_not_renew_the_lifetime_unless_asked_to(make_in_process, origin):
    cache = make_in_process(ttl=2)
    await cache.set("k", "set")
    for expected in ("set", "value 1"):
        await asyncio.sleep(1.5)
        assert await cache.get_or_set("k", origin.load) == expected


async def test_renewing_renews_the_lifetime_that_the_value_has(make_in_process, origin):
    cache = make_in_process(ttl=10, renew=True)
    await cache.set("k", "set", ttl=2)
    for expected in ("set", "set", "value 1"):
        await asyncio.sleep(1.5 if expected == "set" else 2.5)
        assert await cache.get_or_set("k", origin.load) == expected


async def test_a_renewed_value_is_not_dropped_at_its_first_deadline(world, make_in_process, origin):
    cache = make_in_process(ttl=2, renew=True, size=2)
    await cache.set("k", "set")
    await asyncio.sleep(1.5)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(1)
    await cache.set("another", "set")
    assert world.kinds("expired") == []
    assert await cache.get_or_set("k", origin.load) == "set"


async def test_a_stale_serve_does_not_renew(make_in_process, origin):
    cache = make_in_process(ttl=1, stale_if_error=3, renew=True)
    await cache.set("k", "old")
    origin.seconds, origin.error = 0, OriginError()
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "old"
    await asyncio.sleep(2.5)
    with pytest.raises(OriginError):
        await cache.get_or_set("k", origin.load)


# Events


async def test_the_observer_hears_what_is_held(world, make_in_process):
    cache = make_in_process(ttl=2, size=2, stale_if_error=1)
    await cache.set("a", 1)
    await cache.set("b", 1)
    await cache.delete("b")
    await cache.delete("b")  # which is not there any more
    await cache.set("c", 1)
    await cache.set("d", 1)
    await asyncio.sleep(4)
    await cache.set("e", 1)
    told = [(event.kind, event.key) for event in world.events]
    assert told == [
        *[("stored", "a"), ("stored", "b"), ("deleted", "b"), ("stored", "c"), ("evicted", "a"), ("stored", "d")],
        *[("expired", "c"), ("expired", "d"), ("stored", "e")],
    ]
    assert [event.expires for event in world.events if event.kind == "stored"] == [3, 3, 3, 3, 7]


async def test_everybody_gets_the_same_object(make_in_process, origin):
    cache = make_in_process()
    row = {"id": 1}
    origin.values = [row]
    assert await cache.get_or_set("k", origin.load) is row
    assert await cache.get_or_set("k", origin.load) is row


async def test_any_object_can_be_held(make_in_process, origin):
    cache = make_in_process()
    thing = object()
    await cache.set("k", thing)
    assert await cache.get_or_set("k", origin.load) is thing


def test_it_works_on_asyncios_own_loop_and_the_wall_clock():
    async def load():
        return "loaded"

    async def main():
        cache = InProcess(ttl=60)
        return [await cache.get_or_set("k", load) for _ in range(2)], cache.stats.hits

    assert asyncio.run(main()) == (["loaded", "loaded"], 1)
