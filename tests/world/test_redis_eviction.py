"""A Redis that holds at most so many values evicts as its policy says, on every road to it."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest
import redis
import simpy
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim import theory
from cachesim.patterns.scripts import LEASES, LOOK, PUT, STORE
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder
from cachesim.world.redis import Redis, SimRedis, SimServer
from tests.digests import scenarios
from tests.world.test_redis import Client, Program, attempt, finished, now

LONG = 1_000_000
POLICIES = ("lru", "lfu", "random")


class World:
    """A Redis that evicts, with no way to it."""

    def __init__(self, *, seed: int = 1, tables: bool = True, **setting: Any) -> None:
        self.loop = SimLoop(simpy.Environment(initial_time=0.0))
        self.recorder = Recorder(self.loop.env, start=0.0, end=math.inf, tables=tables)
        self.setting, self.chance = Redis(**setting), np.random.SeedSequence(seed)

    def run(self, program: Program, clients: int = 1) -> Any:
        async def main() -> object:
            rng = np.random.default_rng(1)
            server = SimServer(self.setting, self.loop, rng, self.recorder, chance=self.chance)
            return await finished(program(*(SimRedis(server) for _ in range(clients))))

        return self.loop.run_until_complete(main())

    def entries(self) -> list[tuple[Any, ...]]:
        """Key, stored, ended and reason of every value, in order of its end."""
        self.recorder.finish()
        entries = self.recorder.entry_columns()
        return list(zip(*(entries[name] for name in ("key", "stored", "ended", "reason")), strict=True))


def names(key: str) -> tuple[bytes, bytes]:
    return key.encode(), LEASES + key.encode()


# Which value goes: against a model


class Model:
    """What a bounded Redis holds, in the plainest way: each key with its deadline, number of uses and latest use."""

    def __init__(self, max_keys: int, policy: str) -> None:
        self.max_keys, self.policy = max_keys, policy
        self.held: dict[str, list[float]] = {}
        self.steps = 0

    def use(self, key: str) -> bool:
        if key in self.held:
            self.steps += 1
            self.held[key][1:] = self.held[key][1] + 1, self.steps
        return key in self.held

    def write(self, key: str, deadline: float) -> None:
        if not self.use(key):
            if len(self.held) == self.max_keys:
                first = slice(1, 3) if self.policy == "lfu" else slice(2, 3)
                del self.held[min(self.held, key=lambda key: self.held[key][first])]
            self.steps += 1
            self.held[key] = [deadline, 1, self.steps]
        self.held[key][0] = deadline

    def expire(self, time: float) -> None:
        self.held = {key: entry for key, entry in self.held.items() if entry[0] >= time}


READS = {
    "get": lambda client, key: client.get(key),
    "mget": lambda client, key: client.mget(key),
    "strlen": lambda client, key: client.strlen(key),
    "look": lambda client, key: client.eval(LOOK, 2, *names(key), b"s", 1, 10_000, "", b""),
    "look in a pipeline": lambda client, key: (
        client.pipeline(transaction=False).eval(LOOK, 2, *names(key), b"s", 1, 10_000, "", b"").execute()
    ),
    "lua": lambda client, key: client.eval("return redis.call('GET', KEYS[1])", 1, key),
}
WRITES = {
    "set": lambda client, key, ms: client.set(key, 1, px=ms),
    "set of bytes": lambda client, key, ms: client.set(key.encode(), 1, px=ms),
    "set and get": lambda client, key, ms: client.set(key, 1, px=ms, get=True),
    "put": lambda client, key, ms: client.eval(PUT, 2, *names(key), b"1", ms),
    "transaction": lambda client, key, ms: client.pipeline().set(key, 1, px=ms).execute(),
    "lua": lambda client, key, ms: client.eval("return redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])", 1, key, ms),
}
KEYS = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(READS)), KEYS),
        st.tuples(st.sampled_from(sorted(WRITES)), KEYS, st.sampled_from([250, 1000, LONG])),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("sleep"), st.sampled_from([0.25, 0.5, 1.0])),
        st.tuples(st.just("flushdb")),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 4), st.sampled_from(["lru", "lfu"]))
def test_the_value_that_goes_is_the_one_of_the_model_whatever_road_a_command_takes(steps, max_keys, policy):
    model = Model(max_keys, policy)

    async def program(client: Client) -> None:
        for name, *arguments in steps:
            if name == "sleep":
                await asyncio.sleep(arguments[0])
                model.expire(now())
            elif name == "flushdb":
                await client.flushdb()
                model.held.clear()
            elif name == "delete":
                await client.delete(*arguments)
                model.held.pop(arguments[0], None)
            elif len(arguments) == 1:
                await READS[name](client, *arguments)
                model.use(*arguments)
            else:
                await WRITES[name](client, *arguments)
                model.write(arguments[0], now() + arguments[1] / 1000)
            keys = {key.decode() for key in await client.keys() if not key.startswith(LEASES)}
            assert keys == set(model.held)

    World(max_keys=max_keys, policy=policy).run(program)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_value_just_written_is_not_the_one_that_goes(policy, write):
    async def program(client: Client) -> Any:
        for number in range(20):
            key = f"key:{number}"
            await write(client, key, LONG)
            assert await client.get(key) == b"1"
            assert await client.dbsize() <= 2

    World(max_keys=2, policy=policy).run(program)


def test_a_value_of_another_kind_is_used_by_who_looks_it_up_in_vain():
    async def program(client: Client) -> Any:
        await client.rpush("list", 1)
        await client.set("b", 1)
        error = await attempt(client.get("list"))
        await client.set("c", 1)
        return isinstance(error, redis.ResponseError), sorted(await client.keys())

    assert World(max_keys=2).run(program) == (True, [b"c", b"list"])


# Which value goes: against theory


def zipf(n: int, alpha: float) -> np.ndarray:
    weights = np.array([rank**-alpha for rank in range(1, n + 1)])
    return np.asarray(weights / weights.sum())


def hit_ratio(popularity: np.ndarray, max_keys: int, policy: str, *, requests: int, warmup: int, seed: int) -> float:
    """Of independent requests that each store what they do not find."""
    asked = np.random.default_rng(seed).choice(len(popularity), size=warmup + requests, p=popularity).tolist()

    async def program(client: Client) -> int:
        hits = 0
        for number, key in enumerate(map(str, asked)):
            if await client.get(key) is None:
                await client.set(key, 1, px=LONG)
            elif number >= warmup:
                hits += 1
        return hits

    hits: int = World(max_keys=max_keys, policy=policy, seed=seed, tables=False).run(program)
    return hits / requests


@pytest.mark.parametrize(
    ("policy", "exact"), [("lru", theory.king_lru_hit_ratio), ("random", theory.fifo_hit_ratio)], ids=["lru", "random"]
)
def test_the_hit_ratio_of_a_small_redis_is_the_exact_one(policy, exact):
    """40 runs of 1000 requests: a standard error of about .0025."""
    popularity = zipf(5, 1.0)
    ratios = [hit_ratio(popularity, 2, policy, requests=1000, warmup=100, seed=seed) for seed in range(40)]
    error = np.std(ratios, ddof=1) / math.sqrt(len(ratios))
    assert error < 0.004
    assert abs(np.mean(ratios) - exact(popularity.tolist(), 2)) < 4 * error


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("lru", theory.che_lru_hit_ratio), ("random", theory.che_fifo_hit_ratio)],
    ids=["lru", "random"],
)
def test_the_hit_ratio_of_a_larger_redis_is_che_s_within_002(policy, expected):
    popularity = zipf(1000, 0.8)
    found = hit_ratio(popularity, 100, policy, requests=200_000, warmup=5_000, seed=1)
    assert found == pytest.approx(expected(popularity.tolist(), 100), abs=0.002)


def cache_aside(**redis: Any) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=1000),
        keys=cs.keys.Zipf(n=1000, alpha=0.8),
        cache=cs.Pattern("cache-aside", ttl=1e6),
        database=cs.Database(latency=cs.latency.Constant(0.0)),
        redis=cs.Redis(**redis),
        warmup=5,
        duration=10,
        seed=1,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "expected"),
    [("lru", theory.che_lru_hit_ratio), ("random", theory.che_fifo_hit_ratio)],
    ids=["lru", "random"],
)
def test_so_is_that_of_cache_aside_in_a_scenario(policy, expected):
    result = cs.simulate(cache_aside(max_keys=100, policy=policy).replace(duration=305), record="summary")
    assert result.metrics["hit_ratio"] == pytest.approx(expected(zipf(1000, 0.8).tolist(), 100), abs=0.002)


def test_frequency_serves_a_steady_popularity_better_than_recency_and_recency_better_than_chance():
    ratios = [cs.simulate(cache_aside(max_keys=100, policy=policy)).metrics["hit_ratio"] for policy in POLICIES]
    recency, frequency, chance = ratios
    assert frequency > recency + 0.02 > chance + 0.04


# What is held, and what is told of it


def test_values_leave_for_the_reason_that_the_ledger_tells():
    async def program(client: Client) -> None:
        await client.set("a", 1, px=1000)
        await client.set("b", 1)
        await asyncio.sleep(5)
        await client.set("c", 1)  # in the room of a, whose time is over
        await asyncio.sleep(1)
        await client.incr("d")  # in that of b
        await asyncio.sleep(1)
        await client.delete("c")
        await client.set("d", 2)

    world = World(max_keys=2)
    world.run(program)
    *ended, lasting = world.entries()
    assert ended == [
        ("a", 0, 1, "expired"),
        ("b", 0, 6, "evicted"),
        ("c", 5, 7, "deleted"),
        ("d", 6, 7, "replaced"),
    ]
    assert lasting[:2] == ("d", 7)


def test_in_a_scenario_no_more_values_are_held_than_there_is_room_for():
    entries = cs.simulate(cache_aside(max_keys=100).replace(warmup=0, duration=3)).entries
    changes = sorted([(time, 1) for time in entries.stored] + [(time, -1) for time in entries.ended.dropna()])
    assert max(np.cumsum([change for _, change in changes])) == 100
    assert set(entries.reason) == {"", "evicted"}


def test_leases_are_neither_counted_nor_evicted():
    async def program(client: Client) -> Any:
        leases = [await client.eval(LOOK, 2, *names(key), b"s", 1, 10_000, "claim", b"") for key in "abc"]
        stored = [await client.eval(STORE, 2, *names(key), b"s1", b"1", LONG) for key in "abc"]
        return leases, stored, await client.mget("a", "b", "c"), await client.exists(*(names(key)[1] for key in "abc"))

    replies = World(max_keys=1).run(program)
    assert replies == ([[None, b"s1"]] * 3, [1, 1, 1], [None, None, b"1"], 3)


def test_each_database_has_its_room_and_takes_it_along_when_two_are_swapped():
    async def program(client: Client) -> Any:
        other = SimRedis(client._server, db=1)
        for number in range(3):
            await client.set(f"a:{number}", 1)
            await other.set(f"b:{number}", 1)
        await client.swapdb(0, 1)
        await client.set("b:3", 1)
        await other.delete("a:1", "a:2")
        await other.set("a:3", 1)
        return await client.keys(), await other.keys()

    assert World(max_keys=2).run(program) == ([b"b:2", b"b:3"], [b"a:3"])


def test_an_evicted_key_breaks_the_transactions_that_watch_it_and_no_others():
    async def program(client: Client, other: Client) -> Any:
        outcomes = []
        for watched in "ab":
            await client.set("a", 1)
            await client.set("b", 1)
            async with client.pipeline() as pipeline:
                await pipeline.watch(watched)
                pipeline.multi()
                pipeline.incr("b")
                await other.set("c", 1)  # evicts a or, when that is watched and so used last, b
                await other.delete("c")
                outcomes.append(await attempt(pipeline.execute()))
        return outcomes

    first, second = World(max_keys=2).run(program, clients=2)
    assert first == [1]  # b had gone
    assert second == [2]


def test_who_blocks_does_not_notice_an_eviction():
    async def program(client: Client, other: Client) -> Any:
        waiters = [
            asyncio.create_task(client.blpop("list", timeout=60)),
            asyncio.create_task(client.xread({"stream": "$"}, block=60_000)),
        ]
        await asyncio.sleep(1)
        for number in range(10):
            await other.set(f"key:{number}", 1)
        await asyncio.sleep(1)
        assert not any(waiter.done() for waiter in waiters)
        await other.rpush("list", 1)
        await other.xadd("stream", {"field": 1}, id="5-1")
        return await asyncio.gather(*waiters)

    assert World(max_keys=2).run(program, clients=2) == [(b"list", b"1"), [[b"stream", [(b"5-1", {b"field": b"1"})]]]]


# Determinism


def test_room_for_every_value_changes_nothing():
    for name in ("zipf", "ties", "each: batch", "each: layered", "each: write-through"):
        scenario = scenarios()[name].replace(duration=1)
        roomy = scenario.replace(**{"redis.max_keys": 1_000_000})
        assert cs.simulate(roomy).digest == cs.simulate(scenario).digest, name


def test_which_values_go_at_random_follows_from_the_seed():
    popularity = zipf(50, 0.5)
    first, again, other = (
        hit_ratio(popularity, 10, "random", requests=2000, warmup=0, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


# Settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"policy": "fifo"}, "policy: 'fifo' is not allowed; 'lru', 'lfu' or 'random'"),
        ({"max_keys": 0}, "max_keys: 0 is not allowed; 1 or more"),
        ({"max_keys": 1.5}, "max_keys: 1.5 is not allowed; a whole number"),
        ({"timeout": 0.0}, "timeout: 0.0 is not allowed; above 0"),
    ],
)
def test_what_is_not_allowed_is_said_in_one_line(setting, message):
    with pytest.raises(cs.ScenarioError) as refused:
        cs.Redis(**setting)
    assert str(refused.value) == message
