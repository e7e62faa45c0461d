"""The simulated database: who is served when, and what is seen of writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
import simpy

import cachesim as cs
from cachesim.world.database import SimDatabase
from cachesim.world.loop import SimLoop
from cachesim.world.nodes import NodeDatabase
from cachesim.world.recorder import Recorder


def run(
    program: Callable[[NodeDatabase], Awaitable[Any]], *, connections: int | None = 1, **options: Any
) -> tuple[Any, SimLoop, Recorder]:
    """A program on a database whose queries take 1 s."""
    loop = SimLoop(simpy.Environment())
    recorder = Recorder(loop.env, start=0.0, end=100.0, tables=True)
    setting = cs.Database(latency=cs.latency.Constant(1.0), connections=connections, **options)
    database = SimDatabase(setting, loop, np.random.default_rng(1), recorder)
    return loop.run_until_complete(program(NodeDatabase(database, 0))), loop, recorder


def test_queries_wait_for_a_connection_first_come_first_served() -> None:
    async def program(database: NodeDatabase) -> list[tuple[str, float]]:
        done: list[tuple[str, float]] = []

        async def read(key: str) -> None:
            await database.read(key)
            done.append((key, asyncio.get_running_loop().time()))

        await asyncio.gather(*map(read, "abcde"))
        return done

    assert run(program, connections=2)[0] == [("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 3)]


def test_a_read_sees_what_was_committed_when_its_service_starts() -> None:
    """One begins at the very instant of the commit, and sees it; one begun before does not."""

    async def program(database: NodeDatabase) -> list[int]:
        early = asyncio.create_task(database.read("k"))
        version = asyncio.create_task(database.write("k", {"any": "value"}))
        late = asyncio.create_task(database.read("k"))
        assert await version == 1
        return [(await early)["version"], (await late)["version"]]

    assert run(program)[0] == [0, 1]


@pytest.mark.parametrize("value", [None, 0, "", {}, []])
def test_any_value_can_be_written(value: Any) -> None:
    async def program(database: NodeDatabase) -> list[int]:
        return [await database.write("k", value), await database.write("k", value)]

    assert run(program)[0] == [1, 2]


def test_read_many_is_one_query_in_order_and_nothing_costs_nothing() -> None:
    async def program(database: NodeDatabase) -> list[str]:
        assert await database.read_many([]) == []
        return [row["key"] for row in await database.read_many(["b", "a", "b"])]

    keys, loop, recorder = run(program)
    assert keys == ["b", "a", "b"]
    assert loop.time() == 1
    assert recorder.totals.queries == 1
    assert sum(recorder.totals.loads.values()) == 3


@pytest.mark.parametrize(("on_cancel", "queries", "end"), [("finish", 3, 3.0), ("withdraw", 2, 2.0)])
def test_a_query_whose_caller_has_gone_is_worked_off_or_withdrawn(on_cancel: str, queries: int, end: float) -> None:
    """Withdrawn only while it waits: once served it is served to the end."""

    async def program(database: NodeDatabase) -> float:
        tasks = [asyncio.create_task(database.read(key)) for key in "abc"]
        await asyncio.sleep(0.5)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return asyncio.get_running_loop().time()

    ended, _, recorder = run(program, on_cancel=on_cancel)
    assert ended == end
    assert recorder.totals.queries == queries
