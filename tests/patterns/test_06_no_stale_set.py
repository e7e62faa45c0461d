"""Promise 6: a load that began before an invalidation or a write never stores its result over it, in any process.

Traps: FusionCache 535, 613, 625 and 628, Caffeine 193, aiocache 95, `cache_clear()` of cachetools during a call. "On
the wire" is a SET that has been sent and reaches Redis later than what was sent after it, over another connection.
"""

import asyncio
from functools import partial

import pytest

from tests.patterns.kit import cancel, outcome, start, turns


async def delete(cache):
    await cache.delete("k")


async def set_(cache):
    await cache.set("k", "set")


@pytest.fixture(params=[delete, set_], ids=["delete", "set"])
def invalidate(request):
    return request.param


@pytest.fixture
def never_old(origin, invalidate):
    """See that a cache no longer serves "old", but what was set or what a new load returns."""

    async def check(cache):
        expected = ["new"] if invalidate is delete else ["set", "new"]  # a value that was set may be lost, not outdated
        for _ in range(3):
            assert await cache.get_or_set("k", origin.load) in expected
            await asyncio.sleep(1)

    origin.values = ["old", "new", "new", "new"]
    return check


async def test_a_load_begun_before_stores_nothing(make, origin, single_flight, invalidate, never_old):
    cache = make(single_flight=single_flight)
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await invalidate(cache)
    assert await old == "old"  # who came before gets what was true then
    await never_old(cache)


async def test_several_loads_alone_store_nothing(make, origin, invalidate):
    cache = make(single_flight="none")
    origin.values = ["old", "old", "old", "new"]
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    await asyncio.sleep(0.5)
    await invalidate(cache)
    assert [await caller for caller in callers] == ["old"] * 3
    assert await cache.get_or_set("k", origin.load) != "old"


