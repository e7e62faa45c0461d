"""The baseline: the same systems written by hand in bare simpy, as one would for one experiment.

No asyncio, no pattern, no Redis client: a dict stands for the cache, generators for requests. They draw the same random
numbers as `cachesim.simulate` does, so outcomes and latencies must be equal, request by request.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import simpy

import cachesim as cs
from cachesim.world.arrivals import OpenLoop

Row = tuple[float, str, str, float]
"""(arrival time, key, outcome, latency)"""


class Model:
    """What both models share: the world of a scenario as bare simpy objects, and the rows of its requests."""

    def __init__(self, scenario: cs.Scenario) -> None:
        assert scenario.duration is not None
        assert isinstance(scenario.redis.round_trip, float)
        assert isinstance(scenario.arrivals, OpenLoop)
        seeds = np.random.SeedSequence(scenario.seed).spawn(5)
        self.env = simpy.Environment()
        self.duration: float = scenario.duration
        self.times = scenario.arrivals.times(np.random.default_rng(seeds[0]))
        self.keys = scenario.keys.stream(np.random.default_rng(seeds[1]))
        self.services: Iterator[float] = scenario.database.latency.draws(np.random.default_rng(seeds[4]))
        connections = scenario.database.connections
        self.database = None if connections is None else simpy.Resource(self.env, connections)
        self.ttl: float = scenario.cache.options["ttl"]
        self.single_flight = scenario.cache.options.get("single_flight", "process") == "process"
        self.half = scenario.redis.round_trip / 2
        self.expires: dict[str, float] = {}
        self.flights: dict[str, simpy.Event] = {}
        self.rows: list[Row] = []

    def run(self) -> list[Row]:
        """The rows in order of completion; as in `simulate`, what has no outcome by twice the duration has none."""
        self.env.process(self.arrive())
        self.env.run(until=2 * self.duration)
        return self.rows

    def arrive(self) -> Generator[simpy.Event, Any, None]:
        env = self.env
        for time, key in zip(self.times, self.keys, strict=False):
            if time >= self.duration:
                return
            yield env.timeout(time - env.now)
            env.process(self.request(time, key))

    def request(self, time: float, key: str) -> Generator[simpy.Event, Any, None]:
        raise NotImplementedError

    def load(self) -> Generator[simpy.Event, Any, None]:
        """One query of the database."""
        if self.database is None:
            yield self.env.timeout(next(self.services))
        else:
            with self.database.request() as slot:
                yield slot
                yield self.env.timeout(next(self.services))


class InProcess(Model):
    """A TTL cache in memory, with or without single flight."""

    def request(self, time: float, key: str) -> Generator[simpy.Event, Any, None]:
        env = self.env
        if env.now < self.expires.get(key, 0.0):
            outcome = "hit"
        elif self.single_flight and key in self.flights:
            yield self.flights[key]
            outcome = "delayed_hit"
        else:
            flight = self.flights[key] = env.event()
            yield from self.load()
            self.expires[key] = env.now + self.ttl
            if self.flights.get(key) is flight:
                del self.flights[key]
            flight.succeed()
            outcome = "miss"
        self.rows.append((time, key, outcome, env.now - time))


class CacheAside(Model):
    """A TTL cache behind a round trip, with or without single flight."""

    def request(self, time: float, key: str) -> Generator[simpy.Event, Any, None]:
        env = self.env
        yield env.timeout(self.half)
        hit = env.now <= self.expires.get(key, -1.0)
        yield env.timeout(self.half)
        if hit:
            outcome = "hit"
        elif self.single_flight and key in self.flights:
            yield self.flights[key]
            outcome = "delayed_hit"
        else:
            flight = self.flights[key] = env.event()
            yield from self.load()
            yield env.timeout(self.half)
            self.expires[key] = env.now + self.ttl
            yield env.timeout(self.half)
            if self.flights.get(key) is flight:
                del self.flights[key]
            flight.succeed()
            outcome = "miss"
        self.rows.append((time, key, outcome, env.now - time))


MODELS: dict[str, type[Model]] = {"in-process": InProcess, "cache-aside": CacheAside}


def bare(scenario: cs.Scenario) -> list[Row]:
    """Run a scenario of one node without writes through its hand-written model."""
    return MODELS[scenario.cache.pattern](scenario).run()
