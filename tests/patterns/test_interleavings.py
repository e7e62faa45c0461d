"""Random interleavings of reads, writes, deletes, expiry, failures and departures, held against a simple model.

The model is a database whose keys have versions that only rise, and, for each key, a *floor*: the newest version that
was committed when a delete or set returned. Whatever the order of things: a read that arrives afterwards is served that
version or a newer one; no value outlives its lifetime; nobody is cancelled, or fails, but by their own doing or by a
load of their own time; with single flight no load runs beside another that it should have joined; and at rest nothing
is under way. Each command to Redis takes a round trip of its own length, so any may overtake any other.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

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
    invalidated: float = -1.0  # when it was last
    loads: dict[int, float] = field(default_factory=dict)  # those under way, by number, and when they began


keys = st.runner().flatmap(lambda machine: st.sampled_from(machine.names))

seldom = st.integers(0, 4).map(lambda n: n == 4)
pauses = st.sampled_from([None, 0.0, 0.1, 0.5, 1.0, 3.0, TTL])


class Interleavings(RuleBasedStateMachine):
    """One cache over one database, and callers that come and go."""

    kind = "in-process"
    names: tuple[str, ...] = ("a",)
    options: dict[str, Any] = {}  # noqa: RUF012 - subclasses say other ones

    def __init__(self) -> None:
        super().__init__()
        self.world = World(round_trip=Uniform(low=0.0, high=LONGEST_TRIP))
        self.now = self.world.loop.time
        self.cache = self.world.make(self.kind, **({"ttl": TTL, "jitter": 5.0} | self.options))
        self.rows = {key: Row() for key in self.names}
        self.callers: list[asyncio.Task[None]] = []
        self.loads = 0
        self.failures: dict[int, float] = {}

    # What may happen, and how long until the next thing does (None: it comes before anybody has taken a step)

    @rule(key=keys, seconds=st.sampled_from([0.0, 1.0, LONGEST_LOAD]), fails=seldom, then=pauses)
    def read(self, key: str, seconds: float, fails: bool, then: float | None) -> None:
        self._begin(self._read(key, seconds, fails), then)

    @rule(key=keys, sets=st.booleans(), then=pauses)
    def write(self, key: str, sets: bool, then: float | None) -> None:
        self._begin(self._write(key, sets), then)

    @rule(choice=st.randoms(use_true_random=False), then=pauses)
    def cancel_somebody(self, choice: Any, then: float | None) -> None:
        if waiting := [caller for caller in self.callers if not caller.done()]:
            choice.choice(waiting).cancel()
        self._pause(then)

    def teardown(self) -> None:
        self.world.run(asyncio.sleep(100))  # which also sees that all is at rest
        self._no_caller_has_failed()
        assert all(caller.done() for caller in self.callers)
        assert self.cache.stats.loads == self.loads

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

    async def _write(self, key: str, sets: bool) -> None:
        row = self.rows[key]
        row.version += 1
        row.invalidated = self.now()
        version = row.version
        await (self.cache.set(key, {"version": version, "at": self.now()}) if sets else self.cache.delete(key))
        row.floor = max(row.floor, version)

    async def _read(self, key: str, seconds: float, fails: bool) -> None:
        row, arrival, floor = self.rows[key], self.now(), self.rows[key].floor
        me = asyncio.current_task()
        assert me is not None
        try:
            value = await self.cache.get_or_set(key, lambda: self._load(row, seconds, fails))
        except OriginError as error:
            if self.failures[error.args[0]] < arrival:
                raise AssertionError("a failure from before this read") from error
        except asyncio.CancelledError:
            assert me.cancelling(), "cancelled, though nobody cancelled this caller"
            raise
        else:
            assert floor <= value["version"] <= row.version, f"version {value['version']} below the floor of {floor}"
            oldest = arrival - TTL - LONGEST_LOAD - 2 * LONGEST_TRIP - (self.options.get("stale_if_error") or 0.0)
            assert value["at"] >= oldest, "a value past its lifetime"

    async def _load(self, row: Row, seconds: float, fails: bool) -> dict[str, Any]:
        self.loads += 1
        number, value = self.loads, {"version": row.version, "at": self.now()}
        if self.options["single_flight"] == "process":
            joinable = [began for began in row.loads.values() if began > row.invalidated]
            assert not joinable, "a load beside one that it should have joined"
        row.loads[number] = self.now()
        try:
            await asyncio.sleep(seconds)
            if fails:
                self.failures[number] = self.now()
                raise OriginError(number)
            return value
        finally:
            del row.loads[number]


CONFIGURATIONS = [
    ("in-process", {"single_flight": "process"}),
    ("in-process", {"single_flight": "none", "stale_if_error": 5.0}),
    ("in-process", {"single_flight": "process", "size": 1, "stale_if_error": 5.0}),
    ("cache-aside", {"single_flight": "process"}),
    ("cache-aside", {"single_flight": "process", "stale_if_error": 5.0}),
    ("cache-aside", {"single_flight": "none"}),
]


@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=str)
def test_no_interleaving_breaks_a_promise(kind, options):
    machine = type("Machine", (Interleavings,), {"kind": kind, "options": options})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=150, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    )
