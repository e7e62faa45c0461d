"""Values that nobody protects: how many load when one expires, how often, and the largest of these stampedes.

The first request after the expiry loads, and so do those that come before its load has ended: all of them, or one in
each of the other processes. Each load that ends starts the lifetime anew, so a cycle has, after its first miss, the
time L of its last load's start, that load, the life of the value, and the wait for the next request. For loads of
constant time all that follows from the law of L.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb, exp, fsum, sqrt
from typing import NamedTuple

import numpy as np

from cachesim import theory
from cachesim.closed_forms.conditions import (
    ENOUGH,
    SELDOM,
    Group,
    asked_nodes,
    constant_load,
    demand,
    has_only,
    is_plain,
    kept_in_redis,
    number_of_keys,
    option,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.keys import of_each_key, over_keys, reads_in
from cachesim.closed_forms.windows import Complexes, Floats, Window, value_at
from cachesim.scenario import Scenario

__all__ = ["stampedes"]

_OPTIONS = {
    "cache-aside": ("ttl", "single_flight", "namespace"),
    "in-process": ("ttl", "single_flight", "size", "policy"),
    "pitfall:cache-aside": ("ttl", "single_flight"),
}
_EPISODES = 10
"""Stampedes expected in a run, at least, for anything to be said of the mean one and of the largest."""
_MOST_NODES = 20
_WHOLE = 0.002
"""How much smaller the mean stampede may be for those that the ends of the run cut off, for the largest to be whole."""
_ROOM = 0.25
"""How far the mean of the largest is from what it can be at least or at most."""
_WHERE = "Poisson requests; constant loads D <= T that wait for no connection, and each renews the lifetime"


class _Herd(NamedTuple):
    """Who loads while the first load lasts: everybody (`others` None), or one in each of so many other processes."""

    load_time: float
    ttl: float
    others: int | None

    def last(self, rate: float, s: Complexes) -> Complexes:
        """E[e^(-s L)]: of the time from the first load's start to the last one's."""
        if self.others is None:
            silence = exp(-rate * self.load_time)
            return silence + rate * (np.exp(-s * self.load_time) - silence) / (rate - s)
        each = rate / (self.others + 1)
        base, end, by_then = 1 + exp(-each * self.load_time), np.exp(-s * self.load_time), np.zeros_like(s)
        for n in range(self.others + 1):  # P(L <= x) = (base - e^(-each x))^others
            weight, decay = comb(self.others, n) * base ** (self.others - n) * (-1) ** n, s + n * each
            by_then += weight * (1 - np.exp(-decay * self.load_time)) / decay
        return end + s * by_then

    def followers(self, rate: float, s: Complexes) -> Complexes:
        """The transform of the rate at which others start to load, after the first."""
        if self.others is None:
            return rate * (1 - np.exp(-s * self.load_time)) / s
        each = rate / (self.others + 1)
        return self.others * each * (1 - np.exp(-(s + each) * self.load_time)) / (s + each)

    def mean(self, rate: float) -> float:
        """The mean number of loads of a stampede."""
        if self.others is None:
            return theory.stampede_size(rate, self.load_time)
        return theory.single_flight_stampede_size(rate, self.load_time, self.others + 1)

    def variance(self, rate: float) -> float:
        """The variance of that number."""
        if self.others is None:
            return theory.stampede_variance(rate, self.load_time)
        return theory.single_flight_stampede_variance(rate, self.load_time, self.others + 1)

    def mean_of_largest(self, rate: float, n: float) -> float:
        """The mean of the largest of `n` stampedes."""
        from scipy.stats import binom, poisson

        if self.others is None:
            mean = rate * self.load_time
            at_most = poisson.cdf(np.arange(mean + 12 * sqrt(mean) + 40), mean)
        else:
            asked = 1 - exp(-rate * self.load_time / (self.others + 1))
            at_most = binom.cdf(np.arange(self.others), self.others, asked)
        return 1 + float((1 - at_most**n).sum())


def stampedes(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of a cache whose loads are not taken one at a time."""
    groups, herd = demand(scenario), _herd(scenario)
    if groups is None or herd is None or (scenario.cache.pattern == "in-process" and asked_nodes(scenario) != 1):
        return
    measured = window(scenario)
    counts = of_each_key(groups, lambda group: _counts(herd, group, measured))
    episodes, loads, delayed, hits = over_keys(groups, counts).tolist()
    reads = reads_in(groups, measured)
    source = "by counting; renewal and reward"
    form = "1 + λD" if herd.others is None else "1 + (k - 1)(1 - e^(-λD/k))"
    where = f"{_WHERE}; over the measured time, from an empty cache on."
    variance = fsum(
        group.keys * mean * herd.variance(group.reads)
        for group, mean in zip(groups, counts[:, 0].tolist(), strict=True)
    )
    if variance < 1:
        return  # as many in each of them, or nearly so
    yield ClosedForm("load_rate", loads / measured.length, f"{form} loads a cycle", source, where)
    if reads >= ENOUGH:
        if hits >= SELDOM:
            yield ClosedForm("hit_ratio", hits / reads, "hits of a cycle over its reads", source, where)
        yield ClosedForm("miss_ratio", loads / reads, f"{form} misses a cycle over its reads", source, where)
        if herd.others is None:
            yield ClosedForm("latency_mean", loads / reads * herd.load_time, "miss ratio times D", source, where)
        elif delayed >= SELDOM:
            yield ClosedForm("delayed_hit_ratio", delayed / reads, "who waits in a process that loads", source, where)
    if episodes >= _EPISODES:
        yield ClosedForm("episode_size_mean", loads / episodes, f"loads per episode, {form}", source, where)
        yield from _largest(groups, herd, episodes, loads / episodes, where)


