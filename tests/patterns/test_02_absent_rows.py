"""Promise 2: an absent row (None) is cached for `negative_ttl` when asked, and forgotten when it is created."""

import asyncio

import pytest


async def test_an_absent_row_expires_after_negative_ttl(make, origin):
    cache = make(ttl=10, negative_ttl=2)
    origin.values = [None, "created"]
    assert await cache.get_or_set("k", origin.load) is None
    await asyncio.sleep(1.9)
    assert await cache.get_or_set("k", origin.load) is None
    await asyncio.sleep(0.2)
    assert await cache.get_or_set("k", origin.load) == "created"


async def test_a_present_row_expires_after_ttl(make, origin):
    cache = make(ttl=10, negative_ttl=2)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(9.9)
    await cache.get_or_set("k", origin.load)
    assert origin.calls == 1


async def test_without_negative_ttl_an_absent_row_expires_after_ttl(make, origin):
    cache = make(ttl=10)
    origin.values = [None, None]
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(9.9)
    await cache.get_or_set("k", origin.load)
    assert origin.calls == 1


@pytest.mark.parametrize("value", [0, "", [], False], ids=repr)
async def test_a_falsy_row_is_not_absent(make, origin, value):
    cache = make(ttl=10, negative_ttl=2)
    origin.values = [value]
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(5)
    assert await cache.get_or_set("k", origin.load) == value
    assert origin.calls == 1


async def test_a_row_that_is_created_is_seen_at_once(make, origin):
    cache = make(negative_ttl=5)
    origin.values = [None]
    await cache.get_or_set("k", origin.load)
    await cache.set("k", "created")
    assert await cache.get_or_set("k", origin.load) == "created"


async def test_a_row_that_is_created_elsewhere_is_seen_after_a_delete(make, origin):
    cache = make(negative_ttl=5)
    origin.values = [None, "created"]
    await cache.get_or_set("k", origin.load)
    await cache.delete("k")
    assert await cache.get_or_set("k", origin.load) == "created"


async def test_an_absent_row_can_be_set(make, origin):
    cache = make(ttl=10, negative_ttl=2)
    await cache.set("k", None)
    assert await cache.get_or_set("k", origin.load) is None
    await asyncio.sleep(2.1)
    assert await cache.get_or_set("k", origin.load) == "value 1"
