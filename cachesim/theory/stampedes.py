"""How many loads start when a key expires and nothing protects the database.

The first request after the expiry loads, and so does every one that arrives before some load has ended. The size of a
stampede is the number of loads started until the first of them ends; it is the mean episode size as long as the TTL
is much longer than any load.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, expm1, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "exponential_stampede_size",
    "group_loads_in_flight",
    "group_stampede_size",
    "jittered_loads_in_flight",
    "loads_in_flight_after_flush",
    "processor_sharing_stampede_size",
    "single_flight_stampede_size",
    "single_flight_stampede_variance",
    "stampede_size",
    "stampede_size_of",
    "stampede_variance",
]

_NEGLIGIBLE = 1e-12
"""The chance that a stampede still goes on at which its integral is cut off."""


def stampede_size(rate: float, load_time: float) -> float:
    """Mean number of loads when one key expires without protection, loads of constant time: 1 + lambda D.

    The first load, and a Poisson number of mean lambda D that start before it ends.

    >>> stampede_size(rate=100, load_time=0.5)
    51.0
    """
    return 1 + rate * load_time


def stampede_variance(rate: float, load_time: float) -> float:
    """Variance of the number that `stampede_size` is the mean of: lambda D, that of the Poisson number.

    >>> stampede_variance(rate=100, load_time=0.5)
    50.0
    """
    return rate * load_time


def single_flight_stampede_size(rate: float, load_time: float, nodes: int) -> float:
    """Mean number of loads when one key expires with single flight in each of k nodes.

    1 + (k - 1) (1 - e^(-lambda D / k)), at most k. `rate` is that of all nodes together, spread evenly. The load of the
    first node ends D later, and its value is there for everybody; until then each of the others loads once, if it is
    asked at all.

    >>> round(single_flight_stampede_size(rate=40, load_time=0.5, nodes=5), 4)
    4.9267
    """
    return 1 + (nodes - 1) * -expm1(-rate * load_time / nodes)


def single_flight_stampede_variance(rate: float, load_time: float, nodes: int) -> float:
    """Variance of the number that `single_flight_stampede_size` is the mean of: it is 1 and a binomial number.

    >>> round(single_flight_stampede_variance(rate=40, load_time=0.5, nodes=5), 4)
    0.0719
    """
    idle = exp(-rate * load_time / nodes)
    return (nodes - 1) * (1 - idle) * idle


def stampede_size_of(rate: float, cdf: Callable[[float], float]) -> float:
    """Mean number of loads when one key expires without protection, loads of independent random times.

    1 + lambda ∫ (1 - F(t)) exp(-lambda ∫_0^t F) dt, where `cdf` is F, the probability that a load takes at most t
    seconds: the first load still runs at t with probability 1 - F(t), and the later ones that have ended by then are a
    Poisson number of mean lambda ∫_0^t F. To about nine digits, by integration.

    >>> from scipy.stats import gamma
    >>> erlang = gamma(2, scale=0.25)  # the sum of two exponential times, mean .5 s
    >>> round(stampede_size_of(100, erlang.cdf), 6)
    15.561685
    """
    from scipy.integrate import solve_ivp

    def change(time: float, state: NDArray[np.float64]) -> list[float]:
        """Of the probability that none of the later loads has ended, and of the loads started while none at all has."""
        none_ended, _ = state.tolist()
        ended = cdf(time)
        return [-rate * ended * none_ended, rate * (1 - ended) * none_ended]

    def goes_on(time: float, state: NDArray[np.float64]) -> float:
        return (1 - cdf(time)) * float(state[0]) - _NEGLIGIBLE

    goes_on.terminal = True  # type: ignore[attr-defined]  # how scipy is told to stop there
    solution = solve_ivp(change, (0, inf), (1, 1), method="DOP853", rtol=1e-10, atol=1e-12, events=goes_on)
    return float(solution.y[1, -1])


def exponential_stampede_size(rate: float, load_time: float) -> float:
    """Mean number of loads when one key expires without protection, loads of exponential time with mean `load_time`.

    The sum over n >= 0 of a^n / ((a+1) ... (a+n)) with a = lambda D: among n loads, the next event is one more rather
    than an end with probability a / (a + n). The sum is Kummer's function M(1, a + 1, a); about sqrt(pi a / 2) + 1/3
    for large a.

    >>> round(exponential_stampede_size(rate=100, load_time=0.5), 6)
    9.210977
    """
    from scipy.special import hyp1f1

    loads = rate * load_time
    return float(hyp1f1(1, loads + 1, loads))


def group_stampede_size(keys: int, rate: float, load_time: float) -> float:
    """Mean number of loads when many keys expire together without protection: K (1 + lambda D).

    `rate` is that of one key. Loads of constant time on a database without a queue.

    >>> group_stampede_size(keys=1000, rate=2, load_time=0.1)
    1200.0
    """
    return keys * stampede_size(rate, load_time)


def group_loads_in_flight(keys: int, rate: float, load_time: float) -> float:
    """Mean number of loads in flight at its highest when many keys expire together, with single flight.

    K (1 - e^(-lambda D)), reached D after the expiry: the keys that somebody has asked for by then, none of which has
    been loaded yet. `rate` is that of one key. Loads of constant time on a database without a queue.

    >>> round(group_loads_in_flight(keys=1000, rate=2, load_time=0.1), 2)
    181.27
    """
    return keys * -expm1(-rate * load_time)


def jittered_loads_in_flight(keys: int, load_time: float, jitter: float) -> float:
    """Mean number of loads in flight while many keys expire one by one over `jitter` seconds: K D / J.

    With single flight, each key loads once, at a time spread evenly over the J seconds (Little's law does the rest).
    Approximate: it leaves out the first and the last seconds of the wave, D and the mean gap between requests for a
    key, so both must be well below J.

    >>> round(jittered_loads_in_flight(keys=1000, load_time=0.1, jitter=30), 3)
    3.333
    """
    return keys * load_time / jitter


def loads_in_flight_after_flush(
    time: float, *, keys: int, rate: float, load_time: float, ttl: float, jitter: float = 0.0
) -> float:
    """Mean number of loads in flight `time` seconds after many keys were flushed, with single flight.

    `rate` is that of one key, lifetimes are T - U(0, J). A key loads for the first time after E, exponential with mean
    1 / lambda, and again after E + D + T - U + E'. In flight are the loads of the last D seconds: K times the
    probability that the one or the other is among them. A third is not counted: `time` must be below 2 (D + T - J).
    At `time` = D it is `group_loads_in_flight`.

    >>> flush = dict(keys=100, rate=8, load_time=0.1, ttl=2)
    >>> round(loads_in_flight_after_flush(0.1, **flush), 2), round(loads_in_flight_after_flush(2.28, **flush), 2)
    (55.07, 28.67)
    >>> round(loads_in_flight_after_flush(1.9, **flush, jitter=1), 2)
    9.82
    """

    def again(after: float) -> float:
        """The probability that a key has begun its second load so long after the latest that its lifetime may end."""
        if jitter == 0:
            return 1 - exp(-rate * after) * (1 + rate * after) if after > 0 else 0.0
        return (area(after + jitter) - area(after)) / jitter

    def area(after: float) -> float:
        """The integral of that probability, without jitter."""
        return after - 2 / rate + exp(-rate * after) * (after + 2 / rate) if after > 0 else 0.0

    last = time - load_time - ttl
    first = exp(-rate * max(time - load_time, 0.0)) - exp(-rate * time)
    return keys * (first + again(last) - again(last - load_time))


def processor_sharing_stampede_size(rate: float, load_time: float) -> float:
    """Mean number of loads when one key expires without protection, on a database of one server shared by all loads.

    e^(lambda D), and the number is geometric. `load_time` is the constant time of a load that has the database for
    itself. While the first load gets dx of its work done the n loads in flight take n dx, in which lambda n dx more
    start: a Yule process of rate lambda (Yule 1925), seen when the first load has done D.

    >>> round(processor_sharing_stampede_size(rate=10, load_time=0.2), 5)
    7.38906
    """
    return exp(rate * load_time)