async def test_a_value_set_during_a_load_stays(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cache.set("k", "set")
    await old
    assert await cache.get_or_set("k", origin.load) == "set"


async def test_who_comes_after_a_delete_does_not_join_the_old_load(make, origin):
    cache = make()
    origin.values = ["old", "new"]
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cache.delete("k")
    new = start(cache.get_or_set("k", origin.load))
    follower = start(cache.get_or_set("k", origin.load))
    assert [await old, await new, await follower] == ["old", "new", "new"]
    assert await cache.get_or_set("k", origin.load) == "new"
    assert origin.calls == 2


async def test_an_old_load_that_ends_last_does_not_overwrite_the_new_one(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    origin.values, origin.seconds = ["old", "new"], 5
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cache.delete("k")
    origin.seconds = 1
    await cache.get_or_set("k", origin.load)
    assert await old == "old"
    assert await cache.get_or_set("k", origin.load) == "new"


async def test_every_one_of_many_deletes_counts(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    callers = []
    for _ in range(4):
        callers.append(start(cache.get_or_set("k", origin.load)))
        await asyncio.sleep(0.1)
        await cache.delete("k")
    assert [await caller for caller in callers] == ["value 1", "value 2", "value 3", "value 4"]
    assert await cache.get_or_set("k", origin.load) == "value 5"


async def test_a_delete_of_another_key_changes_nothing(make, origin):
    cache = make()
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cache.delete("another")
    await caller
    await cache.get_or_set("k", origin.load)
    assert origin.calls == 1


@pytest.mark.parametrize("turn", range(10))
async def test_a_delete_at_the_instant_of_the_end_counts(make, origin, single_flight, turn):
    cache = make(single_flight=single_flight)
    origin.values, origin.gate = ["old", "new"], asyncio.Event()
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    origin.gate.set()
    await turns(turn)
    await cache.delete("k")
    assert await cache.get_or_set("k", origin.load) == "new"
    await old
    assert await cache.get_or_set("k", origin.load) == "new"


async def test_a_load_may_delete_its_own_key(make, single_flight):
    cache = make(single_flight=single_flight)

    async def load():
        await cache.delete("k")
        return "stored nowhere"

    await cache.get_or_set("k", load)
    assert await cache.get_or_set("k", partial(asyncio.sleep, 0, "new")) == "new"


# On the wire


async def test_a_set_that_a_delete_overtakes_is_not_there_when_the_delete_returns(
    make_over_redis, origin, redis, single_flight, invalidate, never_old
):
    cache = make_over_redis(single_flight=single_flight)
    gate = redis.hold("STORE")
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(1.5)
    del redis.held["STORE"]
    asyncio.get_running_loop().call_later(1, gate.set)
    await invalidate(cache)
    await never_old(cache)
    assert await old == "old"


async def test_a_set_whose_callers_have_left_is_undone_too(
    make_over_redis, origin, redis, single_flight, invalidate, never_old
):
    cache = make_over_redis(single_flight=single_flight)
    gate = redis.hold("STORE")
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(1.5)
    del redis.held["STORE"]
    await cancel(old)
    invalidation = start(invalidate(cache))
    await asyncio.sleep(1)
    gate.set()
    await invalidation
    await never_old(cache)


async def test_who_comes_while_the_value_is_on_the_wire_joins(make_over_redis, origin, redis):
    cache = make_over_redis()
    gate = redis.hold("STORE")
    leader = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(1.5)
    await cancel(leader)
    follower = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(1)
    gate.set()
    assert await follower == "value 1"
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert origin.calls == 1


async def test_of_two_writes_the_older_never_stays(make_over_redis, origin, redis):
    cache = make_over_redis()
    gate = redis.hold("PUT")
    first = start(cache.set("k", "first"))
    await asyncio.sleep(0.5)
    del redis.held["PUT"]
    second = start(cache.set("k", "second"))
    await asyncio.sleep(0.5)
    gate.set()
    await asyncio.gather(first, second)
    assert await cache.get_or_set("k", origin.load) != "first"


async def test_a_write_before_a_delete_does_not_stay(make_over_redis, origin, redis):
    cache = make_over_redis()
    gate = redis.hold("PUT")
    write = start(cache.set("k", "first"))
    await asyncio.sleep(0.5)
    deletion = start(cache.delete("k"))
    await asyncio.sleep(0.5)
    gate.set()
    await asyncio.gather(write, deletion)
    del redis.held["PUT"]
    assert await cache.get_or_set("k", origin.load) == "value 1"


@pytest.mark.parametrize("command", ["DEL", "PUT"])
async def test_a_write_is_carried_through_though_its_caller_is_cancelled(make_over_redis, origin, redis, command):
    cache = make_over_redis()
    await cache.set("k", "old")
    gate = redis.hold(command)
    write = start(cache.delete("k") if command == "DEL" else cache.set("k", "set"))
    await asyncio.sleep(0.5)
    await cancel(write)
    gate.set()
    await cache.aclose()
    assert await cache.get_or_set("k", origin.load) == ("value 1" if command == "DEL" else "set")


async def test_deletes_do_not_wait_for_one_another_in_turn(make_over_redis, redis):
    cache = make_over_redis()
    redis.down, redis.timeout = "hang", 1.0
    await asyncio.gather(*(cache.delete("k") for _ in range(20)))
    assert asyncio.get_running_loop().time() < 2.5


async def test_a_value_spoiled_on_the_wire_still_reaches_those_who_waited(make_over_redis, origin, redis):
    cache = make_over_redis()
    gate = redis.hold("STORE")
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(1.5)
    deletion = start(cache.delete("k"))
    redis.down = "refuse"
    gate.set()
    await deletion
    assert await outcome(old) == "value 1"


# Two nodes


@pytest.fixture
def nodes(make_over_redis, single_flight):
    return [make_over_redis(single_flight=single_flight) for _ in range(2)]


async def test_a_load_begun_before_an_invalidation_at_another_node_stores_nothing(nodes, origin, invalidate, never_old):
    old = start(nodes[0].get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await invalidate(nodes[1])
    assert await old == "old"
    for node in nodes:
        await never_old(node)


async def test_who_comes_after_a_delete_at_another_node_does_not_join_the_old_load(nodes, origin):
    origin.values = ["old", "new"]
    old = start(nodes[0].get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await nodes[1].delete("k")
    new = start(nodes[0].get_or_set("k", origin.load))
    assert [await old, await new] == ["old", "new"]
    assert [await node.get_or_set("k", origin.load) for node in nodes] == ["new", "new"]


async def test_an_old_load_that_ends_last_does_not_overwrite_that_of_another_node(nodes, origin):
    origin.values, origin.seconds = ["old", "new"], 5
    old = start(nodes[0].get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await nodes[1].delete("k")
    origin.seconds = 1
    assert await nodes[1].get_or_set("k", origin.load) == "new"
    assert await old == "old"
    assert [await node.get_or_set("k", origin.load) for node in nodes] == ["new", "new"]


async def test_a_value_on_the_wire_comes_too_late_for_a_delete_at_another_node(nodes, origin, redis):
    origin.values = ["old", "new"]
    gate = redis.hold("STORE")
    old = start(nodes[0].get_or_set("k", origin.load))
    await asyncio.sleep(1.5)
    del redis.held["STORE"]
    await nodes[1].delete("k")
    gate.set()
    assert await old == "old"
    assert [await node.get_or_set("k", origin.load) for node in nodes] == ["new", "new"]


async def test_a_load_is_not_stored_into_a_redis_that_was_emptied_meanwhile(nodes, origin, redis):
    old = start(nodes[0].get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await redis.flushall()  # and with it the trace of any delete
    await old
    assert await nodes[1].get_or_set("k", origin.load) == "value 2"


async def test_a_long_load_keeps_its_right_to_store(nodes, origin):
    origin.seconds = 60.0
    await nodes[0].get_or_set("k", origin.load)
    assert await nodes[1].get_or_set("k", origin.load) == "value 1"
