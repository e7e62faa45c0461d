"""Two layers: what memory answers, what Redis answers, and what is left for the database.

One value on k nodes, each asked for it λ times a second; it lives T1 s in memory, T2 s in Redis, and never longer in
memory than in Redis. All the copies end together when the one in Redis ends, so there is one load in 1 + kλT2
requests, whatever T1 is: T1 shares the hits out between the layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt

from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots.colours import BLUE, DARK_VERMILION, GREY, SERIES, VERMILION
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.theory import LayeredHitRatios, capped_layered_hit_ratios
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

__all__ = ["TARGETS", "Layers", "explore"]

TARGETS = {"in process": 0.9, "in Redis": 0.8}
"""The hit ratios of a layer that are usually aimed at."""

_COLOURS = (BLUE, SERIES[4], GREY)
_LEAST, _MOST = 0.02, 500.0
"""Ends of the axis of rates, in requests/s."""

Results = dict[str, Result]


@dataclass(frozen=True)
class Layers:
    """Where the controls stand: T1 and T2 in seconds, λ in requests/s of one node."""

    l1_ttl: float = slider("Lifetime in process T1", "s", 0.5, 10, 0.5, start=1.0)
    l2_ttl: float = slider("Lifetime in Redis T2", "s", 2, 20, 1, start=10.0)
    nodes: int = slider("Nodes k", "", 1, 10, 1, start=4)
    rate: float = slider("Requests per node λ", "requests/s", 1, 5, 0.5, start=5.0)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One key; neither Redis nor the database takes time, as theory has it."""
        half = self.cycle / 2
        scenario = Scenario(
            title="Two layers",
            arrivals=arrivals.Poisson(rate=self.asked),
            keys=keys.OneKey(),
            cache=Pattern("layered", ttl=self.l2_ttl, l1_ttl=self.l1_ttl, invalidation="none"),
            database=Database(latency=latency.Constant(0.0)),
            nodes=self.nodes,
            warmup=half,
            duration=half + self.cycle * max(1, round(requests / (self.asked * self.cycle))),
            seed=self.seed,
        )
        return {"layered": scenario}

    @property
    def asked(self) -> float:
        """Requests per second of all nodes."""
        return self.nodes * self.rate

    @property
    def cycle(self) -> float:
        """Mean time in seconds from one load to the next.

        Whole cycles are measured, from the middle of one to the middle of another: no load comes near these ends.
        """
        return self.l2_ttl + 1 / self.asked

    @property
    def expected(self) -> LayeredHitRatios:
        """What theory says."""
        return capped_layered_hit_ratios(self.rate, self.nodes, self.l1_ttl, self.l2_ttl)


