"""Is the run long enough? What a statistician asks of runs before believing their means.

A mean is in doubt for two reasons. *Bias*: the run begins with an empty cache and an idle database, and what is
measured before they have forgotten that belongs to no steady state. *Chance*: few runs, few episodes, wide intervals.

The memory of a cache is the lifetime of its values; that of a database queue is its relaxation time, 1/(μ(1 - √ρ)²)
for M/M/1 (P. M. Morse, Queues, Inventories and Maintenance, 1958), with c connections taken for one that is c times as
fast. Where something happens at a set time, or rates change with it, there is no steady state: then only chance is
asked about, and only more runs are advised, for a longer run is another experiment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, fsum, isnan, log10, sqrt
from typing import NamedTuple

from cachesim.estimates import Estimate, estimate
from cachesim.formatting import format_of, half_width, percent, plus_minus, seconds
from cachesim.scenario import Pattern, Scenario
from cachesim.world.arrivals import Bursty, ClosedLoop, Constant, Poisson
from cachesim.world.keys import Documentation, Recorded

__all__ = ["advice"]

Metrics = Mapping[str, float]

_FEW_RUNS, _RUNS = 5, 10
"""With fewer than the first Student's t makes intervals wide; with the second it hardly does."""
_FORGETS_AFTER, _MEASURES = 2, 10
"""How many lifetimes, or relaxation times, the warm-up and the measured time should have at least."""
_EPISODES = 30
_BUSY = 0.98
_PRECISION = 0.1
"""An interval this wide to each side, as a share of its mean (of a ratio: of the rarer side), is good enough."""
_JUDGED = ("hit_ratio", "load_rate", "episode_size_mean", "latency_mean", "latency_p99")


def advice(runs: Sequence[Metrics], scenario: Scenario, *, measured: float, own_cache: bool = False) -> list[str]:
    """What is in doubt about the means of `runs`, one sentence each with its numbers and what to do; never empty.

    `runs`: the metrics of independent runs of `scenario`; `measured`: seconds measured in one of them. With `own_cache`
    another cache than the scenario's was at work, and nothing is known of its lifetimes.
    """
    steady = _is_steady(scenario)
    doubts = [*_repeated(runs), *_overloaded(runs)]
    if steady and (memory := _memory(runs, scenario, measured, own_cache)) is not None:
        doubts += _short(memory, scenario, measured)
    doubts += _few_episodes(runs, steady)
    precisions = [precision for name in _JUDGED if (precision := _precision(name, runs)) is not None]
    if len(runs) > 1:
        doubts += _imprecise(precisions, len(runs), steady)
    return doubts or [_long_enough(precisions, len(runs))]


def _is_steady(scenario: Scenario) -> bool:
    """Whether nothing but chance tells one time of the run from another."""
    recorded = isinstance(scenario.keys, Recorded | Documentation)
    return isinstance(scenario.arrivals, Poisson | Constant | Bursty | ClosedLoop) and not (recorded or scenario.faults)


# How often


def _repeated(runs: Sequence[Metrics]) -> Iterator[str]:
    n = len(runs)
    if n == 1:
        yield f"One run says nothing about chance: with {_RUNS} replications each mean has an interval."
    elif all(_same(run, runs[0]) for run in runs):
        yield f"All {n} runs are the same: nothing here is drawn by chance, and an interval of width 0 says no more."
    elif n < _FEW_RUNS:
        share = 100 * _unit_width(_RUNS) / _unit_width(n)
        yield f"{n} runs are few: the intervals of {_RUNS} would be about {share:.0f} % as wide."


def _same(one: Metrics, other: Metrics) -> bool:
    return all(value == other[name] or (isnan(value) and isnan(other[name])) for name, value in one.items())


