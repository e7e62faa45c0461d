"""What a cache asks of the database, and what it is asked to forget or to write, noted in the history of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cachesim.races.history import Acknowledged, LoadBegan, LoadEnded, Witness
from cachesim.races.loop import ACTOR
from cachesim.world.caches import Server
from cachesim.world.database import SimDatabase
from cachesim.world.nodes import Factory, Node, NodeDatabase
from cachesim.world.redis import SimRedis

__all__ = ["WatchedDatabase", "WatchedRedis", "WatchedServer"]


class WatchedDatabase(NodeDatabase):
    """A node's way to the database, on which it is noted when a cache begins to wait for a row and when it has it.

    `absent`: the cache is told that no row is there, by None.
    """

    def __init__(
        self,
        database: SimDatabase,
        node: int,
        witness: Witness,
        *,
        absent: bool,
        awake: Callable[[float], float] | None,
    ) -> None:
        super().__init__(database, node, awake=awake)
        self._index, self._witness, self._absent = node, witness, absent

    async def read(self, key: str) -> Any:
        numbers = self._begin((key,))
        try:
            row = await super().read(key)
        except BaseException:
            self._end(numbers, [None])
            raise
        self._end(numbers, [row])
        return None if self._absent else row

    async def read_many(self, keys: Sequence[str]) -> list[Any]:
        numbers = self._begin(keys)
        try:
            rows = await super().read_many(keys)
        except BaseException:
            self._end(numbers, [None] * len(keys))
            raise
        self._end(numbers, rows)
        return [None] * len(keys) if self._absent else rows

    def _begin(self, keys: Sequence[str]) -> Sequence[int]:
        numbers = self._witness.numbers(len(keys))
        now, actor = self._witness.now, ACTOR.get()
        self._witness.events += [
            LoadBegan(actor, key, self._index, number, now) for key, number in zip(keys, numbers, strict=True)
        ]
        return numbers

    def _end(self, numbers: Sequence[int], rows: Sequence[Any]) -> None:
        actor = ACTOR.get()
        for number, row in zip(numbers, rows, strict=True):
            self._witness.events.append(LoadEnded(actor, number, row and row["version"]))


class WatchedRedis(SimRedis):
    """A client that notes who has deleted something, and after which event of the history that was asked."""

    witness: Witness

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        place = len(self.witness.events)
        reply = await super().execute_command(*args, **options)
        if args[0] in ("DEL", "UNLINK"):
            self.witness.deletes[ACTOR.get()] = place
        return reply


class WatchedServer(Server):
    """A node's cache, of which it is noted when it has done what a write asks of it.

    `failed`: the actors of whom a command to Redis has failed. `redis_is_there` says so of this moment. A `set` that
    deletes in Redis is a delete, too.
    """

    def __init__(
        self,
        node: Node,
        factory: Factory,
        witness: Witness,
        *,
        failed: set[int],
        redis_is_there: Callable[[], bool],
    ) -> None:
        super().__init__(node, factory)
        self._witness, self._failed, self._redis_is_there = witness, failed, redis_is_there

    async def set(self, key: str, value: Any) -> None:
        actor = ACTOR.get()
        self._failed.discard(actor)
        self._witness.deletes.pop(actor, None)
        await super().set(key, value)
        if (place := self._witness.deletes.get(actor)) is not None:
            self._acknowledge(key, self._witness.committed_before(place, key), kept=False)
        if (version := self._witness.version_of(key, value)) is not None:
            self._acknowledge(key, version, kept=True)

    async def delete(self, key: str) -> None:
        self._failed.discard(ACTOR.get())
        version = self._witness.commits.version_of(key)
        await super().delete(key)
        self._acknowledge(key, version, kept=False)

    def _acknowledge(self, key: str, version: int, *, kept: bool) -> None:
        """Unless Redis may not have heard of it: caches may keep an error to themselves."""
        actor = ACTOR.get()
        if actor not in self._failed and self._redis_is_there():
            self._witness.events.append(Acknowledged(actor, key, version, kept))
