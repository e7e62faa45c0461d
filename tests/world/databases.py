"""A database and its queries alone: programs on it, and queries issued at given times with given services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import simpy

import cachesim as cs
from cachesim.world.database import SimDatabase
from cachesim.world.faults import Fault
from cachesim.world.loop import SimLoop
from cachesim.world.nodes import NodeDatabase
from cachesim.world.recorder import Recorder


def run(
    program: Callable[[NodeDatabase], Awaitable[Any]],
    *,
    connections: int | None = 1,
    faults: Sequence[Fault] = (),
    works: Sequence[float] | None = None,
    awake: Callable[[float], float] | None = None,
    **options: Any,
) -> tuple[Any, SimLoop, Recorder]:
    """A program on a database whose queries take 1 s, or `works` in the order in which they begin."""
    loop = SimLoop(simpy.Environment())
    recorder = Recorder(loop.env, start=0.0, end=100.0, tables=True)
    setting = cs.Database(latency=cs.latency.Constant(1.0), connections=connections, **options)
    chance = np.random.default_rng(1), np.random.default_rng(2)
    database = SimDatabase(setting, loop, chance[0], recorder, faults=faults, errors_rng=chance[1])
    if works is not None:
        database.services = iter(works)
    return loop.run_until_complete(program(NodeDatabase(database, 0, awake=awake))), loop, recorder


def timeline(issues: Sequence[tuple[float, float]], **options: Any) -> list[tuple[float, float]]:
    """When each query begins and ends, of queries given by the time of issue and the work (s), in order of issue."""

    async def program(database: NodeDatabase) -> None:
        async def read(number: int, time: float) -> None:
            await asyncio.sleep(time)
            await database.read(str(number))

        await asyncio.gather(*(read(number, time) for number, (time, _) in enumerate(issues)))

    recorder = run(program, works=[work for _, work in issues], **options)[2]
    recorder.finish()
    loads = recorder.load_columns()
    rows = zip(map(int, loads["key"]), loads["service_start"].tolist(), loads["end"].tolist(), strict=True)
    return [(begun, ended) for _, begun, ended in sorted(rows)]
