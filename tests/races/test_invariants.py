"""Invariants: each accuses what breaks it, and nothing that is allowed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cachesim as cs
from cachesim.patterns import PATTERNS
from cachesim.races import INVARIANTS, History, find_race, search
from cachesim.races.history import (
    Acknowledged,
    Arrived,
    Committed,
    Ended,
    Event,
    Left,
    LoadBegan,
    LoadEnded,
    TimePassed,
)
from cachesim.races.promises import promised
from cachesim.world.latency import Constant
from cachesim.world.nodes import Node
from tests.races.scenes import scenario

LOST = ValueError("lost")
CANCELLED = asyncio.CancelledError()


def comes(actor: int, *keys: str, node: int = 0, time: float = 0.0) -> Arrived:
    return Arrived(actor, keys or ("a",), node, False, time)


def writes(actor: int, key: str = "a", node: int = 0) -> Arrived:
    return Arrived(actor, (key,), node, True, 0.0)


def ends(actor: int, version: int | None = None, key: str = "a", error: Any = None, time: float = 0.0) -> Ended:
    return Ended(actor, key, version, error, time)


def loads(actor: int, number: int, key: str = "a", node: int = 0, time: float = 0.0) -> LoadBegan:
    return LoadBegan(actor, key, node, number, time)


def deleted(actor: int, version: int, key: str = "a") -> Acknowledged:
    return Acknowledged(actor, key, version, kept=False)


def kept(actor: int, version: int, key: str = "a") -> Acknowledged:
    return Acknowledged(actor, key, version, kept=True)


Case = tuple[str, list[Event]]

BROKEN: dict[str, list[Case]] = {
    "no_stale_read_after_delete": [
        ("an older version", [deleted(0, 1), comes(1), ends(1, 0)]),
        ("two versions older", [deleted(0, 1), deleted(2, 2), comes(1), ends(1, 0)]),
        ("the last but one", [deleted(0, 1), deleted(2, 2), comes(1), ends(1, 1)]),
        ("deletes end in another order", [deleted(2, 2), deleted(0, 1), comes(1), ends(1, 1)]),
        ("one key of a batch", [deleted(0, 1, "b"), comes(1, "a", "b"), ends(1, 0, "a"), ends(1, 0, "b")]),
        ("much later", [deleted(0, 1), TimePassed(86_400.0), comes(1), ends(1, 0)]),
        ("at another node", [deleted(0, 1), comes(1, node=1), ends(1, 0)]),
        ("the second who comes", [deleted(0, 1), comes(1), comes(2), ends(1, 1), ends(2, 0)]),
    ],
    "no_lost_update": [
        ("an older version", [kept(0, 1), comes(1), ends(1, 0)]),
        ("that of the write before", [kept(0, 1), kept(2, 2), comes(1), ends(1, 1)]),
    ],
    "single_flight": [
        ("two at once", [comes(0), loads(0, 1), comes(1), loads(1, 2)]),
        ("whoever came first", [comes(0), comes(1), loads(1, 1), loads(0, 2)]),
        ("one request twice", [comes(0), loads(0, 1), loads(0, 2)]),
        ("a cache by itself", [loads(7, 1), comes(0), loads(0, 2)]),
        ("after a write", [writes(0), ends(0), comes(1), comes(2), loads(1, 1), loads(2, 2)]),
        ("while another key is written", [writes(0, "b"), comes(1), comes(2), loads(1, 1), loads(2, 2)]),
        ("another client has left", [comes(0), loads(0, 1), comes(2), Left(2), ends(2, error=CANCELLED), loads(1, 2)]),
    ],
    "cluster_single_flight": [
        ("two nodes at once", [comes(0), loads(0, 1), comes(1, node=1), loads(1, 2, node=1)]),
        ("one node", [comes(0), loads(0, 1), comes(1), loads(1, 2)]),
    ],
    "no_cancelled_follower": [
        ("nobody left", [comes(0), ends(0, error=CANCELLED)]),
        ("another left", [comes(0), comes(1), Left(0), ends(0, error=CANCELLED), ends(1, error=CANCELLED)]),
        ("a write", [comes(0), Left(0), writes(1), ends(1, error=CANCELLED)]),
    ],
    "nothing_is_a_value": [
        ("asked again", [comes(0), loads(0, 1), LoadEnded(0, 1, 0), ends(0), comes(1), loads(1, 2)]),
        ("the same moment", [TimePassed(5.0), comes(0), ends(0, time=5.0), comes(1), loads(1, 1, time=5.0)]),
    ],
}

KEPT: dict[str, list[Case]] = {
    "no_stale_read_after_delete": [
        ("nothing", []),
        ("the version of the delete", [deleted(0, 1), comes(1), ends(1, 1)]),
        ("a newer one", [deleted(0, 1), comes(1), ends(1, 2)]),
        ("it came before the acknowledgement", [comes(1), deleted(0, 1), ends(1, 0)]),
        ("it came before the second", [deleted(0, 1), comes(1), deleted(2, 2), ends(1, 1)]),
        ("committed but not deleted", [Committed(0, "a", 1), comes(1), ends(1, 0)]),
        ("a failed write", [writes(0), Committed(0, "a", 1), ends(0, error=LOST), comes(1), ends(1, 0)]),
        (
            "a cancelled write",
            [writes(0), Committed(0, "a", 1), Left(0), ends(0, error=CANCELLED), comes(1), ends(1, 0)],
        ),
        ("another key", [deleted(0, 1, "b"), comes(1), ends(1, 0)]),
        ("a value without a version", [deleted(0, 1), comes(1), ends(1, None)]),
        ("an error", [deleted(0, 1), comes(1), ends(1, error=LOST)]),
        ("a write through the cache is no delete", [kept(0, 1), comes(1), ends(1, 0)]),
    ],
    "no_lost_update": [
        ("the version that was written", [kept(0, 1), comes(1), ends(1, 1)]),
        ("it came before the acknowledgement", [comes(1), kept(0, 1), ends(1, 0)]),
        ("the older of two is acknowledged later", [kept(2, 2), kept(0, 1), comes(1), ends(1, 2)]),
        ("a delete is no write through the cache", [deleted(0, 1), comes(1), ends(1, 0)]),
        ("it failed", [writes(0), Committed(0, "a", 1), ends(0, error=LOST), comes(1), ends(1, 0)]),
    ],
    "single_flight": [
        ("one after the other", [comes(0), comes(1), loads(0, 1), LoadEnded(0, 1, 0), loads(1, 2)]),
        ("the first was left", [comes(0), loads(0, 1), Left(0), LoadEnded(0, 1, None), comes(1), loads(1, 2)]),
        ("its client left", [comes(0), loads(0, 1), Left(0), ends(0, error=CANCELLED), comes(1), loads(1, 2)]),
        ("other keys", [comes(0), loads(0, 1), comes(1, "b"), loads(1, 2, "b")]),
        ("a batch", [comes(0, "a", "b"), loads(0, 1, "a"), loads(0, 2, "b")]),
        ("other nodes", [comes(0), loads(0, 1), comes(1, node=1), loads(1, 2, node=1)]),
        ("while it is written", [comes(0), loads(0, 1), writes(1), comes(2), loads(2, 2)]),
        (
            "the first came before the write was over",
            [writes(1), comes(0), loads(0, 1), ends(1), comes(2), loads(2, 2)],
        ),
        ("written between them", [comes(0), loads(0, 1), writes(1), ends(1), comes(2), loads(2, 2)]),
        ("the second came before", [comes(0), writes(1), ends(1), comes(2), loads(2, 1), loads(0, 2)]),
        ("a writer that failed", [writes(1), ends(1, error=LOST), comes(0), comes(2), loads(0, 1), loads(2, 2)]),
        (
            "a writer that was cancelled",
            [writes(1), Left(1), ends(1, error=CANCELLED), comes(0), loads(0, 1), loads(0, 2)],
        ),
    ],
    "cluster_single_flight": [
        ("one after the other", [comes(0), loads(0, 1), LoadEnded(0, 1, 0), comes(1, node=1), loads(1, 2, node=1)]),
        ("while it is written", [comes(0), loads(0, 1), writes(1), comes(2, node=1), loads(2, 2, node=1)]),
    ],
    "no_cancelled_follower": [
        ("its own client has left", [comes(0), Left(0), ends(0, error=CANCELLED)]),
        ("it was served before it could", [comes(0), Left(0), ends(0, 0)]),
        ("another error", [comes(0), comes(1), Left(0), ends(0, error=CANCELLED), ends(1, error=LOST)]),
        ("a time-out", [comes(0), ends(0, error=TimeoutError())]),
    ],
    "nothing_is_a_value": [
        ("later", [comes(0), ends(0, time=0.0), TimePassed(1.0), comes(1, time=1.0), loads(1, 1, time=1.0)]),
        ("at another node", [comes(0), ends(0), comes(1, node=1), loads(1, 1, node=1)]),
        ("another key", [comes(0), ends(0), comes(1, "b"), loads(1, 1, "b")]),
        ("it came before the answer", [comes(0), comes(1), ends(0), loads(1, 1)]),
        ("the cache by itself", [comes(0), ends(0), loads(9, 1)]),
        ("nobody was answered", [comes(0), loads(0, 1), ends(0, error=LOST), comes(1), loads(1, 2)]),
        ("something is written", [writes(2), ends(2), comes(0), ends(0), comes(1), loads(1, 1)]),
    ],
}


def cases(table: dict[str, list[Case]]) -> list[Any]:
    return [
        pytest.param(name, events, id=f"{name}: {what}") for name, several in table.items() for what, events in several
    ]


@pytest.mark.parametrize(("name", "events"), cases(BROKEN))
def test_what_breaks_an_invariant(name, events):
    broken = INVARIANTS[name].check(History(events))
    assert broken is not None
    assert broken.event == len(events) - 1  # told where it shows
    assert broken.actor == events[-1].actor
    assert "\n" not in broken.message


@pytest.mark.parametrize(("name", "events"), cases(KEPT))
def test_what_an_invariant_allows(name, events):
    assert INVARIANTS[name].check(History(events)) is None


def test_the_first_event_that_breaks_an_invariant_is_told():
    events: list[Event] = [deleted(0, 1), comes(1), comes(2), ends(1, 0), ends(2, 0)]
    broken = INVARIANTS["no_stale_read_after_delete"].check(History(events))
    assert broken is not None
    assert (broken.event, broken.actor) == (3, 1)
    assert broken.message == "came after the delete of 'a' was acknowledged at version 1, and is served version 0"


def test_what_is_open_or_held_at_the_end():
    check = INVARIANTS["no_lock_held_for_ever"].check
    assert check(History([comes(0)])) is None
    broken = check(History([comes(3)], open=[3]))
    assert broken is not None
    assert broken.actor == 3
    check = INVARIANTS["tables_empty"].check
    assert check(History(held=0)) is None
    assert check(History(held=2)) is not None
    assert check(History(held=-1)) is None  # it held something at the beginning, and does not any more


def test_what_is_known_of_invariants():
    """What has to be in the requests, in the rows and at the end for each."""
    assert {name for name, each in INVARIANTS.items() if each.writing} == {
        "no_stale_read_after_delete",
        "no_lost_update",
    }
    assert {name for name, each in INVARIANTS.items() if each.absent} == {"nothing_is_a_value"}
    assert {name for name, each in INVARIANTS.items() if each.to_rest} == {"no_lock_held_for_ever", "tables_empty"}
    assert all(each.name == name and each.promise.endswith(".") for name, each in INVARIANTS.items())
    assert {*PATTERNS} <= {name for name in PATTERNS if {*promised(of(name))} <= {*INVARIANTS}}


# Caches for the test: one that is right, and one that is wrong in exactly one way


class Uncached:
    """It asks the database each time."""

    def __init__(self, node: Node) -> None:
        self.node, self.load = node, node.database.read
        self.values: dict[str, Any] = {}

    async def get(self, key: str) -> Any:
        return await self.load(key)

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)


class FillsLate(Uncached):
    """It keeps what it has loaded, though that was deleted meanwhile."""

    async def get(self, key: str) -> Any:
        if key not in self.values:
            self.values[key] = await self.load(key)
        return self.values[key]


class FillsUnlessDeleted(FillsLate):
    """It keeps nothing that was loaded when a delete came."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.deletes = 0

    async def get(self, key: str) -> Any:
        if key in self.values:
            return self.values[key]
        before, row = self.deletes, await self.load(key)
        if before == self.deletes:
            self.values[key] = row
        return row

    async def delete(self, key: str) -> None:
        self.deletes += 1
        await super().delete(key)


