"""A stage that is used again is as good as a new one: whatever ran before, a schedule gives the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import redis

import cachesim as cs
from cachesim.patterns import PATTERNS
from cachesim.pitfalls import PITFALLS
from cachesim.races.history import (
    Acknowledged,
    Arrived,
    Committed,
    Delivered,
    Ended,
    Executed,
    LoadBegan,
    LoadEnded,
    Replied,
)
from cachesim.races.invariants import INVARIANTS
from cachesim.races.stage import Stage
from cachesim.world.latency import Constant
from cachesim.world.nodes import Factory, Node
from tests.races.scenes import reads, scenario, schedule, staged, straight

OPTIONS: dict[str, dict[str, Any]] = {
    "stale-while-revalidate": {"fresh_for": 1, "stale_for": 5},
    "layered": {"ttl": 10, "l1_ttl": 5},
    "early-recompute": {"ttl": 2, "beta": 3.0},
    "conditional": {},
    "none": {},
}


def of(pattern: str, **options: Any) -> cs.Pattern:
    """With short lifetimes, so that time matters."""
    return cs.Pattern(pattern, **OPTIONS.get(pattern.removeprefix("pitfall:"), {"ttl": 2}) | options)


Scene = tuple[cs.Scenario, Factory | None]

EVERY = [*PATTERNS, "conditional", "none", *(f"pitfall:{name}" for name in PITFALLS), "pitfall:conditional"]

FAULTS: dict[str, Any] = {
    "refused": cs.faults.RedisDown(start=0.1, duration=0.3),
    "hanging": cs.faults.RedisDown(start=0.1, duration=0.3, mode="hang"),
    "slow Redis": cs.faults.RedisSlow(start=0.1, duration=0.3, added=2.0),
    "slow database": cs.faults.DatabaseSlow(start=0.1, duration=0.3, factor=3),
    "no database": cs.faults.DatabaseDown(start=0.1, duration=0.3),
    "errors": cs.faults.DatabaseErrors(start=0.1, duration=0.5, share=0.5),
    "flush": cs.faults.Flush(at=0.3),
    "deploy": cs.faults.Deploy(at=0.2, every=0.1),
    "loss": cs.faults.MessageLoss(share=0.5),
    "pause": cs.faults.NodePause(start=0.2, duration=0.3, node=1),
}


def with_redis(commands: Callable[[Any, str], Any]) -> Factory:
    """A cache that does something special with Redis at each read."""

    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            await commands(node.redis, key)
            return await node.database.read(key)

        return get

    return factory


async def transaction(redis: Any, key: str) -> None:
    async with redis.pipeline(transaction=True) as pipe:
        await pipe.watch(key)
        pipe.multi()
        pipe.incr(key)
        pipe.expire(key, 1)
        await pipe.execute(raise_on_error=False)


async def loaded_script(redis: Any, key: str) -> None:
    """As clients do: by its digest, and in full where the server does not know it."""
    script = redis.register_script("return redis.call('INCR', KEYS[1])")
    await script(keys=[key])


async def structures(redis: Any, key: str) -> None:
    await redis.rpush(f"{key}:list", "a", "b")
    await redis.zadd(f"{key}:scores", {"a": 1.0})
    await redis.hset(f"{key}:fields", "a", "1")
    await redis.xadd(f"{key}:stream", {"a": "1"})


async def settings(redis: Any, key: str) -> None:
    before = await redis.config_get("maxmemory-policy")
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    await redis.set(f"{key}:before", str(before))


async def blocking(redis: Any, key: str) -> None:
    await redis.rpush(f"{key}:queue", "1")
    await redis.blpop([f"{key}:queue"], timeout=1)


async def left_in_the_middle(redis: Any, key: str) -> None:
    """A subscription that nobody ends."""
    channel = redis.pubsub()
    await channel.subscribe(f"{key}:news")
    await redis.publish(f"{key}:news", "1")


SCENES: dict[str, Scene] = {
    **{name: (scenario(nodes=2, cache=of(name)), None) for name in EVERY},
    **{fault: (scenario(nodes=2, faults=[setting]), None) for fault, setting in FAULTS.items()},
    "deploy of layers": (scenario(nodes=2, cache=of("layered"), faults=[FAULTS["deploy"]]), None),
    "loss of messages": (scenario(nodes=2, cache=of("layered"), faults=[FAULTS["loss"]]), None),
    "one node": (scenario(cache=of("cache-aside")), None),
    "cluster": (scenario(nodes=2, cache=of("cache-aside", single_flight="cluster")), None),
    "background": (scenario(nodes=2, cache=of("early-recompute", background=True)), None),
    "jitter": (scenario(nodes=2, cache=of("cache-aside", jitter=1.5)), None),
    "time-out of loads": (scenario(nodes=2, cache=of("cache-aside", load_timeout=0.2)), None),
    "stream": (scenario(nodes=2, cache=of("layered", invalidation="stream")), None),
    "no messages": (scenario(nodes=2, cache=of("layered", invalidation="none")), None),
    "batches": (scenario(nodes=2, batch=2, keys=cs.keys.Uniform(n=3), cache=of("batch")), None),
    "batches of one": (scenario(nodes=2, batch=2, keys=cs.keys.Uniform(n=3), cache=of("cache-aside")), None),
    "clients": (scenario(nodes=2, cache=of("conditional"), clients=cs.Clients(n=2, validators=True)), None),
    "retries": (scenario(nodes=2, clients=cs.Clients(timeout=0.5, retries=2, backoff=0.1)), None),
    "ignored": (scenario(nodes=2, clients=cs.Clients(disconnect="ignore", timeout=0.5)), None),
    "closed loop": (scenario(nodes=2, arrivals=cs.arrivals.ClosedLoop(users=3, think=Constant(0.2))), None),
    "eviction": (scenario(nodes=2, keys=cs.keys.Uniform(n=3), redis=cs.Redis(max_keys=1)), None),
    "random eviction": (scenario(keys=cs.keys.Uniform(n=3), redis=cs.Redis(max_keys=1, policy="random")), None),
    "time-out of Redis": (
        scenario(nodes=2, redis=cs.Redis(timeout=0.5, round_trip=0.1), faults=[FAULTS["hanging"]]),
        None,
    ),
    "connections": (scenario(database=cs.Database(latency=Constant(0.1), connections=1), cache=of("none")), None),
    "sharing": (
        scenario(database=cs.Database(latency=Constant(0.1), processor_sharing=True), cache=of("none")),
        None,
    ),
    "withdrawn": (
        scenario(
            database=cs.Database(latency=Constant(0.1), connections=1, on_cancel="withdraw"), cache=of("cache-aside")
        ),
        None,
    ),
    "errors of the database": (scenario(database=cs.Database(latency=Constant(0.1), errors=0.3)), None),
    "writes past the cache": (scenario(writes=cs.Writes(share=0.2, behind=5)), None),
    "transactions": (scenario(nodes=2), with_redis(transaction)),
    "scripts": (scenario(nodes=2), with_redis(loaded_script)),
    "structures": (scenario(nodes=2), with_redis(structures)),
    "settings": (scenario(nodes=2), with_redis(settings)),
    "blocking": (scenario(nodes=2), with_redis(blocking)),
    "left in the middle": (scenario(nodes=2), with_redis(left_in_the_middle)),
}


def recorded(stage: Stage, number: int) -> Any:
    """All that one run gives, comparably: an exception by its text."""
    history = stage.play(schedule(number), seed=number % 3, traced=number % 3 == 1)
    events = [
        event._replace(error=event.error and repr(event.error))  # type: ignore[arg-type]
        if isinstance(event, Ended)
        else event
        for event in history.events
    ]
    return list(stage.taken), list(stage.switched), events, history.open, history.held


def compared(scene: Scene, runs: int, new: int, invariant: str) -> None:
    small, cache = scene
    with staged(small, cache, invariant=invariant) as stage:
        first = [recorded(stage, number) for number in range(runs)]
        for number in reversed(range(runs)):
            assert recorded(stage, number) == first[number]
    for number in range(0, runs, -(-runs // new)):
        with staged(small, cache, invariant=invariant) as stage:
            assert recorded(stage, number) == first[number]


@pytest.mark.parametrize("name", SCENES)
def test_a_schedule_gives_the_same_run_whatever_ran_before(name):
    """As the second of two, and on a new stage."""
    compared(SCENES[name], runs=3, new=1, invariant="tables_empty" if len(name) % 2 else "")


@pytest.mark.slow
@pytest.mark.parametrize("invariant", ["", "tables_empty"])
@pytest.mark.parametrize("name", SCENES)
def test_two_hundred_schedules_give_the_same_runs_whatever_ran_before(name, invariant):
    compared(SCENES[name], runs=200, new=10, invariant=invariant)


# What a run tells


def test_the_history_of_a_run_in_which_nobody_interferes():
    """A read that misses, a write, and a read that misses again."""
    with staged(scenario("cache-aside", writes=0), invariant="no_stale_read_after_delete") as stage:
        events = stage.play(straight(), cast=(0, 1, 2)).events
    assert events == [
        Arrived(0, ("0",), 0, False, 0.0),
        LoadBegan(0, "0", 0, 1, 0.0),
        LoadEnded(0, 1, 0),
        Ended(0, "0", 0, None, 0.0),
        Arrived(1, ("0",), 0, True, 0.0),
        Committed(1, "0", 1),
        Acknowledged(1, "0", 1, kept=False),
        Ended(1, "0", None, None, 0.0),
        Arrived(2, ("0",), 0, False, 0.0),
        LoadBegan(2, "0", 0, 2, 0.0),
        LoadEnded(2, 2, 1),
        Ended(2, "0", 1, None, 0.0),
    ]


@pytest.mark.parametrize("name", ["cache-aside", "layered", "scripts", "refused", "conditional"])
def test_to_trace_a_run_changes_nothing_but_what_is_told(name):
    small, cache = SCENES[name]
    with staged(small, cache) as stage:
        for number in range(10):
            plain = [type(event) for event in stage.play(schedule(number)).events]
            taken = list(stage.taken)
            traced = stage.play(schedule(number), traced=True)
            assert stage.taken == taken
            told = [event for event in traced.events if not isinstance(event, Delivered | Executed | Replied)]
            assert [type(event) for event in told] == plain


class Swallowing:
    """It takes a Redis that is away for one that has nothing, as many do."""

    def __init__(self, node: Node, in_a_pipeline: bool) -> None:
        self.node, self.in_a_pipeline = node, in_a_pipeline

    async def get(self, key: str) -> Any:
        return await self.node.database.read(key)

    async def delete(self, key: str) -> None:
        with suppress(redis.RedisError):
            if self.in_a_pipeline:
                async with self.node.redis.pipeline(transaction=False) as pipe:
                    await pipe.delete(key).execute()  # type: ignore[attr-defined]
            else:
                await self.node.redis.delete(key)


@pytest.mark.parametrize("traced", [False, True], ids=["plain", "traced"])
@pytest.mark.parametrize("in_a_pipeline", [False, True], ids=["alone", "in a pipeline"])
def test_a_delete_that_redis_refused_is_not_acknowledged(in_a_pipeline, traced):
    down = [cs.faults.RedisDown(start=0.0, duration=100.0)]
    for faults, acknowledged in (([], True), (down, False)):
        small = scenario("none", faults=faults)
        with staged(small, lambda node: Swallowing(node, in_a_pipeline), asked=reads(1, writes=True)) as stage:
            events = stage.play(straight(), traced=traced).events
        assert any(isinstance(event, Committed) for event in events)
        assert any(isinstance(event, Acknowledged) for event in events) == acknowledged


def test_only_requests_in_the_cast_arrive():
    with staged(scenario()) as stage:
        for number in range(20):
            history = stage.play(schedule(number), cast=(1, 4, 6))
            arrived = [event.actor for event in history.events if isinstance(event, Arrived)]
            assert sorted(arrived) == [1, 4, 6]


def test_each_key_is_asked_once_more_at_each_node_when_all_is_over():
    scene = scenario("cache-aside", nodes=2, keys=cs.keys.Uniform(n=3))
    with staged(scene, invariant="no_lock_held_for_ever") as stage:
        history = stage.play(straight())
        last = [event for event in history.events if isinstance(event, Arrived) and event.actor >= len(stage.asked)]
    assert sorted((event.node, event.keys) for event in last) == sorted(
        {(one.node, (key,)) for one in stage.asked for key in one.keys}
    )
    assert all(event.time >= 86_400 for event in last)


def test_an_error_that_is_no_outcome_ends_the_run():
    def factory(node: Node) -> Any:
        return lambda key: 1

    with (
        staged(scenario(), factory, asked=reads(1)) as stage,
        pytest.raises(cs.SimulationError, match="it must be `async def get"),
    ):
        stage.play(straight())


def test_an_absent_row_is_none():
    values = []

    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            values.append(await node.database.read(key))
            values.extend(await node.database.read_many([key, key]))
            return None

        return get

    with staged(scenario(), factory, asked=reads(1), invariant="nothing_is_a_value") as stage:
        stage.play(straight())
    assert values == [None] * 3
    assert [name for name, invariant in INVARIANTS.items() if invariant.absent] == ["nothing_is_a_value"]


def test_the_clocks_of_this_thread_tell_the_time_of_the_stage():
    import time

    seen = []

    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            await asyncio.sleep(1_000)
            seen.append((time.time(), time.monotonic(), node.clock()))
            return None

        return get

    with staged(scenario(), factory, asked=reads(1)) as stage:
        stage.play(straight())
        stage.play(straight())
    assert seen == [(1_000.0,) * 3] * 2
    assert time.time() > 10**9
