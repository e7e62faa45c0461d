"""A page needs many keys: what does it wait for when it asks for them one by one, all at once, or in a batch?

A page of N keys, each in the cache with probability h; a round trip to Redis takes r, a query of the database D.
One by one it waits N r, and D + r for each miss. All at once it waits for the slowest, and its queries share the
connections. A batch is one round trip, one query and one round trip more, however many keys there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, floor, log10, sqrt
from typing import Any, NamedTuple

from cachesim.formatting import seconds
from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Report, Run
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.patterns import CacheAside
from cachesim.plots import PageWaits, Wait
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import batch_latency, gathered_latency, one_by_one_latency, over_misses
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database
from cachesim.world.nodes import Node
from cachesim.world.redis import Redis

__all__ = ["OneByOne", "Page", "explore", "simulated"]

_LOAD_TIME = 0.01
"""How long a query takes, in seconds, however many rows it asks for."""
_TTL = 1e6
"""Seconds: nothing expires, so that h is what the control says."""
_POPULAR = 8
"""Keys that the cache has once each was asked for; everything else is asked for the first time."""
_WARM = 100
"""Keys asked before anything is measured: enough to have met the popular ones."""
_BETWEEN = 4.0
"""Seconds from page to page: none waits for another."""
_LIMITS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
"""Where the time axis may end, times a power of ten: few enough that it rests while a slider moves."""

_WAYS = ("one by one", "all at once", "batch")

Results = dict[str, Result]


class OneByOne:
    """A cache that is asked for the keys of a page as a loop does: one after the other."""

    def __init__(self, node: Node) -> None:
        self._cache = CacheAside(node.redis, ttl=_TTL, clock=node.clock, rng=node.rng)
        self._read = node.database.read

    async def get(self, key: str) -> Any:
        """The value of `key`."""
        return await self._cache.get_or_set(key, partial(self._read, key))

    async def get_many(self, keys: Sequence[str]) -> list[Any]:
        """The values of `keys`."""
        return [await self.get(key) for key in keys]


@dataclass(frozen=True)
class Page:
    """Where the controls stand: r in milliseconds, h in percent."""

    keys: int = slider("Keys of a page N", "keys", 5, 80, 5, start=50)
    round_trip: float = slider("Round trip to Redis r", "ms", 0.2, 5, 0.2, start=1.0)
    hit_ratio: int = slider("Keys in the cache h", "%", 60, 100, 1, start=90)
    connections: int = slider("Database connections", "", 1, 20, 1, start=4)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """A page every few seconds, whose keys are asked for in a batch, or all at once: without `get_many`."""
        warm, pages = ceil(_WARM / self.keys), max(3, requests // (len(_WAYS) * self.keys))
        # So many keys that hardly one is asked for a second time, but for the popular ones.
        every = 50 * self.keys * (warm + pages)
        scenario = Scenario(
            title="A page of many keys",
            arrivals=arrivals.Constant(rate=1 / _BETWEEN),
            keys=keys.HotSet(n=every, hot=_POPULAR, share=self.hit_ratio / 100),
            cache=Pattern("batch", ttl=_TTL),
            database=Database(latency=latency.Constant(_LOAD_TIME), connections=self.connections),
            redis=Redis(round_trip=self.seconds),
            batch=self.keys,
            duration=(warm + pages) * _BETWEEN,
            warmup=warm * _BETWEEN,
            seed=self.seed,
        )
        return {"batch": scenario, "all at once": scenario.replace(cache=Pattern("cache-aside", ttl=_TTL))}

    @property
    def seconds(self) -> float:
        """The round trip."""
        return self.round_trip / 1000

    def latency(self, way: str, misses: int) -> float:
        """Seconds that a page with so many misses waits."""
        if way == "one by one":
            return one_by_one_latency(self.keys, misses, self.seconds, _LOAD_TIME)
        if way == "all at once":
            return gathered_latency(misses, self.seconds, _LOAD_TIME, self.connections)
        return batch_latency(misses, self.seconds, _LOAD_TIME)


def simulated(settings: Page, requests: int, report: Report) -> Results:
    """The same pages, asked for in each of the ways."""
    batch, at_once = settings.scenarios(requests).values()
    runs = {
        "one by one": partial(simulate, at_once, cache=OneByOne),
        "all at once": partial(simulate, at_once),
        "batch": partial(simulate, batch),
    }
    results: Results = {}
    for way, run in runs.items():

        def progress(now: float, done: int = len(results)) -> None:
            report((done + min(1.0, now / (batch.duration or 1.0))) / len(runs))

        results[way] = run(progress=progress)
    return results


class _Picture:
    """The first page that is measured: what each of its keys waits for, in a lane for each way of asking."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 420)
        axes = self.figure.subplots()
        self._waits = PageWaits(axes, _WAYS)
        # Laid out once, with room for the longest texts.
        axes.set_title(" ", pad=26)
        self._waits.show([[Wait(0, "redis", 0, 1)]] * 3, limit=2, labels=["1,888 ms\n188 round trips\n88 queries"] * 3)
        freeze(self.figure)

    def draw(self, settings: Page, outcome: Results) -> Findings:
        """Show a result."""
        pages = {way: _first_page(result) for way, result in outcome.items()}
        longest = max(page.latency for page in pages.values())
        waits = {way: _waits(way, page, settings.seconds) for way, page in pages.items()}
        labels = {way: _label(way, page) for way, page in pages.items()}
        self._waits.show(list(waits.values()), limit=_limit(1.02 * longest), labels=list(labels.values()))
        took = {way: _time(page.latency) for way, page in pages.items()}
        title = f"One by one this page waits {took['one by one']}, in a batch {took['batch']}"
        self._waits.ax.set_title(title, loc="left", weight="bold", pad=26)
        told = "; ".join(f"{way}: {label.replace(chr(10), ', ')}" for way, label in labels.items())
        missing = len(pages["batch"].loads)
        return Findings(
            sentence=f"{title}; theory says {_in_theory(settings)} on average.",
            alt=f"What each key of a page of {settings.keys} waits for, {missing} of them missing: {told}.",
            numbers=_numbers(settings, outcome),
            note=_note(settings, outcome["batch"]),
        )


