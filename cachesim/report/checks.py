"""What a scenario expects, and what became of it, as JUnit XML.

A test case for each expectation, and one for the run itself, which is an error if a run failed. Where that left no
result the expectations are skipped, so that the same cases are there whatever happens and CI systems can follow each.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from math import isnan
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from cachesim.messages import one_line, printable
from cachesim.report.commands import Command
from cachesim.scenario import Scenario
from cachesim.summary import Summary, Verdict

__all__ = ["junit", "junit_of_failure"]


def junit(summary: Summary, command: Command) -> bytes:
    """The verdicts of a summary, with its table as output; `command` replays its runs."""
    seed, runs = summary.scenario.seed, len(summary.runs)
    replay = command.replay(seed, runs)
    cases = [_case("run", command, *(_error(why, replay) for why in summary.failed_runs[:1]))]
    for verdict in summary.verdicts:
        outcome = [] if verdict.met else [_failure(verdict, summary, replay)]
        cases.append(_case(str(verdict.expectation), command, *outcome))
    digest = {"digest": summary.runs[0].digest} if runs == 1 else {}
    properties = {"cache": summary.caching, "seed": str(seed), "replications": str(runs), **digest, "replay": replay}
    return _document(command, cases, properties, output=summary.text())


def junit_of_failure(scenario: Scenario, command: Command, *, replications: int, why: str) -> bytes:
    """The same where a run has failed and left no result; `why` in one line."""
    replay = command.replay(scenario.seed, replications)
    cases = [_case("run", command, _error(why, replay))]
    for expectation in scenario.expectations:
        cases.append(_case(str(expectation), command, Skipped("the run failed")))
    properties = {"seed": str(scenario.seed), "replications": str(replications), "replay": replay}
    return _document(command, cases, properties, output=why)


def _error(why: str, replay: str) -> Error:
    told = one_line(why, 3000)
    error = Error(told, "failed run")
    error.text = printable(f"{told}\n{replay}")
    return error


def _failure(verdict: Verdict, summary: Summary, replay: str) -> Failure:
    metric, value = verdict.expectation.metric, verdict.value
    found = f"{metric} does not exist in this run" if isnan(value) else f"{metric} is {value:.6g}"
    low, high = summary.intervals[metric]
    if not isnan(low):
        found += f", 95 % interval {low:.6g} to {high:.6g}"
    failure = Failure(found, "missed")
    failure.text = printable(f"{verdict.expectation} is expected; {found}\n{summary.extent}\n{replay}")
    return failure


def _case(name: str, command: Command, *outcome: Error | Failure | Skipped) -> TestCase:
    case = TestCase(printable(name), printable(f"cachesim.{Path(command.scenario).stem}"))
    case.result = list(outcome)
    return case


def _document(command: Command, cases: list[TestCase], properties: Mapping[str, str], *, output: str) -> bytes:
    suite = TestSuite(printable(command.scenario))
    for name, value in {"cachesim": version("cachesim"), **properties}.items():
        suite.add_property(name, printable(value))
    suite.add_testcases(cases)
    cases[0].system_out = printable(output)
    document = JUnitXml("cachesim")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    buffer = BytesIO()
    document.write(buffer, pretty=True)
    return buffer.getvalue()
