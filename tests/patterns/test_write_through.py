"""What write-through promises besides: the database first, then the cache, in the order of commits, or not at all."""

import asyncio
from functools import partial

import pytest
from redis import exceptions

from tests.patterns.kit import OriginError, Table, cancel, outcome, start

OUT_OF_MEMORY = exceptions.OutOfMemoryError("OOM command not allowed")


class SlowTable(Table):
    """A database whose writes take as long as the value says before they commit, or else a second; it may fail."""

    def __init__(self):
        super().__init__()
        self.seconds = {}
        self.error = None

    async def write(self, key, value):
        await asyncio.sleep(self.seconds.get(value, 1.0))
        if self.error is not None:
            raise self.error
        return await super().write(key, value)

    async def read(self, key):
        """What is committed when the read begins; it takes a second."""
        value = self.rows.get(key)
        await asyncio.sleep(1)
        return value


@pytest.fixture
def make(world):
    return partial(world.make, "write-through")


@pytest.fixture
def table(world):
    world.database = SlowTable()
    return world.database


# The database first


async def test_a_write_is_in_the_database_and_is_read_without_a_load(make, origin, table):
    cache = make()
    await cache.set("k", "new")
    assert table.rows == {"k": "new"}
    assert await cache.get_or_set("k", origin.load) == "new"
    assert origin.calls == 0


async def test_the_cache_is_not_touched_before_the_database_has_committed(make, table, redis):
    cache = make()
    write = start(cache.set("k", "new"))
    await asyncio.sleep(0.9)
    assert (redis.log, table.rows) == ([], {})
    await write
    assert redis.log == ["PUT"]


async def test_until_the_commit_readers_are_served_what_was_there(make, origin, table):
    cache = make()
    await cache.set("k", "old")
    write = start(cache.set("k", "new"))
    await asyncio.sleep(0.5)
    assert await cache.get_or_set("k", origin.load) == "old"
    await write
    assert await cache.get_or_set("k", origin.load) == "new"


async def test_what_cannot_be_cached_is_not_written_either(make, table):
    with pytest.raises(TypeError):
        await make().set("k", object())
    assert table.rows == {}


# Two who write


async def test_of_two_nodes_the_last_to_commit_stays_though_it_is_the_first_in_the_cache(make, origin, redis):
    here, there = make(), make()
    gate = redis.hold("PUT")
    first = start(here.set("k", "first"))
    await asyncio.sleep(0.5)
    del redis.held["PUT"]
    await there.set("k", "second")
    gate.set()
    await first
    for cache in (here, there):
        assert await cache.get_or_set("k", origin.load) == "second"
    assert origin.calls == 0


async def test_of_two_in_one_process_too(make, origin, redis):
    cache = make()
    gate = redis.hold("PUT")
    first = start(cache.set("k", "first"))
    await asyncio.sleep(0.5)
    del redis.held["PUT"]
    second = start(cache.set("k", "second"))
    await asyncio.sleep(0.5)
    gate.set()
    await asyncio.gather(first, second)
    assert await cache.get_or_set("k", origin.load) == "second"
    assert origin.calls == 0


async def test_it_is_the_order_of_commits_that_counts_not_that_of_calls(make, origin, table):
    cache = make()
    table.seconds = {"called first": 3, "called second": 1}
    await asyncio.gather(cache.set("k", "called first"), cache.set("k", "called second"))
    assert table.rows == {"k": "called first"}
    assert await cache.get_or_set("k", origin.load) == "called first"


async def test_versions_above_nine_are_newer_than_nine(make, origin):
    cache = make()
    for n in range(12):
        await cache.set("k", n)
    assert await cache.get_or_set("k", origin.load) == 11


async def test_a_deleted_key_forgets_its_version(make, origin, redis):
    """The stated limit: a writer who was overtaken, and is later than the delete, is not seen."""
    here, there = make(), make()
    gate = redis.hold("PUT")
    first = start(here.set("k", "first"))
    await asyncio.sleep(0.5)
    del redis.held["PUT"]
    await there.set("k", "second")
    await there.delete("k")
    gate.set()
    await first
    assert await here.get_or_set("k", origin.load) == "first"


# A load meanwhile


