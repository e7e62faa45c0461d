"""The scenario of `hot_key`, seen by those who ask: how long does each of them wait?

Without single flight whoever finds the value gone loads it, and waits for all of D. With it, one does, and the others
wait for what is left of that load.
"""

from __future__ import annotations

from cachesim.lab.cycles import Cycles, errors, expected
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.explorers.hot_key import TTL, WINDOW, HotKey, Results
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import Waits

__all__ = ["explore"]

_HIGHEST = 1.65
"""Where the vertical axis ends, in seconds: above the longest load."""


class _Picture:
    """The wait of each request over time."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 300)
        axes = self.figure.subplots()
        self._waits = Waits(axes)
        axes.set(title=" ", xlim=(0, WINDOW), ylim=(0, _HIGHEST))
        freeze(self.figure)

    def draw(self, settings: HotKey, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        cycles = Cycles.of(result)
        key, single_flight = (settings.rate, settings.load_time, TTL), settings.single_flight
        _, wait = expected(*key, single_flight=single_flight)
        _, error = errors(*key, cycles.count, single_flight=single_flight)
        waiting = 1 - cycles.shares.hit
        how = "for what is left of a load" if settings.single_flight else "for a load of their own"
        title = f"{100 * waiting:.0f} % of the requests wait, {how}"
        self._waits.show(result.requests, result.loads, end=WINDOW, limit=_HIGHEST, title=title)
        waits = f"the longest wait is {result.metrics['latency_max']:.3g} s"
        return Findings(
            sentence=f"{title}; {waits}.",
            alt=f"The wait of each request during {WINDOW:g} s, grey where a load is under way. {title}; {waits}.",
            numbers=[
                Number("Wait, mean of all requests", cycles.wait, "s", wait, error),
                Number("Longest wait", result.metrics["latency_max"], "s", settings.load_time),
            ],
            note=f"From {result.metrics['requests']:,.0f} requests, counted over {cycles.count} whole cycles, each "
            "from a miss to the next that finds nothing. ● hit, ▲ waits for somebody else's load, ◆ loads.",
        )


def explore(run: Run[HotKey, Results] = simulated) -> Explorer[HotKey, Results]:
    """The explorer of the waits for one hot key; `run` simulates."""
    return Explorer(HotKey, _Picture, run)
