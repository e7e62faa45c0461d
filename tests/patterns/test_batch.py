"""What a batch promises besides: two round trips and one query whatever N, each value in its place, loads shared."""

import asyncio
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import exceptions

from cachesim.patterns import LoadFailed, LoadTimeout
from tests.patterns.kit import ROUND_TRIP, OriginError, World, cancel, outcome, start, turns


class Rows:
    """A table, asked by one query for many: a row for each key that it has, in its own order, none twice."""

    def __init__(self, **rows):
        self.rows = rows
        self.queries = []
        self.cancelled = 0
        self.seconds = 1.0
        self.error = None

    async def load(self, keys):
        self.queries.append(list(keys))
        found = {key: row for key, row in self.rows.items() if key in keys}
        error = self.error
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if error is not None:
            raise error
        return found


@pytest.fixture
def make(world):
    return partial(world.make, "batch")


def numbered(n):
    return {f"key {i}": i for i in range(n)}


def round_trips(world):
    return world.server.recorder.totals.redis_round_trips


# Each value in its place


async def test_the_trap_of_one_two_three_two_and_ninety_nine(make):
    cache = make()
    rows = Rows(**{"1": "A", "2": "B", "3": ""})
    await cache.set("1", "A")
    await cache.set("3", "")
    assert await cache.get_or_set_many(["1", "2", "3", "2", "99"], rows.load) == ["A", "B", "", "B", None]
    assert rows.queries == [["2", "99"]]


async def test_rows_come_in_the_tables_order_and_go_to_their_keys(make):
    cache, rows = make(), Rows(a="A", b="B", c="C")
    assert await cache.get_or_set_many(["c", "nobody", "a", "b"], rows.load) == ["C", None, "A", "B"]
    assert await cache.get_or_set_many(["b", "a", "nobody", "c"], rows.load) == ["B", "A", None, "C"]
    assert len(rows.queries) == 1


names = st.sampled_from("abcdef")


@given(keys=st.lists(names, max_size=12), there=st.sets(names), cached=st.sets(names))
def test_positions_and_duplicates_are_kept_whatever_is_cached(keys, there, cached):
    world = World()
    cache = world.make("batch")
    rows = Rows(**{key: key.upper() for key in sorted(there)})

    async def ask():
        await cache.get_or_set_many(sorted(cached), rows.load)
        assert await cache.get_or_set_many(keys, rows.load) == [rows.rows.get(key) for key in keys]

    world.run(ask())
    missing = [key for key in dict.fromkeys(keys) if key not in cached]
    assert rows.queries == [query for query in (sorted(cached), missing) if query]


async def test_a_row_that_nobody_asked_for_is_not_kept(make):
    cache, rows = make(), Rows(b="B")

    async def load_too_much(keys):
        return {"a": "A", "b": "unasked"}

    assert await cache.get_or_set_many(["a"], load_too_much) == ["A"]
    assert await cache.get_or_set_many(["b"], rows.load) == ["B"]


# What it costs


@pytest.mark.parametrize("n", [1, 2, 100, 2000])
async def test_n_keys_cost_two_round_trips_and_one_query(world, make, n):
    cache, rows = make(), Rows(**numbered(n))
    before = round_trips(world)
    assert await cache.get_or_set_many(list(rows.rows), rows.load) == list(range(n))
    assert (round_trips(world) - before, len(rows.queries)) == (2, 1)
    assert asyncio.get_running_loop().time() == pytest.approx(2 * ROUND_TRIP + rows.seconds)


async def test_n_keys_that_are_there_cost_one_round_trip(world, make):
    cache, rows = make(), Rows(**numbered(100))
    await cache.get_or_set_many(list(rows.rows), rows.load)
    before = round_trips(world)
    await cache.get_or_set_many(list(rows.rows), rows.load)
    assert (round_trips(world) - before, len(rows.queries)) == (1, 1)


@pytest.mark.parametrize("down", [None, "refuse", "hang"])
async def test_an_empty_list_costs_nothing(world, make, redis, down):
    cache, rows = make(), Rows()
    redis.down = down
    assert await cache.get_or_set_many([], rows.load) == []
    assert (round_trips(world), rows.queries, asyncio.get_running_loop().time()) == (0, [], 0)


