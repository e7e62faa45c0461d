"""The fixture `simulate` and the marker `scenario`, for the test suites of those who use cachesim.

    def test_a_hot_key_is_loaded_once(simulate):
        result = simulate("hot-key", cache=my_factory)
        assert result.metrics["largest_stampede"] <= 1

When a test fails, its report shows the runs in it: metrics, a timeline, and the command that replays each. Every run of
pytest loads this module where cachesim is installed, so nothing else is imported before a test simulates.
"""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentTypeError
from collections import Counter, deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

import cachesim as cs

if TYPE_CHECKING:
    from cachesim.world.nodes import Factory

__all__ = ["Simulate"]

__tracebackhide__ = True  # of a failure, pytest shows the caller's line and none of ours

_SHOWN = 3
"""So many runs of a test, the last, are kept and shown."""
_UNNAMED = "a Scenario"
_SEARCHED = tuple(sys.path)
"""Where this process looks for modules, before tests and conftest files have added folders."""


@dataclass
class _Run:
    """A call of `simulate`. `source`: what the command line calls the scenario, None for one made in Python."""

    number: int
    source: str | None
    changes: dict[str, Any]
    scenario: cs.Scenario
    factory: Factory | None
    record: Literal["tables", "summary"]
    result: cs.Result | None = None

    @property
    def name(self) -> str:
        return self.source or _UNNAMED


_RUNS = pytest.StashKey[deque[_Run]]()


# The fixture and the marker


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Iterator[Simulate]:
    """A function that runs a scenario and returns its Result: `simulate("hot-key", cache=my_factory)`."""
    yield Simulate(request.node)
    del request.node.stash[_RUNS]