def _largest(groups: Sequence[Group], herd: _Herd, episodes: float, mean: float, where: str) -> Iterator[ClosedForm]:
    """The largest stampede, if all are alike and as good as none is cut off."""
    rate = groups[0].reads
    if len(groups) > 1 or abs(mean / herd.mean(rate) - 1) > _WHOLE:
        return
    largest, law = herd.mean_of_largest(rate, episodes), "1 + Poisson(λD)"
    if herd.others is not None:
        law = "1 + binomial"
        if largest > herd.others + 1 - _ROOM:
            return  # all nodes, nearly always
    if largest > 1 + _ROOM:
        name = f"largest of {episodes:.0f} episodes of {law}"
        yield ClosedForm("largest_stampede", largest, name, "by counting, extremes", where)


def _herd(scenario: Scenario) -> _Herd | None:
    """How loads come together, if only those of one expiry do."""
    cache, load_time, nodes = scenario.cache, constant_load(scenario), asked_nodes(scenario)
    if cache.pattern not in _OPTIONS or not has_only(cache, *_OPTIONS[cache.pattern]):
        return None
    ttl, writes = cache.options["ttl"], writes_of(scenario)
    if not is_plain(scenario) or not load_time:
        return None
    if ttl < load_time or writes.share or scenario.database.connections is not None:
        return None
    if cache.pattern == "in-process":
        fits = option(cache, "size", 10_000) >= number_of_keys(scenario)
        return _Herd(load_time, ttl, None) if fits and option(cache, "single_flight", "process") == "none" else None
    if round_trip(scenario) != 0:
        return None
    flight = option(cache, "single_flight", "none" if cache.pattern.startswith("pitfall") else "process")
    if flight == "none":
        return _Herd(load_time, kept_in_redis(ttl), None)
    if flight != "process" or cache.pattern.startswith("pitfall") or nodes is None or not 1 < nodes <= _MOST_NODES:
        return None
    return _Herd(load_time, kept_in_redis(ttl), nodes - 1)


def _counts(herd: _Herd, group: Group, measured: Window) -> Floats:
    """Means of one key: episodes, loads, delayed hits and hits in the measured time."""
    rate, load_time = group.reads, herd.load_time

    def begins(s: Complexes) -> tuple[Complexes, Complexes]:
        """The transform of the rate at which cycles begin, and that of L."""
        last, next_request = herd.last(rate, s), rate / (rate + s)
        cycle = last * np.exp(-s * (load_time + herd.ttl)) * next_request
        return next_request / (1 - cycle), last

    def rates(s: Complexes) -> Sequence[Complexes]:
        cycles, last = begins(s)
        loading, followers = np.exp(-s * load_time), herd.followers(rate, s)
        delayed = rate * (1 - loading) / s - followers
        hits = rate * loading * (1 - last * np.exp(-s * herd.ttl)) / s
        return [cycles, cycles * (1 + followers), cycles * delayed, cycles * hits]

    def goes_on(s: Complexes) -> Sequence[Complexes]:
        """That a stampede has begun, and its last load has not."""
        cycles, last = begins(s)
        return [cycles * (1 - last) / s]

    counts = measured.totals(rates, fastest=rate)
    if measured.start > 0:  # what is measured of such a one is an episode more
        counts[0] += value_at(measured.start, goes_on, fastest=rate)[0]
    return counts
