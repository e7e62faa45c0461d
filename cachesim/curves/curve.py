"""A hit-rate curve: the hit ratio a cache of each size, and of each lifetime, gives on one stream of requests."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["HitRateCurve"]


@dataclass(frozen=True, eq=False)
class HitRateCurve:
    """Hit ratios by size (entries, or bytes if the stream was weighed), with one lifetime, none, or many of them.

    With many lifetimes `hit_ratios`, `misses` and `half_widths` have a row a size and a column a lifetime; `for_ttl`
    gives the curve of one. The first request of each key misses: the cache starts empty.
    """

    policy: str
    requests: int
    """How many requests the stream has."""

    distinct: int
    """How many keys it has; those in the sample, if it was sampled."""

    sizes: NDArray[np.int64]
    """Rising, (s,)."""

    misses: NDArray[np.int64] | NDArray[np.float64]
    """How many requests missed, (s,) or (s, t): whole numbers unless estimated from a sample."""

    ttl: float | NDArray[np.float64] | None = None
    """The lifetime in seconds from the fill, or lifetimes, (t,); None: kept until evicted."""

    weighed: bool = False
    """Whether sizes are in bytes."""

    sample_rate: float = 1.0
    """The share of the keys that were looked at; 1: all."""

    half_widths: NDArray[np.float64] | None = None
    """Of the 95 % interval around each hit ratio: how far the sample, or the parts, may be off. None: exact."""

    @property
    def hit_ratios(self) -> NDArray[np.float64]:
        """The share of the requests that hit, (s,) or (s, t)."""
        return (self.requests - self.misses) / self.requests

    def at(self, size: int) -> float:
        """The hit ratio at the largest computed size that is no larger than `size`.

        Raises `ValueError` below the first size, and for a curve of many lifetimes.
        """
        self._require_one_ttl("at")
        index = bisect_right(self.sizes, size) - 1
        if index < 0:
            raise ValueError(f"size: {size!r} is not allowed; the smallest computed size is {self.sizes[0]}")
        return float(self.hit_ratios[index])

    def size_for(self, hit_ratio: float) -> int | None:
        """The smallest computed size with at least this hit ratio; None if there is none.

        Raises `ValueError` for a ratio that is not in 0..1, and for a curve of many lifetimes.
        """
        self._require_one_ttl("size_for")
        if not 0 <= hit_ratio <= 1:
            raise ValueError(f"hit_ratio: {hit_ratio!r} is not allowed; between 0 and 1")
        # Compared as counts: 1 - misses / requests may fall short of the very ratio it is.
        enough = np.flatnonzero(self.misses <= (1.0 - hit_ratio) * self.requests + 1e-9)
        return int(self.sizes[enough[0]]) if len(enough) else None

    def for_ttl(self, ttl: float) -> HitRateCurve:
        """The curve of one of the lifetimes.

        Raises `ValueError` when it is none of them.
        """
        if not isinstance(self.ttl, np.ndarray) or ttl not in self.ttl:
            known = "there are none" if self.ttl is None else ", ".join(f"{t:g}" for t in np.atleast_1d(self.ttl))
            raise ValueError(f"ttl: {ttl!r} is not allowed; the lifetimes of this curve: {known}")
        column = int(np.flatnonzero(self.ttl == ttl)[0])
        widths = None if self.half_widths is None else self.half_widths[:, column]
        return replace(self, misses=self.misses[:, column], ttl=float(ttl), half_widths=widths)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each size: size, hit_ratio, misses; ttl, if there are many; low and high, if it is an estimate."""
        import pandas as pd

        columns: dict[str, NDArray[Any]] = {"size": self.sizes}
        if isinstance(self.ttl, np.ndarray):
            columns = {"size": np.repeat(self.sizes, len(self.ttl)), "ttl": np.tile(self.ttl, len(self.sizes))}
        columns |= {"hit_ratio": self.hit_ratios.ravel(), "misses": self.misses.ravel()}
        if self.half_widths is not None:
            columns["low"] = (self.hit_ratios - self.half_widths).ravel()
            columns["high"] = (self.hit_ratios + self.half_widths).ravel()
        return pd.DataFrame(columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it on `ax` (default: a figure of its own), with a band where it is an estimate."""
        from cachesim import plots

        return plots.hit_rate_curves({self.policy: self.frame}, ax=ax, unit="bytes" if self.weighed else "entries")

    def _require_one_ttl(self, method: str) -> None:
        if isinstance(self.ttl, np.ndarray):
            raise ValueError(f"{method}: this curve has {len(self.ttl)} lifetimes; choose one with for_ttl(...)")