class _Load(NamedTuple):
    """When a key was loaded, in seconds since its page was asked for."""

    start: float
    service_start: float
    end: float


class _Asked(NamedTuple):
    """A page: how many keys it needs, how long it waited for them (s), and those that were loaded, by their place."""

    keys: int
    latency: float
    loads: dict[int, _Load]


def _first_page(result: Result) -> _Asked:
    """The first page that is measured."""
    requests, loads = result.requests, result.loads
    asked = float(requests["time"].min())
    page = requests[requests["time"] == asked]
    theirs = loads[loads["start"] < asked + _BETWEEN]
    times = (theirs[["start", "service_start", "end"]] - asked).to_numpy().tolist()
    by_key = dict(zip(theirs["key"], times, strict=True))
    missed = [place for place, outcome in enumerate(page["outcome"]) if outcome == "miss"]
    loaded = {place: _Load(*by_key[page["key"].iloc[place]]) for place in missed}
    return _Asked(len(page), float(page["latency"].iloc[0]), loaded)


def _waits(way: str, page: _Asked, round_trip: float) -> list[Wait]:
    """What each key waits for, or the batch as a whole. One by one, a key begins when the one before it is there."""
    if way == "batch":
        page = page._replace(keys=1, loads=dict(enumerate(page.loads.values())))  # all of them wait for the same
    waits, now = [], 0.0
    for place in range(page.keys):
        end = now + round_trip
        waits.append(Wait(place, "redis", now, end))
        if place in page.loads:
            load = page.loads[place]
            end = load.end + round_trip
            waits.append(Wait(place, "queue", load.start, load.service_start))
            waits.append(Wait(place, "database", load.service_start, load.end))
            waits.append(Wait(place, "redis", load.end, end))
        if way == "one by one":
            now = end
    return waits


def _label(way: str, page: _Asked) -> str:
    """How long it takes, and what it costs Redis and the database."""
    misses = len(page.loads)
    trips, queries = (1 + (misses > 0), int(misses > 0)) if way == "batch" else (page.keys + misses, misses)
    return f"{_time(page.latency)}\n{_count(trips, 'round trip')}\n{_count(queries, 'query', 'queries')}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _time(time: float) -> str:
    return seconds(time, time)


def _limit(height: float) -> float:
    """The first of the allowed ends of an axis that is not below `height`."""
    power = 10.0 ** floor(log10(height))
    return next(step * power for step in _LIMITS if step * power >= height)


def _in_theory(settings: Page) -> str:
    ways = ("one by one", "batch")
    means = [over_misses(settings.keys, settings.hit_ratio / 100, partial(settings.latency, way)).mean for way in ways]
    return "{} and {}".format(*map(_time, means))


def _numbers(settings: Page, outcome: Results) -> list[Number]:
    hit_ratio = settings.hit_ratio / 100
    pages = outcome["batch"].metrics["requests"] / settings.keys
    numbers = []
    for way, result in outcome.items():
        mean, deviation = over_misses(settings.keys, hit_ratio, partial(settings.latency, way))
        error = deviation / sqrt(pages)
        numbers.append(Number(f"Wait, {way}, mean", result.metrics["latency_mean"], "s", mean, error))
    misses = over_misses(settings.keys, hit_ratio, float)
    asks = over_misses(settings.keys, hit_ratio, lambda misses: float(misses > 0))
    for name, metric, base in [("Round trips", "redis_round_trips", True), ("Queries", "queries", False)]:
        for way, about, looks in [("one by one", misses, settings.keys), ("batch", asks, 1)]:
            value = outcome[way].metrics[metric] / pages
            expected = about.mean + (looks if base else 0)
            numbers.append(Number(f"{name} a page, {way}", value, "", expected, about.deviation / sqrt(pages)))
    return numbers


def _note(settings: Page, batch: Result) -> str:
    pages = batch.metrics["requests"] / settings.keys
    return (
        f"From {pages:,.0f} pages, asked for in each way; the picture shows the first of them. A query takes "
        f"{_time(_LOAD_TIME)}, however many rows it asks for. The keys that hit are {_POPULAR} popular ones, which "
        f"stand on a page several times. All at once costs as many round trips and queries as one by one."
    )


def explore(run: Run[Page, Results] = simulated) -> Explorer[Page, Results]:
    """The explorer of a page of many keys; `run` simulates."""
    return Explorer(Page, _Picture, run, moving=450, resting=9_000)
