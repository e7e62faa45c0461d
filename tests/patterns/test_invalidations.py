"""What layered promises of writes elsewhere: its L1 hears of them, over pub/sub or a stream, or is left aside."""

import asyncio
from functools import partial

import orjson
import pytest
from redis import exceptions

from tests.patterns.kit import ROUND_TRIP, Wire, listening, start

OPTIONS = {"ttl": 10, "l1_ttl": 5}
CHANNEL = "cache:invalidations"


@pytest.fixture
def make(world):
    return partial(world.make, "layered", **OPTIONS)


@pytest.fixture(params=["pubsub", "stream"])
def invalidation(request):
    return request.param


async def far_node(world, make, **options):
    """A cache at another node, which listens over a connection of its own; and that connection."""
    wire = Wire(world.server)
    return await listening(make(redis=wire, **options)), wire


# Others hear of it


@pytest.mark.parametrize("write", ["set", "delete"])
async def test_a_write_is_heard_at_other_nodes(world, make, origin, invalidation, write):
    here = await listening(make(invalidation=invalidation))
    there, _ = await far_node(world, make, invalidation=invalidation)
    await here.set("k", "old")
    assert await there.get_or_set("k", origin.load) == "old"
    origin.values = ["new"]
    await (here.set("k", "new") if write == "set" else here.delete("k"))
    await asyncio.sleep(2 * ROUND_TRIP)
    assert await there.get_or_set("k", origin.load) == "new"


async def test_without_invalidation_others_serve_what_they_hold_until_l1_ttl_is_over(make, origin):
    here, there = make(invalidation="none"), make(invalidation="none")
    await here.set("k", "old")
    await there.get_or_set("k", origin.load)
    await here.set("k", "new")
    assert await here.get_or_set("k", origin.load) == "new"
    await asyncio.sleep(4.9)
    assert await there.get_or_set("k", origin.load) == "old"
    await asyncio.sleep(0.2)
    assert await there.get_or_set("k", origin.load) == "new"


async def test_nobody_hears_before_redis_has_it(world, make, origin, redis):
    """Or they would look there, find the old value and keep it."""
    here = await listening(make())
    there, _ = await far_node(world, make)
    await here.set("k", "old")
    await there.get_or_set("k", origin.load)
    gate = redis.hold("DEL")
    deletion = start(here.delete("k"))
    await asyncio.sleep(0.5)
    assert await there.get_or_set("k", origin.load) == "old"
    assert "PUBLISH" not in redis.log[redis.log.index("DEL") :]
    gate.set()
    await deletion
    await asyncio.sleep(2 * ROUND_TRIP)
    assert await there.get_or_set("k", origin.load) == "value 1"


async def test_who_does_not_listen_yet_does_without_l1(make, origin, redis):
    cache = make()
    gate = redis.hold("LOOK")
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(2)]
    gate.set()
    await asyncio.gather(*callers)
    assert len(cache.l1) == 0
    await listening(cache)
    await cache.get_or_set("k", origin.load)
    assert len(cache.l1) > 0


async def test_a_node_does_not_heed_its_own_echo(make, origin, redis, invalidation):
    """What it has filled since it told the others would be thrown away."""
    cache = await listening(make(invalidation=invalidation))
    redis.hold_up(0.5)
    await cache.delete("k")
    await cache.get_or_set("k", partial(asyncio.sleep, 0, "at once"))
    await asyncio.sleep(1)
    redis.log.clear()
    assert await cache.get_or_set("k", origin.load) == "at once"
    assert "LOOK" not in redis.log


async def test_two_namespaces_do_not_hear_each_other(make, origin, redis):
    one, two = [await listening(make(namespace=name)) for name in ("one", "two")]
    await two.get_or_set("k", origin.load)
    await one.delete("k")
    await asyncio.sleep(1)
    redis.log.clear()
    assert await two.get_or_set("k", origin.load) == "value 1"
    assert redis.log == []


async def test_a_message_that_cannot_be_sent_is_counted_and_fails_nobody(make, redis):
    cache = await listening(make())
    redis.errors["PUBLISH"] = exceptions.NoPermissionError("no permissions to run PUBLISH")
    await cache.set("k", "set")
    await cache.delete("k")
    assert cache.stats.errors == 2


# A fill that is under way when the message comes


