"""Redis in trouble, on both roads to it: each timeline is worked out by hand. The round trip is 2 s: 1 s each way."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import redis
import simpy

import cachesim as cs
from cachesim.world.faults import (
    DatabaseDown,
    Fault,
    Flush,
    MessageLoss,
    NodePause,
    RedisDown,
    RedisSlow,
    resumed,
)
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder
from cachesim.world.redis import Redis, SimRedis, SimServer
from tests.digests import scenarios
from tests.world.test_redis import attempt, finished, now

Client = Any
Program = Callable[..., Awaitable[Any]]
Road = Callable[[Client, str], Awaitable[Any]]


class World:
    """A Redis with faults, and clients on nodes, of which the first may pause."""

    def __init__(self, *faults: Fault, round_trip: Any = 2.0, pauses: Sequence[NodePause] = (), **setting: Any) -> None:
        self.loop = SimLoop(simpy.Environment(initial_time=0.0))
        self.recorder = Recorder(self.loop.env, start=0.0, end=math.inf, tables=True)
        self.faults, self.setting = faults, Redis(round_trip=round_trip, **setting)
        self.pauses = partial(resumed, pauses) if pauses else None

    def run(self, program: Program, clients: int = 1) -> Any:
        async def main() -> Any:
            server = SimServer(
                self.setting,
                self.loop,
                np.random.default_rng(1),
                self.recorder,
                faults=self.faults,
                chance=np.random.SeedSequence(1),
            )
            first = SimRedis(server, awake=self.pauses)
            return await finished(program(first, *(SimRedis(server) for _ in range(clients - 1))))

        return self.loop.run_until_complete(main())


async def at(time: float, send: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    """What a command sent at that time is answered (an error by its name), and when."""
    await asyncio.sleep(time - now())
    reply = await attempt(send())
    return (type(reply).__name__ if isinstance(reply, Exception) else reply), now()


async def sent_at(times: Sequence[float], send: Callable[[], Awaitable[Any]]) -> list[tuple[Any, float]]:
    return await asyncio.gather(*(at(time, send) for time in times))


def in_a_pipeline(client: Client, key: str) -> Awaitable[Any]:
    async def send() -> Any:
        (reply,) = await client.pipeline(transaction=False).incr(key).execute()
        return reply

    return send()


ROADS: dict[str, Road] = {
    "short": lambda client, key: client.incr(key),
    "script": lambda client, key: client.eval("return redis.call('INCR', KEYS[1])", 1, key),
    "stock": in_a_pipeline,
}
REFUSED, LATE = "ConnectionError", "TimeoutError"


@pytest.fixture(params=ROADS)
def road(request):
    return ROADS[request.param]


async def listen(client: Client, heard: list[Any]) -> None:
    """Note each message and its time, and how it ended."""
    async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        try:
            await pubsub.subscribe("channel")
            async for message in pubsub.listen():
                heard.append((message["data"], now()))
        except redis.ConnectionError:
            heard.append((REFUSED, now()))


# Redis refuses


def test_what_would_be_executed_while_redis_refuses_is_not_and_its_caller_hears_so_a_round_trip_after(road):
    """Refused from 10 s to 20 s: sent from 9 s on, and before 19 s."""

    async def program(client: Client) -> Any:
        return await sent_at([8.5, 9, 14, 18.5, 19, 30], lambda: road(client, "n"))

    replies = World(RedisDown(start=10, duration=10)).run(program)
    assert replies == [(1, 10.5), (REFUSED, 11), (REFUSED, 16), (REFUSED, 20.5), (2, 21), (3, 32)]


def test_a_client_with_a_connection_from_before_goes_the_same_way(road):
    async def program(client: Client) -> Any:
        return [await at(time, lambda: road(client, "n")) for time in (0, 9, 14, 18.5, 21, 24)]

    replies = World(RedisDown(start=10, duration=10)).run(program)
    assert replies == [(1, 2), (REFUSED, 11), (REFUSED, 16), (REFUSED, 20.5), (2, 23), (3, 26)]


def test_an_error_names_what_has_happened(road):
    async def program(client: Client) -> Any:
        return await attempt(road(client, "n"))

    assert str(World(RedisDown()).run(program)) == "Redis refuses connections"
    assert str(World(RedisDown(mode="hang"), timeout=0.5).run(program)) == "no reply from Redis within 0.5 s"


def test_redis_comes_back_with_what_it_held():
    async def program(client: Client) -> Any:
        await client.set("key", "value")
        return await at(30, lambda: client.get("key"))

    assert World(RedisDown(start=10, duration=10)).run(program) == (b"value", 32)


def test_who_listens_when_redis_begins_to_refuse_is_told_after_what_was_on_its_way():
    """Published at 8.5 s, executed at 9.5 s, heard at 10.5 s. The break at 10 s is heard at 11 s.

    The stock client then tries to connect once more before it raises, which is refused after a round trip.
    """

    async def program(client: Client, other: Client) -> Any:
        heard: list[Any] = []
        listener = asyncio.create_task(listen(client, heard))
        sent = await at(8.5, lambda: other.publish("channel", "last"))
        await listener
        return sent, heard

    sent, heard = World(RedisDown(start=10, duration=10)).run(program, clients=2)
    assert (sent, heard) == ((1, 10.5), [(b"last", 10.5), (REFUSED, 13)])


@pytest.mark.parametrize(("start", "heard"), [(8.5, [(REFUSED, 13)]), (9, [(REFUSED, 11)]), (18.5, [(REFUSED, 20.5)])])
def test_nobody_begins_to_listen_while_redis_refuses(start, heard):
    async def program(client: Client) -> Any:
        await asyncio.sleep(start)
        found: list[Any] = []
        await listen(client, found)
        return found

    assert World(RedisDown(start=10, duration=10)).run(program) == heard


def test_who_begins_to_listen_after_redis_has_refused_hears():
    async def program(client: Client, other: Client) -> Any:
        heard: list[Any] = []
        await listen(client, heard)
        await asyncio.sleep(19 - now())
        listener = asyncio.create_task(listen(client, heard))
        await at(25, lambda: other.publish("channel", "news"))
        await asyncio.sleep(1)
        listener.cancel()
        return heard

    assert World(RedisDown(start=10, duration=10)).run(program, clients=2) == [(REFUSED, 13), (b"news", 27)]


def test_who_blocks_when_redis_begins_to_refuse_is_told_and_takes_nothing():
    async def program(client: Client, other: Client) -> Any:
        waiter = asyncio.create_task(at(0, lambda: client.blpop("list", timeout=0)))
        await at(21, lambda: other.rpush("list", 1))
        return await waiter, await other.llen("list")

    assert World(RedisDown(start=10, duration=10)).run(program, clients=2) == ((REFUSED, 11), 1)


def test_a_transaction_broken_in_the_middle_has_not_happened():
    """The caller hears of it at 11 s, but for the stock client, which would withdraw its watch, in vain, until 13 s."""

    async def program(client: Client) -> Any:
        async with client.pipeline() as pipeline:
            await pipeline.watch("n")
            pipeline.multi()
            pipeline.incr("n")
            broken = await at(9, pipeline.execute)
        return broken, await at(30, lambda: client.get("n"))

    assert World(RedisDown(start=10, duration=10)).run(program) == (("WatchError", 13), (None, 32))


# Redis hangs


def test_what_would_be_executed_while_redis_hangs_is_executed_at_the_end_in_order(road):
    """Sent from 9 s on and before 19 s, all are executed at 20 s."""

    async def program(client: Client) -> Any:
        return await sent_at([8.5, 9, 14, 18.5, 19, 30], lambda: road(client, "n"))

    replies = World(RedisDown(start=10, duration=10, mode="hang")).run(program)
    assert replies == [(1, 10.5), (2, 21), (3, 21), (4, 21), (5, 21), (6, 32)]


def test_both_roads_keep_one_order_while_redis_hangs():
    async def program(client: Client, *_: Client) -> Any:
        keys = [at(9 + n, partial(ROADS["stock" if n % 2 else "short"], client, "n")) for n in range(8)]
        return [reply for reply, _ in await asyncio.gather(*keys)]

    assert World(RedisDown(start=10, duration=10, mode="hang")).run(program) == list(range(1, 9))


def test_messages_wait_until_redis_goes_on():
    async def program(client: Client, other: Client) -> Any:
        heard: list[Any] = []
        listener = asyncio.create_task(listen(client, heard))
        await asyncio.gather(*(at(time, partial(other.publish, "channel", time)) for time in (8.5, 12, 22)))
        listener.cancel()
        return heard

    heard = World(RedisDown(start=10, duration=10, mode="hang")).run(program, clients=2)
    assert heard == [(b"8.5", 10.5), (b"12", 21), (b"22", 24)]


def test_who_blocks_while_redis_hangs_is_told_late_that_nothing_came():
    async def program(client: Client) -> Any:
        return await at(0, lambda: client.blpop("list", timeout=14))

    assert World(RedisDown(start=10, duration=10, mode="hang")).run(program) == (None, 21)


def test_without_an_end_nothing_is_answered(road):
    async def program(client: Client) -> Any:
        waiter = asyncio.create_task(attempt(road(client, "n")))
        await asyncio.sleep(1000)
        return waiter.done()

    assert not World(RedisDown(start=0, mode="hang")).run(program)


def test_redis_may_refuse_after_it_has_hung(road):
    async def program(client: Client) -> Any:
        return await sent_at([12, 30], lambda: road(client, "n"))

    faults = RedisDown(start=10, duration=10, mode="hang"), RedisDown(start=20, duration=5)
    assert World(*faults).run(program) == [(REFUSED, 21), (1, 32)]


# Clients that give up


def test_a_client_gives_up_and_what_it_sent_is_executed_all_the_same(road):
    """Executed at 20 s, whoever waits; the one sent at 18.5 s is answered after 2.5 s, in time."""

    async def program(client: Client, other: Client) -> Any:
        replies = await sent_at([9, 14, 18.5], lambda: road(client, "n"))
        return replies, await at(30, lambda: other.get("n")), await at(40, lambda: road(client, "n"))

    world = World(RedisDown(start=10, duration=10, mode="hang"), timeout=3.0)
    assert world.run(program, clients=2) == ([(LATE, 12), (LATE, 17), (3, 21)], (b"3", 32), (4, 42))


def test_a_late_reply_is_not_taken_for_that_to_the_next_command(road):
    async def program(client: Client) -> Any:
        first = await at(9, lambda: road(client, "a"))
        await client.set("b", 10)
        return first, await at(19, lambda: road(client, "b"))

    world = World(RedisDown(start=10, duration=1.5, mode="hang"), timeout=2.25)
    assert world.run(program) == ((LATE, 11.25), (11, 21))


@pytest.mark.parametrize(("timeout", "replies"), [(2.0, [(1, 2), (2, 12)]), (1.5, [(LATE, 1.5), (LATE, 11.5)])])
def test_a_reply_after_exactly_the_time_out_is_in_time_and_a_later_one_is_not(road, timeout, replies):
    async def program(client: Client) -> Any:
        return await sent_at([0, 10], lambda: road(client, "n"))

    assert World(timeout=timeout).run(program) == replies


def test_who_listens_does_not_time_out_and_who_blocks_does():
    async def program(client: Client, other: Client) -> Any:
        heard: list[Any] = []
        listener = asyncio.create_task(listen(client, heard))
        blocked = await at(0, lambda: other.blpop("list", timeout=0))
        await at(50, lambda: other.publish("channel", "news"))
        await asyncio.sleep(1)
        listener.cancel()
        return blocked, heard

    assert World(timeout=5.0).run(program, clients=2) == ((LATE, 5), [(b"news", 52)])


def test_what_a_client_that_gave_up_has_blocked_on_is_left_to_others():
    async def program(client: Client, other: Client) -> Any:
        await at(0, lambda: client.blpop("list", timeout=0))
        await other.rpush("list", 1)
        return await other.llen("list")

    assert World(timeout=5.0).run(program, clients=2) == 1


def test_a_time_out_that_is_never_reached_changes_nothing():
    for name in ("zipf", "ties", "each: batch", "each: layered", "each: cache-aside"):
        scenario = scenarios()[name].replace(**{"redis.round_trip": 0.001})
        patient = scenario.replace(**{"redis.timeout": 1e6})
        assert cs.simulate(patient).digest == cs.simulate(scenario).digest, name


# Redis is slow


def test_a_round_trip_that_begins_while_redis_is_slow_takes_longer_by_half_each_way(road):
    async def program(client: Client, other: Client) -> Any:
        slow = asyncio.create_task(sent_at([9.5, 10, 19.5, 20], lambda: road(client, "n")))
        seen = [await at(time, lambda: other.get("n")) for time in (8, 10.5, 30)]
        return await slow, seen

    slow, _ = World(RedisSlow(start=10, duration=10, added=4.0)).run(program, clients=2)
    assert slow == [(1, 11.5), (2, 16), (4, 25.5), (3, 22)]


def test_slow_times_that_overlap_add_up(road):
    async def program(client: Client) -> Any:
        return await sent_at([0, 5, 10], lambda: road(client, "n"))

    faults = RedisSlow(duration=10, added=1.0), RedisSlow(start=5, duration=5, added=3.0)
    assert World(*faults).run(program) == [(1, 3), (2, 11), (3, 12)]


def test_added_times_are_drawn_anew_for_each_round_trip():
    """The mean of 1000 exponential times of 0.5 s on top of 1 s; its standard error is 0.016 s."""

    async def program(client: Client) -> Any:
        times = []
        for _ in range(1000):
            start = now()
            await client.get("key")
            times.append(now() - start)
        return times

    times = World(RedisSlow(added=cs.latency.Exponential(0.5)), round_trip=1.0).run(program)
    assert abs(np.mean(times) - 1.5) < 4 * 0.5 / math.sqrt(1000)


# Lost messages


def test_each_message_to_each_subscriber_is_lost_by_itself():
    """Of 1000 messages to two subscribers each hears half and both hear a quarter: standard errors 16 and 14."""

    async def program(client: Client, *others: Client) -> Any:
        heard: list[list[Any]] = [[] for _ in others]
        listeners = [asyncio.create_task(listen(*each)) for each in zip(others, heard, strict=True)]
        await asyncio.sleep(10)
        for number in range(1000):
            assert await client.publish("channel", number) == 2
        await asyncio.sleep(10)
        for listener in listeners:
            listener.cancel()
        return [{data for data, _ in each} for each in heard]

    first, second = World(MessageLoss(share=0.5), round_trip=0.1).run(program, clients=3)
    for number, expected, error in (
        (len(first), 500, 15.8),
        (len(second), 500, 15.8),
        (len(first & second), 250, 13.7),
    ):
        assert abs(number - expected) < 4 * error


def test_only_messages_of_its_time_are_lost_and_neither_replies_nor_what_a_stream_holds():
    """The replies look like messages, as far as that goes."""

    async def program(client: Client, other: Client) -> Any:
        heard: list[Any] = []
        listener = asyncio.create_task(listen(other, heard))
        await asyncio.sleep(5)
        for time in (8.5, 12, 19):
            await at(time, partial(client.publish, "channel", time))
        listener.cancel()
        await at(30, lambda: client.rpush("list", "message", "channel", "text"))
        return heard

    async def replies(client: Client) -> Any:
        await client.rpush("list", "message", "channel", "text")
        await client.xadd("stream", {"field": 1}, id="1-1")
        found = [
            await client.lrange("list", 0, -1),
            *await client.pipeline(transaction=False).lrange("list", 0, -1).execute(),
        ]
        return found, await client.xread({"stream": "0"}, block=1000)

    heard = World(MessageLoss(start=10, duration=10, share=1.0)).run(program, clients=2)
    assert heard == [(b"8.5", 10.5), (b"19", 21)]
    found, stream = World(MessageLoss(share=1.0)).run(replies)
    assert found == [[b"message", b"channel", b"text"]] * 2
    assert stream == [[b"stream", [(b"1-1", {b"field": b"1"})]]]


# Flushes


@pytest.mark.parametrize(
    "faults", [[], [RedisDown(start=8, duration=7)], [RedisDown(start=8, duration=7, mode="hang")]]
)
def test_a_flush_empties_every_database_even_if_redis_is_down(faults):
    world = World(Flush(at=10), *faults)

    async def program(client: Client) -> Any:
        second = SimRedis(client._server, db=1)
        await client.set("text", 1, px=60_000)
        await client.set("short", 1, px=5_000)
        await asyncio.gather(client.rpush("list", 1), second.set("other", 1))
        return [await at(20, each.keys) for each in (client, second)]

    replies = world.run(program)
    world.recorder.finish()
    entries = world.recorder.entry_columns()
    rows = zip(entries["key"], entries["ended"], entries["reason"], strict=True)
    assert replies == [([], 22), ([], 24)]
    assert sorted(rows) == [
        ("list", 10, "deleted"),
        ("other", 10, "deleted"),
        ("short", 8, "expired"),  # stored at 3 s
        ("text", 10, "deleted"),
    ]


def test_who_waits_for_a_stream_that_is_flushed_goes_on_waiting():
    async def program(client: Client, other: Client) -> Any:
        await other.xadd("stream", {"field": 1})
        waiter = asyncio.create_task(at(5, lambda: client.xread({"stream": "$"}, block=0)))
        await at(20, lambda: other.xadd("stream", {"field": 2}, id="21000-0"))
        return await waiter

    (reply, time) = World(Flush(at=10)).run(program, clients=2)
    assert (reply, time) == ([[b"stream", [(b"21000-0", {b"field": b"2"})]]], 22)


# Nodes that pause


def test_what_a_node_sends_while_it_pauses_leaves_at_the_end_and_replies_reach_it_then(road):
    """A pause from 10 s to 20 s. Sent at 9.5 s: executed at 10.5 s, heard at 20 s. Sent at 12 s: executed at 21 s."""

    async def program(client: Client, other: Client) -> Any:
        seen = asyncio.create_task(sent_at([8.4, 9.6, 12], lambda: other.get("n")))
        return await sent_at([7.5, 9.5, 12, 20], lambda: road(client, "n")), await seen

    replies, seen = World(pauses=[NodePause(start=10, duration=10)]).run(program, clients=2)
    assert replies == [(1, 9.5), (2, 20), (3, 22), (4, 22)]
    assert [reply for reply, _ in seen] == [b"1", b"2", b"2"]


def test_messages_reach_a_node_after_its_pause_in_order():
    async def program(client: Client, other: Client) -> Any:
        heard: list[Any] = []
        listener = asyncio.create_task(listen(client, heard))
        await asyncio.gather(*(at(time, partial(other.publish, "channel", time)) for time in (7.5, 9.5, 12, 22)))
        listener.cancel()
        return heard

    heard = World(pauses=[NodePause(start=10, duration=10)]).run(program, clients=2)
    assert heard == [(b"7.5", 9.5), (b"9.5", 20), (b"12", 20), (b"22", 24)]


def test_a_node_that_pauses_gives_up_when_it_runs_again_unless_the_reply_is_there_as_well(road):
    """Time out after 3 s, within the pause: what was answered meanwhile is heard at its end."""

    async def program(client: Client) -> Any:
        return await sent_at([8, 9.5, 18], lambda: road(client, "n"))

    pauses = [NodePause(start=9, duration=11)]
    slow = RedisSlow(start=8, duration=1, added=20.0)
    assert World(slow, pauses=pauses, timeout=3.0).run(program) == [(LATE, 20), (2, 22), (3, 22)]
    assert World(pauses=pauses, timeout=3.0).run(program) == [(1, 20), (2, 22), (3, 22)]


def test_a_node_that_pauses_for_ever_hears_nothing_more(road):
    async def program(client: Client, other: Client) -> Any:
        waiters = [asyncio.create_task(at(time, lambda: road(client, "n"))) for time in (8.5, 12)]
        return await at(1000, lambda: other.get("n")), [waiter.done() for waiter in waiters]

    reply, done = World(pauses=[NodePause(start=10)]).run(program, clients=2)
    assert (reply, done) == ((b"1", 1002), [False, False])


# Counts, and what does not concern Redis


def test_commands_are_counted_when_they_are_sent_whatever_becomes_of_them():
    async def program(client: Client) -> Any:
        await sent_at([0, 1, 2], lambda: client.incr("n"))

    for fault in RedisDown(start=0.5), RedisDown(start=0.5, mode="hang"), RedisSlow(added=1.0):
        world = World(fault, timeout=5.0)
        world.run(program)
        assert world.recorder.totals.redis_commands == 3


def test_faults_of_others_do_not_trouble_redis():
    async def program(client: Client) -> Any:
        return await sent_at([0, 10], lambda: client.incr("n"))

    assert World(DatabaseDown(), NodePause(), RedisSlow(start=50, added=1.0)).run(program) == [(1, 2), (2, 12)]


def test_the_server_forgets_the_connections_of_clients_that_gave_up():
    async def program(client: Client, other: Client) -> Any:
        await sent_at([float(n) for n in range(50)], lambda: in_a_pipeline(client, "n"))
        given_up = len(client._server.sockets)
        reply = await at(200, lambda: other.get("n"))
        return given_up, reply, len(client._server.sockets)

    world = World(RedisDown(duration=100, mode="hang"), timeout=3.0)
    assert world.run(program, clients=2) == (50, (b"50", 202), 0)


# The patterns live with it

PATTERNS = {
    "cache-aside": cs.Pattern("cache-aside", ttl=2),
    "cache-aside, cluster": cs.Pattern("cache-aside", ttl=2, single_flight="cluster"),
    "write-through": cs.Pattern("write-through", ttl=2),
    "layered, pubsub": cs.Pattern("layered", ttl=5, l1_ttl=1),
    "layered, stream": cs.Pattern("layered", ttl=5, l1_ttl=1, invalidation="stream"),
    "batch": cs.Pattern("batch", ttl=2),
    "early-recompute": cs.Pattern("early-recompute", ttl=2),
    "stale-while-revalidate": cs.Pattern("stale-while-revalidate", fresh_for=1, stale_for=1),
}


def scenario(pattern: cs.Pattern, *faults: Fault, **redis: Any) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.Zipf(n=20, alpha=0.9),
        cache=pattern,
        database=cs.Database(latency=cs.latency.Constant(0.05)),
        redis=cs.Redis(round_trip=0.001, **redis),
        writes=0.05,
        nodes=3,
        duration=20,
        faults=faults,
    )


@pytest.mark.parametrize("timeout", [None, 0.2])
@pytest.mark.parametrize("mode", ["refuse", "hang"])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_loses_no_request_while_redis_is_away_and_hits_again_when_it_is_back(pattern, mode, timeout):
    result = cs.simulate(scenario(pattern, RedisDown(start=4, duration=4, mode=mode), timeout=timeout))
    assert (result.failures, result.errors, result.metrics["errors"]) == ([], {}, 0)
    reads = result.requests[result.requests.outcome != "write"]
    served = reads[(reads.time > 4.01) & (reads.time < 8)]
    if timeout is None and mode == "hang":
        answered = (served.time + served.latency)[served.time > 5.1]  # a first layer answers for a second
        assert 8 <= answered.min() <= answered.max() < 8.2
    else:
        assert served.latency.median() < 0.06  # the loader's time and a round trip; a breaker keeps it so
    assert reads[reads.time > 14].outcome.isin(["hit", "stale_hit"]).mean() > 0.7


@pytest.mark.parametrize(
    "faults", [[Flush(at=8)], [RedisSlow(start=4, duration=4, added=0.1)], [NodePause(start=4, duration=4)]]
)
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_loses_no_request_in_other_trouble(pattern, faults):
    result = cs.simulate(scenario(pattern, *faults))
    assert (result.failures, result.errors, result.metrics["errors"]) == ([], {}, 0)
    reads = result.requests[(result.requests.outcome != "write") & (result.requests.time > 14)]
    assert reads.outcome.isin(["hit", "stale_hit"]).mean() > 0.7


def test_where_messages_are_lost_a_first_layer_is_stale_until_its_lifetime_is_over_and_over_a_stream_not_at_all():
    """Over a stream, and where nothing is lost, it is so for the round trips of the delete and the message."""

    def staleness(invalidation: str, *faults: Fault) -> float:
        pattern = cs.Pattern("layered", ttl=5, l1_ttl=1, invalidation=invalidation)
        return cs.simulate(scenario(pattern, *faults)).metrics["staleness_max"]

    assert staleness("pubsub") < 0.003
    assert 0.9 < staleness("pubsub", MessageLoss(share=0.5)) < 1.003
    assert staleness("stream", MessageLoss(share=1.0)) < 0.003


def test_the_same_seed_gives_the_same_run_and_another_one_loses_other_messages():
    troubled = scenario(
        PATTERNS["layered, pubsub"], MessageLoss(share=0.5), RedisSlow(added=cs.latency.Exponential(0.01))
    )
    assert cs.simulate(troubled).digest == cs.simulate(troubled).digest
    assert cs.simulate(troubled).digest != cs.simulate(troubled.replace(seed=2)).digest
