"""Batch: two round trips and one query, however many keys; order and duplicates kept."""

import asyncio

import pytest

from tests.contract.place import MINUTES, until
from tests.patterns.kit import OriginError, cancel, outcome, start


class Queries:
    """A database that is asked for many rows at once; it has one for each key but those in `absent`."""

    def __init__(self):
        self.asked = []
        self.absent = {"99"}
        self.error = self.gate = None

    async def __call__(self, keys):
        self.asked.append(list(keys))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {key: f"row {key}" for key in keys if key not in self.absent}


@pytest.fixture
def query():
    return Queries()


@pytest.fixture
def closed(query):
    """A query that ends when its gate opens."""
    query.gate = asyncio.Event()
    return query


@pytest.fixture
def cache(place):
    return place.make("batch of one")


@pytest.mark.parametrize("n", [1, 2, 100])
async def test_many_keys_cost_two_round_trips_and_one_query(place, cache, query, n):
    line = place.lines[cache]
    await cache.get_or_set_many(["connects"], query)
    before, keys = line.round_trips, [f"key {number}" for number in range(n)]
    assert await cache.get_or_set_many(keys, query) == [f"row {key}" for key in keys]
    assert line.round_trips - before == 2
    assert query.asked[1:] == [keys]


async def test_keys_that_are_all_there_cost_one_round_trip(place, cache, query):
    line, keys = place.lines[cache], [str(number) for number in range(50)]
    rows = await cache.get_or_set_many(keys, query)
    before = line.round_trips
    assert await cache.get_or_set_many(keys, query) == rows
    assert line.round_trips - before == 1
    assert len(query.asked) == 1


async def test_no_keys_cost_nothing(place, cache, query):
    assert await cache.get_or_set_many([], query) == []
    assert (place.lines[cache].round_trips, query.asked) == (0, [])


async def test_positions_duplicates_falsy_values_and_absent_rows_are_kept(cache, query):
    await cache.set("1", "A")
    await cache.set("3", "")
    assert await cache.get_or_set_many(["1", "2", "3", "2", "99"], query) == ["A", "row 2", "", "row 2", None]
    assert query.asked == [["2", "99"]]


async def test_an_absent_row_is_kept(place, query):
    cache = place.make("batch of one", negative_ttl=MINUTES)
    for _ in range(3):
        assert await cache.get_or_set_many(["1", "99"], query) == ["row 1", None]
    assert query.asked == [["1", "99"]]


async def test_a_key_that_is_being_loaded_is_waited_for(cache, closed):
    first = start(cache.get_or_set_many(["a", "b"], closed))
    await until(lambda: len(closed.asked) == 1)
    second = start(cache.get_or_set_many(["b", "c", "a"], closed))
    await until(lambda: len(closed.asked) == 2)
    closed.gate.set()
    assert await first == ["row a", "row b"]
    assert await second == ["row b", "row c", "row a"]
    assert closed.asked == [["a", "b"], ["c"]]


async def test_who_leaves_cancels_nobody_else(cache, closed):
    first = start(cache.get_or_set_many(["a", "b"], closed))
    await until(lambda: len(closed.asked) == 1)
    second = start(cache.get_or_set_many(["b"], closed))
    await until(lambda: cache.stats.joins == 1)
    await cancel(first)
    closed.gate.set()
    assert await second == ["row b"]
    assert len(closed.asked) == 1


async def test_a_failure_reaches_the_caller_and_nothing_is_kept(cache, query):
    query.error = OriginError()
    assert await outcome(cache.get_or_set_many(["a", "b"], query)) is query.error
    query.error = None
    assert await cache.get_or_set_many(["a", "b"], query) == ["row a", "row b"]


async def test_a_key_deleted_meanwhile_at_another_node_is_not_kept_and_the_others_are(place, cache, closed):
    caller = start(cache.get_or_set_many(["a", "b", "c"], closed))
    await until(lambda: len(closed.asked) == 1)
    await place.make("batch of one").delete("b")
    closed.gate.set()
    assert await caller == ["row a", "row b", "row c"]
    await cache.get_or_set_many(["a", "b", "c"], closed)
    assert closed.asked[1:] == [["b"]]


async def test_one_malformed_value_spoils_no_other(place, cache, query):
    await cache.get_or_set_many(["a", "b", "c"], query)
    await place.redis.set("cache:v1:b", b"garbage")
    assert await cache.get_or_set_many(["a", "b", "c"], query) == ["row a", "row b", "row c"]
    assert query.asked[1:] == [["b"]]


async def test_with_redis_away_it_costs_one_query(place, cache, query):
    await place.lines[cache].cut()
    assert await cache.get_or_set_many(["a", "b", "a"], query) == ["row a", "row b", "row a"]
    assert query.asked == [["a", "b"]]