async def test_a_load_under_way_when_the_message_comes_is_not_kept(world, make, origin):
    here = await listening(make())
    there, _ = await far_node(world, make)
    origin.values = ["old", "new", "new"]
    fill = start(there.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await here.delete("k")
    assert await fill == "old"  # who came before gets what was true then
    assert await there.get_or_set("k", origin.load) == "new"
    assert await there.get_or_set("k", origin.load) == "new"


@pytest.mark.parametrize("write", ["set", "delete"])
async def test_a_look_into_l2_under_way_when_the_message_comes_is_not_kept(world, make, origin, write):
    """The reply is 3 s on its way, which began before the write; the message overtakes it."""
    here = await listening(make())
    there, _ = await far_node(world, make)
    await here.set("k", "old")
    origin.values = ["new"]
    trips, world.server.trips = world.server.trips, iter([6.0])
    fill = start(there.get_or_set("k", origin.load))
    await asyncio.sleep(0.1)
    world.server.trips = trips
    await asyncio.sleep(3)
    await (here.set("k", "new") if write == "set" else here.delete("k"))
    assert await fill == "old"
    assert await there.get_or_set("k", origin.load) == "new"


# The connection is lost: pub/sub


async def test_what_was_said_while_the_connection_was_lost_is_not_missed(world, make, origin):
    here = await listening(make())
    there, wire = await far_node(world, make)
    await here.set("k", "old")
    await there.get_or_set("k", origin.load)
    wire.cut(0.5)
    await here.set("k", "new")
    for _ in range(4):
        await asyncio.sleep(0.5)
        assert await there.get_or_set("k", origin.load) == "new"


async def test_a_lost_connection_empties_l1_which_is_left_aside_until_listening_again(world, make, origin):
    here = await listening(make())
    there, wire = await far_node(world, make)
    await here.set("k", "old")
    await there.get_or_set("k", origin.load)
    wire.cut()
    await asyncio.sleep(0.1)
    assert len(there.l1) == 0
    await here.set("k", "new")  # which is never heard there
    for _ in range(2):
        assert await there.get_or_set("k", origin.load) == "new"
    assert len(there.l1) == 0
    await asyncio.sleep(2)
    await there.get_or_set("k", origin.load)
    assert len(there.l1) == 1
    await here.set("k", "newest")
    await asyncio.sleep(2 * ROUND_TRIP)
    assert await there.get_or_set("k", origin.load) == "newest"


async def test_a_lost_connection_is_counted_and_comes_back_as_often_as_it_is_lost(world, make, origin):
    there, wire = await far_node(world, make)
    for n in range(1, 4):
        wire.cut()
        await asyncio.sleep(2)
        assert there.stats.errors == n
        await there.get_or_set("k", origin.load)
        assert len(there.l1) == 1


async def test_a_fill_under_way_when_the_connection_is_lost_is_not_kept(world, make, origin):
    there, wire = await far_node(world, make)
    fill = start(there.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    wire.cut()
    await fill
    assert len(there.l1) == 0


async def test_with_redis_away_l1_goes_on_until_the_listener_knows(world, make, origin):
    there, wire = await far_node(world, make)
    await there.get_or_set("k", origin.load)
    wire.down = "refuse"
    assert await there.get_or_set("k", origin.load) == "value 1"
    wire.cut()
    await asyncio.sleep(0.1)
    assert {await caller for caller in [start(there.get_or_set("k", origin.load)) for _ in range(5)]} == {"value 2"}


# The connection is lost: a stream


async def test_a_listener_to_a_stream_resumes_where_it_left(world, make, origin):
    here = await listening(make(invalidation="stream"))
    there, wire = await far_node(world, make, invalidation="stream")
    for key in ("told meanwhile", "left alone"):
        await here.set(key, "old")
        await there.get_or_set(key, origin.load)
    wire.errors["XREAD"] = exceptions.ConnectionError("connection lost")
    await asyncio.sleep(1.5)
    await here.set("told meanwhile", "new")
    assert await there.get_or_set("told meanwhile", origin.load) == "new"  # L1 is left aside
    del wire.errors["XREAD"]
    await asyncio.sleep(2)
    wire.log.clear()
    assert await there.get_or_set("left alone", origin.load) == "old"  # and still there
    assert "LOOK" not in wire.log
    assert await there.get_or_set("told meanwhile", origin.load) == "new"


async def test_a_stream_cut_beyond_where_a_listener_left_empties_l1(world, make, origin, redis):
    here = await listening(make(invalidation="stream"))
    await here.delete("k")
    there, wire = await far_node(world, make, invalidation="stream")
    await here.set("k", "old")
    await there.get_or_set("k", origin.load)
    await asyncio.sleep(0.1)
    wire.errors["XREAD"] = exceptions.ConnectionError("connection lost")
    await asyncio.sleep(1.5)
    await here.set("k", "new")
    await here.delete("another")
    await redis.xtrim(CHANNEL, maxlen=1)
    del wire.errors["XREAD"]
    await asyncio.sleep(2)
    assert await there.get_or_set("k", origin.load) == "new"


async def test_a_stream_keeps_a_bounded_number_of_messages(world, make, redis):
    world.server.trips = iter(lambda: 0.0, None)
    cache = await listening(make(invalidation="stream"))
    for n in range(10_500):
        await cache._invalidations.tell(str(n))
    assert 10_000 <= await redis.xlen(CHANNEL) < 10_200


# Malformed messages


MALFORMED = {
    "no JSON": b"garbage",
    "no text": b"\xff\xfe",
    "nothing": b"",
    "no list": b"5",
    "a list of one": b'["sender"]',
    "a list of three": b'["sender", "k", "k"]',
    "no key": b'["sender", null]',
    "a key that is a number": b'["sender", 5]',
    "a key that is a list": b'["sender", ["k"]]',
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_message_is_counted_and_skipped(world, make, origin, redis, invalidation, message):
    here = await listening(make(invalidation=invalidation))
    there, _ = await far_node(world, make, invalidation=invalidation)
    await here.set("k", "old")
    await there.get_or_set("k", origin.load)
    await (redis.publish(CHANNEL, message) if invalidation == "pubsub" else redis.xadd(CHANNEL, {"message": message}))
    await asyncio.sleep(0.1)
    await here.set("k", "new")  # the listener goes on
    await asyncio.sleep(0.1)
    assert await there.get_or_set("k", origin.load) == "new"
    assert (there._invalidations.malformed, there.stats.errors) == (1, 0)


async def test_a_message_of_another_sender_is_a_json_list_of_sender_and_key(world, make, origin, redis):
    there, _ = await far_node(world, make)
    for key in ("k", "another"):
        await there.get_or_set(key, origin.load)
    await redis.publish(CHANNEL, orjson.dumps(["somebody else", "k"]))
    await asyncio.sleep(0.1)
    assert [event.key for event in world.events if event.kind == "deleted"] == ["k"]


# The end


async def test_aclose_ends_the_listener(make, invalidation):
    cache = await listening(make(invalidation=invalidation))
    await cache.aclose()
    await asyncio.sleep(1)  # as long as the fake server minds a read that nobody waits for any more
    assert asyncio.all_tasks() == {asyncio.current_task()}
