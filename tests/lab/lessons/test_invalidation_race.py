"""09: the race that the finder finds in the reader's cache, its repair, and repairs that are none."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import WatchError

import cachesim as cs
from cachesim import patterns, races
from cachesim.lab.exercise import value_of
from cachesim.lab.exercises import invalidation as exercises
from docs import notebooks

CELLS = {cell.id: cell.source for cell in notebooks.read(notebooks.FOLDER / "09_invalidation.ipynb").cells}
NOTEBOOK: dict[str, Any] = {"cs": cs, "patterns": patterns}
exec(CELLS["mine"], NOTEBOOK)
Mine: Any = NOTEBOOK["Mine"]
Repaired: Any = value_of(exercises.repaired.answer)
FEW = exercises._FEW
PROMISE = "no_stale_read_after_delete"
STORE_IF_LEASED = "if redis.call('GET', KEYS[2]) then redis.call('SET', KEYS[1], ARGV[1], 'EX', 600) end"


class CacheAside:
    """As the notebook's, with the part that stores by itself."""

    def __init__(self, node):
        self.redis, self.load = node.redis, node.database.read

    async def get(self, key):
        found = await self.redis.get(key)
        return await self.fill(key) if found is None else json.loads(found)

    async def fill(self, key):
        row = await self.load(key)
        await self.redis.set(key, json.dumps(row), ex=600)
        return row

    async def delete(self, key):
        await self.redis.delete(key)


class DeletesTwice(CacheAside):
    pause = 0.0

    async def delete(self, key):
        await self.redis.delete(key)
        await asyncio.sleep(self.pause)
        await self.redis.delete(key)


class DeletesAgainLater(DeletesTwice):
    pause = 5.0


class DeletesAgainMuchLater(DeletesTwice):
    pause = 200.0


class KeepsForASecond(CacheAside):
    async def fill(self, key):
        row = await self.load(key)
        await self.redis.set(key, json.dumps(row), ex=1)
        return row


class LocksInTheProcess(CacheAside):
    def __init__(self, node):
        super().__init__(node)
        self.lock = asyncio.Lock()

    async def get(self, key):
        async with self.lock:
            return await super().get(key)

    async def delete(self, key):
        async with self.lock:
            await super().delete(key)


class LocksInRedis(CacheAside):
    """A client that leaves in between takes the lock along."""

    async def get(self, key):
        await self._lock(key)
        row = await super().get(key)
        await self.redis.delete(f"{key}:lock")
        return row

    async def delete(self, key):
        await self._lock(key)
        await self.redis.delete(key, f"{key}:lock")

    async def _lock(self, key):
        while not await self.redis.set(f"{key}:lock", "held", nx=True):
            await asyncio.sleep(0.1)


class KeepsIfNothingIsThere(CacheAside):
    async def fill(self, key):
        row = await self.load(key)
        await self.redis.set(key, json.dumps(row), ex=600, nx=True)
        return row


class LooksThenKeeps(CacheAside):
    """A generation that a delete moves on, compared and acted upon in two steps."""

    async def fill(self, key):
        before = await self.redis.get(f"{key}:generation")
        row = await self.load(key)
        if await self.redis.get(f"{key}:generation") == before:
            await self.redis.set(key, json.dumps(row), ex=600)
        return row

    async def delete(self, key):
        await self.redis.incr(f"{key}:generation")
        await self.redis.delete(key)


class WatchesTheKey(CacheAside):
    """What a delete does not find, it does not change: the transaction goes through."""

    async def fill(self, key):
        async with self.redis.pipeline() as steps:
            await steps.watch(key)
            row = await self.load(key)
            steps.multi()
            steps.set(key, json.dumps(row), ex=600)
            with suppress(WatchError):
                await steps.execute()
        return row


class OneLeaseForAll(CacheAside):
    """Every load makes the same lease: one that was deleted is made again by the next load."""

    async def fill(self, key):
        await self.redis.set(f"{key}:lease", "lease", ex=60)
        row = await self.load(key)
        await self.redis.eval(STORE_IF_LEASED, 2, key, f"{key}:lease", json.dumps(row))
        return row

    async def delete(self, key):
        await self.redis.delete(key, f"{key}:lease")


