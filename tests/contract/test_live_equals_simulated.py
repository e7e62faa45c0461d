"""Live equals simulated: the same requests, in real time over a real server and SQLite, and in simulation.

One key at two nodes, Poisson arrivals at 100/s, a lifetime of 0.2 s, loads of about 0.05 s. The live run replays, at
their instants, the very requests that the simulation draws; all patterns run at the same time, each under its own name.
The simulation is then told what was measured, the round trip to Redis and the mean duration of a load, so that a
machine that is slow today is slow in both.

Both sides are estimates. The live standard error comes from its episodes, which are independent (each begins at an
expiry), or from windows of a second (batch means); that of the simulation from 20 independent runs. They differ by at
most 4 combined standard errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import hypot
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

import aiosqlite
import pandas as pd
import pytest
import redis.asyncio

import cachesim as cs
from cachesim.patterns import PATTERNS, Cache
from tests.live.conftest import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]

DURATION, NODES, KEY, PAUSE = 6.0, 2, "key 0", 0.05
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


class Estimate(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: list[float]) -> Estimate:
        return cls(fmean(values), stdev(values) / len(values) ** 0.5)

    def agrees_with(self, other: Estimate) -> bool:
        return abs(self.mean - other.mean) <= 4 * hypot(self.error, other.error)


class Run:
    """One pattern in real time: its loads, with their starts and ends, and for each request whether it was a hit."""

    def __init__(self, database: aiosqlite.Connection, now: Callable[[], float]) -> None:
        self.starts: list[float] = []
        self.ends: dict[int, float] = {}
        self.hits: list[tuple[float, bool]] = []
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

    async def request(self, cache: Cache) -> None:
        """A hit is served from a load that ended before the request came, as the simulator has it."""
        arrived = self._now()
        value = await cache.get_or_set(KEY, self.load)
        self.hits.append((arrived, self.ends[value["load"]] <= arrived))

    async def replay(self, caches: list[Cache], times: list[float], nodes: list[int]) -> None:
        async with asyncio.TaskGroup() as requests:
            for time, node in zip(times, nodes, strict=True):
                await asyncio.sleep(time - self._now())
                requests.create_task(self.request(caches[node]))
        for cache in caches:
            await cache.aclose()

    def episode_sizes(self) -> list[float]:
        """How many loads began in each maximal interval with a load under way."""
        sizes: list[float] = []
        under_way_until = -1.0
        for number, start in enumerate(self.starts):
            if start > under_way_until:
                sizes.append(0)
            sizes[-1] += 1
            under_way_until = max(under_way_until, self.ends[number])
        return sizes

    def hit_ratios(self) -> list[float]:
        """Of the requests in each second."""
        windows: list[list[bool]] = [[] for _ in range(int(DURATION))]
        for time, hit in self.hits:
            windows[min(int(time), len(windows) - 1)].append(hit)
        return [fmean(window) for window in windows]


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
                pattern, options = PATTERNS[CACHES[name].pattern], CACHES[name].options
                caches: list[Cache] = [pattern(client, namespace=name, **options) for client in clients]
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
def live(redis_server, tmp_path_factory) -> Live:
    redis_server.flush()
    requests = {name: cs.simulate(scenario_of(name)).requests.sort_values("time") for name in CACHES}
    return asyncio.run(measure(redis_server.url, str(tmp_path_factory.mktemp("live") / "rows.sqlite"), requests))


@pytest.fixture(params=CACHES)
def run_and_simulation(request, live):
    """The live run of a pattern, and 20 simulated ones that have its round trip and its duration of a load."""
    run = live.runs[request.param]
    lasted = fmean(run.ends[number] - start for number, start in enumerate(run.starts))
    scenario = scenario_of(request.param).replace(
        redis=cs.Redis(round_trip=live.round_trip), database=cs.Database(latency=cs.latency.Constant(lasted))
    )
    return run, cs.replicate(scenario, n=20)


def test_episodes_are_of_the_same_size(run_and_simulation):
    run, simulation = run_and_simulation
    simulated = Estimate(simulation.mean("episode_size_mean"), simulation.standard_error("episode_size_mean"))
    assert len(run.episode_sizes()) > 10
    assert Estimate.of(run.episode_sizes()).agrees_with(simulated)


def test_hit_ratios_are_the_same(run_and_simulation):
    run, simulation = run_and_simulation
    simulated = Estimate(simulation.mean("hit_ratio"), simulation.standard_error("hit_ratio"))
    assert Estimate.of(run.hit_ratios()).agrees_with(simulated)


def test_single_flight_leaves_one_load_an_episode_and_node_or_in_all(live):
    assert set(live.runs["cluster"].episode_sizes()) == {1}
    assert set(live.runs["process"].episode_sizes()) <= {1, 2}
    assert max(live.runs["none"].episode_sizes()) > 2
