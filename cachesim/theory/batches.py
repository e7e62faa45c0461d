"""How long a page waits that needs several keys: asked one by one, all at once, or in one batch.

By counting. `round_trip` is the time r from a command to Redis until its answer, `load_time` the constant time D of a
query, in seconds; a query takes D however many rows it asks for. Of the N different keys of a page m are not in the
cache: `misses`. What was loaded is put into Redis before the page goes on, which takes a round trip more.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, comb, fsum, sqrt
from typing import NamedTuple

__all__ = ["Moments", "batch_latency", "gathered_latency", "miss_distribution", "one_by_one_latency", "over_misses"]


def one_by_one_latency(keys: int, misses: int, round_trip: float, load_time: float) -> float:
    """Seconds that a page waits whose keys are asked one after the other: N r + m (D + r).

    >>> round(one_by_one_latency(keys=50, misses=5, round_trip=0.001, load_time=0.01), 6)
    0.105
    """
    return keys * round_trip + misses * (load_time + round_trip)


def gathered_latency(misses: int, round_trip: float, load_time: float, connections: int) -> float:
    """Seconds that a page waits whose keys are asked all at once: r, and with misses ceil(m / c) D + r.

    Its m queries share c `connections` that nobody else uses: they take turns, c at a time.

    >>> round(gathered_latency(misses=5, round_trip=0.001, load_time=0.01, connections=4), 6)
    0.022
    """
    return round_trip + (ceil(misses / connections) * load_time + round_trip if misses else 0.0)


def batch_latency(misses: int, round_trip: float, load_time: float) -> float:
    """Seconds that a page waits whose keys are asked in one batch: r, and with misses D + r, however many.

    >>> round(batch_latency(misses=5, round_trip=0.001, load_time=0.01), 6)
    0.012
    """
    return round_trip + (load_time + round_trip if misses else 0.0)


def miss_distribution(keys: int, hit_ratio: float) -> list[float]:
    """The probability of each number of misses, 0 to N, of keys that hit independently of each other: binomial.

    >>> round(miss_distribution(keys=50, hit_ratio=0.98)[0], 3)  # all of them hit: h^N
    0.364
    """
    miss = 1 - hit_ratio
    return [comb(keys, m) * miss**m * hit_ratio ** (keys - m) for m in range(keys + 1)]


class Moments(NamedTuple):
    """The mean of a number, and its standard deviation."""

    mean: float
    deviation: float


def over_misses(keys: int, hit_ratio: float, cost: Callable[[int], float]) -> Moments:
    """Of what a page with so many misses costs, over the `miss_distribution`.

    >>> round(over_misses(50, 0.98, lambda misses: batch_latency(misses, 0.001, 0.01)).mean, 6)
    0.007994
    """
    chances = miss_distribution(keys, hit_ratio)
    costs = [cost(misses) for misses in range(keys + 1)]
    mean = fsum(chance * each for chance, each in zip(chances, costs, strict=True))
    variance = fsum(chance * (each - mean) ** 2 for chance, each in zip(chances, costs, strict=True))
    return Moments(mean, sqrt(variance))