async def test_pipelines_are_no_transactions(make, redis):
    """MULTI and EXEC would hold everybody up, and a Redis Cluster refuses them over several slots."""
    cache, rows, asked = make(), Rows(a="A", b="B"), []
    pipeline = redis.pipeline

    def noted(**options):
        asked.append(options)
        return pipeline(**options)

    redis.pipeline = noted
    await cache.get_or_set_many(["a", "b"], rows.load)
    assert asked == [{"transaction": False}] * 2


# Lifetimes


async def lifetimes(redis, keys):
    return [await redis.pttl(f"cache:v1:{key}") for key in keys]


async def test_what_is_filled_together_does_not_expire_together(make, redis):
    cache, rows = make(ttl=10, jitter=None), Rows(**numbered(100))
    await cache.get_or_set_many(list(rows.rows), rows.load)
    left = await lifetimes(redis, rows.rows)
    assert len(set(left)) > 50
    assert min(left) < 9200
    assert 9700 < max(left) <= 10_000  # a tenth of ttl, and never longer than ttl


async def test_without_jitter_it_does(make, redis):
    cache, rows = make(ttl=10, jitter=0.0), Rows(**numbered(100))
    await cache.get_or_set_many(list(rows.rows), rows.load)
    assert max(left := await lifetimes(redis, rows.rows)) - min(left) <= 100 * ROUND_TRIP * 1000 + 1


async def test_an_absent_row_is_asked_for_once(make):
    cache, rows = make(), Rows(a="A")
    for _ in range(2):
        assert await cache.get_or_set_many(["a", "nobody"], rows.load) == ["A", None]
    assert rows.queries == [["a", "nobody"]]


async def test_an_absent_row_is_kept_for_negative_ttl_and_the_others_for_ttl(make):
    cache, rows = make(ttl=10, negative_ttl=2), Rows(a="A")
    for seconds in (1.9, 0.2, 0.0):
        assert await cache.get_or_set_many(["a", "nobody"], rows.load) == ["A", None]
        await asyncio.sleep(seconds)
    assert rows.queries == [["a", "nobody"], ["nobody"]]


async def test_an_absent_row_that_is_created_is_seen_at_once(make):
    cache, rows = make(negative_ttl=5), Rows()
    await cache.get_or_set_many(["a"], rows.load)
    await cache.set("a", "created")
    assert await cache.get_or_set_many(["a"], rows.load) == ["created"]


# Loads are shared


async def test_a_key_that_is_being_loaded_is_joined_and_not_loaded_again(make):
    cache, rows = make(), Rows(a="A", b="B", c="C")
    first = start(cache.get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.5)
    second = start(cache.get_or_set_many(["b", "c", "a"], rows.load))
    assert [await first, await second] == [["A", "B"], ["B", "C", "A"]]
    assert rows.queries == [["a", "b"], ["c"]]
    assert (cache.stats.loads, cache.stats.joins) == (3, 2)


async def test_a_batch_whose_keys_are_all_being_loaded_asks_nothing(make):
    cache, rows = make(), Rows(a="A", b="B")
    callers = [start(cache.get_or_set_many(keys, rows.load)) for keys in (["a", "b"], ["b", "a"], ["a"])]
    assert [await caller for caller in callers] == [["A", "B"], ["B", "A"], ["A"]]
    assert len(rows.queries) == 1


async def test_a_single_key_and_a_batch_share_their_loads(make, origin):
    cache, rows = make(), Rows(a="A", b="B")
    single = start(cache.get_or_set("a", origin.load))
    await asyncio.sleep(0.5)
    batch = start(cache.get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.25)
    another = start(cache.get_or_set("b", origin.load))
    assert [await single, await batch, await another] == ["value 1", ["value 1", "B"], "B"]
    assert (origin.calls, rows.queries) == (1, [["b"]])


async def test_alone_everybody_loads_all_they_lack(make):
    cache, rows = make(single_flight="none"), Rows(a="A", b="B")
    callers = [start(cache.get_or_set_many(["a", "b"], rows.load)) for _ in range(3)]
    assert [await caller for caller in callers] == [["A", "B"]] * 3
    assert rows.queries == [["a", "b"]] * 3


