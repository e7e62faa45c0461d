"""Write-through: the database first, then the cache, and of two writers the later commit stays."""

import asyncio
from functools import partial

import pytest

from tests.contract.place import until
from tests.patterns.kit import OriginError, outcome, start


@pytest.fixture
def make_written(place):
    return partial(place.make, "write-through")


async def test_what_is_written_is_in_the_database_and_in_the_cache(place, make_written, origin):
    await make_written().set("k", "written")
    assert place.table.rows == {"k": "written"}
    assert await make_written().get_or_set("k", origin.load) == "written"
    assert origin.calls == 0


async def test_of_two_writers_the_later_commit_stays_though_it_reaches_the_cache_first(place, make_written, origin):
    gate = asyncio.Event()

    async def store_and_dawdle(key, value):
        version = await place.table.write(key, value)
        await gate.wait()
        return version

    slow, quick = make_written(store=store_and_dawdle), make_written()
    older = start(slow.set("k", "older"))
    await until(lambda: place.table.rows == {"k": "older"})
    await quick.set("k", "newer")
    gate.set()
    await older
    assert place.table.rows == {"k": "newer"}
    for cache in (slow, quick):
        assert await cache.get_or_set("k", origin.load) == "newer"


async def test_many_writers_leave_what_the_database_has(place, make_written, origin):
    nodes = [make_written() for _ in range(3)]
    await asyncio.gather(*(nodes[n % 3].set("k", n) for n in range(30)))
    assert {await node.get_or_set("k", origin.load) for node in nodes} <= {place.table.rows["k"], "value 1"}


async def test_a_load_begun_before_the_commit_stores_nothing(make_written, closed):
    here, there = make_written(), make_written()
    caller = start(here.get_or_set("k", closed.load))
    await until(lambda: closed.calls == 1)
    await there.set("k", "written")
    closed.gate.set()
    await caller
    assert await here.get_or_set("k", closed.load) == "written"


async def test_a_store_that_fails_is_told_and_the_key_deleted(make_written, origin):
    error = OriginError()

    async def fail(key, value):
        raise error

    await make_written().set("k", "old")
    cache = make_written(store=fail)
    assert await outcome(cache.set("k", "new")) is error
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_what_cannot_be_cached_is_not_written(place, make_written):
    assert isinstance(await outcome(make_written().set("k", object())), TypeError)
    assert place.table.rows == {}


async def test_write_around_deletes_the_key(place, make_written, origin):
    cache = make_written(write_around=True)
    await cache.get_or_set("k", origin.load)
    await cache.set("k", "written")
    assert place.table.rows == {"k": "written"}
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_with_redis_away_the_database_is_written(place, make_written):
    cache = make_written()
    await place.lines[cache].cut()
    await cache.set("k", "written")
    assert place.table.rows == {"k": "written"}