class WritesBoth(FillsUnlessDeleted):
    """It writes the database, then itself: two writers may do it in another order."""

    async def set(self, key: str, value: Any) -> None:
        await self.node.database.write(key, value)
        self.deletes += 1
        await asyncio.sleep(0)
        self.values[key] = value


class WritesOneAfterTheOther(WritesBoth):
    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.writing = asyncio.Lock()

    async def set(self, key: str, value: Any) -> None:
        async with self.writing:
            self.deletes += 1
            self.values.pop(key, None)
            await self.node.database.write(key, value)
            self.deletes += 1
            self.values[key] = value


class LoadsOnce(FillsUnlessDeleted):
    """One task for each key that is loaded, which its callers await and cannot cancel."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.flights = self.table()

    def table(self) -> dict[str, asyncio.Task[Any]]:
        return {}

    async def get(self, key: str) -> Any:
        if key in self.values:
            return self.values[key]
        flight = self.flights.get(key)
        if flight is None:
            flight = self.flights[key] = asyncio.ensure_future(self.fill(key))
            flight.add_done_callback(lambda _: self.flights.pop(key))
        return await self.joined(flight)

    async def joined(self, flight: asyncio.Task[Any]) -> Any:
        return await asyncio.shield(flight)

    async def fill(self, key: str) -> Any:
        return await super().get(key)


class Unshielded(LoadsOnce):
    """Who is cancelled cancels the load, and all who wait for it."""

    async def joined(self, flight: asyncio.Task[Any]) -> Any:
        return await flight


class LooksAgain(LoadsOnce):
    """Between its look into the table and its load it waits."""

    async def get(self, key: str) -> Any:
        if key not in self.values and key not in self.flights:
            await asyncio.sleep(0)
            self.flights[key] = flight = asyncio.ensure_future(self.fill(key))
            flight.add_done_callback(lambda _: self.flights.pop(key, None))
            return await asyncio.shield(flight)
        return await super().get(key)


class Everywhere(LoadsOnce):
    """All nodes share a table, which starts empty with the first of them."""

    shared: dict[str, asyncio.Task[Any]]

    def table(self) -> dict[str, asyncio.Task[Any]]:
        if self.node.index == 0:
            Everywhere.shared = {}
        return Everywhere.shared


class Locks(Uncached):
    """A lock for each key, there for as long as somebody holds it or waits for it."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.locks: dict[str, asyncio.Lock] = {}
        self.users: dict[str, int] = {}

    async def get(self, key: str) -> Any:
        lock = self.locks.setdefault(key, asyncio.Lock())
        self.users[key] = self.users.get(key, 0) + 1
        try:
            return await self.locked(lock, key)
        finally:
            self.users[key] -= 1
            if not self.users[key]:
                self.forget(key)

    async def locked(self, lock: asyncio.Lock, key: str) -> Any:
        async with lock:
            return await self.load(key)

    def forget(self, key: str) -> None:
        del self.locks[key], self.users[key]


