"""Many keys expire together: a herd of different keys, which single flight lets through and jitter spreads.

K keys, each asked λ times a second, meet an empty cache, as after a flush or a deployment. A load takes D s. Until the
first loads end D later, K (1 - e^(-λD)) keys have been asked for, and single flight loads each of them once. One
lifetime later they expire together, and the herd returns: the echo. Lifetimes that differ by chance, by up to J s,
spread it to about K D / J at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from cachesim import theory
from cachesim.lab.controls import seed, slider, switch
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import Storm, in_flight
from cachesim.plots.colours import DARK_VERMILION, GREY, VERMILION
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.world import arrivals, latency
from cachesim.world import keys as populations
from cachesim.world.database import Database

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Together", "explore"]

_TTL, _LOAD_TIME = 2.0, 0.1
_WINDOW = 2.6
"""What the picture shows, in seconds; the simulation lasts at least as long."""
_STEPS = [0.01 * step for step in range(261)]
"""Moments of the picture, in seconds."""

Results = dict[str, Result]


@dataclass(frozen=True)
class Together:
    """Where the controls stand: K, λ in requests/s for each key, J in seconds."""

    keys: int = slider("Keys K", "", 20, 80, 10, start=80)
    rate: float = slider("Requests for each key λ", "requests/s", 2, 8, 1, start=8.0)
    jitter: float = slider("Jitter J", "s", 0, 1, 0.1, start=0.0)
    single_flight: bool = switch("Single flight", start=True)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """All keys alike, an empty cache at 0 s, and as many connections to the database as anybody asks for."""
        single_flight = "process" if self.single_flight else "none"
        rate = self.keys * self.rate
        scenario = Scenario(
            title="Many keys expire together",
            arrivals=arrivals.Poisson(rate=rate),
            keys=populations.Uniform(n=self.keys),
            cache=Pattern("cache-aside", ttl=_TTL, jitter=self.jitter, single_flight=single_flight),
            database=Database(latency=latency.Constant(_LOAD_TIME)),
            duration=max(_WINDOW, requests / rate),
            seed=self.seed,
        )
        return {"cache-aside": scenario}

    def expected(self, time: float) -> float:
        """The mean number of loads in flight at a time: with single flight, and without until the first of them end."""
        if not self.single_flight:
            return self.keys * self.rate * time
        return theory.loads_in_flight_after_flush(
            time, keys=self.keys, rate=self.rate, load_time=_LOAD_TIME, ttl=_TTL, jitter=self.jitter
        )

    @property
    def flush_crest(self) -> float:
        """The mean number of loads in flight when the first of them end."""
        return self.expected(_LOAD_TIME)

    @property
    def echo(self) -> float:
        """When the echo is expected to be highest, in seconds after the flush."""
        rising = (step for step in _STEPS if _TTL + _LOAD_TIME - self.jitter <= step < self.third)
        return max(rising, key=self.expected)

    @property
    def third(self) -> float:
        """When a key may begin its third load, at the earliest, in seconds after the flush."""
        return 2 * (_TTL + _LOAD_TIME - self.jitter)


class _Picture:
    """Loads in flight over time, and the mean that theory says with single flight."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 330)
        axes = self.figure.subplots()
        self._storm = Storm(axes)
        (self._theory,) = axes.plot([], [], color=VERMILION, linestyle=(0, (5, 3)), linewidth=1.8)
        self._theory_name = axes.annotate("", (0, 0), (0.2, 0), textcoords="data", va="center", color=DARK_VERMILION)
        across = axes.get_xaxis_transform()
        (self._ends,) = axes.plot([], [], color=GREY, linewidth=4, solid_capstyle="butt", transform=across)
        self._ends_name = axes.text(0, 0.96, "the first lifetimes end", transform=across, ha="center", color=GREY)
        axes.text(0.02, 0.96, "the cache is empty", transform=across, color=GREY)
        # Laid out once, with room for the longest texts.
        axes.set(title=" ", xlim=(0, _WINDOW), ylim=(0, 300))
        axes.yaxis.set_label_coords(-0.09, 0.5)  # else it moves with the width of the numbers
        freeze(self.figure)

    def draw(self, settings: Together, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        times, counts = in_flight(result.loads["start"], result.loads["end"], _WINDOW)
        last = _TTL + _LOAD_TIME
        after = times >= last - settings.jitter
        flush, echo = int(counts[~after].max()), int(counts[after].max())
        title = f"{_how(settings)}: up to {flush} loads at once, then {echo}"
        self._storm.show(times, counts, end=_WINDOW, title=title, limit=_limit(settings))
        self._ends.set_data([last - settings.jitter, last + 0.02], [0.93, 0.93])
        self._ends_name.set_x(last - settings.jitter / 2)
        self._show_theory(settings)
        return Findings(
            sentence=f"{title}, when the first lifetimes end.",
            alt=f"Requests in flight at the database during {_WINDOW:g} s: a wave of up to {flush} at once after a "
            f"flush, and from {last - settings.jitter:.2g} s on another one of up to {echo}.",
            numbers=_numbers(settings, result, times, counts),
            note=_note(settings, result),
        )

    def _show_theory(self, settings: Together) -> None:
        crest = settings.flush_crest
        name = "K (1 − e^(−λD))" if settings.single_flight else "K λ D"
        self._theory_name.set_text(f"theory: {name} = {crest:.3g}")
        self._theory_name.set_position((0.2, crest))
        end = settings.third if settings.single_flight else _LOAD_TIME
        shown = [step for step in _STEPS if step <= end]
        self._theory.set_data(shown, [settings.expected(step) for step in shown])


def _limit(settings: Together) -> float:
    """Where the vertical axis ends: above what chance makes of the crest, with room for the texts."""
    return (settings.flush_crest + 4 * sqrt(settings.flush_crest)) / 0.85


def _how(settings: Together) -> str:
    """The protections that are on."""
    jitter = f"jitter of {settings.jitter:g} s" if settings.jitter else ""
    names = [name for name in ("single flight" if settings.single_flight else "", jitter) if name]
    return f"With {' and '.join(names)}" if names else "Without protection"


def _numbers(settings: Together, result: Result, times: NDArray[np.float64], counts: NDArray[np.int64]) -> list[Number]:
    def at(time: float) -> float:
        return float(counts[np.searchsorted(times, time) - 1])

    keys, crest = settings.keys, settings.flush_crest
    loads = _first_loads(result)
    size = theory.stampede_size(settings.rate, _LOAD_TIME)
    numbers = [
        Number(
            f"Loads in flight {_LOAD_TIME:g} s after the flush",
            at(_LOAD_TIME),
            expected=crest,
            error=sqrt(crest * (1 - crest / keys) if settings.single_flight else crest),
        ),
        Number(
            "Loads of a key after the flush, mean",
            float(loads.mean()),
            expected=1.0 if settings.single_flight else size,
            error=0.0 if settings.single_flight else sqrt((size - 1) / len(loads)),
        ),
    ]
    if settings.single_flight:
        echo = settings.expected(settings.echo)
        numbers.append(
            Number(
                f"Loads in flight {settings.echo:.2f} s after it, in the echo",
                at(settings.echo),
                expected=echo,
                error=sqrt(echo * (1 - echo / keys)),
            )
        )
    average = result.metrics["loads"] * _LOAD_TIME / result.duration
    return [*numbers, Number("Loads in flight on average", average)]


def _note(settings: Together, result: Result) -> str:
    return (
        f"From {result.metrics['requests']:,.0f} requests in {result.duration:.3g} s, which the average is over; the "
        f"picture shows the first {_WINDOW:g} s. A value lives {_TTL:g} s less the jitter, and a load takes D = "
        f"{_LOAD_TIME:g} s."
    )


def _first_loads(result: Result) -> pd.Series[int]:
    """How many loads each key had before the first of them was back."""
    loads = result.loads
    first = loads.groupby("key")["start"].transform("min")
    return loads["key"][loads["start"] < first + _LOAD_TIME].value_counts()


def explore(run: Run[Together, Results] = simulated) -> Explorer[Together, Results]:
    """The explorer of keys that expire together; `run` simulates."""
    return Explorer(Together, _Picture, run, resting=10_000)
