"""`cachesim run`: a scenario, or many replications of it, and whether its expectations are met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.caches import own_or_library
from cachesim.cli.naming import room_for_code, scenario_named
from cachesim.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    PICTURES,
    Stop,
    picture,
    progress,
    require_writable,
    show,
    tell,
    write,
)
from cachesim.messages import told

if TYPE_CHECKING:
    from cachesim.report import Command
    from cachesim.result import Result
    from cachesim.scenario import Scenario
    from cachesim.summary import Run, Summary
    from cachesim.world.nodes import Factory

__all__ = ["EXAMPLES", "run_command"]

EXAMPLES = """\b
Examples:
  cachesim run hot-key
  cachesim run hot-key --set cache.single_flight=process --plot storm.png
  cachesim run storm.toml --replications 20 --check --junit storm.xml
  cachesim run storm.toml --replications 5 --report storm.html
  cachesim run storm.toml --cache my_cache:factory --json - | jq .metrics
"""


@click.command("run", epilog=EXAMPLES)
@click.argument("scenario")
@click.option(
    "--cache", metavar="MODULE:FACTORY", help="Your own cache in the scenario's place, or a library's: cashews:lock."
)
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Change a field: cache.ttl=5. Repeatable.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="The seed, in the place of the scenario's.")
@click.option(
    "--replications",
    metavar="N",
    type=click.IntRange(1, 10**6),
    default=1,
    help="Independent runs: means and intervals.",
)
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the table.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw the loads in flight over time: .png, .svg or .pdf.")
@click.option("--report", "report_file", metavar="FILE.html", help="Write a page on the run, pictures and theory too.")
@click.option("--junit", "junit_file", metavar="FILE", help="Write what became of the expectations as JUnit XML.")
@click.option("--check", is_flag=True, help="Exit with status 1 if an expectation of the scenario is missed.")
def run_command(
    scenario: str,
    cache: str | None,
    changes: Sequence[str],
    seed: int | None,
    replications: int,
    json_file: str | None,
    plot_file: str | None,
    report_file: str | None,
    junit_file: str | None,
    check: bool,
) -> int:
    """Run SCENARIO, a file or the name of a bundled one."""
    from cachesim.report import Command, junit, page
    from cachesim.summary import Summary

    chosen = scenario_named(scenario, changes, seed)
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--plot", plot_file, PICTURES)
    require_writable("--report", report_file, (".html",))
    require_writable("--junit", junit_file)
    command = Command(scenario, _options(cache, changes))
    draw = plot_file is not None or report_file is not None
    with room_for_code(), _failure_in(junit_file, chosen, command, replications):
        factory = None if cache is None else own_or_library(cache, chosen.cache)
        runs, first = _simulate(scenario, chosen, factory, replications, draw=draw)
    summary = Summary(chosen, runs, cache)
    if json_file == "-":
        show(summary.json())
    else:
        show(summary.text())
    if json_file not in (None, "-"):
        write("--json", json_file, summary.json() + b"\n")
    if junit_file is not None:
        write("--junit", junit_file, junit(summary, command))
    if plot_file is not None:
        assert first is not None
        write("--plot", plot_file, _drawn(first, plot_file))
    if report_file is not None:
        write("--report", report_file, page(summary, first, command).encode())
    return _verdict(summary, scenario, check)


def _options(cache: str | None, changes: Sequence[str]) -> list[str]:
    """Those that make the run what it is."""
    own = [] if cache is None else ["--cache", cache]
    return [*own, *(word for change in changes for word in ("--set", change))]


@contextmanager
def _failure_in(junit_file: str | None, scenario: Scenario, command: Command, replications: int) -> Iterator[None]:
    """A run that fails is told in the JUnit file too, if there is one."""
    from cachesim.report import junit_of_failure

    try:
        yield
    except Stop as stop:
        if junit_file is not None and stop.status == FAILED:
            why = str(stop)
            write("--junit", junit_file, junit_of_failure(scenario, command, replications=replications, why=why))
        raise


# The run


def _simulate(
    name: str, scenario: Scenario, factory: Factory | None, replications: int, *, draw: bool
) -> tuple[list[Run], Result | None]:
    """Every run, and the first with its tables if it is to be drawn."""
    from cachesim.experiments import seeds_of
    from cachesim.summary import Run

    if replications == 1:
        with progress(scenario.duration, "s simulated") as report:
            result = _result(name, scenario, cache=factory, progress=report)
        return [Run.of(scenario.seed, result)], result
    runs: list[Run] = []
    seeds = seeds_of(scenario.seed, replications)
    with progress(replications, "runs") as report:
        for seed in seeds:
            runs.append(Run.of(seed, _result(name, scenario.replace(seed=seed), cache=factory, record="summary")))
            if report is not None:
                report(len(runs))
    return runs, _result(name, scenario.replace(seed=seeds[0]), cache=factory) if draw else None


def _result(name: str, scenario: Scenario, **options: Any) -> Result:
    from cachesim.settings import ScenarioError
    from cachesim.simulation import simulate
    from cachesim.traces import TraceError

    try:
        return simulate(scenario, **options)
    except (ScenarioError, TraceError) as error:
        raise Stop(BAD_INPUT, f"{name}: {_stream(scenario, str(error))}{error}") from None
    except (Exception, SystemExit) as error:
        raise Stop(FAILED, f"{name}: the run with seed {scenario.seed} failed; {told(error)}") from None


def _stream(scenario: Scenario, message: str) -> str:
    """The field of the recorded stream that the message is about."""
    for field in ("arrivals", "keys"):
        path = getattr(getattr(scenario, field), "path", None)
        if path is not None and message.startswith(str(Path(path))):
            return f"{field}.path: "
    return ""


def _drawn(result: Result, name: str) -> bytes:
    from cachesim import plots

    return picture(plots.storm(result.loads, duration=result.duration, start=result.warmup), name)


def _verdict(summary: Summary, name: str, check: bool) -> int:
    """Tell what went wrong; the exit status."""
    for failed in summary.failed_runs:
        tell(f"{name}: {failed}")
    status = FAILED if summary.failed_runs else DONE
    missed = [f"{verdict.expectation} ({verdict.value:.6g})" for verdict in summary.verdicts if not verdict.met]
    if check and not summary.verdicts:
        tell(f"{name} has no [expect]: nothing was checked")
    elif check and missed:
        tell(f"{name}: {len(missed)} of {len(summary.verdicts)} expectation(s) missed: {', '.join(missed)}")
        status = FAILED
    return status