class KeepsLocks(Locks):
    """As tutorials have it."""

    def forget(self, key: str) -> None:
        pass


class HoldsOn(KeepsLocks):
    """Whoever is cancelled keeps the lock."""

    async def locked(self, lock: asyncio.Lock, key: str) -> Any:
        await lock.acquire()
        row = await self.load(key)
        lock.release()
        return row


class NeverTells(LoadsOnce):
    """Its followers wait for a future that nobody settles."""

    async def get(self, key: str) -> Any:
        if key in self.flights:
            return await self.flights[key]
        self.flights[key] = asyncio.get_running_loop().create_future()  # type: ignore[assignment]
        try:
            return await self.load(key)
        finally:
            del self.flights[key]


class TakesNothingForAMiss(FillsUnlessDeleted):
    async def get(self, key: str) -> Any:
        row = self.values.get(key)
        if row is None:
            row = self.values[key] = await self.load(key)
        return row


CACHES: list[tuple[str, int, type[Uncached], type[Uncached]]] = [
    ("no_stale_read_after_delete", 1, FillsUnlessDeleted, FillsLate),
    ("no_lost_update", 1, WritesOneAfterTheOther, WritesBoth),
    ("single_flight", 1, LoadsOnce, LooksAgain),
    ("single_flight", 2, LoadsOnce, Uncached),
    ("cluster_single_flight", 2, Everywhere, LoadsOnce),
    ("no_cancelled_follower", 1, LoadsOnce, Unshielded),
    ("no_lock_held_for_ever", 1, Locks, HoldsOn),
    ("no_lock_held_for_ever", 1, KeepsLocks, NeverTells),
    ("tables_empty", 1, Locks, KeepsLocks),
    ("nothing_is_a_value", 1, FillsUnlessDeleted, TakesNothingForAMiss),
]


