"""What a cache holds at rest: locks, and futures and tasks that are not done, in tables; nothing else."""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import redis.asyncio
from cachetools import LRUCache

from cachesim.races.holdings import holdings
from tests.races.scenes import reads, scenario, staged, straight


class Holder:
    """An object with the attributes that it is given."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def bound(self) -> None: ...


class Slotted:
    __slots__ = ("__weakref__", "empty", "table")

    def __init__(self, table: Any) -> None:
        self.table = table


class Single:
    __slots__ = "table"

    def __init__(self, table: Any) -> None:
        self.table = table


class SlottedBelow(Slotted):
    __slots__ = ("more",)


@dataclass
class Flight:
    future: asyncio.Future[Any]
    waiters: int = 0


@dataclass
class Flights:
    of: dict[str, Flight] = field(default_factory=dict)


class Table(dict[str, Any]):
    """A table with attributes of its own."""


def pending() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def done() -> asyncio.Future[Any]:
    future = pending()
    future.set_result(None)
    return future


def failed() -> asyncio.Future[Any]:
    future = pending()
    future.set_exception(ValueError())
    future.exception()
    return future


def cancelled() -> asyncio.Future[Any]:
    future = pending()
    future.cancel()
    return future


def held_by(*, empty: bool = False) -> Any:
    """A function that holds a table, as decorators do."""
    locks: dict[str, asyncio.Lock] = {} if empty else {"a": asyncio.Lock()}

    async def get(key: str) -> Any:
        async with locks[key]:
            return key

    return get


def decorated() -> Any:
    async def get(key: str) -> Any:
        return key

    get.locks = {"a": asyncio.Lock()}  # type: ignore[attr-defined]
    return get


def in_a_cycle() -> Any:
    one = Holder(locks={"a": asyncio.Lock()})
    other = Holder(one=one)
    vars(one)["other"] = other
    cycle: list[Any] = [one, other]
    cycle.append(cycle)
    return Holder(cycle=cycle)


def twice() -> Any:
    lock = asyncio.Lock()
    return Holder(locks={"a": lock}, again=[lock, lock])


def deep() -> Any:
    nested: Any = asyncio.Lock()
    for _ in range(5_000):
        nested = [nested]
    return Holder(nested=nested)


HELD: list[tuple[str, Callable[[], Any], int]] = [
    ("a dict of locks", lambda: Holder(locks={"a": asyncio.Lock(), "b": asyncio.Lock()}), 2),
    (
        "each kind",
        lambda: Holder(t=[asyncio.Event(), asyncio.Condition(), asyncio.Semaphore(), asyncio.BoundedSemaphore()]),
        4,
    ),
    ("a list", lambda: Holder(locks=[asyncio.Lock()]), 1),
    ("a set", lambda: Holder(locks={asyncio.Lock()}), 1),
    ("a deque", lambda: Holder(waiting=deque([pending()])), 1),
    ("a default dict", lambda: Holder(locks=defaultdict(asyncio.Lock, a=asyncio.Lock())), 1),
    ("an ordered dict", lambda: Holder(locks=OrderedDict(a=asyncio.Lock())), 1),
    ("a future", lambda: Holder(flights={"a": pending()}), 1),
    ("a tuple in a table", lambda: Holder(flights={"a": (pending(), asyncio.Lock(), 3)}), 2),
    ("an object in a table", lambda: Holder(flights={"a": Flight(pending())}), 1),
    ("objects of objects", lambda: Holder(flights=Flights({"a": Flight(pending())})), 1),
    ("a table in an object in an object", lambda: Holder(inner=Holder(inner=Holder(locks=[asyncio.Lock()]))), 1),
    ("slots", lambda: Slotted({"a": asyncio.Lock()}), 1),
    ("one slot", lambda: Single({"a": asyncio.Lock()}), 1),
    ("slots of a base", lambda: SlottedBelow({"a": asyncio.Lock()}), 1),
    ("a closure", held_by, 1),
    ("a bound method", lambda: Holder(get=Holder(locks=[asyncio.Lock()]).bound), 1),
    ("a partial", lambda: partial(held_by(), "a"), 1),
    ("an argument of a partial", lambda: partial(print, {"a": asyncio.Lock()}, file={"b": asyncio.Lock()}), 2),
    ("an attribute of a function", decorated, 1),
    ("a subclass of dict", lambda: Holder(table=Table(a=asyncio.Lock())), 1),
    ("cachetools", lambda: Holder(locks=LRUCache(10)), 0),
    ("a cycle", in_a_cycle, 1),
    ("the same lock twice", twice, 1),
    ("deep down", deep, 1),
    # and not
    ("nothing", Holder, 0),
    ("None", lambda: None, 0),
    ("an attribute", lambda: Holder(lock=asyncio.Lock(), event=asyncio.Event(), task=pending()), 0),
    ("what is done", lambda: Holder(flights={"a": done(), "b": failed(), "c": cancelled()}), 0),
    ("values", lambda: Holder(values={"a": {"key": "a", "tags": ["b", b"c"]}}), 0),
    ("an empty table", lambda: Holder(locks={}, closure=held_by(empty=True)), 0),
    ("weak references", lambda: Holder(locks=weakref.WeakValueDictionary()), 0),
    ("a client of Redis", lambda: Holder(redis=redis.asyncio.Redis()), 0),
    ("the loop", lambda: Holder(loops=[asyncio.get_running_loop()]), 0),
    ("a class", lambda: Holder(kinds=[asyncio.Lock, Holder, Flight]), 0),
    ("a module", lambda: Holder(modules=[asyncio]), 0),
    ("a lock as a key", lambda: Holder(names={asyncio.Lock(): "a"}), 0),
]


@pytest.mark.parametrize(("make", "expected"), [each[1:] for each in HELD], ids=[each[0] for each in HELD])
def test_what_is_held(make, expected):
    async def counted() -> int:
        return holdings(make())

    assert asyncio.run(counted()) == expected


def test_locks_in_a_cachetools_cache_are_held():
    locks: LRUCache[str, asyncio.Lock] = LRUCache(10)
    locks["a"] = asyncio.Lock()
    assert holdings(Holder(locks=locks)) == 1


def test_locks_in_a_weak_table_are_not_held_by_it():
    """Somebody else holds them, or they are gone."""
    lock = asyncio.Lock()
    locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary(a=lock)
    assert holdings(Holder(locks=locks)) == 0


def test_a_task_that_runs_is_held_and_one_that_is_over_is_not():
    async def counted() -> list[int]:
        async def work() -> None:
            await asyncio.sleep(0)

        task = asyncio.create_task(work())
        holder = Holder(tasks={task})
        before = holdings(holder)
        await task
        return [before, holdings(holder)]

    assert asyncio.run(counted()) == [1, 0]


def test_to_count_changes_nothing():
    """Not even a property is asked, nor a table that makes what it is asked for."""

    class Lazy:
        def __init__(self) -> None:
            self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

        @property
        def expensive(self) -> Any:
            raise AssertionError("a property is asked")

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} is asked")

    assert holdings(Lazy()) == 0


@pytest.mark.parametrize(
    "pattern", ["cache-aside", "layered", "batch", "in-process", "early-recompute", "write-through"]
)
def test_our_patterns_hold_nothing_before_the_first_request(pattern):
    options = {"ttl": 10, "l1_ttl": 5} if pattern == "layered" else {"ttl": 10}
    with staged(scenario(pattern, options=options), asked=reads(1), invariant="tables_empty") as stage:
        assert stage.play(straight()).held == 0