class _Picture:
    """Left: hit ratios, with target and theory. Right: what reaches each layer."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 340)
        ratios, flows = self.figure.subplots(1, 2, width_ratios=(1.2, 1))
        self._title = ratios.set_title(" ", loc="left", weight="bold")
        self._ratios = ratios.bar(range(3), [0.5] * 3, width=0.44, color=_COLOURS)
        self._theory = ratios.plot(range(3), [0.5] * 3, "D", color="black", markeredgecolor="white", markersize=8)[0]
        self._shares = [ratios.text(place, 1.06, "", ha="center", weight="bold") for place in range(3)]
        for place, target in enumerate(TARGETS.values()):
            ratios.hlines(target, place - 0.3, place + 0.3, color=VERMILION, linestyle=(0, (4, 2)))
            ratios.text(
                place + 0.33, target, f"target\n{100 * target:.0f} %", va="center", color=DARK_VERMILION, size=8
            )
        ratios.text(2.33, 0.5, "◆ theory", size=8)
        ratios.set(ylim=(0, 1.15), ylabel="hits / requests that reach it", xlim=(-0.5, 2.9))
        ratios.set_xticks(range(3), ["in process", "in Redis", "overall"])
        ratios.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"])
        self._flows = flows.barh(range(3), [1] * 3, height=0.5, color=_COLOURS, left=_LEAST)
        beside = {"textcoords": "offset points", "va": "center", "weight": "bold"}
        self._amounts = [flows.annotate("", (1, place), (4, 0), **beside) for place in range(3)]
        flows.set(xscale="log", xlim=(_LEAST, _MOST), ylim=(2.6, -0.6), xlabel="requests/s that reach it")
        flows.set_yticks(range(3), ["memory", "Redis", "database"])
        flows.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        for axes in (ratios, flows):
            axes.spines[["top", "right"]].set_visible(False)
        freeze(self.figure)

    def draw(self, settings: Layers, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        metrics, expected = result.metrics, settings.expected
        found = LayeredHitRatios(metrics["hit_ratio_l1"], metrics["hit_ratio_l2"], metrics["hit_ratio"])
        rates = _reaching(result)
        for bar, share, ratio in zip(self._ratios, self._shares, found, strict=True):
            bar.set_height(ratio)
            share.set_text(_percent(ratio))
        self._theory.set_ydata(expected)
        for bar, amount, rate in zip(self._flows, self._amounts, rates, strict=True):
            bar.set_width(rate - _LEAST)
            amount.xy = (rate, amount.xy[1])
            amount.set_text(f"{rate:.3g}/s")
        title = f"One request in {_one_in(found)} reaches the database"
        self._title.set_text(title)
        return Findings(
            sentence=f"{title}; theory says 1 + kλT2 = {_one_in(expected)}. {_remark(found)}",
            alt=f"Bars: {_percent(found.l1)} of the requests hit in process (target 90 %), {_percent(found.l2)} of "
            f"those left hit in Redis (target 80 %), {_percent(found.overall)} hit overall; {rates[0]:.3g} requests/s "
            f"reach memory, {rates[1]:.3g} Redis and {rates[2]:.3g} the database. {title}.",
            numbers=_numbers(settings, result),
            note=f"From {metrics['requests']:,.0f} requests and {metrics['loads']:,.0f} loads in "
            f"{result.duration - result.warmup:.4g} s. Neither Redis nor the database takes time here, and a value "
            "lives no longer in process than in Redis.",
        )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.1f} %"


def _one_in(ratios: LayeredHitRatios) -> str:
    return f"{1 / (1 - ratios.overall):.3g}"


def _remark(found: LayeredHitRatios) -> str:
    """How the layers fare against their targets, and why."""
    first = f"in process {_percent(found.l1)}, target 90 %"
    second = f"in Redis {_percent(found.l2)}, target 80 %"
    match found.l1 >= TARGETS["in process"], found.l2 >= TARGETS["in Redis"]:
        case True, True:
            return f"Both layers meet their targets: {first}; {second}."
        case True, False:
            return f"Redis misses its target, for memory has taken its hits: {first}; {second}."
        case False, True:
            return f"Memory misses its target, and Redis makes up for it: {first}; {second}."
        case _:
            return f"Both layers miss their targets: {first}; {second}."


def _reaching(result: Result) -> tuple[float, float, float]:
    """Requests per second that reach memory, Redis and the database."""
    metrics = result.metrics
    asked = metrics["requests"] / (result.duration - result.warmup)
    return asked, asked * (1 - metrics["hit_ratio_l1"]), metrics["load_rate"]


def _numbers(settings: Layers, result: Result) -> list[Number]:
    """What came out beside theory.

    Requests between two misses are Poisson in number, so that a hit ratio h of n requests strays by (1 - h) sqrt(h/n);
    a process that keeps a value for T1 asks Redis more regularly than that, 1 + λT1 times. Where the measured time
    begins and ends, up to one load more or fewer is in it: a rounding, of variance 1/6 (Cox, "Renewal Theory", 1962).
    """
    metrics, expected = result.metrics, settings.expected
    n, rounding = metrics["requests"], sqrt(1 / 6)
    below = n * (1 - expected.l1)
    regular = 1 + settings.rate * min(settings.l1_ttl, settings.l2_ttl)
    spread = [
        hypot((1 - expected.l1) * sqrt(expected.l1 / n), rounding / n),
        hypot((1 - expected.l2) * sqrt(expected.l2 / below) / regular, rounding / below),
        hypot((1 - expected.overall) * sqrt(expected.overall / n), rounding / n),
    ]
    names = {"in process": "hit_ratio_l1", "in Redis": "hit_ratio_l2", "overall": "hit_ratio"}
    ratios = [
        Number(f"Hit ratio {name}", metrics[metric], "%", expected=ratio, error=error)
        for (name, metric), ratio, error in zip(names.items(), expected, spread, strict=True)
    ]
    measured = result.duration - result.warmup
    loads = measured / settings.cycle
    error = hypot(sqrt(loads) * (1 - expected.overall), rounding) / measured
    return [
        *ratios,
        Number("Requests to Redis", _reaching(result)[1], "1/s"),
        Number("Loads", metrics["load_rate"], "1/s", expected=1 / settings.cycle, error=error),
    ]


def explore(run: Run[Layers, Results] = simulated) -> Explorer[Layers, Results]:
    """The explorer of two layers; `run` simulates."""
    return Explorer(Layers, _Picture, run, moving=500, resting=15_000)
