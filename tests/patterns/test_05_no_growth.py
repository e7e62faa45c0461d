"""Promise 5: the tables of what is under way are empty when nothing is.

Every test of this folder that makes a cache checks it at its end. A dict of locks never shrinks;
locks that are removed on release let a second holder in; and a flight that is removed by key, not by identity, takes
its successor with it (async-lru 2.4).
"""

import asyncio

import pytest

from tests.patterns.kit import OriginError, cancel, outcome, start


async def finish(cache, origin, key):
    await cache.get_or_set(key, origin.load)


async def fail(cache, origin, key):
    origin.error = OriginError()
    await outcome(cache.get_or_set(key, origin.load))


async def leave(cache, origin, key):
    caller = start(cache.get_or_set(key, origin.load))
    await asyncio.sleep(0.5)
    await cancel(caller)


async def take_too_long(cache, origin, key):
    await outcome(cache.get_or_set(key, origin.load, load_timeout=0.5))


async def delete_meanwhile(cache, origin, key):
    caller = start(cache.get_or_set(key, origin.load))
    await asyncio.sleep(0.5)
    await cache.delete(key)
    await caller


async def delete_and_leave(cache, origin, key):
    caller = start(cache.get_or_set(key, origin.load))
    await asyncio.sleep(0.5)
    await cache.delete(key)
    await cancel(caller)


async def set_meanwhile(cache, origin, key):
    caller = start(cache.get_or_set(key, origin.load))
    await asyncio.sleep(0.5)
    await cache.set(key, "set")
    await caller


ENDS = [finish, fail, leave, take_too_long, delete_meanwhile, delete_and_leave, set_meanwhile]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_nothing_is_left_of_a_load(make, origin, single_flight, end):
    cache = make(single_flight=single_flight)
    for key in ("a", "b", "c"):
        await end(cache, origin, key)
        await asyncio.sleep(0.01)  # a lease is given up without waiting for it
        assert cache.stats.in_flight == 0


async def test_a_load_counts_as_one_however_many_wait(make, origin):
    cache = make()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(5)]
    await asyncio.sleep(0.5)
    assert cache.stats.in_flight == 1
    await asyncio.gather(*callers)


async def test_loads_alone_count_each(make, origin):
    cache = make(single_flight="none")
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(5)]
    await asyncio.sleep(0.5)
    assert cache.stats.in_flight == 5
    await asyncio.gather(*callers)


async def test_a_load_still_counts_when_it_is_invalidated(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cache.delete("k")
    assert cache.stats.in_flight == 1
    new = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.25)
    assert cache.stats.in_flight == 2
    await asyncio.gather(old, new)


@pytest.mark.parametrize("end", ["success", "failure", "cancellation"])
async def test_the_end_of_an_old_load_does_not_end_its_successor(make, origin, end):
    cache = make()
    origin.error = OriginError() if end == "failure" else None
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cache.delete("k")
    origin.error = None
    new = start(cache.get_or_set("k", origin.load))
    if end == "cancellation":
        await asyncio.sleep(0.25)
        await cancel(old)
    await outcome(old)
    follower = start(cache.get_or_set("k", origin.load))
    assert [await new, await follower] == ["value 2", "value 2"]
    assert origin.calls == 2


async def test_overwriting_and_renewing_for_ever_takes_no_room(make_in_process, origin):
    cache = make_in_process(size=10, renew=True)
    for n in range(5000):
        await cache.set(f"key {n % 20}", n)
        await cache.get_or_set(f"key {n % 20}", origin.load)
    assert len(cache) == 10
    assert len(cache._deadlines) < 200