async def test_in_the_cluster_two_nodes_load_each_key_once(make):
    nodes, rows = [make(single_flight="cluster") for _ in range(2)], Rows(a="A", b="B", c="C")
    first = start(nodes[0].get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.5)
    second = start(nodes[1].get_or_set_many(["b", "c", "a"], rows.load))
    assert [await first, await second] == [["A", "B"], ["B", "C", "A"]]
    assert rows.queries == [["a", "b"], ["c"]]


async def test_in_the_cluster_a_failure_is_told_to_the_other_node(make):
    nodes, rows = [make(single_flight="cluster") for _ in range(2)], Rows(a="A", b="B")
    rows.error = OriginError()
    first = start(nodes[0].get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.5)
    second = start(nodes[1].get_or_set_many(["b"], rows.load))
    assert await outcome(first) is rows.error
    assert isinstance(await outcome(second), LoadFailed)
    rows.error = None
    assert await nodes[1].get_or_set_many(["a", "b"], rows.load) == ["A", "B"]


async def test_in_the_cluster_who_waits_takes_over_from_who_leaves(make):
    nodes, rows = [make(single_flight="cluster") for _ in range(2)], Rows(a="A", b="B")
    first = start(nodes[0].get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.5)
    second = start(nodes[1].get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.1)
    await cancel(first)
    assert await second == ["A", "B"]
    assert asyncio.get_running_loop().time() < 2


async def test_in_the_cluster_too_a_batch_that_nobody_else_loads_costs_two_round_trips(world, make):
    cache, rows = make(single_flight="cluster"), Rows(**numbered(20))
    before = round_trips(world)
    await cache.get_or_set_many(list(rows.rows), rows.load)
    assert round_trips(world) - before == 2
    await cache.get_or_set_many(list(rows.rows), rows.load)
    assert round_trips(world) - before == 3


# One caller leaves, or a load fails


@pytest.mark.parametrize("leaver", [0, 1])
async def test_one_who_leaves_leaves_alone(make, leaver):
    cache, rows = make(), Rows(a="A", b="B", c="C")
    callers = [start(cache.get_or_set_many(keys, rows.load)) for keys in (["a", "b"], ["b", "c"])]
    await asyncio.sleep(0.5)
    await cancel(callers.pop(leaver))
    assert await callers[0] == (["B", "C"] if leaver == 0 else ["A", "B"])
    assert rows.cancelled == leaver  # nobody waits for c any more; a is loaded with b, for which somebody does


async def test_the_load_ends_when_the_last_one_leaves(make):
    cache, rows = make(), Rows(a="A")
    callers = [start(cache.get_or_set_many(["a", "b"], rows.load)) for _ in range(2)]
    await asyncio.sleep(0.5)
    await cancel(*callers)
    await turns()
    assert rows.cancelled == 1
    assert cache.stats.in_flight == 0


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(make):
    cache, rows = make(), Rows(a="A", b="B")
    rows.error = OriginError()
    callers = [start(cache.get_or_set_many(keys, rows.load)) for keys in (["a", "b"], ["b"], ["b", "a"])]
    assert [await outcome(caller) for caller in callers] == [rows.error] * 3
    rows.error = None
    assert await cache.get_or_set_many(["a", "b"], rows.load) == ["A", "B"]
    assert len(rows.queries) == 2


async def test_a_failure_leaves_what_is_there_alone(make):
    cache, rows = make(), Rows(a="A", b="B")
    await cache.get_or_set_many(["a"], rows.load)
    rows.error = OriginError()
    assert await outcome(cache.get_or_set_many(["a", "b"], rows.load)) is rows.error
    assert await cache.get_or_set_many(["a"], rows.load) == ["A"]


async def test_a_load_that_takes_too_long_tells_how_many_keys_it_was_for(make):
    cache, rows = make(load_timeout=0.5), Rows(a="A")
    with pytest.raises(LoadTimeout, match=r"the load of 2 keys took longer than 0\.5 s"):
        await cache.get_or_set_many(["a", "b"], rows.load)
    assert rows.cancelled == 1


