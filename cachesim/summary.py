"""What runs of a scenario say, as text for people and as JSON for programs.

A *run* is what is kept of one result. A summary of one run gives its metrics; of several, the mean and the 95 %
interval (Student-t) of each. Numbers carry their units; one that does not exist (NaN) is shown as "–", null in JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import fsum, isnan, nan
from typing import Any, NamedTuple, Self

from cachesim.estimates import estimate
from cachesim.formatting import format_of, listed, seconds, shown
from cachesim.messages import one_line, told
from cachesim.result import Result
from cachesim.run_length import advice
from cachesim.scenario import Expectation, Scenario
from cachesim.schemas import document
from cachesim.world.loop import SimulationError

__all__ = ["Line", "Run", "Summary", "Verdict"]

Interval = tuple[float, float]


class Run(NamedTuple):
    """What is kept of one run. `errors` and `failures` are those of `Result`."""

    seed: int
    duration: float
    metrics: dict[str, float]
    digest: str
    errors: dict[str, tuple[int, str]]
    failures: list[BaseException]

    @classmethod
    def of(cls, seed: int, result: Result) -> Run:
        """What is kept of `result`, which came of `seed`."""
        return cls(seed, result.duration, result.metrics, result.digest, result.errors, result.failures)


class Verdict(NamedTuple):
    """An expectation, the value that it is held against, and whether it is met."""

    expectation: Expectation
    value: float
    met: bool


class Line(NamedTuple):
    """A line of the table, as text: a metric, its value with unit, the interval of a mean, and what stands beside."""

    label: str
    value: str
    interval: str
    beside: str


@dataclass(frozen=True)
class Summary:
    """Runs of `scenario`; `cache` names the cache that stood in the place of its pattern, if one did."""

    scenario: Scenario
    runs: Sequence[Run]
    cache: str | None = None

    @classmethod
    def of(cls, scenario: Scenario, result: Result, cache: str | None = None) -> Self:
        """Of one run; `cache` names the cache that stood in the place of the scenario's, if one did."""
        return cls(scenario, [Run.of(scenario.seed, result)], cache)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Every metric: of the run, or the mean over the runs."""
        return _means([run.metrics for run in self.runs])

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The interval of each of these means, low and high; NaN for one run."""
        return _intervals([run.metrics for run in self.runs])

    @cached_property
    def advice(self) -> list[str]:
        """Whether the run is long enough, in sentences (see `cachesim.run_length`)."""
        measured = fsum(run.duration - self.scenario.warmup for run in self.runs) / len(self.runs)
        tables = [run.metrics for run in self.runs]
        return advice(tables, self.scenario, measured=measured, own_cache=self.cache is not None)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """What became of each expectation; with several runs the mean counts."""
        values = [(bound, self.metrics[bound.metric]) for bound in self.scenario.expectations]
        return [Verdict(bound, value, bound.met(value)) for bound, value in values]

    @cached_property
    def errors(self) -> dict[str, tuple[int, str]]:
        """Exceptions that callers saw, in all runs: by type, how often, and one message."""
        found: dict[str, tuple[int, str]] = {}
        for kind, (number, example) in (item for run in self.runs for item in run.errors.items()):
            before, first = found.get(kind, (0, example))
            found[kind] = before + number, first
        return found

    @cached_property
    def failures(self) -> dict[str, int]:
        """Exceptions that nobody took, in all runs: what they say, and how often."""
        return Counter(f"{type(error).__name__}: {error}" for run in self.runs for error in run.failures)

    @cached_property
    def failed_runs(self) -> list[str]:
        """What is said of each run with a failure that a simulation cannot bear, by the first of them."""
        kept = [
            (run.seed, [error for error in run.failures if isinstance(error, SimulationError)]) for run in self.runs
        ]
        return [f"the run with seed {seed} failed; {told(errors[0])}" for seed, errors in kept if errors]

    @property
    def caching(self) -> str:
        """The cache: its name, and the options of a pattern."""
        pattern = self.scenario.cache
        options = (f"{name} {_plain(value)}" for name, value in pattern.options.items())
        return one_line(self.cache or ", ".join([pattern.pattern, *options]))

    @property
    def extent(self) -> str:
        """How many runs of how long, and their seeds."""
        scenario = self.scenario
        length = seconds(_means([{"": run.duration} for run in self.runs])[""], 1.0)
        warmup = f", the first {seconds(scenario.warmup, 1.0)} not measured" if scenario.warmup else ""
        if len(self.runs) == 1:
            return f"{length} of simulated time, seed {self.runs[0].seed}{warmup}"
        return f"{len(self.runs)} runs of {length} of simulated time, seeds made of {scenario.seed}{warmup}"

    @property
    def groups(self) -> dict[str, list[Line]]:
        """The lines of the table that have something to say, by the title of their group."""
        tables = [_with_derived(run.metrics) for run in self.runs]
        values, intervals = _means(tables), _intervals(tables) if len(tables) > 1 else None
        lines = {
            title: [_line(row, values, intervals) for row in rows if not row.when or _is_there(values[row.when])]
            for title, rows in _GROUPS.items()
        }
        return {title: found for title, found in lines.items() if found}

    def text(self) -> str:
        """The table."""
        title = [one_line(self.scenario.title)] if self.scenario.title else []
        head = [*title, f"Cache: {self.caching}", self.extent]
        body = _table(self.groups, several=len(self.runs) > 1)
        return "\n".join([*head, "", *body, "", "Long enough?", *listed(self.advice), *self._tail()])

    def _tail(self) -> Iterator[str]:
        if self.verdicts:
            yield from ("", "Expectations" + (" of the mean" if len(self.runs) > 1 else ""))
        width = max((len(str(verdict.expectation)) for verdict in self.verdicts), default=0)
        for bound, value, met in self.verdicts:
            yield f"  {'ok' if met else 'MISSED':<6}  {bound!s:<{width}}  {'–' if isnan(value) else f'{value:.6g}'}"
        if self.errors:
            yield from ("", "Errors that callers saw")
        for kind, (number, example) in self.errors.items():
            yield f"  {number:,} × {one_line(f'{kind}: {example}' if example else kind)}"
        if self.failures:
            yield from ("", "Exceptions that nobody took")
        for failure, number in self.failures.items():
            yield f"  {number:,} × {one_line(failure)}"

    def json(self) -> bytes:
        """One JSON document, of the schema cachesim.run/1 (see `cachesim.schemas`)."""
        one = self.runs[0]
        if len(self.runs) == 1:
            numbers: dict[str, Any] = {"metrics": one.metrics, "digest": one.digest}
        else:
            runs = [{"seed": run.seed, "metrics": run.metrics, "digest": run.digest} for run in self.runs]
            numbers = {"mean": self.metrics, "interval": self.intervals, "replications": runs}
        return document(
            "run/1",
            {
                "scenario": self.scenario.table(),
                "cache": self.cache,
                "seed": self.scenario.seed,
                **numbers,
                "advice": self.advice,
                "expectations": [
                    {**verdict.expectation._asdict(), "value": verdict.value, "met": verdict.met}
                    for verdict in self.verdicts
                ],
                "errors": {kind: {"count": number, "message": text} for kind, (number, text) in self.errors.items()},
                "failures": [{"count": number, "message": text} for text, number in self.failures.items()],
            },
        )


