"""The stage: a small world that is set up once, and plays the same few requests under one schedule after the other.

It is the world of `simulate`, on a loop that a schedule drives. What a run can change is made anew for the next one:
the caches, the database, the recorder. What takes long to make, the simulated Redis and its clients, is emptied.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import contextvars
import gc
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

import numpy as np

from cachesim.races.asked import Asked
from cachesim.races.history import (
    Arrived,
    Delivered,
    Event,
    History,
    Left,
    TimePassed,
    Witness,
)
from cachesim.races.holdings import holdings
from cachesim.races.loop import ACTOR, Label, Schedule, ScheduledLoop
from cachesim.races.tracing import answer, commands_in, traced_trip, watched_trip
from cachesim.races.watching import WatchedDatabase, WatchedRedis, WatchedServer
from cachesim.scenario import Scenario
from cachesim.world.asking import Asker
from cachesim.world.balancing import readdressed
from cachesim.world.caches import CACHES, Server
from cachesim.world.clock import simulated_time
from cachesim.world.database import SimDatabase
from cachesim.world.faults import Deploy, NodePause, of_kind, resumed
from cachesim.world.fleet import Fleet
from cachesim.world.handles import Timer
from cachesim.world.latency import Constant, as_latency
from cachesim.world.nodes import Factory, Node
from cachesim.world.redis import SimRedis, SimServer
from cachesim.world.requests import Client

__all__ = ["Stage"]

_SLOWEST = 1.0
"""Seconds that an operation may take, if nothing in the scenario takes longer."""
_A_WHILE, _AN_HOUR, _A_DAY = 20.0, 3_600.0, 86_400.0
_AT_ONCE = Constant(0.0)
_NO_CHANCE = np.random.default_rng(0)
"""Nothing is drawn from it: what takes time takes none, and what is left to chance the schedule decides."""

T = TypeVar("T")


class Stage:
    """A small world for the requests in `asked`.

    `absent`: no row is there, and each load gives None. `to_rest`: a run goes on until nothing is left to happen, and
    then each key is asked once more at each node, a day later.
    """

    def __init__(
        self, scenario: Scenario, cache: Factory | None, asked: Sequence[Asked], *, absent: bool, to_rest: bool
    ) -> None:
        self.asked, self.cache = asked, cache
        self._scenario, self._absent, self._to_rest = scenario, absent, to_rest
        self._factory = cache or CACHES[scenario.cache.pattern].factory(scenario.cache.options)
        times = (as_latency(scenario.redis.round_trip).mean, scenario.database.latency.mean)
        self._loop = ScheduledLoop(slowest=max(_SLOWEST, *times))
        self._loop.arrive, self._loop.cancel = self._arrive, self._leave
        self._taken: Sequence[Label] = ()
        self._probes = [
            Asked(0.0, (key,), node, writes=False)
            for node, key in dict.fromkeys((one.node, key) for one in asked for key in one.keys)
        ]
        self._pauses = of_kind(scenario.faults, NodePause)
        self._deploys = of_kind(scenario.faults, Deploy)
        self._database_setting = scenario.database.model_copy(update={"latency": _AT_ONCE})
        self._redis_setting = scenario.redis.model_copy(update={"round_trip": 0.0})
        self._backoff = as_latency(scenario.clients.backoff).mean
        self._server: SimServer | None = None
        self._keeps_more_than_keys = bool(scenario.faults) or scenario.redis.max_keys is not None

    def play(
        self, schedule: Schedule, cast: Sequence[int] | None = None, *, seed: int = 0, traced: bool = False
    ) -> History:
        """One run of the requests whose numbers are in `cast` (default: all); `seed` is that of the caches' chance."""
        collects = gc.isenabled()
        gc.disable()  # what is closed when it is found to be garbage would be at another step each time
        try:
            return self._play(schedule, range(len(self.asked)) if cast is None else cast, seed, traced)
        finally:
            if collects:
                gc.enable()

    def _play(self, schedule: Schedule, cast: Sequence[int], seed: int, traced: bool) -> History:
        loop = self._loop
        asyncio.events._set_running_loop(loop)  # caches may ask for it when they are made
        try:
            self._set_up(schedule, cast, seed, traced)
            began_with = self._held() if self._to_rest else 0
        finally:
            asyncio.events._set_running_loop(None)
        loop.run(until=max(one.time for one in self.asked) + _AN_HOUR)
        self._taken = loop.taken
        if self._to_rest and not self._recorder.open:
            loop.run(until=loop.env._now + _A_WHILE)
            self._taken = list(loop.taken)
        history = History(self._events, [self._recorder.actors[request] for request in self._recorder.open])
        if self._to_rest and not history.open:
            history.held = self._held() - began_with
            self._probe(history)
        if self._asker.done.done():
            self._asker.done.result()  # an error that is no outcome
        history.events = list(self._events)  # those that are swept away add to theirs
        return history

    @property
    def taken(self) -> Sequence[Label]:
        """The steps of the last run, until its keys were asked once more."""
        return self._taken

    @property
    def switched(self) -> Sequence[int]:
        """Those of them, by number, at which the schedule has interfered."""
        return self._loop.switched

    def stop(self) -> None:
        """End the run that goes on."""
        self._loop.stop()

    @contextmanager
    def open(self) -> Iterator[None]:
        """For many runs: this thread's clocks tell the time of the stage, and in the end nothing is left behind."""
        try:
            with simulated_time(self._loop.env):
                yield
        finally:
            self._loop.sweep()

    # Setting up

    def _set_up(self, schedule: Schedule, cast: Sequence[int], seed: int, traced: bool) -> None:
        scenario, loop = self._scenario, self._loop
        actors = len(self.asked) + len(self._probes) + scenario.nodes
        loop.reset(schedule, {actor: self.asked[actor].time for actor in cast}, actors)
        self._events: list[Event] = []
        loop.passes = lambda seconds: self._events.append(TimePassed(seconds))
        loop.delivers = self._delivered if traced else None
        self._recorder = Witness(loop, self._events)
        self._database = SimDatabase(
            self._database_setting,
            loop,
            _NO_CHANCE,
            self._recorder,
            faults=scenario.faults,
            errors_rng=_Chance(loop, happens=1.0),  # type: ignore[arg-type]
        )
        self._empty_redis()
        self._seed = seed
        self._failed: set[int] = set()  # actors of whom a command has failed
        for redis in self._redis:
            redis.witness = self._recorder
            redis._trip = self._trip(redis, traced)
        self._clients: dict[int, Client] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._fleet = Fleet(self._start, scenario.nodes, loop, self._recorder, self._deploys)
        self._asker = Asker(
            loop,
            self._recorder,
            self._fleet,
            scenario.clients,
            waits=repeat(self._backoff),
            readdressed=readdressed("round-robin", scenario.nodes, _NO_CHANCE),
        )
        self._asker.ended = self._one_ended

    def _empty_redis(self) -> None:
        """A Redis as new: emptied if it has only seen plain commands, else another one."""
        server = self._server
        if server is None or self._keeps_more_than_keys or len(server.sockets) > self._plain_sockets:
            self._new_redis()
            return
        server.recorder = self._recorder
        server.script_cache.clear()
        server.config.clear()
        for database in server.dbs.values():
            database._recorder = self._recorder  # type: ignore[attr-defined]
            database._dict.clear()
            database._expiry_heap.clear()

    def _new_redis(self) -> None:
        scenario, loop = self._scenario, self._loop
        server = SimServer(self._redis_setting, loop, _NO_CHANCE, self._recorder, faults=scenario.faults)
        server.faults._lost = _Chance(loop, happens=0.0)  # type: ignore[assignment]
        self._server = server
        self._redis = [WatchedRedis(server, awake=self._awake(index)) for index in range(scenario.nodes)]
        for redis in self._redis:
            redis._direct = _at_once(redis._directly_connected())
        self._faults = server.faults
        self._plain_trips = {redis: redis._trip for redis in self._redis}
        self._plain_sockets = len(server.sockets)

    def _trip(self, redis: WatchedRedis, traced: bool) -> Any:
        """How commands travel: as they do, or watched, which costs a little more."""
        plain = self._plain_trips[redis]
        if traced:
            return partial(traced_trip, self._events, self._failed, plain)
        return partial(watched_trip, self._failed, plain) if self._scenario.faults else plain

    def _awake(self, index: int) -> Any:
        pauses = [pause for pause in self._pauses if pause.node == index]
        return partial(resumed, pauses) if pauses else None

    def _start(self, index: int) -> Server:
        """The cache of a node, at its start and at each restart; what it does by itself, it does as an actor."""
        context = contextvars.copy_context()
        context.run(ACTOR.set, len(self.asked) + len(self._probes) + index)
        return context.run(self._started, index)

    def _started(self, index: int) -> Server:
        redis = self._redis[index]
        node = Node(
            index,
            loop=self._loop,
            redis=redis,
            database=self._database,
            recorder=self._recorder,
            clients=self._scenario.clients,
            seed=self._seed * self._scenario.nodes + index,
            awake=self._awake(index),
        )
        node.database = WatchedDatabase(
            self._database, index, self._recorder, absent=self._absent, awake=self._awake(index)
        )
        return WatchedServer(
            node, self._factory, self._recorder, failed=self._failed, redis_is_there=self._redis_is_there
        )

    # Requests come and go

    def _arrive(self, actor: int) -> None:
        asked = self.asked[actor] if actor < len(self.asked) else self._probes[actor - len(self.asked)]
        asking = asked.request(self._loop.env._now, self._clients)
        for request in asking.requests:
            self._recorder.actors[request] = actor
            self._recorder.open[request] = None
        self._events.append(Arrived(actor, asked.keys, asked.node, asked.writes, self._loop.env._now))
        context = contextvars.copy_context()
        context.run(ACTOR.set, actor)
        task = asyncio.Task(self._asker.ask(asking), loop=self._loop, context=context)
        self._loop.keep(task)
        self._tasks[actor] = task
        if self._scenario.clients.disconnect == "cancel" and actor < len(self.asked):
            self._loop.leaving.append(actor)

    def _leave(self, actor: int) -> None:
        self._events.append(Left(actor))
        self._tasks[actor].cancel()

    def _one_ended(self) -> None:
        if not (self._recorder.open or self._loop.arriving):
            self._loop.stop()

    def _delivered(self, timer: Timer) -> None:
        """Bytes arrive at the end of a connection: the server's, or that of a client."""
        socket, content = timer._callback.__self__, timer._args[0]  # type: ignore[attr-defined]
        if timer._callback.__name__ != "_answer":  # type: ignore[attr-defined]
            self._events += [Delivered(self._loop.actor, None, command) for command in commands_in(content)]
            return
        told = [node for node, redis in enumerate(self._redis) if _has(redis, socket)]
        self._events.append(Delivered(self._loop.actor, told[0] if told else -1, answer(content)))

    def _redis_is_there(self) -> bool:
        faults, now = self._faults, self._loop.env._now
        return not faults.refuses(now) and faults.answers(now) == now

    # At rest

    def _held(self) -> int:
        servers = self._fleet.servers
        return sum(map(holdings, (server.cache for server in servers)))

    def _probe(self, history: History) -> None:
        """Ask each key once more, a day later: a lock that nobody gives back shows now."""
        loop = self._loop
        loop.undisturbed = True
        for actor in range(len(self.asked), len(self.asked) + len(self._probes)):
            loop.env._now += _A_DAY
            loop.arriving.append(actor)
            loop.run(until=loop.env._now + _AN_HOUR)
        history.open = [self._recorder.actors[request] for request in self._recorder.open]


class _Chance:
    """What is left to chance, as a source that the schedule decides: high is that it happens."""

    def __init__(self, loop: ScheduledLoop, happens: float) -> None:
        self._loop, self._happens = loop, happens

    def random(self) -> float:
        return self._happens if self._loop.happens() else 1.0 - self._happens


def _has(redis: SimRedis, socket: object) -> bool:
    """Whether a connection of a client ends at this socket of the server."""
    pool: Any = redis.connection_pool
    return any(line._sock is socket for line in (*pool._in_use_connections, *pool._available_connections))


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")
