"""Promises 1, 2, 9, 11 and 12: what is a value, how long it lasts, whose bytes are trusted and which keys differ."""

import asyncio
from functools import partial

import pytest

from tests.contract.place import MINUTES, until_read
from tests.patterns.kit import FALSY, start

MALFORMED = [b"", b"garbage", b"null", b"[1]", b"[2,1]", b"[true,1]", b'[1,1,"soon"]', b"\xff\x00\xfe", b"[" * 10_000]


async def test_every_falsy_value_is_a_value(make, origin):
    cache = make()
    origin.values = [*FALSY]
    for number, value in enumerate(FALSY):
        for _ in range(3):
            served = await cache.get_or_set(f"key {number}", origin.load)
            assert (type(served), served) == (type(value), value)
    assert origin.calls == len(FALSY)


async def test_a_falsy_value_that_was_set_is_there(make, origin):
    cache = make()
    for number, value in enumerate(FALSY):
        await cache.set(f"key {number}", value)
        assert await cache.get_or_set(f"key {number}", origin.load) == value
    assert origin.calls == 0


async def test_a_value_comes_back_at_another_node_as_it_was(make_nodes, origin):
    value = {"naïve": [1, 2.5, None, True, {"": "\N{SNOWMAN}"}], "large": 2**62}
    await make_nodes().set("k", value)
    assert await make_nodes().get_or_set("k", origin.load) == value


async def test_a_value_is_loaded_anew_when_its_time_is_over(place, make, origin):
    cache = make(ttl=place.unit)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    await until_read(partial(cache.get_or_set, "k", origin.load), "value 3")


async def test_many_readers_at_the_instant_of_expiry_all_get_a_value(place, make, origin):
    cache = make(ttl=place.unit)

    async def read_until(calls):
        while origin.calls < calls:
            assert (await cache.get_or_set("k", origin.load)).startswith("value")
            await asyncio.sleep(0.001)

    await asyncio.gather(*(read_until(calls=3) for _ in range(5)))


async def test_a_lifetime_may_differ_from_call_to_call(place, make, origin):
    cache = make()
    await cache.set("short", "old", ttl=place.unit)
    await cache.set("long", "old")
    await until_read(partial(cache.get_or_set, "short", origin.load), "value 1")
    assert await cache.get_or_set("long", origin.load) == "old"


async def test_an_absent_row_is_kept_for_its_own_time(place, make, origin):
    cache = make(ttl=MINUTES, negative_ttl=place.unit)
    origin.values = [None, "row"]
    assert await cache.get_or_set("k", origin.load) is None
    await until_read(partial(cache.get_or_set, "k", origin.load), "row")
    assert origin.calls == 2


async def test_an_absent_row_is_there_when_it_is_created(make, origin):
    cache = make(negative_ttl=MINUTES)
    origin.values = [None]
    await cache.get_or_set("k", origin.load)
    assert await cache.get_or_set("k", origin.load) is None
    await cache.set("k", "row")
    assert await cache.get_or_set("k", origin.load) == "row"


async def test_malformed_bytes_are_a_miss_and_replaced(place, make_over_redis, origin):
    cache = make_over_redis()
    for number, data in enumerate(MALFORMED, start=1):
        await place.redis.set(f"cache:v1:key {number}", data)
        for _ in range(3):
            assert await cache.get_or_set(f"key {number}", origin.load) == f"value {number}"


@pytest.mark.parametrize("plant", ["rpush", "sadd"])
async def test_a_value_of_another_type_is_a_miss_and_replaced(place, make_over_redis, origin, plant):
    await getattr(place.redis, plant)("cache:v1:k", "element")
    cache = make_over_redis()
    for _ in range(3):
        assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_malformed_bytes_do_not_keep_a_write_from_its_place(place, make_over_redis, origin):
    await place.redis.rpush("cache:v1:k", "element")
    cache = make_over_redis()
    await cache.set("k", "set")
    assert await cache.get_or_set("k", origin.load) == "set"


async def test_two_namespaces_share_no_key(make_over_redis, origin):
    one, other = make_over_redis(namespace="one"), make_over_redis(namespace="other")
    await one.set("k", "of one")
    assert await other.get_or_set("k", origin.load) == "value 1"
    await other.delete("k")
    assert await one.get_or_set("k", origin.load) == "of one"


async def test_two_keys_share_no_value(make, origin):
    cache = make()
    keys = ["k", "K", "k ", "k:", ":k", "", "{k}", "k\n", "*", "schlüssel", "k" * 1000]
    callers = [start(cache.get_or_set(key, partial(asyncio.sleep, 0, key))) for key in keys]
    assert [await caller for caller in callers] == keys
    assert [await cache.get_or_set(key, origin.load) for key in keys] == keys


async def test_calls_of_a_function_with_different_arguments_share_no_value(make):
    cache = make()

    @cache.cached("row:{table}:{number}")
    async def row(table, number):
        return [table, number]

    calls = [("a:b", 1), ("a", "b:1"), ("a", 1), ("a", "1"), (None, 1), ("None", 1)]
    for call in calls * 2:
        assert await row(*call) == [*call]
    await cache.delete(row.key("a", 1))
    assert await row("a", "1") == ["a", "1"]
