"""What a cache holds at rest in its tables: locks that nobody has, futures and tasks that nobody will end."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import redis.asyncio

from cachesim.world.nodes import Node, NodeDatabase, Observer

__all__ = ["holdings"]

_LOCKS = (asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore)
_FUTURES = (asyncio.Future,)
_TABLES = (dict, list, set, frozenset, deque, tuple)
_ELSEWHERE = (
    *(Node, NodeDatabase, Observer, asyncio.AbstractEventLoop),
    *(redis.asyncio.Redis, redis.asyncio.ConnectionPool, redis.asyncio.Connection),
    *(ModuleType, type, random.Random, str, bytes, int, float, type(None)),
)


def holdings(cache: object) -> int:
    """How many locks, and futures and tasks that are not done, lie in tables (dicts, lists, sets) of a cache.

    >>> class Printed:
    ...     def __init__(self):
    ...         self.locks = {"user:1": asyncio.Lock()}
    >>> holdings(Printed())
    1
    """
    found = 0
    seen: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(cache, False)]
    while waiting:
        thing, in_table = waiting.pop()
        kind = _kind_of(type(thing))  # type: ignore[arg-type]  # classes are hashable
        if kind is _ELSEWHERE or id(thing) in seen:
            continue
        seen.add(id(thing))
        if kind is _LOCKS:
            found += in_table
        elif kind is _FUTURES:
            found += in_table and not thing.done()
        elif kind is _TABLES:
            waiting += [(part, True) for part in (thing.values() if isinstance(thing, dict) else thing)]
        else:
            waiting += [(part, in_table) for part in _parts(thing)]
    return found


@functools.cache
def _kind_of(kind: type) -> tuple[type, ...]:
    """Which of these kinds a class is of; none: an object made of others."""
    return next((kinds for kinds in (_ELSEWHERE, _LOCKS, _FUTURES, _TABLES) if issubclass(kind, kinds)), ())


def _parts(thing: Any) -> Iterator[Any]:
    """What an object is made of."""
    if isinstance(thing, partial):
        yield from (thing.func, *thing.args, *thing.keywords.values())
    elif isinstance(thing, MethodType):
        yield thing.__self__
    elif isinstance(thing, FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell))
        yield from vars(thing).values()
    else:
        yield from getattr(thing, "__dict__", {}).values()
        for kind in type(thing).__mro__:
            names: Iterable[str] = kind.__dict__.get("__slots__", ())
            for name in (names,) if isinstance(names, str) else names:
                yield getattr(thing, name, None)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it raises when there is nothing
    except ValueError:
        return False
    return True
