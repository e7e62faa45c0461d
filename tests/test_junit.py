"""JUnit XML: the verdicts of a scenario as CI systems read them, whatever became of the run."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

import cachesim as cs
from cachesim.cli import main
from cachesim.experiments import seeds_of
from cachesim.report import Command, junit
from cachesim.summary import Summary

STORM = """
title = "A small storm"
duration = 5
arrivals = { type = "poisson", rate = 50 }
keys = { type = "one-key" }
cache = { pattern = "cache-aside", ttl = 2, single_flight = "none" }
database = { latency = { type = "constant", value = 0.2 } }
"""
EXPECTATIONS = '[expect]\nepisode_size_mean = ">= 2"\nlargest_stampede = "<= 1"\ndatabase_utilization = "< 1"\n'
CASES = ["run", "episode_size_mean >= 2", "largest_stampede <= 1", "database_utilization < 1"]
RUN = ("run", "storms/storm.toml", "--junit", "out.xml")


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cachesim(capfd, tmp_path, monkeypatch):
    """The command, run in a folder with a scenario, as a function of its arguments."""
    monkeypatch.chdir(tmp_path)
    Path("storms").mkdir()
    Path("storms/storm.toml").write_text(STORM + EXPECTATIONS)

    def run(*args):
        capfd.readouterr()
        return Ended(main([str(arg) for arg in args]), *capfd.readouterr())

    return run


MODULES = (f"failing_for_junit_{number}" for number in itertools.count())


def module(text: str) -> str:
    """The name of a module with this text in the working folder."""
    name = next(MODULES)
    Path(f"{name}.py").write_text(text)
    return name


def read(path: str = "out.xml") -> tuple[dict[str, TestCase], dict[str, str]]:
    """The cases of the one suite in a file, by name, and its properties."""
    (suite,) = JUnitXml.fromfile(path)
    assert {case.classname for case in suite} == {"cachesim.storm"}
    return {case.name: case for case in suite}, {item.name: item.value for item in suite.properties()}


def counts(path: str = "out.xml") -> tuple[int, int, int, int]:
    """Tests, failures, errors, skipped: as the file says of all and of its suite, alike."""
    root = ElementTree.parse(path).getroot()
    found = [
        tuple(int(node.get(name) or 0) for name in ("tests", "failures", "errors", "skipped"))
        for node in (root, root[0])
    ]
    assert found[0] == found[1]
    return found[0]  # type: ignore[return-value]


def the_outcome(case: TestCase, kind: type[Any]) -> Any:
    (outcome,) = case.result
    assert type(outcome) is kind
    return outcome


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_each_expectation_is_a_case(cachesim, options):
    ended = cachesim(*RUN, *options)
    assert ended.status == len(options)
    cases, properties = read()
    metrics = cs.simulate(cs.load("storms/storm.toml")).metrics
    assert list(cases) == CASES
    assert counts() == (4, 2, 0, 0)
    assert cases["run"].is_passed
    assert f"{cases['run'].system_out}\n" == ended.out
    assert cases["episode_size_mean >= 2"].is_passed
    failure = the_outcome(cases["largest_stampede <= 1"], Failure)
    found = f"largest_stampede is {metrics['largest_stampede']:g}"
    assert failure.message == found
    assert failure.text.splitlines() == [
        f"largest_stampede <= 1 is expected; {found}",
        "5 s of simulated time, seed 1",
        "cachesim run storms/storm.toml --seed 1",
    ]
    nothing = the_outcome(cases["database_utilization < 1"], Failure)
    assert nothing.message == "database_utilization does not exist in this run"
    assert properties["seed"] == properties["replications"] == "1"


def test_of_replications_the_mean_counts(cachesim):
    assert cachesim(*RUN, "--replications", 3, "--check").status == 1
    cases, properties = read()
    runs = cs.replicate(cs.load("storms/storm.toml"), 3)
    mean, (low, high) = runs.mean("largest_stampede"), runs.interval("largest_stampede")
    message = f"largest_stampede is {mean:.6g}, 95 % interval {low:.6g} to {high:.6g}"
    assert the_outcome(cases["largest_stampede <= 1"], Failure).message == message
    assert properties["replay"] == "cachesim run storms/storm.toml --seed 1 --replications 3"
    assert "digest" not in properties


def test_what_it_says_replays_the_run(cachesim):
    cachesim(*RUN, "--set", "cache.ttl=3", "--set", "title=it's", "--seed", 5)
    _, properties = read()
    _, *again = shlex.split(properties["replay"])
    assert cachesim(*again, "--junit", "again.xml").status == 0
    assert Path("again.xml").read_bytes() == Path("out.xml").read_bytes()
    assert (
        properties["digest"]
        == cs.simulate(cs.load("storms/storm.toml").replace(**{"cache.ttl": 3, "title": "it's", "seed": 5})).digest
    )


def test_without_expectations_the_run_alone_is_a_case(cachesim):
    Path("storms/storm.toml").write_text(STORM)
    assert cachesim(*RUN, "--check").status == 0
    assert list(read()[0]) == ["run"]
    assert counts() == (1, 0, 0, 0)


# Runs that fail


@pytest.mark.parametrize("replications", [1, 2])
def test_a_run_that_fails_is_an_error_and_the_expectations_are_skipped(cachesim, replications):
    name = module("def factory(node):\n    raise ValueError('no luck')\n")
    ended = cachesim(*RUN, "--cache", f"{name}:factory", "--replications", replications, "--check")
    assert (ended.status, ended.out) == (1, "")
    cases, _ = read()
    assert list(cases) == CASES
    assert counts() == (4, 0, 1, 3)
    seed = 1 if replications == 1 else seeds_of(1, 2)[0]
    error = the_outcome(cases["run"], Error)
    assert error.message == f"storms/storm.toml: the run with seed {seed} failed; ValueError: no luck ({name}.py:2)"
    assert f"cachesim: {error.message}\n" == ended.err
    replay = f"cachesim run storms/storm.toml --cache {name}:factory --seed 1"
    assert error.text.splitlines()[1] == replay + " --replications 2" * (replications == 2)
    assert all(the_outcome(cases[name], Skipped).message == "the run failed" for name in CASES[1:])


def test_a_failure_that_a_simulation_cannot_bear_is_an_error_too(cachesim):
    name = module(
        "import asyncio, time\n"
        "def factory(node):\n"
        "    tasks = []\n"
        "    async def sleeps():\n"
        "        time.sleep(1)\n"
        "    async def get(key):\n"
        "        tasks.append(asyncio.create_task(sleeps()))\n"
        "        return await node.database.read(key)\n"
        "    return get\n"
    )
    assert cachesim(*RUN, "--cache", f"{name}:factory").status == 1
    cases, _ = read()
    error = the_outcome(cases["run"], Error)
    assert error.message.startswith("the run with seed 1 failed; SimulationError: time.sleep would stop")
    assert f"({name}.py:5)" in error.message
    assert list(cases) == CASES


def test_errors_that_callers_saw_are_no_error_of_the_run(cachesim):
    """Many a scenario is about them; what is allowed of them is for [expect] to say."""
    name = module("def factory(node):\n    async def get(key):\n        raise ValueError('no luck')\n    return get\n")
    assert cachesim(*RUN, "--cache", f"{name}:factory").status == 0
    cases, _ = read()
    assert cases["run"].is_passed
    assert "ValueError: no luck" in cases["run"].system_out


# The file


@pytest.mark.parametrize("text", ["a\x00b\x1b[0m\x0b", "\ud800", "\ufffe\uffff", "]]>&<'\"", "é 漢 🎈", "a\nb\tc"])
def test_no_text_makes_the_file_unreadable(cachesim, text):
    name = module(f"def factory(node):\n    raise ValueError({text!r})\n")
    cachesim(*RUN, "--cache", f"{name}:factory")
    cases, _ = read()
    assert "ValueError: " in the_outcome(cases["run"], Error).message
    scenario = cs.load("storms/storm.toml").replace(title=text, duration=1)
    summary = Summary.of(scenario, cs.simulate(scenario))
    Path("title.xml").write_bytes(junit(summary, Command("storm.toml", ("--set", f"title={text}"))))
    read("title.xml")


def test_bad_input_leaves_no_file(cachesim):
    assert cachesim(*RUN, "--set", "duration=-1").status == 2
    assert cachesim(*RUN, "--cache", "no_such_module:factory").status == 2
    assert not Path("out.xml").exists()


def test_where_it_cannot_be_written_is_told_before_anything_runs(cachesim, monkeypatch):
    monkeypatch.setattr("cachesim.simulation.simulate", None)
    ended = cachesim("run", "storms/storm.toml", "--junit", "no/out.xml")
    assert ended == (2, "", "cachesim: --junit: 'no/out.xml' cannot be written: there is no folder 'no'\n")