# Several runs


def _means(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: estimate([table[name] for table in tables]).mean for name in tables[0]}


def _intervals(tables: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    return {name: estimate([table[name] for table in tables]).interval for name in tables[0]}


# The table


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Row(NamedTuple):
    """A line of the table: a metric, perhaps another beside it; left out where the metric `when` is 0 or NaN."""

    label: str
    metric: str
    beside: str = ""
    of: str = ""
    when: str = ""


_GROUPS: dict[str, Sequence[_Row]] = {
    "Requests": (
        _Row("requests", "requests"),
        _Row("reads", "reads", when="writes"),
        _Row("writes", "writes", when="writes"),
        _Row("hits", "hits", beside="share_of_hits", of=" of reads"),
        _Row("stale hits", "stale_hits", beside="stale_ratio", of=" of reads", when="stale_hits"),
        _Row("delayed hits", "delayed_hits", beside="delayed_hit_ratio", of=" of reads"),
        _Row("misses", "misses", beside="miss_ratio", of=" of reads"),
        _Row("early recomputes", "earlies", beside="early_ratio", of=" of reads", when="earlies"),
        _Row("errors", "errors", beside="error_ratio", of=" of requests"),
    ),
    "Database": (
        _Row("loads", "loads", beside="load_rate"),
        _Row("of them early", "loads_early", when="loads_early"),
        _Row("of them refreshes", "loads_refresh", when="loads_refresh"),
        _Row("queries", "queries", when="other_queries"),
        _Row("load episodes", "load_episodes"),
        _Row("mean episode size", "episode_size_mean"),
        _Row("stampedes", "stampedes"),
        _Row("largest stampede", "largest_stampede"),
        _Row("redundant loads", "redundant_loads"),
        _Row("peak concurrent loads", "peak_concurrent_loads"),
        _Row("utilization", "database_utilization", when="database_utilization"),
        _Row("mean wait", "database_wait_mean", when="database_utilization"),
    ),
    "Latency": tuple(
        _Row(label, f"latency_{name}")
        for label, name in (("mean", "mean"), ("median", "p50"), ("p95", "p95"), ("p99", "p99"), ("longest", "max"))
    ),
    "Staleness": (
        _Row("stale reads", "stale_reads", beside="share_of_stale_reads", of=" of reads", when="may_be_stale"),
        _Row("mean", "staleness_mean", when="may_be_stale"),
        _Row("longest", "staleness_max", when="may_be_stale"),
    ),
    "Redis": (
        _Row("commands", "redis_commands", when="redis_commands"),
        _Row("round trips", "redis_round_trips", when="redis_commands"),
    ),
    "HTTP": (
        _Row("bytes sent", "bytes_sent", when="bytes_sent"),
        _Row("bytes saved", "bytes_saved", when="bytes_saved"),
        _Row("not modified", "not_modified", when="not_modified"),
    ),
    "Layers": (
        _Row("hit ratio of the first", "hit_ratio_l1", when="hit_ratio_l1"),
        _Row("hit ratio of the second", "hit_ratio_l2", when="hit_ratio_l2"),
    ),
}


def _with_derived(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a run, and what the table shows or asks besides."""
    reads = metrics["reads"] or nan
    return {
        **metrics,
        "share_of_hits": metrics["hits"] / reads,
        "share_of_stale_reads": metrics["stale_reads"] / reads,
        "other_queries": metrics["queries"] - metrics["loads"],
        "may_be_stale": metrics["writes"] + metrics["stale_hits"] + metrics["stale_reads"],
    }


def _is_there(value: float) -> bool:
    return value != 0 and not isnan(value)


def _line(row: _Row, values: Mapping[str, float], intervals: Mapping[str, Interval] | None) -> Line:
    beside = _value(row.beside, values) + row.of if row.beside else ""
    if intervals is None:
        return Line(row.label, _value(row.metric, values), "", beside)
    if row.beside:
        beside = f"{beside} ({_between(row.beside, values, intervals)})"
    return Line(row.label, _value(row.metric, values), _between(row.metric, values, intervals), beside)


def _value(metric: str, values: Mapping[str, float]) -> str:
    return shown(format_of(metric), values[metric])


def _between(metric: str, means: Mapping[str, float], intervals: Mapping[str, Interval]) -> str:
    (low, high), mean, format = intervals[metric], means[metric], format_of(metric)
    return "–" if isnan(low) or isnan(high) else f"{format(low, mean)} to {format(high, mean)}"


def _table(groups: Mapping[str, Sequence[Line]], *, several: bool) -> Iterator[str]:
    """Titles of groups and, indented, their lines; those of several runs below a head."""
    head = [Line("", "mean", "95 % interval", "")] * several
    widths = [max(map(len, cells)) for cells in zip(*head, *chain(*groups.values()), strict=True)]
    for title, lines in groups.items():
        if head:
            yield _aligned(head.pop()._replace(label=title), [widths[0] + 2, *widths[1:]])
        else:
            yield title
        yield from ("  " + _aligned(line, widths) for line in lines)


def _aligned(line: Line, widths: Sequence[int]) -> str:
    """The label to the left, the value to the right, the rest to the left."""
    label, value, *rest = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True) if width)
    return "  ".join([label, f"{value.strip():>{widths[1]}}", *rest]).rstrip()