def for_invariant(name: str, nodes: int) -> cs.Scenario:
    return scenario("none", nodes=nodes, writes=0.3 if INVARIANTS[name].writing else 0.0, balance="round-robin")


@pytest.mark.parametrize(("name", "nodes", "right", "wrong"), CACHES)
def test_a_cache_that_is_wrong_is_accused_and_one_that_is_right_is_not(name, nodes, right, wrong):
    small = for_invariant(name, nodes)
    assert search(small, cache=wrong, invariant=name, schedules=1_000).race is not None
    assert search(small, cache=right, invariant=name, schedules=40).race is None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "nodes", "right", "wrong"), CACHES)
def test_a_cache_that_is_right_is_not_accused_in_ten_thousand_schedules(name, nodes, right, wrong):
    assert search(for_invariant(name, nodes), cache=right, invariant=name, schedules=10_000).race is None


def test_each_invariant_has_a_cache_that_breaks_it():
    assert {name for name, *_ in CACHES} == {*INVARIANTS}


def test_what_a_cache_has_begun_with_and_does_not_hold_any_more_is_nothing_held():
    """Here the task that warms it up."""

    class WarmsUp(Uncached):
        def __init__(self, node: Node) -> None:
            super().__init__(node)
            self.tasks = [asyncio.ensure_future(self.load("a"))]

    assert search(scenario("none"), cache=WarmsUp, invariant="tables_empty", schedules=50).race is None


