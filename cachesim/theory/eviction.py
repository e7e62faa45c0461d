"""Hit ratios of bounded caches under independent references: each request asks a key by its popularity alone.

`popularity` holds how often each key is asked, in any unit; only the ratios count. `capacity` is the number of
entries, at least 1; a cache with room for every key has the hit ratio 1. All are of a full cache, long after its start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["che_fifo_hit_ratio", "che_lru_hit_ratio", "fifo_hit_ratio", "king_lru_hit_ratio"]


def king_lru_hit_ratio(popularity: Sequence[float], capacity: int) -> float:
    """Exact hit ratio of LRU (King 1971).

    The cache holds the last C different keys, in the order j1 ... jC with probability
    p_j1 * p_j2 / (1 - p_j1) * ... * p_jC / (1 - p_j1 - ... - p_jC-1); then a request hits with the sum of their p.
    Sums over all N! / (N - C)! orders, so for small caches only.

    >>> round(king_lru_hit_ratio([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], capacity=2), 6)
    0.518885
    """
    if capacity >= len(popularity):
        return 1.0
    total = fsum(popularity)
    hit_ratio = 0.0
    for order in permutations([weight / total for weight in popularity], capacity):
        probability, outside = 1.0, 1.0
        for share in order:
            probability *= share / outside
            outside -= share
        hit_ratio += probability * (1 - outside)
    return hit_ratio


def fifo_hit_ratio(popularity: Sequence[float], capacity: int) -> float:
    """Exact hit ratio of FIFO, and of RANDOM, which has the same (King 1971; Gelenbe 1973).

    The cache holds a set of C keys with a probability in proportion to the product of their p. Hence the miss ratio is
    (C + 1) e_(C+1) / e_C, with e_k the sum of the products of all sets of k keys; in time N C, for caches of any size.

    >>> round(fifo_hit_ratio([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], capacity=2), 6)
    0.50365
    """
    import numpy as np

    if capacity >= len(popularity):
        return 1.0
    log_sums = np.full(capacity + 2, -np.inf)  # log e_k: the sums themselves leave the range of floats
    log_sums[0] = 0
    for log_share in np.log(_shares(popularity)):
        log_sums[1:] = np.logaddexp(log_sums[1:], log_sums[:-1] + log_share)
    return float(1 - (capacity + 1) * np.exp(log_sums[capacity + 1] - log_sums[capacity]))


def che_lru_hit_ratio(popularity: Sequence[float], capacity: int) -> float:
    """Approximate hit ratio of LRU (Che, Tung and Wang 2002): the sum of p_i (1 - e^(-p_i T)).

    A key is in the cache if it was asked among the last T requests; the characteristic time T is the one at which the
    expected number of such keys is C. Within about .002 for caches of a hundred entries and more.

    >>> zipf = [rank**-0.8 for rank in range(1, 1001)]
    >>> round(che_lru_hit_ratio(zipf, capacity=100), 6)
    0.37779
    """
    import numpy as np

    return _characteristic_time_hit_ratio(popularity, capacity, lambda asked: -np.expm1(-asked))


def che_fifo_hit_ratio(popularity: Sequence[float], capacity: int) -> float:
    """Approximate hit ratio of FIFO and RANDOM: the sum of p_i p_i T / (1 + p_i T).

    Che's characteristic time T with entries that a hit does not renew (Fricker, Robert and Roberts 2012; Martina,
    Garetto and Leonardi 2014): the expected number of keys present, the sum of p_i T / (1 + p_i T), is C.

    >>> zipf = [rank**-0.8 for rank in range(1, 1001)]
    >>> round(che_fifo_hit_ratio(zipf, capacity=100), 6)
    0.33368
    """
    return _characteristic_time_hit_ratio(popularity, capacity, lambda asked: asked / (1 + asked))


def _characteristic_time_hit_ratio(
    popularity: Sequence[float], capacity: int, present: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> float:
    """The hit ratio if a key asked x times on average in the characteristic time is present with chance present(x)."""
    from scipy.optimize import brentq

    if capacity >= len(popularity):
        return 1.0
    shares = _shares(popularity)
    longest = float(capacity)  # no key is present more than it is asked: the time is C or longer
    while present(shares * longest).sum() < capacity:
        longest *= 2
    time = brentq(lambda time: float(present(shares * time).sum()) - capacity, longest / 2, longest, xtol=1e-9)
    return float(shares @ present(shares * time))


def _shares(popularity: Sequence[float]) -> NDArray[np.float64]:
    import numpy as np

    weights = np.asarray(popularity, dtype=np.float64)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
