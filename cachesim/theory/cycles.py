"""How far a run of one key strays from theory: standard errors of ratios over so many whole cycles.

A cycle begins with a miss that finds nothing, and owes nothing to those before. A ratio r of two sums over n cycles, of
Y over N, has about the variance Var(Y - r N) / (n E[N]^2) (renewal and reward; Asmussen and Glynn, "Stochastic
Simulation", 2007, IV.4). Arrivals are Poisson, load time D and lifetime T constant.
"""

from __future__ import annotations

from math import exp, sqrt

from cachesim.theory.ttl_caches import (
    Shares,
    single_flight_shares,
    single_flight_wait,
    unprotected_cycle,
    unprotected_miss_ratio,
)

__all__ = ["single_flight_share_errors", "single_flight_wait_error", "unprotected_miss_ratio_error"]


def single_flight_share_errors(rate: float, load_time: float, ttl: float, cycles: int) -> Shares:
    """Standard errors of `single_flight_shares` over so many cycles.

    A cycle has one miss, and independent Poisson numbers of delayed hits, mean lambda D, and of hits, mean lambda T.

    >>> [round(error, 4) for error in single_flight_share_errors(rate=2, load_time=0.5, ttl=5, cycles=100)]
    [0.0082, 0.0079, 0.0023]
    """
    hit, delayed_hit, miss = single_flight_shares(rate, load_time, ttl)
    during, after = rate * load_time, rate * ttl
    scale = miss / sqrt(cycles)  # a cycle has one miss: 1 / E[N]
    return Shares(
        hit=scale * sqrt((1 - hit) ** 2 * after + hit**2 * during),
        delayed_hit=scale * sqrt((1 - delayed_hit) ** 2 * during + delayed_hit**2 * after),
        miss=scale * miss * sqrt(during + after),
    )


def single_flight_wait_error(rate: float, load_time: float, ttl: float, cycles: int) -> float:
    """Standard error in seconds of `single_flight_wait` over so many cycles.

    Var(W - w N) = lambda (D^3 / 3 - w D^2 + w^2 (T + D)): the waits of the delayed hits are uniform in [0, D].

    >>> round(single_flight_wait_error(rate=2, load_time=0.5, ttl=5, cycles=100), 5)
    0.00257
    """
    wait = single_flight_wait(rate, load_time, ttl)
    variance = rate * (load_time**3 / 3 - wait * load_time**2 + wait**2 * (ttl + load_time))
    return sqrt(variance / cycles) / (1 + rate * (ttl + load_time))


def unprotected_miss_ratio_error(rate: float, load_time: float, ttl: float, cycles: int) -> float:
    """Standard error of `unprotected_miss_ratio` over so many cycles, for T >= D.

    Besides the first, B requests miss, Poisson with mean x = lambda D, the last of them L after the first: E[L] = D -
    (1 - e^-x) / lambda, E[L^2] = D^2 - 2 E[L] / lambda, Cov(B, L) = x D - (1 + x) E[L]. Given L the hits H are Poisson
    with mean lambda (L + T).

    >>> round(unprotected_miss_ratio_error(rate=2, load_time=0.5, ttl=5, cycles=100), 4)
    0.0077
    """
    miss = unprotected_miss_ratio(rate, load_time, ttl)
    x = rate * load_time
    last = load_time - (1 - exp(-x)) / rate
    last_variance = load_time**2 - 2 * last / rate - last**2
    hit_variance = rate * (last + ttl) + rate**2 * last_variance
    covariance = rate * (x * load_time - (1 + x) * last)
    variance = (1 - miss) ** 2 * x - 2 * (1 - miss) * miss * covariance + miss**2 * hit_variance
    return sqrt(variance / cycles) / (rate * unprotected_cycle(rate, load_time, ttl))