def test_what_a_cache_holds_all_the_time_is_nothing_held():
    class Striped(Uncached):
        def __init__(self, node: Node) -> None:
            super().__init__(node)
            self.locks = [asyncio.Lock() for _ in range(4)]

        async def get(self, key: str) -> Any:
            async with self.locks[len(key)]:
                return await self.load(key)

    assert search(scenario("none"), cache=Striped, invariant="tables_empty", schedules=50).race is None


# Our own patterns are accused of nothing that they promise

OPTIONS: dict[str, dict[str, Any]] = {
    "stale-while-revalidate": {"fresh_for": 1, "stale_for": 5},
    "layered": {"ttl": 10, "l1_ttl": 5},
}


def of(pattern: str, **options: Any) -> cs.Pattern:
    return cs.Pattern(
        pattern, **OPTIONS.get(pattern, {} if pattern in ("conditional", "none") else {"ttl": 2}) | options
    )


@st.composite
def patterns(draw: st.DrawFn) -> cs.Pattern:
    name = draw(st.sampled_from([*PATTERNS, "conditional", "none"]))
    if name in ("conditional", "none"):
        return of(name)
    options: dict[str, Any] = {}
    flights = ["none", "process"] if name == "in-process" else ["none", "process", "cluster"]
    options["single_flight"] = draw(st.sampled_from(flights))
    options |= draw(
        st.sampled_from([{}, {"jitter": 0.5}, {"negative_ttl": 1}, {"stale_if_error": 5}, {"load_timeout": 0.5}])
    )
    if name == "layered":
        options["invalidation"] = draw(st.sampled_from(["none", "pubsub", "stream"]))
    if name == "early-recompute":
        options["background"] = draw(st.booleans())
    if name == "in-process":
        options["size"] = draw(st.sampled_from([1, 100]))
    return of(name, **options)