class WritesThrough(CacheAside):
    def __init__(self, node):
        super().__init__(node)
        self.database = node.database

    async def set(self, key, value):
        await self.database.write(key, value)
        await self.redis.set(key, json.dumps(value), ex=600)


class KeepsNothing(CacheAside):
    async def get(self, key):
        return await self.load(key)


class KeepsForEver(CacheAside):
    async def delete(self, key):
        pass


class GivesText(CacheAside):
    async def get(self, key):
        return json.dumps(await super().get(key))


class CannotDelete(CacheAside):
    async def delete(self, key):
        raise LookupError(key)


def test_the_notebook_finds_the_race_that_its_text_tells_and_repeats_it():
    names = dict(NOTEBOOK)
    exec(CELLS["find"], names)
    assert names["few"] == FEW
    found = names["found"]
    assert [asked.writes for asked in found.requests] == [False, True, False]
    steps = ("GET 0: nothing", "load", "write: version 1", "DEL 0: 0", "SET 0 version 0", "GET 0: version 0")
    places = [found.diagram.index(step) for step in steps]
    assert places == sorted(places)
    again = cs.find_race(FEW, cache=Mine, invariant=PROMISE, replay=found.schedule)
    assert again is not None
    assert again.diagram == found.diagram
    with pytest.raises(cs.DivergedError):
        cs.find_race(FEW, cache=Repaired, invariant=PROMISE, replay=found.schedule)


@pytest.mark.parametrize("cache", [None, Repaired])
def test_no_order_of_three_requests_shows_it_in_the_pattern_or_the_answer(cache):
    three = FEW.replace(duration=150, clients=cs.Clients(disconnect="ignore"))
    search = races.search(three, cache=cache, invariant=PROMISE, strategy="exhaustive", preemptions=1)
    assert search.complete
    assert search.race is None


def test_a_cache_that_counts_on_no_longer_load_passes_as_the_notebook_says():
    assert cs.find_race(FEW, cache=DeletesAgainMuchLater, invariant=PROMISE) is None


@pytest.mark.parametrize(
    "repair",
    [
        DeletesTwice,
        DeletesAgainLater,
        KeepsForASecond,
        LocksInTheProcess,
        LooksThenKeeps,
        pytest.param(KeepsIfNothingIsThere, marks=pytest.mark.slow),
        pytest.param(WatchesTheKey, marks=pytest.mark.slow),
        pytest.param(OneLeaseForAll, marks=pytest.mark.slow),
    ],
)
def test_a_repair_that_leaves_the_race_is_shown_it(repair):
    verdict = exercises.repaired.check(repair)
    assert verdict.status == "not yet"
    assert verdict.text.startswith("A race is left, as schedule ")
    assert "came after the delete of '0' was acknowledged at version " in verdict.text
    assert verdict.below.startswith("<svg")
    assert verdict.below.index("</svg>") < verdict.below.index("A hint")


@pytest.mark.slow
def test_a_lock_must_not_be_held_for_ever():
    assert "the last read is never answered" in exercises.repaired.check(LocksInRedis).text


def test_what_is_written_through_must_not_be_lost():
    verdict = exercises.repaired.check(WritesThrough)
    assert "came after version 1 of '0' was written and acknowledged" in verdict.text


@pytest.mark.parametrize(
    ("repair", "told"),
    [
        (KeepsNothing, "586 times for 586 reads: it keeps too little"),
        (KeepsForEver, "reads are stale though nothing happens at once"),
        (GivesText, "something else than the row"),
        (CannotDelete, "14 of 600 requests fail with LookupError: 0."),
        (DeletesAgainMuchLater, "requests fail with no outcome in time: no more is said."),
    ],
)
def test_what_is_no_cache_is_told_so_without_a_search(repair, told):
    assert told in exercises.repaired.check(repair).text
