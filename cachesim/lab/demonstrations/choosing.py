"""Which cache meets the goals: the verdict of a comparison, advice on the reads of a run, an outage in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from cachesim.formatting import format_of, plus_minus
from cachesim.scenario import Expectation, bundled, load

if TYPE_CHECKING:
    import pandas as pd

    from cachesim.advice import Advice
    from cachesim.comparison import Comparison
    from cachesim.result import Result

__all__ = ["FLUSH", "NarrowDatabase", "advice_on", "answered_after_outage", "ask_again", "verdicts"]

FLUSH = load(bundled()["cache-flush"])
"""The bundled scenario of a cache that is flushed while it hides how little the database can do."""


def verdicts(comparison: Comparison, goals: Mapping[str, str]) -> pd.DataFrame:
    """A row for each cache, a column for each goal: the mean ± half its 95 % interval, and whether the goal is met.

    `goals` as `[expect]` has them. "open": the interval holds values that meet the goal and such that miss it.

    >>> import cachesim as cs
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Constant(rate=10), keys=cs.keys.OneKey(), cache=cs.Pattern("none"), duration=10,
    ...     database=cs.Database(latency=cs.latency.Constant(0.1)),
    ... )
    >>> found = cs.compare(scenario, {"none": scenario.cache, "aside": cs.Pattern("cache-aside", ttl=60)}, n=2)
    >>> verdicts(found, {"load_rate": "<= 1"})["load_rate <= 1"].to_dict()
    {'none': '10/s ± 0/s missed', 'aside': '0.1/s ± 0/s met'}
    """
    import pandas as pd

    bounds = [Expectation.parse(metric, bound) for metric, bound in goals.items()]
    return pd.DataFrame({str(goal): _verdict(comparison, goal) for goal in bounds})


def _verdict(comparison: Comparison, goal: Expectation) -> pd.Series[str]:
    means, intervals = comparison.mean(goal.metric), comparison.interval(goal.metric)

    def told(cache: str) -> str:
        low, high = (float(intervals[end][cache]) for end in ("low", "high"))
        ends = {goal.met(low), goal.met(high)}
        word = "open" if len(ends) > 1 else "met" if True in ends else "missed"
        return f"{plus_minus(format_of(goal.metric), means[cache], (high - low) / 2)} {word}"

    return means.index.to_series().map(told)


def advice_on(result: Result) -> Advice:
    """What `cachesim advise` says of the reads of a run, written to a file as a log would be."""
    from cachesim.advice import advise

    with TemporaryDirectory() as folder:
        log = Path(folder) / "requests.csv"
        reads = result.requests.query("outcome != 'write'").sort_values("time")
        reads[["time", "key"]].to_csv(log, index=False)
        return advise(log, time="time")


# An outage in real time


async def ask_again(read: Callable[[], Awaitable[Any]], *, timeout: float, retries: int) -> Any:
    """The value, as tutorials ask for it: when it takes too long, ask again at once."""
    try:
        async with asyncio.timeout(timeout):
            return await read()
    except TimeoutError:
        if retries == 0:
            raise
    return await ask_again(read, timeout=timeout, retries=retries - 1)


class NarrowDatabase:
    """A database that does one query at a time, each to its end even when its caller has gone."""

    def __init__(self, *, service_time: float) -> None:
        self.service_time, self.queries = service_time, 0
        self._connection = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()

    async def read(self, key: str) -> dict[str, str]:
        """A row."""
        self.queries += 1
        query = asyncio.create_task(self._hold(self.service_time))
        self._under_way.add(query)
        query.add_done_callback(self._under_way.discard)
        await asyncio.shield(query)
        return {"key": key}

    async def stand_still(self, seconds: float) -> None:
        """An outage."""
        await self._hold(seconds)

    async def aclose(self) -> None:
        """Drop what still waits."""
        for query in self._under_way:
            query.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _hold(self, seconds: float) -> None:
        async with self._connection:
            await asyncio.sleep(seconds)


async def answered_after_outage(
    read: Callable[[], Awaitable[Any]], database: NarrowDatabase, *, rate: float, timeout: float, retries: int
) -> float:
    """The share of the last requests that are answered when an outage of 0.1 s is 0.3 s over, in 0.6 s of real time.

    `rate` requests/s come evenly, from clients who wait for `timeout` seconds and ask again `retries` times.
    """
    began, clients = monotonic(), []
    outage = None
    while (now := monotonic() - began) < 0.6:
        if outage is None and now > 0.1:
            outage = asyncio.create_task(database.stand_still(0.1))
        clients.append(asyncio.create_task(ask_again(read, timeout=timeout, retries=retries)))
        await asyncio.sleep((len(clients) / rate) - now)
    outcomes = await asyncio.gather(*clients, return_exceptions=True)
    await database.aclose()
    last = outcomes[-round(0.1 * rate) :]
    return sum(not isinstance(outcome, BaseException) for outcome in last) / len(last)
