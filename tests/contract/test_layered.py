"""Layered: L1 answers without Redis, hears what others invalidate, and is bypassed while it cannot hear."""

import asyncio
from functools import partial

import pytest

from tests.contract.place import MINUTES, until, until_read
from tests.patterns.kit import OriginError, outcome

MALFORMED = [b"", b"garbage", b"[1]", b'["who"]', b'["who",1]', b"{}", b"\xff", b'["a","b","c"]']


@pytest.fixture(params=["pubsub", "stream"])
def invalidation(request):
    return request.param


@pytest.fixture
def make_layered(place, invalidation):
    return partial(place.make, "layered", invalidation=invalidation)


async def warm(cache, load):
    """Read until L1 answers: it listens, and holds the key."""
    hits = cache.l1.stats.hits
    while cache.l1.stats.hits == hits:
        await cache.get_or_set("k", load)
        await asyncio.sleep(0.005)


async def test_l1_answers_without_a_round_trip(place, make_layered, origin):
    cache = make_layered()
    await warm(cache, origin.load)
    await place.redis.set("cache:v1:k", b'[1,"planted"]')
    for _ in range(10):
        assert await cache.get_or_set("k", origin.load) == "value 1"
    assert origin.calls == 1


@pytest.mark.parametrize("write", ["set", "delete"])
async def test_the_others_hear_of_a_write(make_layered, origin, write):
    here, there = make_layered(), make_layered()
    await here.set("k", "old")
    for cache in (here, there):
        await warm(cache, origin.load)
    await (here.set("k", "new") if write == "set" else here.delete("k"))
    new = "new" if write == "set" else "value 1"
    assert await here.get_or_set("k", origin.load) == new
    await until_read(partial(there.get_or_set, "k", origin.load), new)


async def test_a_write_is_told_though_its_own_node_has_never_listened(make_layered, origin):
    writer, reader = make_layered(), make_layered()
    await writer.set("k", "old")
    await warm(reader, origin.load)
    await writer.set("k", "new")
    await until_read(partial(reader.get_or_set, "k", origin.load), "new")


async def test_without_invalidation_l1_serves_what_it_holds_for_its_time(place, origin):
    here, there = (place.make("layered", invalidation="none", l1_ttl=seconds) for seconds in (place.unit, MINUTES))
    await here.set("k", "old")
    for cache in (here, there):
        await cache.get_or_set("k", origin.load)
    await place.make("layered").set("k", "new")
    await until_read(partial(here.get_or_set, "k", origin.load), "new")
    assert await there.get_or_set("k", origin.load) == "old"


async def test_an_entry_of_l1_does_not_outlive_that_of_l2(place, make_layered, origin):
    cache = make_layered(ttl=place.unit, l1_ttl=MINUTES)
    await cache.set("k", "old")
    await until_read(partial(cache.get_or_set, "k", origin.load), "value 1")


async def test_a_malformed_message_is_skipped(place, make_layered, invalidation, origin):
    here, there = make_layered(), make_layered()
    await here.set("k", "old")
    await warm(there, origin.load)
    for message in MALFORMED:
        if invalidation == "pubsub":
            await place.redis.publish("cache:invalidations", message)
        else:
            await place.redis.xadd("cache:invalidations", {"message": message})
    await here.set("k", "new")
    await until_read(partial(there.get_or_set, "k", origin.load), "new")
    await warm(there, origin.load)  # it still listens


async def test_an_error_of_the_loader_passes_both_layers(make_layered, origin):
    cache = make_layered()
    origin.error = OriginError()
    for _ in range(3):
        assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_a_node_cut_off_does_without_l1_and_listens_again(place, make_layered, origin):
    here, there = make_layered(), make_layered()
    await here.set("k", "old")
    await warm(there, origin.load)
    await place.lines[there].cut()
    origin.values = ["while cut off"] * 1000
    await until_read(partial(there.get_or_set, "k", origin.load), "while cut off")
    origin.values = ["new"] * 1000
    await here.set("k", "new")
    place.lines[there].mend()
    for _ in range(10):
        assert await there.get_or_set("k", origin.load) == "new"
    await warm(there, origin.load)
    origin.values = ["newest"] * 1000
    await here.delete("k")
    await until_read(partial(there.get_or_set, "k", origin.load), "newest")


async def test_a_listener_whose_connection_is_killed_forgets_l1_and_listens_again(place, origin):
    here, there = place.make("layered"), place.make("layered")
    await here.set("k", "old")
    await warm(there, origin.load)
    await place.lose_listeners()
    await until(lambda: len(there.l1) == 0)
    await here.set("k", "new")
    for _ in range(10):
        assert await there.get_or_set("k", origin.load) == "new"
    await warm(there, origin.load)
    await here.delete("k")
    await until_read(partial(there.get_or_set, "k", origin.load), "value 1")
