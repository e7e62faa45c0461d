"""Live equals simulated: the same requests, in real time over a real server and SQLite, and in simulation.

One key at two nodes, Poisson arrivals at 100/s, a lifetime of 0.2 s, loads of about 0.05 s. The live run replays, at
their instants, the very requests that the simulation draws; all patterns run at the same time, each under its own name.
The simulation is then told what was measured, the round trip to Redis and the mean duration of a load, so that a
machine that is slow today is slow in both.

The live run must be one of the simulated: 20 of these, as long and independent, have a mean and a standard deviation s,
and one more is within 4 standard errors of that mean, each s sqrt(1 + 1/20). (The live run's own episodes and windows
are too few to tell its standard error: with single flight all its episodes may have one size.)

A machine that stalls lets the requests of a while arrive at once, which are not those of the simulation. So how late
each came is measured, and a run in which one came more than half a load late is none: it is done again, twice at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import sqrt
from statistics import fmean, median
from typing import Any, NamedTuple

import aiosqlite
import pandas as pd
import pytest
import redis.asyncio

import cachesim as cs
from cachesim.patterns import PATTERNS, Cache

NODES, KEY, PAUSE = 2, "key 0", 0.05
DURATION, WARMUP = 6.0, 1.0
CACHES = {
    "none": cs.Pattern("cache-aside", ttl=0.2, single_flight="none"),
    "process": cs.Pattern("cache-aside", ttl=0.2, single_flight="process"),
    "cluster": cs.Pattern("cache-aside", ttl=0.2, single_flight="cluster"),
    "stale": cs.Pattern("stale-while-revalidate", fresh_for=0.2, stale_for=0.2),
    "early": cs.Pattern("early-recompute", ttl=0.2, single_flight="none"),
}


def scenario_of(name: str) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.OneKey(),
        cache=CACHES[name],
        database=cs.Database(latency=cs.latency.Constant(PAUSE)),
        nodes=NODES,
        duration=DURATION,
    )


class Run:
    """One pattern in real time: its loads, with their starts and ends, and for each request whether it was a hit."""

    def __init__(self, database: aiosqlite.Connection, now: Callable[[], float]) -> None:
        self.starts: list[float] = []
        self.ends: dict[int, float] = {}
        self.hits: list[tuple[float, bool]] = []
        self.latest = 0.0
        self._database, self._now = database, now

    async def load(self) -> dict[str, int]:
        """A row from SQLite, as slow as a database elsewhere; it carries the number of its load."""
        number = len(self.starts)
        self.starts.append(self._now())
        async with self._database.execute("SELECT body FROM rows WHERE key = ?", (KEY,)) as cursor:
            assert await cursor.fetchone() == ("body",)
        await asyncio.sleep(PAUSE)
        self.ends[number] = self._now()
        return {"load": number}

    async def request(self, cache: Cache, time: float) -> None:
        """A hit is served from a load that ended before the request came, as the simulator has it."""
        arrived = self._now()
        self.latest = max(self.latest, arrived - time)
        value = await cache.get_or_set(KEY, self.load)
        self.hits.append((arrived, self.ends[value["load"]] <= arrived))

    async def replay(self, caches: list[Cache], times: list[float], nodes: list[int]) -> None:
        async with asyncio.TaskGroup() as requests:
            for time, node in zip(times, nodes, strict=True):
                await asyncio.sleep(time - self._now())
                requests.create_task(self.request(caches[node], time))
        for cache in caches:
            await cache.aclose()

    def episode_sizes(self) -> list[int]:
        """How many loads began in each maximal interval with a load under way, after the warm-up."""
        sizes: list[int] = []
        under_way_until = -1.0
        for number, start in enumerate(self.starts):
            if start < WARMUP:
                continue
            if start > under_way_until:
                sizes.append(0)
            sizes[-1] += 1
            under_way_until = max(under_way_until, self.ends[number])
        return sizes

    def hit_ratio(self) -> float:
        """Of the requests after the warm-up."""
        return fmean(hit for arrived, hit in self.hits if arrived >= WARMUP)


class Live(NamedTuple):
    """What was measured in real time: a run of each pattern, and the round trip to Redis in seconds."""

    runs: dict[str, Run]
    round_trip: float


async def measure(url: str, path: str, requests: dict[str, pd.DataFrame]) -> Live:
    clients = [redis.asyncio.Redis.from_url(url) for _ in range(NODES)]
    async with aiosqlite.connect(path) as database:
        await database.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, body TEXT)")
        await database.execute("INSERT INTO rows VALUES (?, 'body')", (KEY,))
        clock = asyncio.get_running_loop().time
        trips = [await timed(clients[0].get(KEY), clock) for _ in range(200)]
        begin = clock() + 0.2
        runs = {name: Run(database, lambda: clock() - begin) for name in CACHES}
        async with asyncio.TaskGroup() as everything:
            for name, run in runs.items():
                pattern: Any = PATTERNS[CACHES[name].pattern]
                options = CACHES[name].options
                caches = [pattern(client, namespace=name, **options) for client in clients]
                times, nodes = requests[name]["time"].to_list(), requests[name]["node"].to_list()
                everything.create_task(run.replay(caches, times, nodes))
    for client in clients:
        await client.aclose()
    return Live(runs, median(trips))


async def timed(command: Any, clock: Callable[[], float]) -> float:
    begin = clock()
    await command
    return clock() - begin


@pytest.fixture(scope="module")
def live(redis_server, tmp_path_factory):
    requests = {name: cs.simulate(scenario_of(name)).requests.sort_values("time") for name in CACHES}
    for _ in range(3):
        redis_server.flush()
        path = str(tmp_path_factory.mktemp("live") / "rows.sqlite")
        live = asyncio.run(measure(redis_server.url, path, requests))
        latest = max(run.latest for run in live.runs.values())
        if latest < PAUSE / 2:
            return live
    pytest.skip(
        f"this machine does not keep time: in each of three runs a request came late, in the last one {latest:.3f} s"
    )


@pytest.fixture(params=CACHES)
def run_and_simulations(request, live):
    """The live run of a pattern, and simulated ones that have its round trip and its duration of a load."""
    run = live.runs[request.param]
    lasted = fmean(run.ends[number] - start for number, start in enumerate(run.starts))
    scenario = scenario_of(request.param).replace(
        redis=cs.Redis(round_trip=live.round_trip),
        database=cs.Database(latency=cs.latency.Constant(lasted)),
        warmup=WARMUP,
    )
    return run, cs.replicate(scenario, n=20)


def distance(value: float, runs: cs.Replications, metric: str) -> float:
    """Of a run's metric from the mean of others, in standard errors."""
    values = runs.frame[metric]
    error = values.std() * sqrt(1 + 1 / len(values))
    return 0.0 if value == values.mean() else float(abs(value - values.mean()) / error)


def test_episodes_are_of_the_same_size(run_and_simulations):
    run, simulations = run_and_simulations
    assert len(run.episode_sizes()) > 10
    assert distance(fmean(run.episode_sizes()), simulations, "episode_size_mean") < 4


def test_hit_ratios_are_the_same(run_and_simulations):
    run, simulations = run_and_simulations
    assert distance(run.hit_ratio(), simulations, "hit_ratio") < 4


def test_single_flight_in_the_cluster_leaves_one_load_an_episode(live):
    assert set(live.runs["cluster"].episode_sizes()) == {1}
    assert max(live.runs["none"].episode_sizes()) > 2