FAULTS: list[Sequence[Any]] = [
    [],
    [cs.faults.RedisDown(start=0.1, duration=0.2)],
    [cs.faults.RedisDown(start=0.1, duration=0.2, mode="hang")],
    [cs.faults.RedisSlow(start=0.1, duration=0.2, added=1.0)],
    [cs.faults.DatabaseErrors(start=0.0, duration=0.5, share=0.5)],
    [cs.faults.DatabaseDown(start=0.1, duration=0.2)],
    [cs.faults.Flush(at=0.2)],
    [cs.faults.Deploy(at=0.2, every=0.1)],
    [cs.faults.NodePause(start=0.1, duration=0.2)],
]


@st.composite
def scenarios(draw: st.DrawFn) -> cs.Scenario:
    pattern = draw(patterns())
    clients: dict[str, Any] = {"disconnect": draw(st.sampled_from(["cancel", "cancel", "ignore"]))}
    if pattern.pattern == "conditional":
        clients |= {"n": 2, "validators": draw(st.booleans())}
    if draw(st.integers(0, 3)) == 0:
        clients |= {"timeout": 0.5, "retries": 1}
    return scenario(
        cache=pattern,
        nodes=draw(st.integers(1, 2)),
        writes=draw(st.sampled_from([0.0, 0.3, 0.6])),
        keys=draw(st.sampled_from([cs.keys.OneKey(), cs.keys.Uniform(n=2)])),
        batch=draw(st.sampled_from([1, 1, 2])),
        arrivals=draw(
            st.sampled_from(
                [
                    cs.arrivals.Constant(rate=10),
                    cs.arrivals.Poisson(rate=8),
                    cs.arrivals.ClosedLoop(users=3, think=Constant(0.2)),
                ]
            )
        ),
        clients=cs.Clients(**clients),
        database=cs.Database(
            latency=Constant(0.1),
            errors=draw(st.sampled_from([0.0, 0.0, 0.2])),
            connections=draw(st.sampled_from([None, None, 1])),
        ),
        redis=cs.Redis(max_keys=draw(st.sampled_from([None, None, 1]))),
        faults=draw(st.sampled_from([FAULTS[0], *FAULTS])),
        seed=draw(st.integers(1, 5)),
    )


def kept_for_sure(small: cs.Scenario) -> bool:
    """Whether what is kept is there a moment later: nothing is evicted, flushed or refused."""
    return not small.faults and small.redis.max_keys is None and small.cache.options.get("size", 100) > 2


def promises(small: cs.Scenario) -> list[str]:
    names = promised(small.cache, nodes=small.nodes)
    return [name for name in names if name != "nothing_is_a_value" or kept_for_sure(small)]


@settings(max_examples=25)
@given(scenarios(), st.data())
def test_no_pattern_is_accused_of_breaking_what_it_promises(small, data):
    name = data.draw(st.sampled_from(promises(small)))
    assert search(small, invariant=name, schedules=4).race is None


@pytest.mark.slow
@settings(max_examples=150)
@given(scenarios())
def test_no_pattern_is_accused_of_breaking_what_it_promises_in_many_scenarios(small):
    for name in promises(small):
        assert search(small, invariant=name, schedules=40).race is None


class WritesAround:
    """Its own `set` writes the database and deletes in Redis, as tutorials do; a fill under way is kept after it."""

    def __init__(self, node: Node) -> None:
        self._redis, self._database = node.redis, node.database

    async def get(self, key: str) -> Any:
        data = await self._redis.get(key)
        if data is not None:
            return json.loads(data)
        row = await self._database.read(key)
        await self._redis.set(key, json.dumps(row))
        return row

    async def set(self, key: str, value: Any) -> None:
        await self._database.write(key, value)
        await self._redis.delete(key)


def test_a_write_that_deletes_in_redis_is_a_delete():
    race = find_race(scenario("none"), cache=WritesAround, invariant="no_stale_read_after_delete")
    assert race is not None
    assert "the delete of" in race.message
