"""The simulated Redis answers as the stock client over fakeredis does, and each command costs one round trip."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import numpy as np
import pytest
import redis
import simpy
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder
from cachesim.world.redis import Redis, SimRedis, SimServer

Client = Any
Program = Callable[..., Awaitable[object]]


async def finished(awaitable: Awaitable[object]) -> object:
    """What it gives; a command that still blocks in the server is cancelled, as at the end of a run."""
    try:
        return await awaitable
    finally:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()


class World:
    """A simulated Redis `round_trip` away, and what runs against it."""

    def __init__(self, round_trip: Any = 0.0) -> None:
        self.loop = SimLoop(simpy.Environment(initial_time=0.0))
        self.recorder = Recorder(self.loop.env, start=0.0, end=math.inf, tables=True)
        self.setting = Redis(round_trip=round_trip)

    def run(self, program: Program, clients: int = 1, **options: Any) -> Any:
        """What `program` returns, given that many clients of one server."""

        async def main() -> object:
            server = SimServer(self.setting, self.loop, np.random.default_rng(1), self.recorder)
            return await finished(program(*(SimRedis(server, **options) for _ in range(clients))))

        return self.loop.run_until_complete(main())


def stock(program: Program, clients: int = 1, **options: Any) -> Any:
    """What `program` returns, given that many stock clients of one fake server, in simulated time."""

    async def main() -> object:
        server = FakeServer(version=(7, 4))
        return await finished(program(*(FakeRedis(server=server, **options) for _ in range(clients))))

    return SimLoop(simpy.Environment(initial_time=0.0)).run_until_complete(main())


def text(reply: object) -> str:
    """A reply or error as text, in which b"1", "1", 1, 1.0 and True differ; the order in a set is its own affair."""
    if isinstance(reply, BaseException):
        return f"{type(reply).__name__}: {reply}"
    if isinstance(reply, list | tuple | set):
        parts = sorted(map(text, reply)) if isinstance(reply, set) else map(text, reply)
        return f"{type(reply).__name__}({', '.join(parts)})"
    return repr(reply)


async def attempt(awaitable: Awaitable[object]) -> object:
    """The reply, or the error in its place."""
    try:
        return await awaitable
    except Exception as error:
        return error


def now() -> float:
    return asyncio.get_running_loop().time()


def same(program: Program, clients: int = 1, **options: Any) -> Any:
    """Check that `program` gets the same list of replies from both, and return it."""
    ours, theirs = World().run(program, clients, **options), stock(program, clients, **options)
    assert list(map(text, ours)) == list(map(text, theirs))
    return ours


# The same replies and errors: single commands

DOUBLE = "return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1]), {1, false, 'text'}}"

COMMANDS: dict[str, list[tuple[Any, ...]]] = {
    "get and set": [
        ("get", "key"),
        ("set", "key", "value"),
        ("get", "key"),
        ("get", b"key"),
        ("set", b"key", b"\xff\x00\r\n"),
        ("get", "key"),
        ("set", 7, 8),
        ("get", 7),
        ("get", "7"),
        ("set", 1.5, 2.5),
        ("get", 1.5),
        ("set", "key", -0.1),
        ("get", "key"),
        ("set", "é", "ü"),
        ("get", "é"),
        ("set", "", ""),
        ("get", ""),
        ("keys",),
    ],
    "views of memory": [
        ("set", memoryview(b"view"), memoryview(b"viewed")),
        ("get", "view"),
        ("get", memoryview(b"view")),
        ("keys",),
    ],
    "what cannot be encoded": [
        ("get", None),
        ("get", True),
        ("get", ["key"]),
        ("set", None, "value"),
        ("set", "key", None),
        ("set", "key", False),
        ("set", "key", {"a": 1}),
        ("incr", None),
        ("keys",),
    ],
    "the wrong number of arguments": [
        ("execute_command", "GET"),
        ("execute_command", "SET", "key"),
        ("execute_command", "NONSENSE", "key"),
        ("execute_command", "SET", "key", "value", "NONSENSE"),
    ],
    "names of commands": [
        ("execute_command", "set", "key", "1"),
        ("execute_command", "Get", "key"),
        ("execute_command", "CONFIG GET", "save"),
        ("execute_command", "OBJECT ENCODING", "key"),
    ],
    "names of commands in bytes": [
        ("execute_command", b"SET", "key", "1"),
        ("execute_command", b"GET", "key"),
        ("execute_command", b"XLEN", "stream"),
    ],
    "options of set": [
        ("set", "key", 1, {"nx": True}),
        ("set", "key", 2, {"nx": True}),
        ("set", "key", 3, {"xx": True}),
        ("set", "other", 3, {"xx": True}),
        ("set", "key", 4, {"get": True}),
        ("set", "other", 4, {"get": True}),
        ("set", "key", 5, {"px": 1500}),
        ("pttl", "key"),
        ("set", "key", 6, {"keepttl": True}),
        ("pttl", "key"),
        ("set", "key", 7, {"ex": 3}),
        ("ttl", "key"),
        ("set", "key", 8),
        ("pttl", "key"),
        ("set", "key", 9, {"exat": 100}),
        ("pttl", "key"),
        ("set", "key", 10, {"pxat": 12345}),
        ("expiretime", "key"),
        ("set", "key", 11, {"px": 0}),
        ("set", "key", 12, {"px": -5}),
        ("set", "key", 13, {"ex": 0}),
        ("set", "key", 14, {"px": 1.5}),
        ("set", "key", 15, {"ex": 1.5}),
        ("set", "key", 16, {"px": "1000"}),
        ("set", "key", 17, {"px": True}),
        ("set", "key", 18, {"px": 5, "ex": 5}),
        ("set", "key", 19, {"nx": True, "xx": True}),
        ("get", "key"),
        ("pttl", "key"),
        ("psetex", "key", 1000, "value"),
        ("setnx", "key", "value"),
        ("getdel", "key"),
        ("setnx", "key", "value"),
        ("getex", "key", {"px": 10}),
        ("getset", "key", "value"),
    ],
    "times too long to add up": [
        ("set", "key", 1, {"px": 2**62}),
        ("pttl", "key"),
        ("set", "key", 2, {"px": 2**63}),
        ("set", "key", 3, {"ex": 2**62}),
        ("get", "key"),
    ],
    "the wrong type": [
        ("lpush", "list", 1),
        ("get", "list"),
        ("incr", "list"),
        ("hset", "list", "field", 1),
        ("set", "list", 1, {"get": True}),
        ("getdel", "list"),
        ("set", "list", "a string now"),
        ("lpush", "list", 1),
        ("get", "list"),
        ("incr", "list"),
        ("setbit", "bits", 7, 1),
        ("get", "bits"),
        ("pfadd", "sketch", 1),
        ("pfcount", "sketch"),
    ],
    "keys": [
        ("mset", {"a": 1, "b": 2.5, "c": "x"}),
        ("mget", "a", "b", "nothing", "c"),
        ("mget", ["a", "b"]),
        ("exists", "a", "a", "nothing"),
        ("delete", "a", "nothing"),
        ("delete",),
        ("unlink", "b"),
        ("mget", "a", "b", "c"),
        ("type", "c"),
        ("type", "nothing"),
        ("rename", "c", "d"),
        ("rename", "nothing", "d"),
        ("dbsize",),
        ("keys", "*"),
        ("touch", "d"),
        ("object", "refcount", "d"),
        ("flushdb",),
        ("keys", "*"),
        ("ping",),
        ("echo", "hello"),
    ],
    "numbers": [
        ("incr", "n"),
        ("incrby", "n", 10),
        ("decr", "n"),
        ("incrbyfloat", "n", 0.5),
        ("incr", "n"),
        ("get", "n"),
        ("append", "n", "x"),
        ("incr", "n"),
        ("strlen", "n"),
        ("set", "n", 2**63 - 1),
        ("incr", "n"),
    ],
    "expiry": [
        ("set", "key", 1),
        ("pttl", "key"),
        ("pttl", "nothing"),
        ("expire", "key", 10),
        ("ttl", "key"),
        ("pexpire", "key", 1500),
        ("pttl", "key"),
        ("expire", "key", 5, {"gt": True}),
        ("expire", "key", 3, {"nx": True}),
        ("pexpireat", "key", 2500),
        ("pexpiretime", "key"),
        ("persist", "key"),
        ("pexpireat", "key", -1),
        ("exists", "key"),
        ("expire", "nothing", 1),
    ],
    "hashes": [
        ("hset", "hash", "a", 1),
        ("hset", "hash", {"mapping": {"b": 2.5, "c": b"\xff"}}),
        ("hgetall", "hash"),
        ("hget", "hash", "a"),
        ("hmget", "hash", "a", "nothing"),
        ("hdel", "hash", "a"),
        ("hlen", "hash"),
        ("hincrby", "hash", "n", 5),
        ("hgetall", "nothing"),
        ("hset", "hash"),
    ],
    "lists": [
        ("lpush", "list", 1, "two", b"3"),
        ("rpush", "list", 4.5),
        ("lrange", "list", 0, -1),
        ("lpop", "list"),
        ("rpop", "list", 2),
        ("llen", "list"),
        ("lrange", "nothing", 0, -1),
    ],
    "sorted sets": [
        ("zadd", "z", {"a": 1, "b": 2.5}),
        ("zadd", "z", {"a": 2}, {"xx": True, "ch": True}),
        ("zadd", "z", {"c": math.inf}),
        ("zscore", "z", "a"),
        ("zrange", "z", 0, -1, {"withscores": True}),
        ("zrangebyscore", "z", "-inf", 2.5),
        ("zremrangebyscore", "z", 0, 2),
        ("zincrby", "z", 1.5, "b"),
        ("zadd", "z", {"a": "not a number"}),
    ],
    "sets": [("sadd", "s", 1, "a"), ("smembers", "s"), ("sismember", "s", 1), ("scard", "s"), ("srem", "s", 1)],
    "scans": [
        ("mset", {f"key:{n:02}": n for n in range(25)}),
        ("scan", 0, {"match": "key:1*", "count": 100}),
        ("scan", 0, {"count": 10}),
        ("hset", "hash", {"mapping": {"a": 1}}),
        ("hscan", "hash"),
        ("scan", 0, {"_type": "HASH"}),
    ],
    "scripts": [
        ("eval", DOUBLE, 1, "key", 21),
        ("script_load", DOUBLE),
        ("evalsha", "0" * 40, 1, "key", 21),
        ("script_exists", "0" * 40),
        ("eval", "return redis.error_reply('MY own error')", 0),
        ("eval", "return redis.call('INCR', KEYS[1])", 1, "text"),
        ("set", "text", "text"),
        ("eval", "return redis.call('INCR', KEYS[1])", 1, "text"),
        ("eval", "return redis.call('GET', KEYS[1])", 1, "text"),
        ("eval", "this is not Lua", 0),
        ("eval", "return redis.call('PTTL', KEYS[1])", 1, "text"),
    ],
    "streams": [
        ("xadd", "stream", {"field": "value", "n": 1}),
        ("xadd", "stream", {"field": "value"}, {"id": "5-*", "maxlen": 2}),
        ("xadd", "stream", {"field": "value"}, {"id": "1-1"}),
        ("xlen", "stream"),
        ("xread", {"stream": 0}),
        ("xrange", "stream"),
        ("xread", {"nothing": 0}),
        ("xread", {"stream": 0}, {"block": 10}),
    ],
    "the connection": [
        ("client_setname", "me"),
        ("client_getname",),
        ("client_id",),
        ("config_set", "maxmemory", 100),
        ("config_get", "maxmemory"),
        ("time",),
        ("lastsave",),
    ],
}


async def call(client: Client, name: str, *arguments: Any) -> Any:
    """Call a method; options stand in a dict at the end whose keys are names of options."""
    options: dict[str, Any] = {}
    if arguments and isinstance(arguments[-1], dict) and OPTIONS.issuperset(arguments[-1]):
        *arguments, options = arguments  # type: ignore[assignment]  # a list is as good here
    return await getattr(client, name)(*arguments, **options)


OPTIONS = frozenset(
    "nx xx get px ex keepttl exat pxat gt ch withscores match count _type mapping id maxlen block".split()
)


@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 2}, {"protocol": 3}], ids=repr)
@pytest.mark.parametrize("commands", COMMANDS.values(), ids=COMMANDS)
def test_commands_reply_and_fail_as_with_the_stock_client(commands, options):
    async def program(client: Client) -> Any:
        return [f"{command} at {now()}: {text(await attempt(call(client, *command)))}" for command in commands]

    same(program, **options)


def test_keys_and_values_are_encoded_as_the_client_says():
    async def program(client: Client) -> Any:
        return [
            await client.set("é", "ü"),
            await client.get("é"),
            await client.get("é".encode()),
            await client.getrange("é", 0, -1),
            await client.keys(),
        ]

    same(program, encoding="latin-1")
    same(program, encoding="latin-1", decode_responses=True)


def test_what_cannot_be_decoded_fails_as_with_the_stock_client():
    async def program(client: Client) -> Any:
        await client.set("key", b"\xff")
        return [await attempt(client.get("key")), await attempt(client.getrange("key", 0, -1))]

    same(program, decode_responses=True)


def test_a_response_callback_of_the_users_own_is_called():
    async def program(client: Client) -> Any:
        client.set_response_callback("GET", lambda reply, **options: ("mine", reply))
        client.set_response_callback("SET", lambda reply, **options: ("mine", reply))
        return [await client.set("key", 1), await client.get("key")]

    same(program)


# The same, over time and with several clients


def test_values_expire_as_with_the_stock_client_up_to_and_including_their_deadline():
    async def program(client: Client) -> Any:
        await client.set("a", 1, px=1500)
        await client.set("b", 1, ex=2)
        await client.set("c", 1)
        await client.pexpireat("c", 1500)
        await client.hset("d", "field", 1)
        await client.expire("d", 1)
        log = []
        for _ in range(6):
            log.append([now(), [await client.get(key) for key in "abc"], await client.hgetall("d")])
            log.append([await client.pttl(key) for key in "abcd"])
            log.append([await client.keys(), await client.dbsize(), await client.exists(*"abcd"), await client.time()])
            await asyncio.sleep(0.5)
        return log

    same(program)


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_replies_as_with_the_stock_client(transaction):
    async def program(client: Client) -> Any:
        async with client.pipeline(transaction=transaction) as pipeline:
            pipeline.set("a", 1, px=1000).incr("a").get("a").get("nothing").pttl("a").hset("h", mapping={"x": 1})
            pipeline.hgetall("h").zadd("z", {"m": 1.5}).zrange("z", 0, -1, withscores=True).mget("a", "b")
            first = await pipeline.execute()
            empty = await pipeline.execute()
            pipeline.set("b", b"x" * 10_000).get("b").delete("b")
            return [first, empty, await pipeline.execute(), await client.keys()]

    same(program)
    same(program, decode_responses=True)


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("raises", [True, False])
def test_an_error_inside_a_pipeline_is_as_with_the_stock_client(transaction, raises):
    async def program(client: Client) -> Any:
        await client.set("text", "text")
        pipeline = client.pipeline(transaction=transaction)
        pipeline.incr("n").incr("text").incr("n")
        first = await attempt(pipeline.execute(raise_on_error=raises))
        pipeline.incr("n").execute_command("NONSENSE")
        second = await attempt(pipeline.execute(raise_on_error=raises))
        return [first, second, await client.mget("n", "text"), await client.incr("n")]

    same(program)


def test_a_watched_key_that_changes_breaks_the_transaction():
    async def program(client: Client, other: Client) -> Any:
        async def add(pipeline: Any, meanwhile: Callable[[], Awaitable[object]]) -> Any:
            await pipeline.watch("n")
            value = int(await pipeline.get("n") or 0)
            await meanwhile()
            pipeline.multi()
            pipeline.set("n", value + 1).get("n")
            return await attempt(pipeline.execute())

        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: asyncio.sleep(1),
            lambda: other.set("n", 10),
            lambda: other.set("n", 10, px=5000),
            lambda: other.incr("n"),
            lambda: other.set("n", 10, nx=True),
            lambda: other.delete("n"),
            lambda: other.get("n"),
            lambda: other.set("else", 10),
        ]
        log = []
        for change in changes:
            async with client.pipeline() as pipeline:
                log.append([await add(pipeline, change), await client.get("n")])
        return log

    replies = same(program, clients=2)
    assert [isinstance(reply, redis.WatchError) for reply, _ in replies] == [
        False,
        *[True] * 3,
        False,
        True,
        *[False] * 2,
    ]


def test_an_optimistic_transaction_is_repeated_until_it_succeeds():
    async def program(client: Client, other: Client) -> Any:
        tries = []

        async def increment(pipeline: Any) -> None:
            value = int(await pipeline.get("n"))
            tries.append(value)
            if len(tries) < 3:
                await other.incr("n")
            pipeline.multi()
            pipeline.set("n", value + 100)

        await client.set("n", 1)
        return [await client.transaction(increment, "n"), tries, await client.get("n")]

    same(program, clients=2)


def test_messages_are_published_as_with_the_stock_client():
    async def program(subscriber: Client, publisher: Client) -> Any:
        log: list[Any] = []

        async def listen(pubsub: Any) -> None:
            async for message in pubsub.listen():
                log.append((now(), message))

        async with subscriber.pubsub() as pubsub, subscriber.pubsub(ignore_subscribe_messages=True) as patterns:
            await pubsub.subscribe("news", "weather")
            await patterns.psubscribe("n*")
            listeners = [asyncio.create_task(listen(each)) for each in (pubsub, patterns)]
            for channel, message in (
                ("news", "one"),
                ("weather", b"\xff"),
                ("nothing", 3),
                ("silence", "heard by nobody"),
            ):
                await asyncio.sleep(1)
                log.append(await publisher.publish(channel, message))
            log.append(await publisher.pubsub_numsub("news"))
            await asyncio.sleep(1)
            for listener in listeners:
                listener.cancel()
            await asyncio.wait(listeners)
            await pubsub.unsubscribe()
        return log

    same(program, clients=2)


def test_a_message_is_waited_for_in_limited_time_as_with_the_stock_client():
    async def program(subscriber: Client, publisher: Client) -> Any:
        log: list[Any] = []
        async with subscriber.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("news")
            asyncio.get_running_loop().call_later(2.5, lambda: asyncio.ensure_future(publisher.publish("news", "late")))
            for _ in range(5):
                log.append([now(), await pubsub.get_message(timeout=1)])
        return log

    same(program, clients=2)


def test_writes_are_announced_in_key_space_when_asked_for():
    async def program(subscriber: Client, writer: Client) -> Any:
        log: list[Any] = []
        await writer.config_set("notify-keyspace-events", "KEA")
        async with subscriber.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.psubscribe("__keyspace*__:*")
            await pubsub.get_message(timeout=1)
            await writer.set("key", 1)
            await writer.set("key", 1, px=100)
            await writer.delete("key")
            log.extend([await pubsub.get_message(timeout=1) for _ in range(5)])
        return log

    same(program, clients=2)


BLOCKING: dict[str, Callable[[Client], Awaitable[object]]] = {
    "blpop": lambda client: client.blpop("list", timeout=3),
    "brpop": lambda client: client.brpop(["other", "list"], timeout=3),
    "blmove": lambda client: client.blmove("list", "target", timeout=3),
    "bzpopmin": lambda client: client.bzpopmin("z", timeout=3),
    "xread": lambda client: client.xread({"stream": "$"}, block=3000),
    "xread of text": lambda client: client.execute_command("XREAD", "BLOCK", 3000, "STREAMS", "stream", "$"),
    "in small letters": lambda client: client.execute_command("blpop", "list", 3),
}


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("block", BLOCKING.values(), ids=BLOCKING)
def test_a_blocking_command_is_served_or_times_out_as_with_the_stock_client(block, served):
    async def program(client: Client, other: Client) -> Any:
        waiter = asyncio.create_task(attempt(block(client)))
        await asyncio.sleep(1)
        if served:
            await other.set("list", "not yet")
            await other.delete("list")
            await other.rpush("list", 1)
            await other.zadd("z", {"member": 1})
            await other.xadd("stream", {"field": 1}, id="1-1")
        return [await waiter, now(), await client.ping(), await other.keys()]

    same(program, clients=2)


def test_a_fault_of_the_fake_server_is_told_to_who_waits():
    async def program(client: Client) -> list[object]:
        await client.set("text", "no stream")
        return [await attempt(client.xread({"text": "0"}, block=1))]

    (error,) = World().run(program)
    assert isinstance(error, redis.ResponseError)
    assert "the fake server failed: AttributeError" in str(error)


def test_what_is_there_is_popped_without_waiting():
    async def program(client: Client) -> Any:
        await client.rpush("list", 1, 2)
        return [await client.blpop("list", timeout=1), await client.brpop("list", timeout=1), now()]

    same(program)


def test_a_blocking_command_that_is_cancelled_leaves_the_client_usable():
    async def program(client: Client, other: Client) -> Any:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await client.blpop("list", timeout=0)
        await asyncio.sleep(1)
        return [await other.rpush("list", 1), await client.incr("n"), await client.ping(), now()]

    same(program, clients=2)


def test_a_script_is_loaded_when_the_server_does_not_know_it():
    async def program(client: Client) -> Any:
        script = client.register_script(DOUBLE)
        first, second = await script(keys=["n"], args=[1]), await script(keys=["n"], args=[2])
        async with client.pipeline() as pipeline:
            await script(keys=["n"], args=[3], client=pipeline)
            return [first, second, await pipeline.execute(), await client.script_exists(script.sha)]

    same(program)


def test_a_lock_of_the_stock_client_works():
    async def program(client: Client, other: Client) -> Any:
        log: list[Any] = []

        async def work(name: str, client: Client, seconds: float) -> None:
            async with client.lock("lock", timeout=10, sleep=0.25):
                log.append((now(), name))
                await asyncio.sleep(seconds)

        await asyncio.gather(work("a", client, 2.1), work("b", other, 1.1), work("c", client, 1))
        lost = client.lock("lock", timeout=1)
        await lost.acquire()
        await asyncio.sleep(2)
        log.append(await attempt(lost.release()))
        return log

    same(program, clients=2)


def test_keys_are_scanned_one_by_one():
    async def program(client: Client) -> Any:
        await client.mset({f"key:{n:03}": n for n in range(100)})
        return [[key async for key in client.scan_iter(match="key:*5*", count=7)]]

    same(program)


def test_a_client_that_was_closed_connects_again():
    async def program(client: Client) -> Any:
        first = [await client.incr("n"), await client.get("n")]
        await client.aclose()
        second = [await client.incr("n"), await client.get("n")]
        async with client:
            second.append(await client.incr("n"))
        return first + second

    same(program)


def test_many_tasks_share_a_client():
    async def program(client: Client) -> Any:
        counted = await asyncio.gather(*(client.incr("n") for _ in range(20)))
        return [counted, await client.get("n"), await asyncio.gather(*(client.get("n") for _ in range(3)))]

    same(program)


def test_databases_are_apart():
    async def main() -> Any:
        server = SimServer(Redis(), world.loop, np.random.default_rng(1), world.recorder)
        clients = [SimRedis(server, db=number) for number in (0, 1)]
        for number, client in enumerate(clients):
            await client.set("key", number)
            await client.incrby("key", 10)
        return [await client.get("key") for client in clients]

    world = World()
    assert world.loop.run_until_complete(main()) == [b"10", b"11"]


# The same: sequences that nobody thought of

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.integers(-3, 3), st.sampled_from(["", "text", b"\xff", 1.5]))
MILLISECONDS = st.sampled_from([1, 250, 500, 1000, 1001])
SECONDS = st.integers(1, 2)
FLAGS = st.sampled_from([{}, {"nx": True}, {"xx": True}, {"get": True}, {"keepttl": True}])

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sleep"), st.sampled_from([0.001, 0.25, 0.5, 1.0])),
        st.tuples(
            st.sampled_from("get getdel ttl pttl persist exists incr decr strlen delete type lpop".split()), KEYS
        ),
        st.tuples(st.sampled_from("set setnx append getset lpush sadd".split()), KEYS, VALUES),
        st.tuples(st.just("set"), KEYS, VALUES, st.builds(dict, px=MILLISECONDS)),
        st.tuples(st.just("set"), KEYS, VALUES, st.builds(dict, ex=SECONDS)),
        st.tuples(st.just("set"), KEYS, VALUES, FLAGS),
        st.tuples(st.just("set"), KEYS, VALUES, st.builds(lambda px, flags: {**flags, "px": px}, MILLISECONDS, FLAGS)),
        st.tuples(st.just("pexpire"), KEYS, MILLISECONDS),
        st.tuples(st.just("getex"), KEYS, st.builds(dict, px=MILLISECONDS)),
        st.tuples(st.just("setrange"), KEYS, st.integers(0, 3), st.just("x")),
        st.tuples(st.sampled_from(["rename", "copy"]), KEYS, KEYS),
        st.tuples(st.sampled_from(["mget", "unlink", "touch"]), KEYS, KEYS),
        st.tuples(st.just("mset"), st.dictionaries(KEYS, st.integers(0, 9), min_size=1)),
        st.tuples(st.sampled_from(["dbsize", "flushdb", "time"])),
        st.tuples(st.just("scan")),  # in order of keys in fakeredis; KEYS has no order
    ),
    max_size=30,
)


@given(STEPS, st.booleans())
def test_any_sequence_of_commands_and_pauses_replies_as_with_the_stock_client(steps, decode):
    async def program(client: Client) -> Any:
        log = []
        for step in steps:
            if step[0] == "sleep":
                await asyncio.sleep(step[1])
            else:
                log.append(f"{step} at {now()}: {text(await attempt(call(client, *step)))}")
        return log

    same(program, decode_responses=decode)


# What is SimRedis's own: time. The round trip is 1 s here, so a command executes half a second after it was sent.

LATENCY: dict[str, Callable[[Client], Awaitable[object]]] = {
    "get": lambda client: client.get("key"),
    "set": lambda client: client.set("key", "new"),
    "set with px": lambda client: client.set("key", "new", px=60_000),
    "set with nx": lambda client: client.set("key", "new", nx=True),
    "incr": lambda client: client.incr("number"),
    "mget": lambda client: client.mget("key", "number"),
    "eval": lambda client: client.eval("return redis.call('SET', KEYS[1], 'new')", 1, "key"),
    "an error": lambda client: attempt(client.incr("key")),
    "ping": lambda client: client.ping(),
    "a pipeline": lambda client: client.pipeline(transaction=False).set("key", "new").get("key").incr("n").execute(),
    "a transaction": lambda client: client.pipeline().set("key", "new").get("key").incr("n").execute(),
    "a large pipeline": lambda client: (
        client.pipeline().set("a", "x" * 50_000).set("b", "x" * 50_000).get("a").execute()
    ),
    "a blocking command that need not wait": lambda client: client.blpop("list", 10),
    "publish": lambda client: client.publish("channel", "message"),
}


@pytest.mark.parametrize("send", LATENCY.values(), ids=LATENCY)
def test_a_command_costs_one_round_trip_the_first_as_well_as_the_second(send):
    async def program(client: Client, other: Client) -> Any:
        await other.mset({"key": "old", "number": 1})
        await other.rpush("list", *range(10))
        times = []
        for _ in range(2):
            start = now()
            await send(client)
            times.append(now() - start)
        return times

    assert World(round_trip=1.0).run(program, clients=2) == [1.0, 1.0]


WRITES = {
    "set": lambda client: client.set("key", "new"),
    "set with px": lambda client: client.set("key", "new", px=60_000),
    "mset": lambda client: client.mset({"key": "new"}),
    "eval": lambda client: client.eval("return redis.call('SET', KEYS[1], 'new')", 1, "key"),
    "a pipeline": lambda client: client.pipeline(transaction=False).set("key", "new").execute(),
    "a transaction": lambda client: client.pipeline().set("key", "new").execute(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_command_executes_half_a_round_trip_after_it_was_sent(write):
    """What another client reads depends on whether it asked before or after the write was sent."""

    async def program(writer: Client, reader: Client) -> Any:
        async def read(delay: float) -> Any:
            await asyncio.sleep(delay)
            return await reader.get("key"), now()

        readers = [asyncio.create_task(read(delay)) for delay in (0.9, 1.1)]
        await asyncio.sleep(1)
        await write(writer)
        assert now() == 2
        return await asyncio.gather(*readers)

    (before, answered_before), (after, answered_after) = World(round_trip=1.0).run(program, clients=2)
    assert (before, after) == (None, b"new")
    assert answered_before < 2 < answered_after


def test_the_server_tells_the_time_at_which_a_command_executes():
    async def program(client: Client) -> Any:
        await asyncio.sleep(10)
        return await client.time(), now()

    assert World(round_trip=1.0).run(program) == ((10, 500_000), 11)


def test_commands_of_one_instant_execute_in_the_order_in_which_they_were_sent():
    async def program(client: Client, other: Client) -> Any:
        return await asyncio.gather(
            client.set("key", 1), other.get("key"), client.incr("key"), other.get("key"), client.delete("key")
        )

    assert World(round_trip=1.0).run(program, clients=2) == [True, b"1", 2, b"2", 1]


def test_each_command_draws_its_round_trip():
    async def program(client: Client) -> Any:
        times = []
        for _ in range(1000):
            start = now()
            await client.get("key")
            times.append(now() - start)
        return times

    times = World(round_trip=cs.latency.Exponential(0.01)).run(program)
    assert len(set(times)) == 1000
    assert abs(np.mean(times) - 0.01) < 4 * np.std(times) / math.sqrt(1000)  # 4 standard errors of about 0.0003 s


def test_a_pipeline_draws_one_round_trip_however_many_its_commands():
    """The mean of 1000 trips, uniform in [0, 1] s, is 0.5 s with a standard error of 0.009 s."""

    async def program(client: Client) -> Any:
        times = []
        for _ in range(1000):
            pipeline = client.pipeline(transaction=False)
            for _ in range(10):
                pipeline.incr("n")
            start = now()
            await pipeline.execute()
            times.append(now() - start)
        return times

    times = World(round_trip=cs.latency.Uniform(low=0.0, high=1.0)).run(program)
    assert abs(np.mean(times) - 0.5) < 4 * math.sqrt(1 / 12 / 1000)


def test_what_cannot_be_encoded_is_not_sent():
    async def program(client: Client) -> Any:
        errors = [
            await attempt(client.get(None)),
            await attempt(client.set("key", None)),
            await attempt(client.set("key", None, nx=True)),
            await attempt(client.incr(None)),
        ]
        return errors, now()

    errors, time = World(round_trip=1.0).run(program)
    assert all(isinstance(error, redis.DataError) for error in errors)
    assert time == 0


def test_a_command_whose_caller_was_cancelled_is_executed_all_the_same():
    async def program(client: Client, other: Client) -> Any:
        sent: list[Callable[[], Awaitable[object]]] = [
            lambda: client.incr("n"),
            lambda: client.set("key", "set"),
            lambda: client.rpush("list", 1),
            lambda: client.pipeline().incr("n").incr("n").execute(),
        ]
        for send in sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await send()
        await asyncio.sleep(1)
        return await other.mget("n", "key"), await other.llen("list"), await client.get("n")

    assert World(round_trip=1.0).run(program, clients=2) == ([b"3", b"set"], 1, b"3")


def test_a_command_cancelled_on_its_way_back_was_executed_and_the_client_goes_on():
    async def program(client: Client) -> Any:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.75):
                await client.incr("n")
        return now(), await client.incr("n"), now()

    assert World(round_trip=1.0).run(program) == (0.75, 2, 1.75)


@pytest.mark.parametrize("options", [{"px": 2000}, {"ex": 2}, {"px": 2000, "nx": True}, {"pxat": 2500}], ids=str)
def test_a_value_is_usable_up_to_and_including_its_deadline(options):
    """Stored at 0.5 s for 2 s: read at 2.5 s it is there, a moment later it is not."""

    async def program(client: Client) -> Any:
        async def read(at: float) -> Any:
            await asyncio.sleep(at)
            return await client.get("key"), await client.mget("key")

        await client.set("key", "value", **options)
        reads = await asyncio.gather(read(1 - 0.001), read(1), read(1 + 0.001))
        return [direct for direct, _ in reads]

    assert World(round_trip=1.0).run(program) == [b"value", b"value", None]


def test_the_wire_delays_a_blocked_command_by_half_a_round_trip_each_way():
    async def program(client: Client, other: Client) -> Any:
        async def wait(timeout: float) -> Any:
            return await client.blpop("list", timeout=timeout), now()

        waiters = [asyncio.create_task(wait(timeout)) for timeout in (10, 2)]
        await asyncio.sleep(5)
        await other.rpush("list", 1)  # executes at 5.5 s
        return await asyncio.gather(*waiters)

    assert World(round_trip=1.0).run(program, clients=2) == [((b"list", b"1"), 6.0), (None, 3.0)]


def test_blocked_clients_are_served_first_come_first_served():
    async def program(*clients: Client) -> Any:
        async def wait(number: int, client: Client) -> Any:
            await asyncio.sleep(number / 100)
            await client.blpop("list", timeout=60)
            order.append(number)

        order: list[int] = []
        waiters = [asyncio.create_task(wait(*each)) for each in enumerate(clients[1:])]
        for _ in waiters:
            await asyncio.sleep(1)
            await clients[0].rpush("list", 1)
        await asyncio.gather(*waiters)
        return order

    assert World().run(program, clients=21) == list(range(20))


def test_subscribers_hear_a_message_half_a_round_trip_after_it_was_published_in_order_of_subscription():
    async def program(*clients: Client) -> Any:
        async def listen(number: int, client: Client) -> None:
            async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("channel")
                async with aclosing(pubsub.listen()) as messages:
                    message = await anext(messages)
                    heard.append((now(), number, message["data"]))

        heard: list[Any] = []
        listeners = [asyncio.create_task(listen(*each)) for each in enumerate(clients[1:])]
        await asyncio.sleep(10)
        assert await clients[0].publish("channel", "news") == len(listeners)  # executes at 10.5 s
        heard.append("published")
        await asyncio.gather(*listeners)
        return heard

    heard = World(round_trip=1.0).run(program, clients=21)
    heard.remove("published")
    assert heard == [(11.0, number, b"news") for number in range(20)]


def test_messages_arrive_in_the_order_in_which_they_were_published():
    async def program(subscriber: Client, publisher: Client) -> Any:
        async with subscriber.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("channel")
            await asyncio.sleep(100)
            for number in range(100):
                await publisher.publish("channel", number)
            heard: list[int] = []
            while len(heard) < 100:
                message = await pubsub.get_message(timeout=10)
                heard.extend([int(message["data"])] if message else [])
        return heard

    assert World(round_trip=cs.latency.Exponential(1.0)).run(program, clients=2) == list(range(100))


# Counts, as a result of a simulation tells them


def counted(use: Callable[[Client], Awaitable[object]]) -> tuple[float, float]:
    """Commands and round trips of one request that does this with Redis."""

    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            await use(node.redis)
            return await node.database.read(key)

        return get

    scenario = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
        redis=cs.Redis(round_trip=0.01),
        duration=1,
    )
    metrics = cs.simulate(scenario, cache=factory).metrics
    assert (metrics["requests"], metrics["errors"]) == (1, 0)
    return metrics["redis_commands"], metrics["redis_round_trips"]


def pipeline_of(n: int, size: int = 1) -> Callable[[Client], Awaitable[object]]:
    async def use(client: Client) -> None:
        pipeline = client.pipeline(transaction=False)
        for number in range(n):
            pipeline.set(f"key:{number}*", "*" * size)
        await pipeline.execute()

    return use


async def read_in_turn(client: Client) -> None:
    await client.get("key")
    await client.set("key", 1)
    await client.incr("key")


async def blocks_a_little(client: Client) -> None:
    await client.blpop("*", timeout=0.1)


@pytest.mark.parametrize(
    ("use", "commands", "round_trips"),
    [
        (lambda client: asyncio.sleep(0), 0, 0),
        (lambda client: client.get("key"), 1, 1),
        (lambda client: client.mget("a", "b", "c"), 1, 1),
        (lambda client: client.keys("*"), 1, 1),
        (read_in_turn, 3, 3),
        (blocks_a_little, 1, 1),
        (lambda client: client.publish("channel", "message"), 1, 1),
        (lambda client: client.eval("return redis.call('INCR', KEYS[1])", 1, "n"), 1, 1),
        (pipeline_of(1), 1, 1),
        (pipeline_of(5), 5, 1),
        (pipeline_of(5, size=20_000), 5, 1),
        (pipeline_of(1000), 1000, 1),
    ],
    ids="nothing get mget keys three blpop publish eval pipeline-1 pipeline-5 pipeline-5-large pipeline-1000".split(),
)
def test_commands_and_round_trips_are_counted_handshakes_are_not(use, commands, round_trips):
    assert counted(use) == (commands, round_trips)


def test_multi_and_exec_count_as_the_commands_they_are():
    async def use(client: Client) -> None:
        async with client.pipeline(transaction=True) as pipeline:
            await pipeline.incr("a").incr("b").execute()

    assert counted(use) == (4, 1)
