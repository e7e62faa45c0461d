"""`simulate`: a scenario becomes a world, the world runs, and what was recorded becomes a result.

The road of one request: `Traffic` lets it arrive, the `Asker` asks a node, the node's cache looks into Redis
(`SimRedis`) or asks the database (`SimDatabase`), and the `Recorder` decides its outcome and writes its row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import Literal

import numpy as np
import simpy

from cachesim.result import Result, Tables
from cachesim.scenario import Scenario
from cachesim.settings import Problem, ScenarioError
from cachesim.traces import TraceError
from cachesim.world.apart import where_no_loop_runs
from cachesim.world.arrivals import ClosedLoop, OpenLoop
from cachesim.world.asking import Asker
from cachesim.world.balancing import addressed, readdressed
from cachesim.world.caches import CACHES, Server
from cachesim.world.clients import sent_by
from cachesim.world.database import SimDatabase
from cachesim.world.deadlock import DeadlockError, deadlock
from cachesim.world.faults import Deploy, NodePause, of_kind, resumed
from cachesim.world.fleet import Fleet
from cachesim.world.loop import SimLoop
from cachesim.world.metrics import measure
from cachesim.world.nodes import Factory, Node
from cachesim.world.recorder import Outcome, Recorder
from cachesim.world.redis import SimRedis, SimServer
from cachesim.world.requests import Batch, Request, batches
from cachesim.world.stopping import stopped_after, stopped_by_interrupt
from cachesim.world.traffic import ClosedTraffic, OpenTraffic, Traffic
from cachesim.world.writes import Writes, WritesBehind

__all__ = ["Rng", "chance_of", "requests_of", "simulate"]

_SOURCES = (
    *("arrivals", "keys", "nodes", "writes", "database", "redis", "caches", "behind", "clients"),
    *("thinks", "waits", "retries", "database errors", "redis troubles"),
)
"""Every source of chance has its own child of the seed; new ones are added at the end, so that old runs stay."""

_PROGRESS_STEPS = 200
_GRACE = 60.0
"""Seconds that open requests have at least when a recorded stream of unknown length ends, and caches to close."""


def simulate(
    scenario: Scenario,
    *,
    cache: Factory | None = None,
    record: Literal["tables", "summary"] = "tables",
    strict: bool = False,
    progress: Callable[[float], None] | None = None,
    time_limit: float | None = None,
) -> Result:
    """Run a scenario and return what came out.

    `cache` puts your own cache in the place of the scenario's pattern (see `cachesim.world.caches`). `record="summary"`
    keeps no tables, so memory stays bounded. `strict` raises the first exception that nobody took. `progress` is told
    the simulated time in seconds now and then; what it raises ends the run and is raised. `time_limit`: seconds of real
    time after which the run is given up (default: never).

    Where an event loop already runs in the thread (Jupyter), the simulation runs in a thread of its own. Raises
    `ScenarioError` for recorded streams that cannot be read and `SimulationError` for what a simulation cannot do, or
    not in `time_limit`.

    >>> import cachesim as cs
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Poisson(rate=100), keys=cs.keys.OneKey(), cache=cs.Pattern("cache-aside", ttl=10),
    ...     database=cs.Database(latency=cs.latency.Constant(0.5)),
    ... )
    >>> simulate(scenario).metrics["largest_stampede"]
    1.0
    """
    if record not in ("tables", "summary"):
        raise ValueError(f'record: {record!r} is not allowed; "tables" or "summary"')
    simulation = _Simulation(scenario, cache, record == "tables", progress, time_limit)
    result = where_no_loop_runs(simulation.run, simulation.loop.stop)
    if strict and result.failures:
        raise result.failures[0]
    return result


Rng = Callable[[str], np.random.Generator]
"""The source of chance of that name."""


def chance_of(seed: int) -> Rng:
    """The sources of chance of a run with that seed; each begins anew at each call."""
    seeds = _seeds(seed)
    return lambda source: np.random.default_rng(seeds[source])


def _seeds(seed: int) -> dict[str, np.random.SeedSequence]:
    return dict(zip(_SOURCES, np.random.SeedSequence(seed).spawn(len(_SOURCES)), strict=True))


def requests_of(scenario: Scenario, times: Iterator[float], rng: Rng) -> Iterator[Request | Batch]:
    """Everything that will be asked, in order of arrival."""
    writes = scenario.writes if isinstance(scenario.writes, Writes) else Writes(share=scenario.writes)
    keys = scenario.keys.stream(rng("keys"))
    asked = keys if scenario.batch == 1 else batches(keys, scenario.batch)
    asked, nodes = addressed(asked, scenario.balance, scenario.nodes, rng("nodes"))
    kind: Callable[..., Request | Batch] = Request if scenario.batch == 1 else Batch
    requests = map(kind, times, asked, nodes, writes.of_requests(rng("writes")))
    if scenario.clients.n is None:
        return requests
    return sent_by(scenario.clients.stream(rng("clients")), requests)


class _Simulation:
    """One run, from its scenario to its result."""

    def __init__(
        self,
        scenario: Scenario,
        cache: Factory | None,
        tables: bool,
        progress: Callable[[float], None] | None,
        time_limit: float | None,
    ) -> None:
        self.scenario, self.tables, self.progress, self.time_limit = scenario, tables, progress, time_limit
        self.factory = cache or CACHES[scenario.cache.pattern].factory(scenario.cache.options)
        self.loop = SimLoop(simpy.Environment(initial_time=0.0))
        end = inf if scenario.duration is None else scenario.duration
        self.recorder = Recorder(self.loop.env, start=scenario.warmup, end=end, tables=tables)
        self.seeds = _seeds(scenario.seed)

    def run(self) -> Result:
        try:
            with stopped_by_interrupt(self.loop), stopped_after(self.time_limit, self.loop):
                return self._run()
        except TraceError as error:  # met at the first request or at any later one
            raise ScenarioError(Problem("", str(error))) from None
        finally:
            self.loop.close()

    def _run(self) -> Result:
        failures: list[BaseException] = []
        try:
            self.loop.run_until_complete(self._serve())
        except DeadlockError as deadlock:
            failures.append(deadlock)
        if self.recorder.measured < 0:
            length = self.scenario.warmup + self.recorder.measured
            message = f"{self.scenario.warmup!r} is not allowed; the stream ends at {length:g} s"
            raise ScenarioError(Problem("warmup", message))
        self.recorder.finish()
        self.loop.run_until_complete(self._close())
        failures.extend(self.loop.failures)
        return self._result(failures)

    async def _serve(self) -> None:
        """Build the world, and let it run until every request has its outcome."""
        scenario, recorder = self.scenario, self.recorder
        self.database = SimDatabase(
            scenario.database,
            self.loop,
            self._rng("database"),
            recorder,
            faults=scenario.faults,
            errors_rng=self._rng("database errors"),
        )
        self.redis = SimServer(
            scenario.redis,
            self.loop,
            self._rng("redis"),
            recorder,
            faults=scenario.faults,
            chance=self.seeds["redis troubles"],
        )
        deploys = of_kind(scenario.faults, Deploy)
        starts = scenario.nodes * (1 + len(deploys))
        self.node_seeds = iter(self.seeds["caches"].generate_state(starts).tolist())
        self.fleet = Fleet(self._server, scenario.nodes, self.loop, recorder, deploys)
        traffic = self._traffic()
        if self.progress is not None:
            self.loop.call_soon(self._report, traffic, self.progress)
        await traffic.done
        if recorder.open and self.loop.is_idle():
            raise deadlock(self.loop)  # they wait for what will never come

    def _server(self, index: int) -> Server:
        """The cache of a node, at its start and at each restart."""
        pauses = [p for p in of_kind(self.scenario.faults, NodePause) if p.node == index]
        awake = partial(resumed, pauses) if pauses else None
        node = Node(
            index,
            loop=self.loop,
            redis=SimRedis(self.redis, awake=awake),
            database=self.database,
            recorder=self.recorder,
            clients=self.scenario.clients,
            seed=next(self.node_seeds),
            awake=awake,
        )
        return Server(node, self.factory)

    def _traffic(self) -> Traffic:
        """Everything that is asked, on its way."""
        scenario, loop, recorder = self.scenario, self.loop, self.recorder
        asker = Asker(
            loop,
            recorder,
            self.fleet,
            scenario.clients,
            waits=scenario.clients.waits(self._rng("waits")),
            readdressed=readdressed(scenario.balance, scenario.nodes, self._rng("retries")),
        )
        end, grace = (inf, _GRACE) if scenario.duration is None else (scenario.duration, scenario.duration)
        traffic: Traffic
        if isinstance(scenario.arrivals, ClosedLoop):
            requests = requests_of(scenario, iter(loop.time, None), self._rng)
            traffic = ClosedTraffic(loop, recorder, asker, requests=requests, duration=end, grace=grace)
            traffic.start(scenario.arrivals.users, scenario.arrivals.thinks(self._rng("thinks")))
        else:
            assert isinstance(scenario.arrivals, OpenLoop)
            requests = requests_of(scenario, scenario.arrivals.times(self._rng("arrivals")), self._rng)
            traffic = OpenTraffic(loop, recorder, asker, requests=requests, duration=end, grace=grace)
            traffic.start()
        if isinstance(scenario.writes, Writes):
            behind = scenario.writes.past_the_cache(scenario.keys.population(), self._rng("behind"))
            WritesBehind(self.database, traffic, behind)
        return traffic

    async def _close(self) -> None:
        """Close the caches and cancel what still runs; nobody waits for ever for what is down for ever."""
        closing = self.loop.create_task(self.fleet.aclose())
        await asyncio.wait((closing,), timeout=_GRACE)
        if closing.done():
            closing.result()
        elif self.loop.is_idle():
            raise deadlock(self.loop)
        rest = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in sorted(rest, key=lambda task: task.get_name()):
            task.cancel()
        if rest:
            done, _ = await asyncio.wait(rest, timeout=_GRACE)
            for task in done:
                if not task.cancelled():
                    task.exception()  # it has no say any more
        await self.loop.shutdown_asyncgens()

    def _report(self, traffic: Traffic, progress: Callable[[float], None]) -> None:
        now = self.loop.time()
        try:
            progress(now)
        except BaseException as error:
            if not traffic.done.done():
                traffic.done.set_exception(error)
            return
        if not traffic.over:
            step = self.scenario.duration / _PROGRESS_STEPS if self.scenario.duration else max(1.0, now / 10)
            self.loop.call_later(step, self._report, traffic, progress)

    def _rng(self, source: str) -> np.random.Generator:
        return np.random.default_rng(self.seeds[source])

    def _result(self, failures: list[BaseException]) -> Result:
        scenario, recorder = self.scenario, self.recorder
        tables = Tables(
            requests=recorder.request_columns(),
            outcomes=[outcome.name for outcome in Outcome],
            loads=recorder.load_columns(),
            entries=recorder.entry_columns,
        )
        return Result(
            metrics=measure(
                recorder,
                connections=scenario.database.connections,
                body_bytes=0 if scenario.clients.n is None else scenario.clients.body_bytes,
            ),
            warmup=scenario.warmup,
            duration=scenario.warmup + recorder.measured,
            errors=recorder.errors,
            failures=failures,
            _digest=recorder.digest,
            _tables=tables if self.tables else None,
        )
