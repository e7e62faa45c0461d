"""Promise 6: a load begun before a delete or a write never stores over it, in one process and across two nodes."""

import pytest

from tests.contract.place import until
from tests.patterns.kit import cancel, start


@pytest.fixture(params=["delete", "set"])
def invalidate(request):
    """Deletes or writes the key at a cache."""
    return lambda cache: cache.delete("k") if request.param == "delete" else cache.set("k", "set")


@pytest.fixture
def begun(closed):
    """Starts a caller whose load has read "old" and is under way; later loads read "new"."""
    closed.values = ["old", "new", "new", "new"]

    async def begin(cache):
        caller = start(cache.get_or_set("k", closed.load))
        await until(lambda: closed.calls == 1)
        return caller

    return begin


@pytest.fixture(params=["process", "none"])
def single_flight(request):
    return request.param


async def test_a_load_begun_before_stores_nothing(make, closed, begun, invalidate, single_flight):
    cache = make(single_flight=single_flight)
    caller = await begun(cache)
    await invalidate(cache)
    closed.gate.set()
    assert await caller == "old"  # who came before gets what was true then
    for _ in range(3):
        assert await cache.get_or_set("k", closed.load) in ("set", "new")


async def test_a_load_begun_before_at_another_node_stores_nothing(make_nodes, closed, begun, invalidate, single_flight):
    here, there = make_nodes(single_flight=single_flight), make_nodes(single_flight=single_flight)
    caller = await begun(here)
    await invalidate(there)
    closed.gate.set()
    assert await caller in ("old", "set")
    for cache in (here, there, here):
        assert await cache.get_or_set("k", closed.load) in ("set", "new")


async def test_who_comes_after_a_delete_does_not_join_the_old_load(make, closed, begun):
    cache = make()
    old = await begun(cache)
    await cache.delete("k")
    new = start(cache.get_or_set("k", closed.load))
    await until(lambda: closed.calls == 2)
    closed.gate.set()
    assert [await old, await new] == ["old", "new"]
    assert await cache.get_or_set("k", closed.load) == "new"
    assert closed.calls == 2


async def test_who_comes_after_a_delete_at_another_node_does_not_join_the_old_load(make_nodes, closed, begun):
    here, there = make_nodes(), make_nodes()
    old = await begun(here)
    await there.delete("k")
    new = start(here.get_or_set("k", closed.load))
    await until(lambda: closed.calls == 2)
    closed.gate.set()
    assert [await old, await new] == ["old", "new"]
    for cache in (here, there):
        assert await cache.get_or_set("k", closed.load) == "new"
    assert closed.calls == 2


async def test_an_old_load_that_ends_last_does_not_overwrite_the_new_one(make, closed, begun):
    cache = make()
    old = await begun(cache)
    await cache.delete("k")
    gate, closed.gate = closed.gate, None
    assert await cache.get_or_set("k", closed.load) == "new"
    gate.set()
    assert await old == "old"
    assert await cache.get_or_set("k", closed.load) == "new"
    assert closed.calls == 2


async def test_an_old_load_at_another_node_that_ends_last_does_not_overwrite_the_new_one(make_nodes, closed, begun):
    here, there = make_nodes(), make_nodes()
    old = await begun(here)
    await there.delete("k")
    gate, closed.gate = closed.gate, None
    assert await there.get_or_set("k", closed.load) == "new"
    gate.set()
    await old
    for cache in (here, there):
        assert await cache.get_or_set("k", closed.load) == "new"
    assert closed.calls == 2


async def test_a_delete_of_another_key_changes_nothing(make_nodes, closed, begun):
    here, there = make_nodes(), make_nodes()
    caller = await begun(here)
    await there.delete("another")
    closed.gate.set()
    await caller
    assert await there.get_or_set("k", closed.load) == "old"


async def test_a_load_begun_before_a_flush_stores_nothing(place, make_nodes, closed, begun):
    cache = make_nodes()
    caller = await begun(cache)
    await place.redis.flushall()
    closed.gate.set()
    assert await caller == "old"
    assert await cache.get_or_set("k", closed.load) == "new"


async def test_a_delete_whose_caller_has_left_is_carried_through(make_nodes, origin):
    cache = make_nodes()
    await cache.set("k", "old")
    deletion = start(cache.delete("k"))
    await until(lambda: deletion.done() or cache.stats.in_flight > 0)
    await cancel(deletion)
    await cache.aclose()
    assert await make_nodes().get_or_set("k", origin.load) == "value 1"
