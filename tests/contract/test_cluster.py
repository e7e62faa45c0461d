"""Cache-aside with single flight in the cluster: one load at all nodes, whoever fails, leaves or dies."""

import asyncio
from functools import partial

import pytest

from cachesim.patterns import LoadFailed
from tests.contract.place import MINUTES, until
from tests.patterns.kit import OriginError, cancel, outcome, start


@pytest.fixture
def nodes(place):
    """Makes two caches at two nodes."""
    return lambda **options: [place.make("cache-aside, cluster", **options) for _ in range(2)]


@pytest.fixture
def both(closed):
    """Starts a caller at each node: the first has begun its load, the second has looked into Redis."""

    async def begin(here, there):
        leader = start(here.get_or_set("k", closed.load))
        await until(lambda: closed.calls == 1)
        waiter = start(there.get_or_set("k", closed.load))
        await until(lambda: there.stats.misses == 1)
        return leader, waiter

    return begin


async def test_two_nodes_load_once(nodes, both, closed):
    leader, waiter = await both(*nodes())
    closed.gate.set()
    assert [await leader, await waiter] == ["value 1", "value 1"]
    assert closed.calls == 1


async def test_many_callers_at_two_nodes_load_once(nodes, closed):
    callers = [start(cache.get_or_set("k", closed.load)) for cache in nodes() for _ in range(10)]
    await until(lambda: closed.calls == 1)
    closed.gate.set()
    assert {await caller for caller in callers} == {"value 1"}
    assert closed.calls == 1


async def test_whichever_of_a_nodes_callers_is_the_first_to_hear_of_their_lease_the_load_begins(place, origin):
    cache = place.make("cache-aside, cluster")
    for number in range(30):  # the replies to ten looks come over ten connections, in any order
        callers = [cache.get_or_set(f"key {number}", origin.load) for _ in range(10)]
        assert set(await asyncio.gather(*callers)) == {f"value {number + 1}"}


async def test_without_it_each_node_loads(place, both, closed):
    leader, waiter = await both(place.make("cache-aside"), place.make("cache-aside"))
    await until(lambda: closed.calls == 2)
    closed.gate.set()
    assert [await leader, await waiter] == ["value 1", "value 2"]


async def test_who_waits_hears_that_the_load_has_failed(nodes, both, closed):
    here, there = nodes()
    closed.error = OriginError()
    leader, waiter = await both(here, there)
    closed.gate.set()
    assert await outcome(leader) is closed.error
    assert isinstance(await outcome(waiter), LoadFailed)
    assert closed.calls == 1
    closed.error = None
    assert await there.get_or_set("k", closed.load) == "value 2"


async def test_when_the_leader_leaves_another_takes_over(nodes, both, closed):
    leader, waiter = await both(*nodes())
    await cancel(leader)
    await until(lambda: closed.calls == 2)
    closed.gate.set()
    assert await waiter == "value 2"


async def test_when_the_leader_dies_its_lease_runs_out_and_another_takes_over(place, nodes, both, closed, lease):
    lease(place.unit)
    here, there = nodes()
    leader, waiter = await both(here, there)
    await place.lines[here].cut()  # as good as dead: it renews nothing, and gives nothing up
    await until(lambda: closed.calls == 2)
    closed.gate.set()
    assert [await leader, await waiter] == ["value 1", "value 2"]


async def test_who_waits_when_the_key_is_deleted_gets_what_is_loaded_after(nodes, both, closed):
    here, there = nodes()
    closed.values = ["old", "new"]
    leader, waiter = await both(here, there)
    await here.delete("k")
    await until(lambda: closed.calls == 2)
    closed.gate.set()
    assert [await leader, await waiter] == ["old", "new"]
    assert await here.get_or_set("k", closed.load) == "new"


async def test_who_waits_is_served_what_is_written_meanwhile(nodes, both, closed):
    here, there = nodes()
    leader, waiter = await both(here, there)
    await here.set("k", "set")
    assert await waiter == "set"
    closed.gate.set()
    await leader
    assert await there.get_or_set("k", closed.load) == "set"
    assert closed.calls == 1


async def test_who_waits_longer_than_a_load_may_take_loads_for_itself(place, nodes, both, closed):
    here, there = nodes()
    leader = start(here.get_or_set("k", closed.load, load_timeout=MINUTES))
    await until(lambda: closed.calls == 1)
    quick = partial(asyncio.sleep, 0, "quick")
    assert await there.get_or_set("k", quick, load_timeout=place.unit) == "quick"
    closed.gate.set()
    assert await leader == "value 1"
