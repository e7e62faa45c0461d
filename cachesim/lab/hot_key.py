"""One hot key expires: how many requests go to the database before the first of them has brought the value back?

λ requests/s arrive as a Poisson process; a load takes D s. The request that finds the key gone starts a load, and so do
all that arrive while it lasts: 1 + λD on average, with variance λD. With single flight they wait for the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING

from cachesim.lab.controls import Slider, Switch
from cachesim.lab.explorer import Explorer, Findings
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure, plain_style
from cachesim.plots import Storm, in_flight
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import stampede_size
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HotKey", "explore"]

_TTL = 2.0
"""The lifetime of the value, in seconds: short, so that it expires several times while one looks."""
_WINDOW = 15.0
"""What the picture shows, in seconds; the simulation lasts at least as long."""
_REQUESTS = 3000
"""About as many are simulated where that is longer, so that every move takes the same short time."""
_LIMITS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
"""Where the vertical axis may end, times a power of ten: few enough that it rests while a slider moves."""


@dataclass(frozen=True)
class HotKey:
    """Where the controls stand: λ in requests/s, D in seconds."""

    rate: float = 100.0
    load_time: float = 0.5
    single_flight: bool = False
    seed: float = 1

    def scenario(self) -> Scenario:
        """One key, cache-aside, as many connections to the database as anybody asks for."""
        return Scenario(
            title="One hot key expires",
            arrivals=arrivals.Poisson(rate=self.rate),
            keys=keys.OneKey(),
            cache=Pattern("cache-aside", ttl=_TTL, single_flight="process" if self.single_flight else "none"),
            database=Database(latency=latency.Constant(self.load_time)),
            duration=self.duration,
            seed=int(self.seed),
        )

    @property
    def unprotected(self) -> float:
        """Loads per expiry without single flight: 1 + λD."""
        return stampede_size(self.rate, self.load_time)

    @property
    def expected(self) -> float:
        """Loads per expiry."""
        return 1.0 if self.single_flight else self.unprotected

    @property
    def duration(self) -> float:
        """How long to simulate, in seconds.

        Without single flight the key is gone for about D, loads end during another D, and then the value lives on for
        its lifetime. The end of the simulation is put well after a first D, so that it cuts no storm short, and is the
        same with single flight: the same requests arrive.
        """
        cycle, rest = 2 * self.load_time + _TTL, (self.load_time + _TTL) / 2
        cycles = max(ceil((_WINDOW + rest) / cycle), floor((_REQUESTS / self.rate + rest) / cycle))
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

    def draw(self, settings: HotKey, result: Result) -> Findings:
        """Show a result."""
        times, counts = in_flight(result.loads["start"], result.loads["end"], _WINDOW)
        limit = _limit(1.1 * max(int(counts.max()), settings.unprotected + 4 * sqrt(settings.unprotected - 1)))
        mean = result.metrics["episode_size_mean"]
        if settings.single_flight:
            title = f"With single flight, each expiry sends {_loads(mean)}"
        else:
            title = f"Without single flight, each expiry sends about {_loads(mean)} at once"
        self._storm.show(times, counts, end=_WINDOW, title=title, limit=limit)
        name = "without" if settings.single_flight else "theory"
        self._storm.mark(settings.unprotected, f"{name}:\n1 + λD = {settings.unprotected:.5g}")
        return Findings(
            sentence=f"{title}; theory says {_theory(settings)}.",
            alt=f"Requests in flight at the database during {_WINDOW:g} s: {_shape(counts)}. {title}.",
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
    if settings.single_flight:
        return "1"
    return f"1 + λD = {settings.unprotected:.5g}"


def _shape(counts: NDArray[np.int64]) -> str:
    """What the curve does, for those who do not see it."""
    storms = int(((counts[1:] > 0) & (counts[:-1] == 0)).sum() + (counts[0] > 0))
    highest = int(counts.max())
    if highest == 1:
        return f"{storms} loads, never two at once"
    return f"{storms} storms, the highest of {highest} requests at once"


def _numbers(settings: HotKey, result: Result) -> list[Number]:
    metrics = result.metrics
    theory = f"{settings.expected:.5g}"
    if not settings.single_flight:
        # The mean of n expiries strays from its expectation by sqrt(λD / n), about normally.
        stray = 1.96 * sqrt((settings.unprotected - 1) / metrics["load_episodes"])
        theory += f" (95 % of such runs: {settings.expected - stray:.3g} to {settings.expected + stray:.3g})"
    return [
        Number("Loads per expiry, mean", f"{metrics['episode_size_mean']:.4g}", theory),
        Number("Largest stampede", _loads(metrics["largest_stampede"])),
        Number("Latency, 99th percentile", f"{metrics['latency_p99']:.2f} s"),
        Number("Hit ratio", f"{100 * metrics['hit_ratio']:.1f} %"),
    ]


def _note(result: Result) -> str:
    return (
        f"From {result.metrics['requests']:,.0f} requests in {result.duration:g} s, with "
        f"{result.metrics['load_episodes']:.0f} expiries (the empty cache at the start counts as one). The value lives "
        f"{_TTL:g} s. The picture shows the first {_WINDOW:g} s."
    )


def explore(run: Callable[[Scenario], Result] = simulate) -> Explorer[HotKey]:
    """The explorer of one hot key; `run` simulates."""
    start = HotKey()
    controls = {
        "rate": Slider(label="Request rate λ", unit="requests/s", min=5, max=200, step=5, value=start.rate),
        "load_time": Slider(label="Load time D", unit="s", min=0.05, max=2, step=0.05, value=start.load_time),
        "single_flight": Switch(label="Single flight", value=start.single_flight),
        "seed": Slider(label="Seed of chance", min=1, max=20, step=1, value=start.seed),
    }
    with plain_style():
        picture = _Picture()
    return Explorer(HotKey, controls, picture, run)
