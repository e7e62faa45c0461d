"""Early recompute (XFetch): how early, how many at once, and at what cost in lifetime.

Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", PVLDB 8(8), 2015. A read at
`now` recomputes when `now - delta * beta * ln(u) >= expiry`, u uniform in (0, 1]. Here delta is the constant load
time D > 0, the reader who recomputes waits for it (in the foreground), nothing is single flight, each completion
starts a new lifetime, and the TTL is much longer than beta D. `L = lambda beta D` is the mean number of reads that
recompute in an entry's life if nobody's recompute ever ended, and `m = L e^(-1/beta)` the part of it that falls more
than one load time before the expiry. The closed forms are ours, from the process of those reads: seen in the scale
u = L e^(-s / (beta D)), s the time left, they are a Poisson process of rate 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import erf, exp, expm1, log, pi, sqrt, tanh
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "early_recompute_cycle",
    "early_recompute_probability",
    "early_recompute_stampede_size",
    "early_recompute_stampede_variance",
    "early_recompute_start_rate",
    "early_recompute_time_given_up",
    "early_recompute_time_given_up_variance",
    "no_early_recompute_probability",
    "no_logarithm_lateness",
    "no_logarithm_stampede_size",
]


def early_recompute_probability(time_left: float, load_time: float, *, beta: float = 1.0) -> float:
    """Probability that a read with `time_left` seconds of lifetime left recomputes: e^(-s / (beta D)).

    >>> round(early_recompute_probability(time_left=1, load_time=0.5), 6)
    0.135335
    """
    return exp(-time_left / (beta * load_time))


def no_early_recompute_probability(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Probability that nobody recomputes before the expiry: e^(-L), L = lambda beta D.

    >>> round(no_early_recompute_probability(rate=10, load_time=0.1), 6)
    0.367879
    """
    return exp(-rate * beta * load_time)


def early_recompute_time_given_up(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Mean lifetime in seconds that the first recompute gives up: beta D (ln L + gamma + E1(L)), L = lambda beta D.

    It counts from the start of that recompute to the expiry, and as 0 when there is none before the expiry. gamma is
    Euler's constant, .5772, and E1 the exponential integral.

    >>> round(early_recompute_time_given_up(rate=100, load_time=0.5), 6)
    2.244619
    """
    from numpy import euler_gamma
    from scipy.special import exp1

    reads = rate * beta * load_time
    return float(beta * load_time * (log(reads) + euler_gamma + exp1(reads)))


def early_recompute_stampede_size(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Mean number of loads started from the first recompute until it ends: c (1 - e^(-m)) + e^(-L) + L (E1(m) - E1(L)).

    c = e^(1/beta), L = lambda beta D, m = L / c, E1 the exponential integral. Loads after the expiry count too: there
    every read recomputes. For large m the number is geometric with mean c, whatever the rate; for beta -> 0 it is
    1 + lambda D, as without protection. It is the mean episode size.

    >>> round(early_recompute_stampede_size(rate=100, load_time=0.5), 5)
    2.71828
    >>> round(early_recompute_stampede_size(rate=10, load_time=0.1), 5)
    1.7446
    """
    from scipy.special import exp1

    growth, reads = exp(1 / beta), rate * beta * load_time
    well_before = reads / growth
    return float(growth * -expm1(-well_before) + exp(-reads) + reads * (exp1(well_before) - exp1(reads)))


def early_recompute_start_rate(
    time_left: ArrayLike, rate: float, load_time: float, *, beta: float = 1.0
) -> NDArray[np.float64]:
    """Mean recomputes started per second with so many seconds left, negative past the expiry; without any for beta = 0.

    h(s) e^(-H(s + D)): a read comes and draws a recompute, h(s) = lambda e^(-s / (beta D)), and no other was started so
    long before that its load has ended, H the integral of h up to that time. Past the expiry every read recomputes. Its
    integral is `early_recompute_stampede_size`.

    >>> early_recompute_start_rate([1.0, 0.0, -0.25], rate=10, load_time=0.5).round(4).tolist()
    [1.0551, 1.5891, 0.4819]
    >>> early_recompute_start_rate([1.0, -0.25], rate=10, load_time=0.5, beta=0).tolist()
    [0.0, 10.0]
    """
    import numpy as np

    left = np.asarray(time_left, dtype=np.float64)

    def due(left: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-np.maximum(left, 0) / (beta * load_time)) if beta else (left <= 0).astype(np.float64)

    before = left + load_time
    expected = rate * (beta * load_time * due(before) + np.maximum(-before, 0))
    starts: NDArray[np.float64] = rate * due(left) * np.exp(-expected)
    return starts


def early_recompute_stampede_variance(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Variance of the number of loads started from the first recompute until it ends, by numerical integration.

    Given the place u of the first, as many follow as a Poisson distribution says, with mean M(u): u (c - 1) if their
    time ends before the expiry, L - u + lambda (D - s) if it ends after it, lambda D if the first comes after it. The
    variance is E[M] + Var[M]. For large m it is c (c - 1), of the geometric distribution.

    >>> round(early_recompute_stampede_variance(rate=100, load_time=0.5), 4)
    4.6708
    """
    import numpy as np

    reads = rate * beta * load_time

    def followers(place: NDArray[np.float64]) -> NDArray[np.float64]:
        left = beta * load_time * np.log(reads / place)
        past_expiry = reads - place + rate * (load_time - left)
        return np.where(left > load_time, place * expm1(1 / beta), past_expiry)

    mean, variance = _moments(followers, reads, beta)
    return mean + variance


def early_recompute_time_given_up_variance(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Variance of the lifetime in seconds that the first recompute gives up, by numerical integration.

    For large L it is (beta D)^2 pi^2 / 6, of the Gumbel distribution.

    >>> round(early_recompute_time_given_up_variance(rate=100, load_time=0.5), 4)
    0.4112
    """
    import numpy as np

    reads = rate * beta * load_time
    return _moments(lambda place: beta * load_time * np.log(reads / place), reads, beta)[1]


def _moments(
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]], reads: float, beta: float
) -> tuple[float, float]:
    """Mean and variance of a value at the place u of the first recompute, which is exponential; past L it is that at L.

    Integrated over x = ln(L / u), in two pieces where the value may have its kink, so that both are smooth.
    """
    import numpy as np

    points, weights = _gauss_legendre()
    ends = (0.0, 1 / beta, 1 / beta + 30 + max(0.0, log(reads)))
    places, shares = [np.array([reads])], [np.array([exp(-reads)])]
    for low, high in pairwise(ends):
        place = reads * np.exp(-(low + (high - low) * (points + 1) / 2))
        places.append(place)
        shares.append(weights * (high - low) / 2 * place * np.exp(-place))
    values, share = value(np.concatenate(places)), np.concatenate(shares)
    mean = float(share @ values)
    return mean, float(share @ values**2) - mean**2


@cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights of the integral from -1 to 1, which take longer to find than all else here."""
    import numpy as np

    return np.polynomial.legendre.leggauss(100)


def early_recompute_cycle(rate: float, load_time: float, ttl: float, *, beta: float = 1.0) -> float:
    """Mean time in seconds from one first recompute to the next: T + D + D tanh(1 / (2 beta)) - E[G].

    The last recompute of a stampede starts D tanh(1 / (2 beta)) after the first on average, its load ends D later and
    starts the lifetime, of which E[G] is given up (`early_recompute_time_given_up`). Approximate: the first recompute
    is taken to be over before the expiry. The error fades as e^(-m), m = lambda beta D e^(-1/beta): for D = .5 s and
    beta = 1 it is .003 s at m = 1.8 and below 1e-6 s from m = 9.

    >>> round(early_recompute_cycle(rate=100, load_time=0.5, ttl=60), 4)
    58.4864
    """
    spread = load_time * tanh(1 / (2 * beta))
    return ttl + load_time + spread - early_recompute_time_given_up(rate, load_time, beta=beta)


def no_logarithm_lateness(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Mean time in seconds past the expiry of the first recompute by the test `now - delta * beta * u >= expiry`.

    sqrt(pi beta D / (2 lambda)) erf(sqrt(L / 2)) + e^(-L/2) / lambda, L = lambda beta D; about the square root alone
    for large L. This is how some tutorials print XFetch, the logarithm forgotten: never early, and a read that comes r
    past the expiry recomputes with probability r / (beta D), at most 1. The value must be kept past its expiry.

    >>> round(no_logarithm_lateness(rate=100, load_time=0.5), 4)
    0.0886
    """
    half = rate * beta * load_time / 2
    return sqrt(pi * beta * load_time / (2 * rate)) * erf(sqrt(half)) + exp(-half) / rate


def no_logarithm_stampede_size(rate: float, load_time: float, *, beta: float = 1.0) -> float:
    """Mean number of loads started from the first recompute until it ends, by the test without the logarithm.

    lambda (D - beta D / 2 + E[R]), R the lateness of the first (`no_logarithm_lateness`), for beta <= 1: the reads
    that would recompute by R + D, less the one that is expected by R. Raises `ValueError` for a larger `beta`.

    >>> round(no_logarithm_stampede_size(rate=100, load_time=0.5), 3)
    33.862
    """
    if beta > 1:
        raise ValueError(f"beta = {beta:g} has no closed form here; at most 1")
    return rate * (load_time - beta * load_time / 2 + no_logarithm_lateness(rate, load_time, beta=beta))