class Simulate:
    """The type of the fixture `simulate`, for annotations."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._runs = item.stash.setdefault(_RUNS, deque(maxlen=_SHOWN))
        self._number = 0

    def __call__(
        self,
        scenario: str | PathLike[str] | cs.Scenario | None = None,
        /,
        *,
        cache: Factory | cs.Pattern | None = None,
        strict: bool = False,
        record: Literal["tables", "summary"] = "tables",
        check: bool = False,
        **changes: Any,
    ) -> cs.Result:
        """Run a scenario and return what came out.

        `scenario`: the path of a file, from the folder of the test or the working folder; the name of a bundled one; or
        a `Scenario`. By default it is the one in the nearest marker `scenario`, with its changes.

        `cache`: your factory, or a pattern. `changes`: as in `Scenario.replace`, `seed` among them. `check` fails the
        test if an expectation of the scenario is missed. `record` and `strict`: as in `cachesim.simulate`; but a
        deadlock, or what a simulation cannot do, raises its `SimulationError` even without `strict`.

        Bad input fails the test with one line.
        """
        self._number += 1
        if cache is not None:
            changes = {"cache": cache, **changes}
        try:
            run = self._asked(scenario, changes, record)
            if check and not run.scenario.expect:
                raise ValueError(f"{run.name} has no [expect]: there is nothing to check")
        except ValueError as error:
            raise pytest.fail.Exception(str(error)) from None
        self._runs.append(run)
        run.result = result = _simulated(run)
        failures = [error for error in result.failures if strict or isinstance(error, cs.SimulationError)]
        if failures:
            raise failures[0]
        if check:
            _check(run, result)
        return result

    def _asked(self, given: object, changes: dict[str, Any], record: Literal["tables", "summary"]) -> _Run:
        """What a call and its marker ask for. Raises `ValueError`."""
        if record not in ("tables", "summary"):
            raise ValueError(f'record: {record!r} is not allowed; "tables" or "summary"')
        if given is None:
            given, marked = self._marked()
            changes = {name: value for name, value in marked.items() if name not in changes} | changes
        seed = self._item.config.getoption("cachesim_seed")
        if seed is not None:
            changes = {**changes, "seed": seed}
        factory = None
        if "cache" in changes and not isinstance(changes["cache"], cs.Pattern):
            factory = changes.pop("cache")
            if not callable(factory):
                raise ValueError(f"cache: {factory!r} is not allowed; a factory, called with a node, or a Pattern")
        source, scenario = self._named(given)
        try:
            return _Run(self._number, source, changes, scenario.replace(**changes), factory, record)
        except cs.ScenarioError as error:
            raise ValueError(f"{source or _UNNAMED}, changed: {error}") from None

    def _marked(self) -> tuple[object, dict[str, Any]]:
        """The scenario of the nearest marker, and its changes there."""
        marker = self._item.get_closest_marker("scenario")
        if marker is None:
            raise ValueError('simulate: no scenario; simulate("hot-key"), or @pytest.mark.scenario("hot-key")')
        if len(marker.args) != 1:
            raise ValueError(f"@pytest.mark.scenario: {marker.args!r} is not allowed; one scenario, then changes of it")
        return marker.args[0], dict(marker.kwargs)

    def _named(self, given: object) -> tuple[str | None, cs.Scenario]:
        """A scenario, and what the command line calls it."""
        from cachesim.scenario import bundled
        from cachesim.settings import shown

        if isinstance(given, cs.Scenario):
            return None, given
        if not isinstance(given, str | PathLike):
            raise ValueError(f"{shown(given)} is no scenario; the name of a bundled one, a file, or a Scenario")
        known, folder = bundled(), self._item.path.parent
        for path in (folder / given, Path.cwd() / given):
            try:
                found = path.is_file()
            except OSError as error:
                raise ValueError(f"{shown(given)}: {error.strerror}") from None
            if found:
                return _typed(path, self._item.config), cs.load(path)
        if given in known:
            return str(given), cs.load(known[str(given)])
        raise ValueError(
            f"{shown(given)}: no such file in {folder} or in the working folder; bundled scenarios: {', '.join(known)}"
        )


def _typed(path: Path, config: pytest.Config) -> str:
    """A path as one types it where pytest was started."""
    folder = config.invocation_params.dir
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _simulated(run: _Run) -> cs.Result:
    from cachesim.traces import TraceError

    try:
        return cs.simulate(run.scenario, cache=run.factory, record=run.record)
    except (cs.ScenarioError, TraceError) as error:  # of a recorded stream
        raise pytest.fail.Exception(f"{run.name}: {error}") from None


def _check(run: _Run, result: cs.Result) -> None:
    bounds = run.scenario.expectations
    values = result.metrics
    missed = [f"{bound} ({values[bound.metric]:.6g})" for bound in bounds if not bound.met(values[bound.metric])]
    if missed:
        pytest.fail(f"{run.name}: {len(missed)} of {len(bounds)} expectation(s) missed: {', '.join(missed)}")


# The options, the marker, the report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--cachesim-seed`."""
    parser.getgroup("cachesim", "simulated caches").addoption(
        "--cachesim-seed",
        metavar="N",
        type=_seed,
        help="The seed of every run of the fixture simulate, in the place of the scenario's and the test's own.",
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not allowed; a whole number of 0 or more")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers", "scenario(name, **changes): what the fixture simulate runs where a call names no scenario"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist where this process looked for modules; it starts with more."""
    node.workerinput["cachesim_searched"] = list(_SEARCHED)


def pytest_report_header(config: pytest.Config) -> str | None:
    """The seed of the session, if it has one."""
    seed = config.getoption("cachesim_seed")
    return None if seed is None else f"cachesim: seed {seed} in every run"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the runs of a test that failed."""
    report = yield
    if report.failed and call.when != "teardown":
        runs = item.stash.get(_RUNS, deque[_Run]())
        for run in runs:
            title = f"simulation {run.number} of {runs[-1].number}: {run.name}, seed {run.scenario.seed}"
            report.sections.append((title, _section(run, item)))
    return report


# What is told of a run


_METRICS = (
    ("requests", "hit_ratio", "stale_ratio", "delayed_hit_ratio", "miss_ratio", "early_ratio", "error_ratio"),
    ("loads", "load_rate", "stampedes", "largest_stampede", "redundant_loads", "peak_concurrent_loads"),
    ("latency_mean", "latency_p50", "latency_p95", "latency_p99", "latency_max", "stale_reads", "staleness_max"),
)
"""Columns of a table, by their names in `Result.metrics`."""
_IF_ANY = ("stale_ratio", "early_ratio", "stale_reads", "staleness_max")


def _section(run: _Run, item: pytest.Item) -> str:
    try:
        return "\n\n".join(_told(run, item))
    except Exception as error:  # the test may have patched anything, and its failure has to be reported
        return f"The run cannot be shown: {error!r}"


def _told(run: _Run, item: pytest.Item) -> Iterator[str]:
    """The scenario, what came of it, and the command that repeats it, as paragraphs."""
    from cachesim.messages import one_line
    from cachesim.replay import factory_name, replay

    scenario, factory = run.scenario, run.factory
    name = None if factory is None else factory_name(factory, _searched(item.config))
    cache = scenario.cache if factory is None else name or getattr(factory, "__qualname__", repr(factory))
    world = f"{scenario.arrivals!r}, {scenario.keys!r}, {scenario.database!r}"
    head = [f"{scenario.title or run.name}: {world}", f"Cache: {cache}"]
    if run.result is not None:
        head.append(f"Digest: {run.result.digest}")
    yield "\n".join(one_line(line, 100) for line in head)
    if run.result is not None:
        yield from _came_out(run.result, tables=run.record == "tables")
    repeated = factory is None or name is not None
    yield f"Replay: {replay(run.source, scenario, run.changes, name) if repeated else _pytest_command(item)}"


def _searched(config: pytest.Config) -> list[str]:
    """Where the command, typed where pytest was started, will look for modules."""
    searched = list(getattr(config, "workerinput", {}).get("cachesim_searched", _SEARCHED))
    for folder in map(str, config.getini("pythonpath")):
        if folder in searched:  # it may be there twice, and once without pytest's help
            searched.remove(folder)
    return [str(config.invocation_params.dir), *searched]


def _pytest_command(item: pytest.Item) -> str:
    seed = item.config.getoption("cachesim_seed")
    test = "::".join([_typed(item.path, item.config), *item.nodeid.split("::")[1:]])
    return shlex.join(["pytest", test, *([] if seed is None else ["--cachesim-seed", str(seed)])])


def _came_out(result: cs.Result, *, tables: bool) -> Iterator[str]:
    """Metrics, errors, the timeline."""
    from cachesim.messages import one_line, told
    from cachesim.timelines import timeline

    yield "\n".join(_table(result.metrics))
    seen = [(number, f"{kind}: {example}") for kind, (number, example) in result.errors.items()]
    lost = [(number, text) for text, number in Counter(map(told, result.failures)).items()]
    for title, found in (("Errors that callers saw", seen), ("Exceptions that nobody took", lost)):
        if found:
            yield "\n".join([title, *(f"  {number:,} × {one_line(text, 90)}" for number, text in found[:_SHOWN])])
    yield timeline(result) if tables else 'No timeline: with record="summary" no tables are kept.'


def _table(metrics: dict[str, float]) -> Iterator[str]:
    from cachesim.formatting import format_of, shown

    columns = [[name for name in names if name not in _IF_ANY or metrics[name] > 0] for names in _METRICS]
    cells = [[(name, shown(format_of(name), metrics[name])) for name in names] for names in columns]
    for row in zip_longest(*cells, fillvalue=("", "")):
        yield "    ".join(f"{name:<21} {value:>8}" for name, value in row).rstrip()
