"""Random interleavings of reads, writes, deletes, expiry, failures and departures, held against a simple model.

The model is a database whose keys have versions that only rise, and, for each key, a *floor*: the newest version that
was committed when a delete or set returned. Whatever the order of things: a read that arrives afterwards, at any node,
is served that version or a newer one; no value outlives its lifetime; nobody is cancelled, or fails, but by their own
doing or by a load of their own time; with single flight no load runs beside another that it should have joined, in one
process or in the cluster; and at rest nothing is under way. Each command to Redis takes a round trip of its own length,
so any may overtake any other.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from cachesim.patterns import LoadFailed
from cachesim.world.latency import Uniform
from tests.patterns.kit import OriginError, World

TTL = 10.0
LONGEST_LOAD = 4.0
LONGEST_TRIP = 2.0


@dataclass
class Row:
    """What the database holds of a key, and what the caches may serve."""

    version: int = 0
    floor: int = 0
    writes: int = 0  # under way
    invalidated: float = -1.0  # when it was last; a load begun before is not to be joined
    loads: dict[int, float] = field(default_factory=dict)  # those under way, by number, and when who began them came


keys = st.runner().flatmap(lambda machine: st.sampled_from(machine.names))

any_node = st.runner().flatmap(lambda machine: st.integers(0, machine.nodes - 1))
any_way = st.runner().flatmap(lambda machine: st.sampled_from(machine.ways_to_write))
seldom = st.integers(0, 4).map(lambda n: n == 4)
pauses = st.sampled_from([None, 0.0, 0.1, 0.5, 1.0, 3.0, TTL])


class Interleavings(RuleBasedStateMachine):
    """Caches over one database, one a node, and callers that come and go."""

    kind = "in-process"
    names: tuple[str, ...] = ("a",)
    nodes = 1
    ways_to_write: tuple[str, ...] = ("set", "delete")
    options: dict[str, Any] = {}  # noqa: RUF012 - subclasses say other ones

    def __init__(self) -> None:
        super().__init__()
        self.world = World(round_trip=Uniform(low=0.0, high=LONGEST_TRIP))
        self.now = self.world.loop.time
        make = self.world.make
        self.caches = [make(self.kind, **({"ttl": TTL, "jitter": 5.0} | self.options)) for _ in range(self.nodes)]
        self.rows = {key: Row() for key in self.names}
        self.callers: list[asyncio.Task[None]] = []
        self.loads = 0
        self.failures: dict[int, float] = {}

    # What may happen, and how long until the next thing does (None: it comes before anybody has taken a step)

    @rule(node=any_node, key=keys, seconds=st.sampled_from([0.0, 1.0, LONGEST_LOAD]), fails=seldom, then=pauses)
    def read(self, node: int, key: str, seconds: float, fails: bool, then: float | None) -> None:
        self._begin(self._read(node, key, seconds, fails), then)

    @rule(node=any_node, key=keys, how=any_way, then=pauses)
    def write(self, node: int, key: str, how: str, then: float | None) -> None:
        self._begin(self._write(node, key, how), then)

    @rule(choice=st.randoms(use_true_random=False), then=pauses)
    def cancel_somebody(self, choice: Any, then: float | None) -> None:
        if waiting := [caller for caller in self.callers if not caller.done()]:
            choice.choice(waiting).cancel()
        self._pause(then)

    def teardown(self) -> None:
        self.world.run(asyncio.sleep(100))  # which also sees that all is at rest
        self._no_caller_has_failed()
        assert all(caller.done() for caller in self.callers)
        assert sum(cache.stats.loads for cache in self.caches) == self.loads

    # What the callers do, and see

    def _begin(self, caller: Coroutine[Any, Any, None], then: float | None) -> None:
        self.callers.append(self.world.loop.create_task(caller))
        self._pause(then)

    def _pause(self, seconds: float | None) -> None:
        if seconds is not None:
            self.world.loop.run_until_complete(asyncio.sleep(seconds))
            self._no_caller_has_failed()

    def _no_caller_has_failed(self) -> None:
        for caller in self.callers:
            if caller.done() and not caller.cancelled():
                caller.result()

    async def _write(self, node: int, key: str, how: str) -> None:
        row = self.rows[key]
        row.version += 1
        version = row.version
        row.writes += 1
        write = asyncio.ensure_future(
            self._written(self.caches[node], key, how, {"version": version, "at": self.now()})
        )
        write.add_done_callback(lambda _: self._has_written(row))
        await write
        row.floor = max(row.floor, version)

    def _has_written(self, row: Row) -> None:
        """What has been written is in force, or will be soon if its caller has left."""
        row.writes -= 1
        row.invalidated = self.now() + 3 * LONGEST_TRIP

    @staticmethod
    async def _written(cache: Any, key: str, how: str, value: dict[str, Any]) -> None:
        await (cache.set(key, value) if how == "set" else cache.delete(key))

    async def _read(self, node: int, key: str, seconds: float, fails: bool) -> None:
        row, arrival, floor = self.rows[key], self.now(), self.rows[key].floor
        me = asyncio.current_task()
        assert me is not None
        try:
            value = await self.caches[node].get_or_set(key, lambda: self._load(row, arrival, seconds, fails))
        except OriginError as error:
            if self.failures[error.args[0]] < arrival:
                raise AssertionError("a failure from before this read") from error
        except LoadFailed:
            assert self.options["single_flight"] == "cluster"
        except asyncio.CancelledError:
            assert me.cancelling(), "cancelled, though nobody cancelled this caller"
            raise
        else:
            assert floor <= value["version"] <= row.version, f"version {value['version']} below the floor of {floor}"
            oldest = arrival - TTL - LONGEST_LOAD - 2 * LONGEST_TRIP - (self.options.get("stale_if_error") or 0.0)
            assert value["at"] >= oldest - (self.options.get("stale_for") or 0.0), "a value past its lifetime"

    async def _load(self, row: Row, arrival: float, seconds: float, fails: bool) -> dict[str, Any]:
        self.loads += 1
        number, value = self.loads, {"version": row.version, "at": self.now()}
        alike = self.options["single_flight"] == "cluster" or (
            self.nodes == 1 and self.options["single_flight"] != "none"
        )
        if alike and not row.writes and arrival > row.invalidated:  # who came before may hold a lease that is gone
            joinable = [came for came in row.loads.values() if came > row.invalidated]
            assert not joinable, "a load beside one that it should have joined"
        row.loads[number] = arrival
        try:
            await asyncio.sleep(seconds)
            if fails:
                self.failures[number] = self.now()
                raise OriginError(number)
            return value
        finally:
            del row.loads[number]


PROCESS, CLUSTER, NONE, STALE = (
    {"single_flight": "process"},
    {"single_flight": "cluster"},
    {"single_flight": "none"},
    {"stale_if_error": 5.0},
)
DELETE = {"ways_to_write": ("delete",)}  # sets of two nodes have no order, unless they are written through
SET = {"ways_to_write": ("set",)}  # and a deleted key forgets which write was the newest
ONE_NODE: list[Any] = [
    ("in-process", PROCESS, {}),
    ("in-process", NONE | STALE, {}),
    ("in-process", PROCESS | STALE | {"size": 1}, {}),
    ("cache-aside", PROCESS, {}),
    ("cache-aside", PROCESS | STALE, {}),
    ("cache-aside", NONE, {}),
    ("cache-aside", CLUSTER, {}),
    ("early-recompute", PROCESS | {"beta": 2.0}, {}),
    ("early-recompute", NONE | STALE | {"beta": 2.0}, {}),
    ("early-recompute", PROCESS | {"beta": 2.0, "background": True}, {}),
    ("stale-while-revalidate", PROCESS | {"stale_for": 5.0}, {}),
    ("batch of one", PROCESS, {}),
    ("batch of one", NONE | STALE, {}),
    ("layered", PROCESS | {"invalidation": "none"}, {}),
    ("layered", PROCESS | STALE, {}),
]
TWO_NODES: list[Any] = [
    ("cache-aside", PROCESS, DELETE),
    ("cache-aside", NONE | STALE, DELETE),
    ("cache-aside", CLUSTER, DELETE),
    ("cache-aside", CLUSTER | STALE, DELETE),
    ("write-through", PROCESS, SET),
    ("write-through", CLUSTER | {"write_around": True}, {}),
    ("early-recompute", CLUSTER | {"beta": 2.0}, DELETE),
    ("stale-while-revalidate", CLUSTER | {"stale_for": 5.0}, DELETE),
    ("batch of one", PROCESS | STALE, DELETE),
    ("batch of one", CLUSTER | STALE, DELETE),
]


def run(kind: str, options: dict[str, Any], world: dict[str, Any], examples: int) -> None:
    machine = type("Machine", (Interleavings,), {"kind": kind, "options": options} | world)
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )


@pytest.mark.parametrize(("kind", "options", "world"), ONE_NODE, ids=str)
def test_no_interleaving_breaks_a_promise(kind, options, world):
    run(kind, options, world, examples=50)


@pytest.mark.parametrize(("kind", "options", "world"), TWO_NODES, ids=str)
def test_no_interleaving_of_two_nodes_breaks_a_promise(kind, options, world):
    run(kind, options, world | {"nodes": 2}, examples=50)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "world"), [*ONE_NODE, *((*row[:2], row[2] | {"nodes": 2}) for row in TWO_NODES)], ids=str
)
def test_no_interleaving_of_very_many_breaks_a_promise(kind, options, world):
    run(kind, options, world, examples=2000)
