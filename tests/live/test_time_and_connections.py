"""Time, blocking and broken connections: what fakeredis, the simulated Redis and the server do alike, and what not."""

import asyncio

import pytest
import redis

from tests.live.answers import on_fakeredis, on_the_server, on_the_simulated_redis
from tests.world.test_redis import World, attempt


@pytest.fixture(params=["fakeredis", "simulated", "server"])
def run(request):
    """Runs a program on each."""
    if request.param == "server":
        server = request.getfixturevalue("redis_server")
        return lambda program: on_the_server(server, program)
    return on_fakeredis if request.param == "fakeredis" else on_the_simulated_redis


# Time

LOOK = """
local now = redis.call('TIME')
return {redis.call('GET', KEYS[1]), now[1] * 1000 + math.floor(now[2] / 1000)}
"""


def test_a_value_is_usable_on_the_server_up_to_and_including_its_deadline(redis_server):
    async def program(client, other):
        for _ in range(1000):  # until a look falls into the very millisecond
            await client.set("key", "value", px=2)
            deadline = at = await client.pexpiretime("key")
            values = {}
            while at <= deadline + 1:
                value, at = await client.eval(LOOK, 1, "key")
                values[at - deadline] = value
            if 0 in values:
                return values[0], value
        return "never seen"

    assert on_the_server(redis_server, program) == (b"value", None)


def test_a_value_is_usable_in_simulation_up_to_and_including_its_deadline():
    async def program(client, other):
        await client.set("key", "value", px=1500)
        await asyncio.sleep(1.5)
        at_deadline = await client.get("key")
        await asyncio.sleep(0.001)
        return at_deadline, await client.get("key")

    assert on_the_simulated_redis(program) == (b"value", None)


LIFETIMES = {
    "SET PX": lambda client: client.set("key", "value", px=10_000),
    "SET EX": lambda client: client.set("key", "value", ex=10),
    "EXPIRE": lambda client: client.expire("key", 10),
    "PEXPIRE": lambda client: client.pexpire("key", 10_000),
    "SETEX": lambda client: client.execute_command("SETEX", "key", 10, "value"),
    "PSETEX": lambda client: client.execute_command("PSETEX", "key", 10_000, "value"),
    "GETEX": lambda client: client.getex("key", ex=10),
}
TRUNCATED = {"SETEX", "PSETEX", "GETEX"}


@pytest.mark.parametrize("name", LIFETIMES)
def test_fakeredis_truncates_some_deadlines_to_whole_seconds(name):
    async def program(client):
        await asyncio.sleep(0.75)
        await client.set("key", "value")
        await LIFETIMES[name](client)
        return await client.pttl("key")

    assert World().run(program) == (9_250 if name in TRUNCATED else 10_000)


@pytest.mark.parametrize("name", LIFETIMES)
def test_the_server_truncates_none(redis_server, name):
    async def program(client, other):
        await client.set("key", "value")
        async with client.pipeline() as pipeline:
            pipeline.time()
            LIFETIMES[name](pipeline)
            pipeline.pexpiretime("key")
            pipeline.time()
            (seconds, microseconds), _, deadline, (later, more) = await pipeline.execute()
        lasts = deadline - 10_000
        return seconds * 1000 + microseconds // 1000 - 1 <= lasts <= later * 1000 + more // 1000

    assert on_the_server(redis_server, program)


@pytest.mark.parametrize("command", ["EXPIRE", "PEXPIRE"])
def test_a_lifetime_of_nothing_ends_at_once_but_in_simulation_just_after_its_instant(run, request, command):
    async def program(client, other):
        await client.set("key", "value")
        await client.execute_command(command, "key", 0)
        return await client.get("key")

    assert run(program) == (b"value" if "simulated" in request.node.name else None)


# Blocking


def test_a_blocking_read_of_a_stream_is_served_by_another_connection(run):
    async def program(client, other):
        await other.xadd("stream", {"n": 1}, id="1-1")
        reader = asyncio.create_task(client.xread({"stream": "1-1"}, block=60_000))
        await asyncio.sleep(0.005)  # it blocks by now, or else finds the entry: the same reply
        await other.xadd("stream", {"n": 2}, id="2-1")
        return await reader

    assert run(program) == [[b"stream", [(b"2-1", {b"n": b"2"})]]]


def test_a_blocking_read_of_a_stream_gives_up_in_time(run):
    async def program(client, other):
        return await client.xread({"stream": "0"}, block=5)

    assert run(program) == []


# Pub/sub over a connection that breaks


async def broken(client, other):
    """What a subscriber hears of a connection that was killed, and of a message published then."""
    async with other.pubsub() as pubsub:
        await pubsub.subscribe("news")
        await pubsub.get_message(timeout=5)
        assert await client.execute_command("CLIENT KILL", "TYPE", "pubsub") == 1
        assert await client.publish("news", "lost") == 0
        first = await attempt(pubsub.get_message(timeout=0.01))
        second = await pubsub.get_message(timeout=0.01)
        return first, second, await client.publish("news", "heard"), await pubsub.get_message(timeout=0.01)


def test_a_subscriber_of_the_server_is_told_that_its_connection_broke_and_then_that_it_listens_again(redis_server):
    first, second, hearers, third = on_the_server(redis_server, broken)
    assert isinstance(first, redis.ConnectionError)
    assert (second["type"], hearers, third["data"]) == ("subscribe", 1, b"heard")


@pytest.mark.parametrize("on_a_fake", [on_fakeredis, on_the_simulated_redis])
def test_a_subscriber_of_fakeredis_whose_connection_was_killed_is_told_nothing_and_hears_no_more(on_a_fake):
    assert on_a_fake(broken) == (None, None, 0, None)
