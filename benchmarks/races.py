"""Schedules per second of the race finder, against bare asyncio that runs the same coroutines once per schedule.

Three requests for one row, two reads and a write between them, as in the race that the printed cache-aside has. Bare
asyncio has one loop for all schedules, a new cache for each, and a Redis and a database that answer at the next turn:
no history, no choice, no check. Medians over rounds, in which one follows the other.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from math import inf
from threading import RLock
from types import SimpleNamespace
from typing import Any

import simpy

import cachesim as cs
from cachesim.races.asked import Asked
from cachesim.races.invariants import INVARIANTS
from cachesim.races.schedules import Bursts, Priorities, RandomWalk
from cachesim.races.stage import Stage
from cachesim.world.caches import CACHES
from cachesim.world.recorder import Recorder
from cachesim.world.redis_database import LedgerDatabase
from cachesim.world.scripts import TWINS

SCHEDULES, ROUNDS = 2_000, 5
ASKED = [Asked(0.1 * number, ("item",), 0, writes=number == 1) for number in range(3)]


def scenario(pattern: str) -> cs.Scenario:
    """One row, which is loaded in a tenth of a second."""
    return cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=10),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern(pattern, ttl=10),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
    )


def found(pattern: str) -> float:
    """Schedules per second."""
    invariant = INVARIANTS["no_stale_read_after_delete"]
    stage = Stage(scenario(pattern), None, ASKED, absent=False, to_rest=False)
    began = time.perf_counter()
    with stage.open():
        for number in range(SCHEDULES):
            kinds: list[Callable[[str], Any]] = [Bursts, RandomWalk, Bursts, partial(Priorities, depth=3, length=20)]
            invariant.check(stage.play(kinds[number % 4](f"1/{number}"), seed=number))
    return SCHEDULES / (time.perf_counter() - began)


class BareRedis:
    """Commands of the patterns, each answered after two turns."""

    def __init__(self) -> None:
        self._env = simpy.Environment()
        self._database = LedgerDatabase(RLock(), self._env, Recorder(self._env, start=0.0, end=inf, tables=False))

    async def get(self, key: str) -> Any:
        """GET."""
        return await self._answered(self._database.text, key.encode())

    async def set(self, key: str, value: bytes, px: int) -> Any:
        """SET."""
        return await self._answered(self._set, key.encode(), value)

    async def eval(self, script: str, n: int, *arguments: Any) -> Any:
        """A script of the patterns, by its twin."""
        return await self._answered(TWINS[script], self._database, self._env, *arguments)

    async def delete(self, *keys: Any) -> Any:
        """DEL."""
        return await self._answered(self._delete, *keys)

    def _set(self, key: bytes, value: bytes) -> None:
        self._database._dict[key] = SimpleNamespace(value=value, expireat=None)

    def _delete(self, *keys: Any) -> None:
        for key in keys:
            self._database._dict.pop(key if isinstance(key, bytes) else key.encode(), None)

    async def _answered(self, command: Callable[..., Any], *arguments: Any) -> Any:
        await asyncio.sleep(0)
        reply = command(*arguments)
        await asyncio.sleep(0)
        return reply


class BareDatabase:
    """Rows with versions, each answered after a turn."""

    def __init__(self) -> None:
        self._version = 0

    async def read(self, key: str) -> dict[str, Any]:
        """The row."""
        version = self._version
        await asyncio.sleep(0)
        return {"key": key, "load": 1, "version": version}

    async def write(self, key: str, value: Any) -> int:
        """A new version."""
        await asyncio.sleep(0)
        self._version += 1
        return self._version


def bare(pattern: str) -> float:
    """Runs per second of the same requests on asyncio's own loop."""
    chosen = cs.Pattern(pattern, ttl=10)
    factory = CACHES[pattern].factory(chosen.options)

    def node() -> Any:
        observe = SimpleNamespace(kinds=frozenset(), with_layers=None)
        places = {"redis": BareRedis(), "database": BareDatabase(), "clock": time.time, "rng": None}
        return SimpleNamespace(**places, observe=observe)

    async def write(cache: Any, database: BareDatabase) -> None:
        await database.write("item", {"key": "item", "write": 1})
        await cache.delete("item")

    async def run() -> None:
        for _ in range(SCHEDULES):
            world = node()
            cache = factory(world)
            await asyncio.gather(cache.get("item"), write(cache, world.database), cache.get("item"))

    began = time.perf_counter()
    asyncio.run(run())
    return SCHEDULES / (time.perf_counter() - began)


def main() -> None:
    """Print a row for each cache."""
    write = sys.stdout.write
    write(f"races, Python {platform.python_version()}: schedules/s of three requests in one process (asked: 2000)\n")
    for pattern in ("pitfall:cache-aside", "cache-aside", "in-process"):
        rates: dict[str, list[float]] = {"found": [], "bare": []}
        for _ in range(ROUNDS):
            rates["found"].append(found(pattern))
            rates["bare"].append(bare(pattern))
        ours, theirs = (statistics.median(rates[name]) for name in ("found", "bare"))
        write(f"  {pattern:20}{ours:8.0f}   bare asyncio {theirs:8.0f}   {theirs / ours:.2f} times as fast\n")


if __name__ == "__main__":
    main()
