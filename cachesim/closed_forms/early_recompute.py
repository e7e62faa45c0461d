"""Early recompute of one key: how many loads an expiry costs, and how often it is loaded.

Without single flight, in the foreground, it is the paper's process, and the forms are those of a long lifetime. With
single flight one loads at a time, so that the time from a fill to the next load has a law that can be written down:
reads come at the rate λ, and each recomputes with probability e^(-s / (βD)), s the time left.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log

import numpy as np

from cachesim import theory
from cachesim.closed_forms.conditions import (
    asked_nodes,
    constant_load,
    demand,
    has_only,
    is_plain,
    option,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.laws import Law
from cachesim.closed_forms.windows import Complexes
from cachesim.scenario import Scenario

__all__ = ["early_recompute"]

_SOURCE = "renewal and reward, XFetch (Vattani et al. 2015)"
_EPISODES, _CYCLES = 10, 100
"""Expiries in a run, at least: for their mean size, and for what a run of any length tells of the long run."""
_LONG = 6
"""A lifetime is this many βD and ln L of them more: then what comes just after a fill recomputes nothing."""
_EARLY = 9
"""λβD e^(-1/β), at least: then the first recompute is over before the expiry, but for 1 in 8,000."""

_LONGEST = 3_000
"""βD that a run lasts, at most: the time that the form takes grows with them."""
_PANELS, _POINTS = 50, 8
"""The law of a lifetime is integrated by Gauss and Legendre's rule of so many points in each of so many panels."""


def early_recompute(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `early-recompute` with one key that nobody writes through it."""
    groups, load_time, cache = demand(scenario), constant_load(scenario), scenario.cache
    if groups is None or not load_time or cache.pattern != "early-recompute" or not is_plain(scenario):
        return
    if not has_only(cache, "ttl", "beta", "background", "single_flight", "namespace") or round_trip(scenario) != 0:
        return
    writes, beta = writes_of(scenario), option(cache, "beta", 1.0)
    if len(groups) > 1 or groups[0].keys > 1 or writes.share or beta == 0 or scenario.database.connections is not None:
        return
    flight = option(cache, "single_flight", "process")
    if flight == "none" and not option(cache, "background", False):
        yield from _unprotected(scenario, groups[0].reads, load_time, beta)
    elif flight == "cluster" or (flight == "process" and asked_nodes(scenario) == 1):
        yield from _one_at_a_time(scenario, groups[0].reads, load_time, beta)


def _unprotected(scenario: Scenario, rate: float, load_time: float, beta: float) -> Iterator[ClosedForm]:
    """Whoever draws the recompute loads."""
    ttl, measured, reads = scenario.cache.options["ttl"], window(scenario), rate * beta * load_time
    several = max(0.0, log(reads))
    cycle = theory.early_recompute_cycle(rate, load_time, ttl, beta=beta)
    cold = 2 * load_time + 10 / rate  # the first stampede is that of an empty cache
    if ttl < beta * load_time * (_LONG + several) + 2 * load_time or measured.start < cold:
        return
    cycles = measured.length / cycle
    before = measured.start <= load_time + ttl - beta * load_time * (several + 4)  # before the first is early
    size = theory.early_recompute_stampede_size(rate, load_time, beta=beta)
    where = "One key, Poisson requests, constant loads that wait for no connection, lifetimes much longer than βD."
    if cycles >= (_EPISODES if before else _CYCLES):
        form = "loads per episode, about e^(1/β) for a hot key"
        yield ClosedForm("episode_size_mean", size, form, _SOURCE, where)
    if cycles >= _CYCLES and reads * exp(-1 / beta) >= _EARLY:
        form = "loads per episode over T + D + D tanh(1/(2β)) - E[G]"
        yield ClosedForm("load_rate", size / cycle, form, _SOURCE, where)
        yield ClosedForm("early_ratio", size / cycle / rate, f"share of reads that recompute: {form}", _SOURCE, where)


def _one_at_a_time(scenario: Scenario, rate: float, load_time: float, beta: float) -> Iterator[ClosedForm]:
    """One recomputes for all."""
    measured = window(scenario)
    if measured.end > _LONGEST * beta * load_time:
        return
    held = _until_load(rate, load_time, scenario.cache.options["ttl"], beta)

    def rates(s: Complexes) -> list[Complexes]:
        request = rate / (rate + s)
        return [request / (1 - np.exp(-s * load_time) * held.transform(s))]

    loads = float(measured.totals(rates, fastest=1 / (beta * load_time))[0])
    lasting = measured.length / (load_time + held.mean)
    strays = lasting * (beta * load_time / held.mean) ** 2  # about the variance of the number of loads
    if strays >= 1 or 0.3 < loads % 1 < 0.7:  # else it is nearly the same in every run
        where = (
            "One key, Poisson requests, constant loads one at a time; over the measured time, from an empty cache on."
        )
        yield ClosedForm("load_rate", loads / measured.length, "a load in T + D - E[G]", _SOURCE, where)


def _until_load(rate: float, load_time: float, ttl: float, beta: float) -> Law:
    """The law of the time from a fill to the next load, integrated over y, the time left in units of βD."""
    unit = beta * load_time
    longest = min(ttl / unit, 40 + max(0.0, log(rate * unit)))
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    width = longest / _PANELS
    left = np.add.outer(np.arange(_PANELS) * width, (points + 1) * width / 2).ravel()
    due = rate * unit * (np.exp(-left) - exp(-ttl / unit))  # recomputes expected by then
    density = np.tile(weights, _PANELS) * width / 2 * rate * unit * np.exp(-left - due)
    nobody, times = exp(-rate * unit * (1 - exp(-ttl / unit))), ttl - unit * left

    def transform(s: Complexes) -> Complexes:
        pieces = np.array_split(s, 1 + len(s) // 2000)
        early = np.concatenate([np.exp(-np.multiply.outer(piece, times)) @ density for piece in pieces])
        expired: Complexes = early + nobody * np.exp(-s * ttl) * rate / (rate + s)
        return expired

    return Law(float(times @ density) + nobody * (ttl + 1 / rate), transform)
