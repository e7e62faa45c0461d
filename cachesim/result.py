"""What came out of a run: metrics, tables, a digest. Times in seconds; tables are pandas frames, made when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, nan
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Result", "Tables"]

Columns = Mapping[str, Any]
_READS = ("hit", "stale_hit", "delayed_hit", "miss", "early")


@dataclass(frozen=True)
class Tables:
    """The rows of a run as columns (arrays of equal length); those of the entries are put together when asked for."""

    requests: Columns
    outcomes: Sequence[str]
    loads: Columns
    entries: Callable[[], Columns]


@dataclass(frozen=True)
class Result:
    """The outcome of one run.

    `metrics`: name -> float. `warmup` and `duration`: what is measured lies between them. `errors`: for each kind of
    exception that reached a caller, how often and one message. `failures`: exceptions that nobody took.
    """

    metrics: dict[str, float]
    warmup: float
    duration: float
    errors: dict[str, tuple[int, str]]
    failures: list[BaseException]
    _digest: Callable[[], str] = field(repr=False)
    _tables: Tables | None = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of requests and loads in order of completion, floats in hex; the same with tables or without."""
        return self._digest()

    def _kept(self) -> Tables:
        if self._tables is None:
            raise ValueError('this run kept no tables; simulate with record="tables"')
        return self._tables

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row a request, in order of completion.

        time (of arrival), key, node, outcome (text), latency, attempts, staleness, version_lag (NaN where no value of
        known version was served).
        """
        import pandas as pd

        tables = self._kept()
        outcome = pd.Categorical.from_codes(tables.requests["outcome"], categories=pd.Index(tables.outcomes))
        return pd.DataFrame({**tables.requests, "outcome": outcome})

    @cached_property
    def loads(self) -> pd.DataFrame:
        """One row a load, in order of completion; those still in flight come last.

        start (issue), service_start, end, key, node, cause (miss, early, refresh), status (finished, failed, cancelled,
        in flight).
        """
        import pandas as pd

        return pd.DataFrame(dict(self._kept().loads))

    @cached_property
    def entries(self) -> pd.DataFrame:
        """One row for each value kept in a cache: key, place ("redis" or "node i"), stored, expires, ended, reason.

        reason: expired, deleted, evicted, replaced; empty, and ended NaN, while it lasts.
        """
        import pandas as pd

        return pd.DataFrame(dict(self._kept().entries()))

    def series(self, bin: float = 1.0) -> pd.DataFrame:
        """The run over time, one row for each `bin` seconds, by the time at which the bin begins.

        request_rate and load_rate (1/s); hit_ratio, latency_p50 and latency_p99 of the requests that arrived in the bin
        (NaN when none did); loads_in_flight and queue (loads that wait for a connection), both averages over the bin.
        Raises `ValueError` for a bin that is not above 0.
        """
        import pandas as pd

        if not bin > 0:
            raise ValueError(f"bin: {bin!r} is not allowed; above 0 s")
        tables = self._kept()
        n = max(1, ceil((self.duration - self.warmup) / bin - 1e-9))
        starts = self.warmup + bin * np.arange(n)
        widths = np.minimum(bin, self.duration - starts)
        outcomes = np.array(tables.outcomes)[tables.requests["outcome"]]
        latencies = tables.requests["latency"]
        where = self._bins(tables.requests["time"], bin, n)
        reads = self._count(where[outcomes != "write"], n)
        hits = self._count(where[np.isin(outcomes, ("hit", "stale_hit"))], n)
        order = np.argsort(where, kind="stable")
        by_bin = np.split(latencies[order], np.searchsorted(where[order], np.arange(1, n)))
        loads = tables.loads
        started = loads["start"][loads["start"] < self.duration]  # those of requests still open are asked later, too
        ends = np.where(np.isnan(loads["end"]), self.duration, loads["end"])
        began = np.where(np.isnan(loads["service_start"]), ends, loads["service_start"])
        with np.errstate(invalid="ignore"):
            hit_ratio = np.where(reads > 0, hits / np.maximum(reads, 1), nan)
        return pd.DataFrame(
            {
                "request_rate": self._count(where, n) / widths,
                "hit_ratio": hit_ratio,
                "load_rate": self._count(self._bins(started, bin, n), n) / widths,
                "loads_in_flight": _mean_in_flight(loads["start"], ends, starts, widths),
                "queue": _mean_in_flight(loads["start"], began, starts, widths),
                "latency_p50": [_nearest_rank(part, 0.50) for part in by_bin],
                "latency_p99": [_nearest_rank(part, 0.99) for part in by_bin],
            },
            index=pd.Index(starts, name="time"),
        )

    def _bins(self, times: Any, bin: float, n: int) -> Any:
        return np.minimum(((times - self.warmup) / bin).astype(np.int64), n - 1)

    @staticmethod
    def _count(where: Any, n: int) -> Any:
        return np.bincount(where, minlength=n)


def _nearest_rank(values: Any, share: float) -> float:
    if len(values) == 0:
        return nan
    rank = ceil(share * len(values)) - 1
    return float(np.partition(values, rank)[rank])


def _mean_in_flight(begins: Any, ends: Any, starts: Any, widths: Any) -> Any:
    """The time average, in each bin, of how many intervals [begin, end) are open."""
    edges = np.append(starts, starts[-1] + widths[-1])
    area = _area(np.sort(begins), edges) - _area(np.sort(ends), edges)
    return np.maximum(0.0, np.diff(area) / widths)


def _area(times: Any, edges: Any) -> Any:
    """The integral up to each edge of how many of the sorted `times` have passed."""
    before = np.searchsorted(times, edges)
    return before * edges - np.append(0.0, np.cumsum(times))[before]