async def test_stale_values_are_served_if_all_that_is_missing_has_one(make):
    cache, rows = make(ttl=2, stale_if_error=5), Rows(a="A", b="B")
    await cache.get_or_set_many(["a", "b"], rows.load)
    await asyncio.sleep(3)
    rows.error = OriginError()
    assert await cache.get_or_set_many(["b", "a"], rows.load) == ["B", "A"]
    assert await outcome(cache.get_or_set_many(["a", "c"], rows.load)) is rows.error
    assert cache.stats.stale_hits == 2
    await asyncio.sleep(5)
    assert await outcome(cache.get_or_set_many(["b", "a"], rows.load)) is rows.error


async def test_what_is_fresh_when_it_is_looked_at_is_served_though_it_expires_while_another_is_claimed(make):
    """Loaded all the same, and without a lease, it would be loaded beside the load of whoever comes next."""
    cache, rows = make(ttl=2, stale_if_error=5), Rows(a="A", c="C")
    loop = asyncio.get_running_loop()
    await cache.set("a", "A")
    await asyncio.sleep(1 - loop.time())
    await cache.set("c", "C")
    await asyncio.sleep(3 - 1.5 * ROUND_TRIP - loop.time())  # the look ends before c expires, the claim after
    assert await cache.get_or_set_many(["a", "c"], rows.load) == ["A", "C"]
    assert rows.queries == [["a"]]


# A write during the load; Redis away


async def test_a_key_that_is_deleted_during_the_load_is_not_stored_and_the_others_are(make):
    cache, rows = make(), Rows(a="old A", b="B")
    old = start(cache.get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.5)
    await cache.delete("a")
    rows.rows["a"] = "new A"
    newcomer = start(cache.get_or_set_many(["a", "b"], rows.load))
    assert [await old, await newcomer] == [["old A", "B"], ["new A", "B"]]
    assert await cache.get_or_set_many(["a", "b"], rows.load) == ["new A", "B"]
    assert rows.queries == [["a", "b"], ["a"]]


async def test_a_key_that_another_node_deletes_during_the_load_is_not_stored(make):
    here, there, rows = make(), make(), Rows(a="old A", b="B")
    old = start(here.get_or_set_many(["a", "b"], rows.load))
    await asyncio.sleep(0.5)
    await there.delete("a")
    rows.rows["a"] = "new A"
    await old
    for cache in (here, there):
        assert await cache.get_or_set_many(["a", "b"], rows.load) == ["new A", "B"]
    assert rows.queries == [["a", "b"], ["a"]]


async def test_one_malformed_value_is_one_miss(make, redis):
    cache, rows = make(), Rows(a="A", b="B")
    await cache.get_or_set_many(["a", "b"], rows.load)
    await redis.plant("a", b"garbage")
    assert await cache.get_or_set_many(["a", "b"], rows.load) == ["A", "B"]
    assert await cache.get_or_set_many(["a", "b"], rows.load) == ["A", "B"]
    assert rows.queries == [["a", "b"], ["a"]]


@pytest.mark.parametrize("down", ["refuse", "hang"])
async def test_with_redis_away_one_query_serves_all_who_ask(make, redis, down):
    cache, rows = make(), Rows(**numbered(10))
    redis.down = down
    callers = [start(cache.get_or_set_many(list(rows.rows), rows.load)) for _ in range(5)]
    assert [await caller for caller in callers] == [list(range(10))] * 5
    assert len(rows.queries) == 1


@pytest.mark.parametrize("command", ["LOOK", "STORE"])
async def test_a_server_that_answers_with_errors_fails_nobody(make, redis, command):
    cache, rows = make(), Rows(a="A", b="B")
    redis.errors[command] = exceptions.OutOfMemoryError("OOM command not allowed")
    assert await cache.get_or_set_many(["a", "b"], rows.load) == ["A", "B"]


async def test_each_key_counts_as_a_hit_or_a_miss(world, make):
    cache, rows = make(), Rows(a="A", b="B")
    await cache.get_or_set_many(["a"], rows.load)
    await cache.get_or_set_many(["a", "b", "b", "nobody"], rows.load)
    assert (world.kinds("hit"), world.kinds("miss"), world.kinds("load")) == (
        ["a"],
        ["a", "b", "nobody"],
        ["a", "b", "nobody"],
    )
    assert (cache.stats.hits, cache.stats.misses, cache.stats.loads) == (1, 3, 3)
