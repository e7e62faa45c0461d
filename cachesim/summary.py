"""What runs of a scenario say, as text for people and as JSON for programs.

A *run* is what is kept of one result. A summary of one run gives its metrics; of several, the mean and the 95 %
interval (Student-t) of each. Numbers carry their units; one that does not exist (NaN) is shown as "–", null in JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum, isnan, nan
from typing import Any, NamedTuple

import orjson

from cachesim.estimates import estimate
from cachesim.formatting import format_of, listed, seconds, shown
from cachesim.messages import one_line
from cachesim.result import Result
from cachesim.run_length import advice
from cachesim.scenario import Expectation, Scenario

__all__ = ["Run", "Summary", "Verdict"]

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


@dataclass(frozen=True)
class Summary:
    """Runs of `scenario`; `cache` names the cache that stood in the place of its pattern, if one did."""

    scenario: Scenario
    runs: Sequence[Run]
    cache: str | None = None

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Every metric: of the run, or the mean over the runs."""
        return _means([run.metrics for run in self.runs])

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

    def text(self) -> str:
        """The table."""
        tables = [_with_derived(run.metrics) for run in self.runs]
        body = _table(_means(tables), _intervals(tables) if len(tables) > 1 else None)
        return "\n".join([*self._head(), "", *body, "", "Long enough?", *listed(self.advice), *self._tail()])

    def _head(self) -> Iterator[str]:
        scenario = self.scenario
        if scenario.title:
            yield one_line(scenario.title)
        cache = self.cache or ", ".join(
            [scenario.cache.pattern, *(f"{name} {_plain(value)}" for name, value in scenario.cache.options.items())]
        )
        yield one_line(f"Cache: {cache}")
        length = seconds(_means([{"": run.duration} for run in self.runs])[""], 1.0)
        warmup = f", the first {seconds(scenario.warmup, 1.0)} not measured" if scenario.warmup else ""
        if len(self.runs) == 1:
            yield f"{length} of simulated time, seed {self.runs[0].seed}{warmup}"
        else:
            yield f"{len(self.runs)} runs of {length} of simulated time, seeds made of {scenario.seed}{warmup}"

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
        """One JSON document."""
        from importlib.metadata import version

        one, tables = self.runs[0], [run.metrics for run in self.runs]
        if len(self.runs) == 1:
            numbers: dict[str, Any] = {"metrics": one.metrics, "digest": one.digest}
        else:
            runs = [{"seed": run.seed, "metrics": run.metrics, "digest": run.digest} for run in self.runs]
            numbers = {"mean": self.metrics, "interval": _intervals(tables), "replications": runs}
        document = {
            "cachesim": version("cachesim"),
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
        }
        return orjson.dumps(_jsonable(document), option=orjson.OPT_INDENT_2)


def _jsonable(value: Any) -> Any:
    """What orjson takes: it knows neither whole numbers beyond 64 bits nor text that is no Unicode."""
    if isinstance(value, dict):
        return {_jsonable(name): _jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int) and value.bit_length() > 63:
        return orjson.Fragment(str(value))
    return value


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


def _table(values: Mapping[str, float], intervals: Mapping[str, Interval] | None) -> Iterator[str]:
    """Titles of groups and, indented, their rows: a label, a number, its interval, and what stands beside."""
    blocks = []
    for title, rows in _GROUPS.items():
        shown = [row for row in rows if not row.when or (values[row.when] and not isnan(values[row.when]))]
        blocks.append((title, [_cells(row, values, intervals) for row in shown]))
    head = ["", "mean", "95 % interval", ""] if intervals is not None else []
    every = [head] * bool(head) + [cells for _, lines in blocks for cells in lines]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    for title, lines in blocks:
        if lines:
            yield title if not head else _aligned([title, *head[1:]], [widths[0] + 2, *widths[1:]])
            head = []
            yield from ("  " + _aligned(cells, widths) for cells in lines)


def _cells(row: _Row, values: Mapping[str, float], intervals: Mapping[str, Interval] | None) -> list[str]:
    number = _value(row.metric, values)
    beside = _value(row.beside, values) + row.of if row.beside else ""
    if intervals is None:
        return [row.label, number, beside]
    if row.beside:
        beside = f"{beside} ({_between(row.beside, values, intervals)})"
    return [row.label, number, _between(row.metric, values, intervals), beside]


def _value(metric: str, values: Mapping[str, float]) -> str:
    return shown(format_of(metric), values[metric])


def _between(metric: str, means: Mapping[str, float], intervals: Mapping[str, Interval]) -> str:
    (low, high), mean, format = intervals[metric], means[metric], format_of(metric)
    return "–" if isnan(low) or isnan(high) else f"{format(low, mean)} to {format(high, mean)}"


def _aligned(cells: Iterable[str], widths: Sequence[int]) -> str:
    """The label to the left, the number to the right, the rest to the left."""
    label, number, *rest = (f"{cell:<{w}}" for cell, w in zip(cells, widths, strict=True))
    return "  ".join([label, f"{number.strip():>{widths[1]}}", *rest]).rstrip()
