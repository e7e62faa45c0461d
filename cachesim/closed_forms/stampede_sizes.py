"""The mean size of a stampede where loads take random times, or share one processor; only its size has a closed form.

The ends of a run may cut a stampede in two, so many are asked for; and lifetimes are long, so that none meets the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import expm1, log, log1p, sqrt

from cachesim import theory
from cachesim.closed_forms.conditions import (
    constant_load,
    demand,
    has_only,
    is_plain,
    number_of_keys,
    option,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.scenario import Scenario
from cachesim.world import latency

__all__ = ["stampede_sizes"]

_EPISODES = 50
_LONG = 10
"""How many mean loads a lifetime has at least."""
_NEVER = 1e-6
"""The chance, at most, that any load of a stampede takes as long as the lifetime."""
_WORST = 3.0
"""λD on a shared processor, at most: a stampede there has e to this many loads."""


def stampede_sizes(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of one key or of keys that are equally popular, in Redis, with nothing that protects the database."""
    groups, cache, writes = demand(scenario), scenario.cache, writes_of(scenario)
    if groups is None or len(groups) > 1 or cache.pattern != "cache-aside" or writes.share or writes.behind:
        return
    if not has_only(cache, "ttl", "single_flight", "namespace") or option(cache, "single_flight", "process") != "none":
        return
    if round_trip(scenario) != 0 or scenario.database.connections is not None:
        return
    [group], ttl, mean = groups, cache.options["ttl"], scenario.database.latency.mean
    expected = _shared(scenario, group.reads) if scenario.database.processor_sharing else _size(scenario, group.reads)
    if expected is None:
        return
    size, form, source = expected
    longest = mean * size if scenario.database.processor_sharing else mean
    episodes = group.keys * window(scenario).length / (ttl + 2 * longest + 1 / group.reads)
    if ttl >= _LONG * longest and episodes >= _EPISODES:
        assumption = (
            "Poisson requests, lifetimes much longer than any load; few stampedes are cut by the ends of a run."
        )
        yield ClosedForm("episode_size_mean", size, f"loads per episode, {form}", source, assumption)


def _shared(scenario: Scenario, rate: float) -> tuple[float, str, str] | None:
    load_time = constant_load(scenario)
    if not is_plain(scenario, shared=True) or number_of_keys(scenario) > 1 or not load_time:
        return None
    if rate * load_time > _WORST:
        return None
    size = theory.processor_sharing_stampede_size(rate, load_time)
    return size, "e^(λD) on one shared processor", "a Yule process (Yule 1925)"


def _size(scenario: Scenario, rate: float) -> tuple[float, str, str] | None:
    time, cdf = scenario.database.latency, _cdf(scenario.database.latency)
    if not is_plain(scenario) or cdf is None:
        return None
    if isinstance(time, latency.Exponential):
        size = theory.exponential_stampede_size(rate, time.mean)
        form, source = "Σ a^n / ((a+1)…(a+n)), a = λD, exponential loads", "Kummer's function, by counting"
    else:
        size = theory.stampede_size_of(rate, cdf)
        form, source = "1 + λ ∫ (1-F) e^(-λ∫F) dt, loads of law F", "by counting, integrated"
    return (size, form, source) if size * (1 - cdf(scenario.cache.options["ttl"])) < _NEVER else None


def _cdf(time: latency.Latency) -> Callable[[float], float] | None:
    """The probability that a load takes at most so many seconds."""
    match time:
        case latency.Exponential(mean=mean):
            return lambda t: -expm1(-t / mean)
        case latency.Uniform(low=low, high=high) if high > low:
            return lambda t: min(1.0, max(0.0, (t - low) / (high - low)))
        case latency.Erlang(mean=mean, k=k):
            from scipy.special import gammainc

            return lambda t: float(gammainc(k, t * k / mean))
        case latency.LogNormal(mean=mean, cv=cv):
            from scipy.special import ndtr

            variance = log1p(cv * cv)
            center = log(mean) - variance / 2
            return lambda t: float(ndtr((log(t) - center) / sqrt(variance))) if t > 0 else 0.0
    return None
