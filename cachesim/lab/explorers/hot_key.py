"""One hot key expires: how many requests go to the database before the first of them has brought the value back?

λ requests/s arrive as a Poisson process; a load takes D s. The request that finds the key gone starts a load, and so do
all that arrive while it lasts: 1 + λD on average, with variance λD. With single flight they wait for the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING

from cachesim.lab.controls import seed, slider, switch
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import Storm, in_flight
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.theory import stampede_size
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TTL", "WINDOW", "HotKey", "Results", "explore"]

TTL = 2.0
"""The lifetime of the value, in seconds: short, so that it expires several times while one looks."""
WINDOW = 8.0
"""What the picture shows, in seconds; the simulation lasts at least as long."""
_LIMITS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
"""Where the vertical axis may end, times a power of ten: few enough that it rests while a slider moves."""

Results = dict[str, Result]


@dataclass(frozen=True)
class HotKey:
    """Where the controls stand: λ in requests/s, D in seconds."""

    rate: float = slider("Request rate λ", "requests/s", 5, 120, 5, start=100.0)
    load_time: float = slider("Load time D", "s", 0.05, 1.5, 0.05, start=0.5)
    single_flight: bool = switch("Single flight")
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One key, cache-aside, as many connections to the database as anybody asks for."""
        scenario = Scenario(
            title="One hot key expires",
            arrivals=arrivals.Poisson(rate=self.rate),
            keys=keys.OneKey(),
            cache=Pattern("cache-aside", ttl=TTL, single_flight="process" if self.single_flight else "none"),
            database=Database(latency=latency.Constant(self.load_time)),
            duration=self.duration(requests),
            seed=self.seed,
        )
        return {"cache-aside": scenario}

    @property
    def unprotected(self) -> float:
        """Loads per expiry without single flight: 1 + λD."""
        return stampede_size(self.rate, self.load_time)

    def duration(self, requests: int) -> float:
        """How long to simulate, in seconds: as long as the picture, and for about so many requests.

        Without single flight the key is gone for about D, loads end during another D, and then the value lives on for
        its lifetime. The end of the simulation is put well after a first D, so that it cuts no storm short, and is the
        same with single flight: the same requests arrive.
        """
        cycle, rest = 2 * self.load_time + TTL, (self.load_time + TTL) / 2
        cycles = max(ceil((WINDOW + rest) / cycle), floor((requests / self.rate + rest) / cycle))
        return round(cycles * cycle - rest, 3)


class _Picture:
    """Requests in flight at the database over time, with 1 + λD as a line."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 300)
        axes = self.figure.subplots()
        self._storm = Storm(axes)
        # Laid out once, with room for the longest texts.
        axes.set(title=" ", ylim=(0, 800))
        axes.yaxis.set_label_coords(-0.09, 0.5)  # else it moves with the width of the numbers
        self._storm.mark(400, "without:\n1 + λD = 888.88")
        freeze(self.figure)

    def draw(self, settings: HotKey, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        times, counts = in_flight(result.loads["start"], result.loads["end"], WINDOW)
        limit = _limit(1.1 * max(int(counts.max()), settings.unprotected + 4 * sqrt(settings.unprotected - 1)))
        mean = result.metrics["episode_size_mean"]
        if settings.single_flight:
            title = f"With single flight, each expiry sends {_loads(mean)}"
        else:
            title = f"Without single flight, each expiry sends about {_loads(mean)} at once"
        self._storm.show(times, counts, end=WINDOW, title=title, limit=limit)
        name = "without" if settings.single_flight else "theory"
        self._storm.mark(settings.unprotected, f"{name}:\n1 + λD = {settings.unprotected:.5g}")
        return Findings(
            sentence=f"{title}; theory says {_theory(settings)}.",
            alt=f"Requests in flight at the database during {WINDOW:g} s: {_shape(counts)}. {title}.",
            numbers=_numbers(settings, result),
            note=_note(result),
        )


def _limit(height: float) -> float:
    """The first of the allowed ends of an axis that is not below `height`."""
    power = 10.0 ** floor(log10(height))
    return next(step * power for step in _LIMITS if step * power >= height)


def _loads(number: float) -> str:
    """A number of loads, as precise as it is worth reading.

    >>> _loads(1.0), _loads(1.24), _loads(50.6)
    ('one load', '1.2 loads', '51 loads')
    """
    if number == 1:
        return "one load"
    return f"{number:.2g} loads" if number < 10 else f"{number:.0f} loads"


def _theory(settings: HotKey) -> str:
    return "1" if settings.single_flight else f"1 + λD = {settings.unprotected:.5g}"


def _shape(counts: NDArray[np.int64]) -> str:
    """What the curve does, for those who do not see it."""
    storms = int(((counts[1:] > 0) & (counts[:-1] == 0)).sum() + (counts[0] > 0))
    highest = int(counts.max())
    if highest == 1:
        return f"{storms} loads, never two at once"
    return f"{storms} storms, the highest of {highest} requests at once"


def _numbers(settings: HotKey, result: Result) -> list[Number]:
    metrics = result.metrics
    # The mean of n expiries strays from 1 + λD by sqrt(λD / n), about normally.
    error = 0.0 if settings.single_flight else sqrt((settings.unprotected - 1) / metrics["load_episodes"])
    expected = 1.0 if settings.single_flight else settings.unprotected
    return [
        Number("Loads per expiry, mean", metrics["episode_size_mean"], expected=expected, error=error),
        Number("Largest stampede (loads)", metrics["largest_stampede"]),
        Number("Latency, 99th percentile", metrics["latency_p99"], "s"),
        Number("Hit ratio", metrics["hit_ratio"], "%"),
    ]


def _note(result: Result) -> str:
    return (
        f"From {result.metrics['requests']:,.0f} requests in {result.duration:g} s, with "
        f"{result.metrics['load_episodes']:.0f} expiries (the empty cache at the start counts as one). The value lives "
        f"{TTL:g} s. The picture shows the first {WINDOW:g} s."
    )


def explore(run: Run[HotKey, Results] = simulated) -> Explorer[HotKey, Results]:
    """The explorer of one hot key; `run` simulates."""
    return Explorer(HotKey, _Picture, run)