def _unit_width(n: int) -> float:
    """Half the width of the interval of `n` runs, in standard deviations of a run."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.975)) / sqrt(n)


# How long


class _Memory(NamedTuple):
    """How long a run remembers how it began: seconds, and what it is that remembers."""

    length: float
    name: str


def _memory(runs: Sequence[Metrics], scenario: Scenario, measured: float, own_cache: bool) -> _Memory | None:
    """The longest memory that is known of."""
    known = []
    if not own_cache and (lifetime := _lifetime(scenario.cache)):
        known.append(_Memory(lifetime, "lifetimes of a value"))
    utilization, queries = _mean("database_utilization", runs), _mean("queries", runs)
    if scenario.database.connections is not None and 0 < utilization < _BUSY:
        every = measured * utilization / queries  # a connection's worth of work: the service time / c
        service = every * scenario.database.connections
        relaxation = max(service, every / (1 - sqrt(utilization)) ** 2)
        known.append(_Memory(relaxation, f"relaxation times of a database {100 * utilization:.0f} % busy"))
    return max(known, default=None)


def _lifetime(cache: Pattern) -> float | None:
    """The longest that a pattern holds a value (s), if it says so."""
    options = cache.options
    return options.get("ttl") or (options["fresh_for"] + options["stale_for"] if "fresh_for" in options else None)


def _short(memory: _Memory, scenario: Scenario, measured: float) -> Iterator[str]:
    length, warmup = memory.length, scenario.warmup
    needed = max(warmup, _FORGETS_AFTER * length)
    duration = needed + _MEASURES * length
    if warmup < _FORGETS_AFTER * length:
        longer = f" and duration = {_up(duration):g}" if warmup + measured < duration else ""
        yield (
            f"The cold start is measured: {_time(warmup)} of warm-up are less than {_FORGETS_AFTER} {memory.name} "
            f"({_time(length)}); set warmup = {_up(needed):g}{longer}."
        )
    elif measured < _MEASURES * length:
        yield (
            f"{_time(measured)} measured are {measured / length:.1f} {memory.name} ({_time(length)}); for {_MEASURES} "
            f"of them, set duration = {_up(duration):g}."
        )


# How exact


class _Precision(NamedTuple):
    """How exact a mean is: its half width as a multiple of what would be good enough."""

    excess: float
    metric: str
    found: Estimate
    target: float


def _precision(name: str, runs: Sequence[Metrics]) -> _Precision | None:
    """None where a mean, or its interval, does not exist, or is 0 or 1 without doubt."""
    found = estimate([run[name] for run in runs])
    mean = found.mean
    target = _PRECISION * (min(mean, 1 - mean) if name.endswith("_ratio") else mean)
    return _Precision(found.half_width / target, name, found, target) if target > 0 and found.half_width >= 0 else None


def _imprecise(precisions: Sequence[_Precision], n: int, steady: bool) -> Iterator[str]:
    wide = sorted((precision for precision in precisions if precision.excess > 1), reverse=True)
    if wide:
        worst, *others = wide
        target = half_width(format_of(worst.metric), worst.found.mean, worst.target)
        besides = f" ({', '.join(other.metric for other in others)}: wide too, but less so)" if others else ""
        yield (
            f"The 95 % interval of {_with_interval(worst)}: for {target} {_more(worst.excess**2, n, steady)}{besides}."
        )


def _few_episodes(runs: Sequence[Metrics], steady: bool) -> Iterator[str]:
    """Few loads of a key from start to end: a cache whose values never expired while it was watched."""
    episodes, hits = (fsum(run[name] for run in runs) for name in ("load_episodes", "hits"))
    if hits and not episodes:
        yield "Not one load was measured: what happens when a value expires was not seen."
    elif hits and episodes < _EPISODES:
        yield (
            f"{episodes:.0f} load episode(s) in all say little about stampedes: for {_EPISODES} of them "
            f"{_more(_EPISODES / episodes, len(runs), steady)}."
        )


def _overloaded(runs: Sequence[Metrics]) -> Iterator[str]:
    utilization = _mean("database_utilization", runs)
    if utilization >= _BUSY:
        yield (
            f"The database is busy {percent(utilization, utilization)} of the time, so its queue may "
            "grow as long as the run lasts: latencies then say how long that was. Fewer loads or more connections "
            "help, a longer run does not."
        )


def _long_enough(precisions: Sequence[_Precision], n: int) -> str:
    if not precisions:
        return f"Long enough, as far as {n} runs can tell: no metric that is judged here has an interval."
    return f"Long enough: {', '.join(map(_with_interval, precisions))} (95 % intervals, {n} runs)."


# In words


def _mean(name: str, runs: Sequence[Metrics]) -> float:
    return fsum(run[name] for run in runs) / len(runs)


def _more(times: float, n: int, steady: bool) -> str:
    """What makes so many times as much of everything."""
    longer = f", or a duration {_up(times):g} times as long" if steady else ""
    return f"about {ceil(times * n):,} runs{longer}"


def _with_interval(precision: _Precision) -> str:
    return f"{precision.metric} {plus_minus(format_of(precision.metric), *precision.found)}"


def _time(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return seconds(rounded, rounded)


def _up(value: float) -> float:
    """Rounded up to two digits that count.

    >>> _up(0.0213), _up(183.0), _up(20.0), _up(1.0)
    (0.022, 190.0, 20.0, 1.0)
    """
    digits = 1 - floor(log10(value))
    return round(ceil(round(value * 10.0**digits, 6)) / 10.0**digits, digits)