@pytest.mark.parametrize("nodes", [1, 2])
async def test_a_load_begun_before_the_commit_does_not_overwrite_it(make, table, nodes):
    caches = [make() for _ in range(nodes)]
    table.rows["k"] = "old"
    reader = start(caches[-1].get_or_set("k", partial(table.read, "k")))
    await asyncio.sleep(0.5)
    table.seconds = {"new": 0.1}
    await caches[0].set("k", "new")
    assert await reader == "old"  # who came before gets what was true then
    for cache in caches:
        assert await cache.get_or_set("k", partial(table.read, "k")) == "new"


async def test_a_load_begun_during_the_write_and_before_its_commit_does_not_either(make, table):
    cache = make()
    table.rows["k"] = "old"
    write = start(cache.set("k", "new"))
    await asyncio.sleep(0.5)
    reader = start(cache.get_or_set("k", partial(table.read, "k")))
    await write
    await reader
    assert await cache.get_or_set("k", partial(table.read, "k")) == "new"


# The cache fails


async def test_when_the_cache_cannot_take_a_value_the_old_one_is_deleted(make, redis, table):
    cache = make()
    await cache.set("k", "old")
    redis.errors["PUT"] = OUT_OF_MEMORY
    await cache.set("k", "new")
    assert redis.log[-1] == "DEL"
    assert await cache.get_or_set("k", partial(table.read, "k")) == "new"


async def test_when_that_fails_too_the_old_one_is_served_until_it_expires_and_it_is_counted(make, redis, table):
    cache = make(ttl=10)
    await cache.set("k", "old")
    redis.errors = dict.fromkeys(("PUT", "DEL"), OUT_OF_MEMORY)
    await cache.set("k", "new")
    assert cache.stats.errors == 2
    assert table.rows == {"k": "new"}
    await asyncio.sleep(8.9)
    assert await cache.get_or_set("k", partial(table.read, "k")) == "old"
    await asyncio.sleep(0.2)
    assert await cache.get_or_set("k", partial(table.read, "k")) == "new"


@pytest.mark.parametrize("down", ["refuse", "hang"])
async def test_with_redis_away_the_database_is_written_all_the_same(make, redis, table, down):
    cache = make()
    redis.down = down
    await cache.set("k", "new")
    assert table.rows == {"k": "new"}


# The database fails


async def test_when_the_database_fails_the_caller_is_told_and_nobody_trusts_the_cache(make, origin, table):
    """It may have committed all the same: nobody knows."""
    cache = make()
    await cache.set("k", "old")
    table.error = OriginError()
    assert await outcome(cache.set("k", "new")) is table.error
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_a_failed_write_does_not_spoil_the_next(make, origin, table):
    cache = make()
    table.error = OriginError()
    await outcome(cache.set("k", "lost"))
    table.error = None
    await cache.set("k", "new")
    assert await cache.get_or_set("k", origin.load) == "new"


# The caller leaves


@pytest.mark.parametrize("seconds", [0.5, 1.5], ids=["before the commit", "between commit and cache"])
async def test_a_write_is_carried_through_though_its_caller_leaves(make, origin, redis, table, seconds):
    cache = make()
    await cache.set("k", "old")
    gate = redis.hold("PUT")
    write = start(cache.set("k", "new"))
    await asyncio.sleep(seconds)
    await cancel(write)
    gate.set()
    await cache.aclose()
    assert table.rows == {"k": "new"}
    assert await cache.get_or_set("k", origin.load) == "new"


# Write-around


async def test_write_around_deletes_the_key_and_the_next_reader_loads(make, redis, table):
    cache = make(write_around=True)
    table.rows["k"] = "old"
    await cache.get_or_set("k", partial(table.read, "k"))
    redis.log.clear()
    await cache.set("k", "new")
    assert redis.log == ["DEL"]
    assert await cache.get_or_set("k", partial(table.read, "k")) == "new"
    assert cache.stats.loads == 2


async def test_write_around_keeps_nothing_that_nobody_has_read(make, redis):
    await make(write_around=True).set("k", "new")
    assert await redis.keys("*") == []


async def test_write_around_of_two_nodes_leaves_nothing_old(make, table):
    here, there = make(write_around=True), make(write_around=True)
    reader = start(here.get_or_set("k", partial(table.read, "k")))
    await asyncio.sleep(0.5)
    table.seconds = {"new": 0.1}
    await there.set("k", "new")
    await reader
    for cache in (here, there):
        assert await cache.get_or_set("k", partial(table.read, "k")) == "new"
