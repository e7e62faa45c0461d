"""The hour before trouble: a catalogue slowly outgrows its cache, minute by minute, as a dashboard shows it.

A shop of two processes keeps a thousand values in Redis. For a quarter of the hour all is well; then the number of
products rises until it is more than three times what Redis holds. Everything is a hundredth of a real shop, so that an
hour is simulated in seconds: the database answers one query at a time, in 1.2 s.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cachesim.lab.picture import Illustration, plain_style
from cachesim.plots import timelines
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.world import arrivals, faults, keys, latency
from cachesim.world.database import Database
from cachesim.world.redis import Redis

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cachesim.result import Result

__all__ = ["WATCHED", "Watched", "hour", "moved", "picture"]

_RATE = 15.0
_CALM, _HOUR = 900.0, 3600.0
"""Seconds in which the cache fills and nothing is measured, and that are measured."""
_PRODUCTS, _PRODUCTS_AT_THE_END = 800, 3000
_GROWS_AFTER = 600.0
"""Seconds of the hour after which the catalogue begins to grow."""
_ALPHA = 1.3
_BIN, _WINDOW, _STAYS = 60, 5, 5
"""Seconds of a bin; bins in the mean that is shown; bins for which it must stay past its bound."""


class Watched(NamedTuple):
    """A measure on the dashboard: its name with unit, and the bound it should stay below, or above."""

    name: str
    bound: float
    above: bool = True

    def passed(self, values: pd.Series[float]) -> pd.Series[bool]:
        """Where the values are past the bound."""
        return values > self.bound if self.above else values < self.bound


WATCHED = (
    Watched("hit ratio, all (%)", 90, above=False),
    Watched("in process (%)", 90, above=False),
    Watched("in Redis (%)", 80, above=False),
    Watched("loads (1/s)", 0.4),
    Watched("database busy (%)", 70),
    Watched("latency, p99 (s)", 2),
    Watched("stale serves (%)", 1),
    Watched("errors (%)", 1),
)
"""From the top of the dashboard to its bottom, with the bounds of the alerts."""


def hour(seed: int = 1) -> pd.DataFrame:
    """The hour, a row each minute and a column for each of `WATCHED`: means over the five minutes before it ends."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "keys.txt"
        path.write_text("".join(f"{key}\n" for key in _asked(seed)))
        minutes = _dashboard(simulate(_scenario(path, seed)))
    return minutes.rolling(_WINDOW).mean().dropna()


def moved(minutes: pd.DataFrame) -> dict[str, float]:
    """For each measure that passes its bound and stays there for five minutes, the first of these."""
    found = {}
    for measure in WATCHED:
        stays = measure.passed(minutes[measure.name]).rolling(_STAYS).sum() == _STAYS
        if stays.any():
            found[measure.name] = float(minutes.index[stays.to_numpy()][0]) - _STAYS + 1
    return found


def picture(minutes: pd.DataFrame) -> Illustration:
    """The dashboard of that hour, each measure marked from when on it is past its bound."""
    marks = moved(minutes)
    first, errors = min(marks, key=lambda name: marks[name]), WATCHED[-1].name
    ahead = marks[errors] - marks[first]
    title = f"Hit ratio {first.removesuffix(' (%)')}: past its bound {ahead:.0f} minutes before the errors"
    bounds = {measure.name: measure.bound for measure in WATCHED}
    with plain_style():
        top = timelines(minutes, xlabel="time (min)", bounds=bounds, marks=marks, title=title)
    order = ", ".join(f"{name} from minute {at:.0f}" for name, at in sorted(marks.items(), key=lambda item: item[1]))
    calm = ", ".join(measure.name for measure in WATCHED if measure.name not in marks)
    return Illustration(top, f"Eight measures over an hour; past their bounds: {order}; never: {calm}")


def _scenario(path: Path, seed: int) -> Scenario:
    """The database is fast until the cache is full: a cold start would be a storm of its own."""
    return Scenario(
        arrivals=arrivals.Poisson(rate=_RATE),
        keys=keys.Recorded(path=str(path)),
        cache=Pattern("layered", ttl=7200, jitter=3600, l1_ttl=900, l1_size=500, load_timeout=5, stale_if_error=600),
        redis=Redis(round_trip=0.001, max_keys=1000),
        database=Database(latency=latency.LogNormal(0.06, cv=0.3), connections=1),
        faults=[faults.DatabaseSlow(start=_CALM / 2, factor=20)],
        nodes=2,
        warmup=_CALM,
        duration=_CALM + _HOUR,
        seed=seed,
    )


def _asked(seed: int) -> list[int]:
    """The products asked for, one request after the other: Zipf's law among those there are by then."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, 1.05 * (_CALM + _HOUR), 1 / _RATE)  # more than arrive
    there = np.interp(times, [_CALM + _GROWS_AFTER, _CALM + _HOUR], [_PRODUCTS, _PRODUCTS_AT_THE_END]).astype(int)
    popularity = np.cumsum([rank**-_ALPHA for rank in range(1, _PRODUCTS_AT_THE_END + 1)])
    asked: list[int] = popularity.searchsorted(rng.random(len(times)) * popularity[there - 1]).tolist()
    return asked


def _dashboard(result: Result) -> pd.DataFrame:
    """The measures by the minute. A hit that took no time was one in process: Redis is a round trip away."""
    import pandas as pd

    series, requests = result.series(bin=_BIN), result.requests
    minute = ((requests["time"] - result.warmup) // _BIN).astype(int)
    hit = requests["outcome"] == "hit"

    def count(which: pd.Series[bool]) -> NDArray[np.int64]:
        return np.bincount(minute[which], minlength=len(series))

    asked, hits, first = np.bincount(minute), count(hit), count(hit & (requests["latency"] == 0))
    busy = series["loads_in_flight"] - series["queue"]
    values = (
        *(hits / asked, first / asked, (hits - first) / (asked - first), series["load_rate"], busy),
        *(series["latency_p99"], count(requests["outcome"] == "stale_hit") / asked),
        count(requests["outcome"] == "error") / asked,
    )
    shares = [100 if "%" in measure.name else 1 for measure in WATCHED]
    columns = {m.name: np.asarray(v) * share for m, v, share in zip(WATCHED, values, shares, strict=True)}
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(series) + 1, name="minute"))
