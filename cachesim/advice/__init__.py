"""`advise`: from a log to what a cache would give, what stands in its way, and a scenario to try it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachesim.advice.caches import ROUND_SIZES, SIZES, Cell
from cachesim.advice.judging import Recommendation, Target, gain, judge, lifetimes, recommend, size_for
from cachesim.advice.observing import Observed, observe
from cachesim.advice.rehearsal import Rehearsal, rehearse
from cachesim.advice.telling import duration, scenario_comment, sections, told
from cachesim.traces import Format

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from cachesim.scenario import Scenario

__all__ = ["Advice", "advise"]


@dataclass(frozen=True, eq=False)
class Advice:
    """What a log says of caches: hit ratios by size and lifetime, targets, a recommendation and a scenario."""

    observed: Observed
    targets: list[Target]
    recommendation: Recommendation
    rehearsal: Rehearsal

    @property
    def scenario(self) -> Scenario:
        """The recommended cache under requests like those of the log, with what is expected of it."""
        return self.rehearsal.scenario

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each size and lifetime that was tried: size, ttl (s), hit_ratio, low, high (95 %).

        Without a size there is room for every key; without a ttl, values are kept until they are evicted.
        """
        import pandas as pd

        return pd.DataFrame(self._rows(), dtype=float)

    def _rows(self) -> list[dict[str, float | None]]:
        cells = [Cell(size, None) for size in (*SIZES, None)]
        cells += [Cell(size, ttl) for ttl in lifetimes(self.observed) for size in (*ROUND_SIZES, None)]
        return [
            {"size": cell.size, "ttl": cell.ttl, "hit_ratio": found.mean, "low": low, "high": high}
            for cell, found in ((cell, self.observed.hit_ratio(cell)) for cell in cells)
            for low, high in [found.interval]
        ]

    def text(self) -> str:
        """All of it, in sentences."""
        return told(self.observed, self.targets, self.recommendation, self.rehearsal)

    def scenario_file(self) -> str:
        """The scenario as a file, which says at its head how it was filled in."""
        return f"{scenario_comment(self.observed, self.rehearsal)}\n{self.scenario.to_toml()}"

    def json(self) -> bytes:
        """One JSON document, of the schema cachesim.advise/1: the numbers, and the sentences too."""
        from cachesim.schemas import document

        return document("advise/1", self._table())

    def _table(self) -> dict[str, Any]:
        seen, found, rehearsal = self.observed, self.recommendation, self.rehearsal
        return {
            "log": seen.path,
            "requests": seen.operations,
            "seconds": seen.seconds,
            "methods": dict(seen.names),
            "statuses": {str(status): times for status, times in sorted(seen.statuses.items())},
            "lines": seen.notes.lines,
            "malformed": seen.notes.malformed,
            "first_malformed": seen.notes.first_malformed,
            "reads": seen.reads,
            "keys": len(seen.counts),
            "keys_read_once": int((seen.counts == 1).sum()),
            "writes": seen.writes,
            "writes_to_keys_read": seen.writes_read,
            "changes_of_keys": [{**change._asdict(), "gain": gain(seen, change)} for change in seen.changes],
            "stretches": len(seen.ratios),
            "hit_ratios": self._rows(),
            "size_for": {"0.8": size_for(seen, 0.8), "0.9": size_for(seen, 0.9)},
            "targets": [{**target._asdict(), "met": target.met} for target in self.targets],
            "recommendation": {
                **found._asdict(),
                "hit_ratio": found.hit_ratio.mean,
                "interval": found.hit_ratio.interval,
            },
            "zipf": {**rehearsal.zipf.table(), "hit_ratio": rehearsal.zipf_hit_ratio, "log": rehearsal.hit_ratio},
            "scenario": self.scenario.table(),
            "sentences": sections(seen, self.targets, found, rehearsal),
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the hit ratio by size, a line for each lifetime, on `ax` (default: a figure of its own)."""
        from cachesim import plots

        frame, keys = self.frame, len(self.observed.counts)
        frame = frame.fillna({"size": keys}).astype({"size": int}).query("size <= @keys")
        names = frame["ttl"].map(lambda ttl: "no lifetime" if isnan(ttl) else f"lifetime {duration(ttl)}")
        curves = {str(name): rows.drop(columns="ttl") for name, rows in frame.groupby(names, sort=False)}
        return plots.hit_rate_curves(curves, ax=ax)


def advise(
    path: str | Path,
    *,
    format: Format | None = None,
    key: str = "key",
    time: str | None = None,
    size: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Advice:
    """Advice from an access log, from what MONITOR prints, or from any trace with times, which says less.

    The file is read once, in pieces; memory grows with the number of keys alone. `format`, `key`, `time` and `size` are
    those of `cachesim.traces.read`; `progress` is told how many requests have been read. Raises `TraceError` for a file
    that cannot be read, `ValueError` for one without times or without anything that can be cached.
    """
    observed = observe(Path(path), format=format, key=key, time=time, size=size, progress=progress)
    recommended = recommend(observed)
    replayable = format is None and key == "key" and Path(path).is_file()
    return Advice(observed, judge(observed), recommended, rehearse(observed, recommended, replayable=replayable))
