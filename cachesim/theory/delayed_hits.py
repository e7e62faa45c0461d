"""What a miss costs when others wait for the same load: Atre, Sherry, Wang and Berger, SIGCOMM 2020.

With single flight, the requests that come during a load wait for what is left of it.
"""

from __future__ import annotations

__all__ = ["waiting_per_miss", "waiting_per_miss_variance"]


def waiting_per_miss(rate: float, load_time: float, *, cv: float = 0.0) -> float:
    """Mean of the time in seconds that a miss and its delayed hits wait, all together: z + lambda z^2 (1 + cv^2) / 2.

    `load_time` is the mean z and `cv` the coefficient of variation of the load's time: 0 when it is constant, 1 when
    exponential (z + lambda z^2). `rate` is that of the key.

    >>> waiting_per_miss(rate=20, load_time=0.25)
    0.875
    >>> waiting_per_miss(rate=20, load_time=0.25, cv=1)
    1.5
    """
    return load_time + rate * load_time**2 * (1 + cv**2) / 2


def waiting_per_miss_variance(rate: float, load_time: float) -> float:
    """Variance in s^2 of the time that a miss and its delayed hits wait, for loads of constant time: lambda z^3 / 3.

    >>> round(waiting_per_miss_variance(rate=20, load_time=0.25), 6)
    0.104167
    """
    return rate * load_time**3 / 3
