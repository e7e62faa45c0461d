"""The command `cachesim`: what it prints and where, the files it writes, and how it ends."""

import contextlib
import json
import lzma
import os
import random
import signal
import subprocess
import sys
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import cachesim as cs
from cachesim.cli import main
from cachesim.experiments import seeds_of
from cachesim.scenario import bundled
from cachesim.world.metrics import METRICS

STORM = """
title = "A small storm"
duration = 20
[arrivals]
type = "poisson"
rate = 50
[keys]
type = "one-key"
[cache]
pattern = "cache-aside"
ttl = 5
single_flight = "none"
[database]
latency = { type = "constant", value = 0.5 }
"""
WITH_EXPECTATIONS = STORM + '[expect]\nepisode_size_mean = ">= 10"\nlargest_stampede = "<= 1"\n'


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cachesim(capfd, tmp_path, monkeypatch):
    """The command, run in an empty folder, as a function of its arguments."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capfd.readouterr()
        status = main([str(arg) for arg in args])
        return Ended(status, *capfd.readouterr())

    return run


@pytest.fixture
def storm(tmp_path):
    (tmp_path / "storm.toml").write_text(STORM)
    return "storm.toml"


@pytest.fixture
def expectant(tmp_path):
    (tmp_path / "expectant.toml").write_text(WITH_EXPECTATIONS)
    return "expectant.toml"


def refused(ended: Ended) -> str:
    """The line that a command with bad input has ended with."""
    assert ended.status == 2
    assert ended.out == ""
    return the_line(ended)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def the_line(ended: Ended) -> str:
    line, *rest = ended.err.splitlines()
    assert rest == []
    assert line.startswith("cachesim: ")
    return line.removeprefix("cachesim: ")


# A run


def test_a_run_prints_a_table(cachesim, storm):
    ended = cachesim("run", storm)
    assert (ended.status, ended.err) == (0, "")
    metrics = cs.simulate(cs.load(storm)).metrics
    table, advice = ended.out.split("\nLong enough?\n")
    rows = {line.strip().split("  ")[0]: line.split("  ", 2)[2] for line in table.splitlines() if line[:2] == "  "}
    assert ended.out.startswith("A small storm\nCache: cache-aside, ttl 5, single_flight none\n20 s of simulated time")
    assert rows["requests"].split() == [f"{metrics['requests']:,.0f}"]
    assert f"{100 * metrics['hit_ratio']:.2f} % of reads" in rows["hits"]
    assert rows["largest stampede"].split()[-1] == f"{metrics['largest_stampede']:.0f}"
    assert rows["longest"].split()[-2:] == ["500", "ms"]
    assert "Staleness" not in ended.out
    assert "utilization" not in ended.out
    assert "nan" not in ended.out
    assert advice.startswith("  One run says nothing about chance: ")


def test_a_run_with_writes_and_few_connections_says_more(cachesim, storm):
    ended = cachesim("run", storm, "--set", "writes=0.1", "--set", "database.connections=3", "--set", "warmup=2.5")
    assert ended.status == 0
    assert "the first 2.5 s not measured" in ended.out
    for label in ("writes", "reads", "queries", "Staleness", "utilization", "mean wait"):
        assert label in ended.out


def test_no_number_is_a_dash(cachesim, storm):
    ended = cachesim("run", storm, "--set", "arrivals.rate=0.001")
    assert ended.status == 0
    assert "–" in ended.out
    assert "nan" not in ended.out


def test_replications_give_mean_and_interval(cachesim, storm):
    ended = cachesim("run", storm, "--replications", 3)
    assert (ended.status, ended.err) == (0, "")
    assert "3 runs of 20 s of simulated time, seeds made of 1" in ended.out
    runs = cs.replicate(cs.load(storm), 3)
    (row,) = [line for line in ended.out.splitlines() if line.startswith("  mean episode size")]
    low, high = runs.interval("episode_size_mean")
    mean = runs.mean("episode_size_mean")
    shown = [float(word) for word in row.replace("to", "").split()[3:]]
    assert shown == pytest.approx([mean, low, high], rel=1e-3)
    advice = " ".join(ended.out.split("\nLong enough?\n")[1].split())
    assert advice == " ".join(runs.advice)


def test_the_seed_can_be_chosen(cachesim, storm):
    first, again, other = (cachesim("run", storm, "--json", "-", "--seed", seed).out for seed in (5, 5, 6))
    assert first == again
    assert json.loads(first)["digest"] != json.loads(other)["digest"]
    assert json.loads(other)["seed"] == json.loads(other)["scenario"]["seed"] == 6
    assert json.loads(cachesim("run", storm, "--json", "-", "--set", "seed=6").out) == json.loads(other)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ("cache.pattern=in-process", "cache.pattern", "in-process"),
        ("database.latency.value=0.2", "database.latency.value", 0.2),
        ('database.latency={type="exponential", mean=0.2}', "database.latency", {"type": "exponential", "mean": 0.2}),
        ("title=a # b", "title", "a # b"),
        ('title="5"', "title", "5"),
        ("title=a=b", "title", "a=b"),
        (" nodes = 2", "nodes", 2),
        ("title=1\nseed=3", "title", "1\nseed=3"),
        ("expect.loads=> 0", "expect.loads", "> 0"),
    ],
)
def test_a_field_is_set_to_a_toml_literal_or_else_to_text(cachesim, storm, change, field, value):
    ended = cachesim("run", storm, "--json", "-", "--set", change)
    assert ended.status == 0
    table = json.loads(ended.out)["scenario"]
    for step in field.split("."):
        table = table[step]
    assert table == value


def test_a_title_is_one_line(cachesim, storm):
    assert cachesim("run", storm, "--set", 'title="a\\nb\\u001b[0m"').out.startswith("a b�[0m\nCache")


# Scenarios by name


@pytest.mark.parametrize("name", ["hot-key", "two-layers"])
def test_bundled_scenarios_meet_their_expectations(cachesim, name):
    for options in ((), ("--seed", 20)):
        ended = cachesim("run", name, "--check", *options)
        assert (ended.status, ended.err) == (0, "")
        assert "  ok  " in ended.out
        assert "MISSED" not in ended.out


def test_the_hot_key_behaves_as_theory_says(cachesim):
    metrics = json.loads(cachesim("run", "hot-key", "--json", "-").out)["metrics"]
    episodes = metrics["load_episodes"]
    assert metrics["episode_size_mean"] == pytest.approx(51, abs=4 * (50 / episodes) ** 0.5)
    assert metrics["miss_ratio"] == pytest.approx(0.04636, abs=0.004)


def test_a_list_of_the_bundled_scenarios(cachesim):
    ended = cachesim("scenarios")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line.split("  ")[0] for line in lines[::2]] == sorted(bundled())
    assert (
        len({line.index(cs.load(path).title) for line, path in zip(lines[::2], bundled().values(), strict=True)}) == 1
    )
    assert all(line.strip().endswith((".", ":")) and len(line) < 120 for line in lines[1::2])


def test_a_file_wins_over_a_bundled_scenario(cachesim, storm, tmp_path):
    (tmp_path / storm).rename(tmp_path / "hot-key")
    assert cachesim("run", "hot-key").out.startswith("A small storm\n")
    (tmp_path / "hot-key").unlink()
    (tmp_path / "hot-key").mkdir()
    assert json.loads(cachesim("run", "hot-key", "--json", "-").out)["scenario"]["title"] == "A hot key expires"


# Expectations


@pytest.mark.parametrize("options", [(), ("--check",), ("--replications", "3"), ("--replications", "3", "--check")])
def test_expectations_are_told_and_checked_on_demand(cachesim, expectant, options):
    ended = cachesim("run", expectant, *options)
    assert ended.status == ("--check" in options)
    (ok,) = [line for line in ended.out.splitlines() if line.startswith("  ok ")]
    (missed,) = [line for line in ended.out.splitlines() if line.startswith("  MISSED ")]
    assert "episode_size_mean >= 10" in ok
    assert "largest_stampede <= 1" in missed
    value = float(missed.split()[-1])
    assert value > 1
    if "--check" in options:
        message = f"expectant.toml: 1 of 2 expectation(s) missed: largest_stampede <= 1 ({value:.6g})"
        assert the_line(ended) == message
    else:
        assert ended.err == ""


def test_an_expectation_on_what_does_not_exist_is_missed(cachesim, storm):
    ended = cachesim("run", storm, "--check", "--set", "expect.database_utilization=<= 1")
    assert ended.status == 1
    assert "MISSED  database_utilization <= 1  –" in ended.out


def test_a_check_without_expectations_says_so(cachesim, storm):
    ended = cachesim("run", storm, "--check")
    assert ended.status == 0
    assert the_line(ended) == "storm.toml has no [expect]: nothing was checked"


# JSON


def as_json(metrics: dict[str, float]) -> dict[str, float | None]:
    return {name: None if isnan(value) else value for name, value in metrics.items()}


def test_json_on_standard_output_stands_alone_and_equals_simulate(cachesim, expectant):
    ended = cachesim("run", expectant, "--json", "-")
    assert (ended.status, ended.err) == (0, "")
    document, result = json.loads(ended.out), cs.simulate(cs.load(expectant))
    assert document["metrics"] == as_json(result.metrics)
    assert list(document["metrics"]) == list(METRICS)
    assert document["metrics"]["database_utilization"] is None
    assert document["digest"] == result.digest
    assert document["scenario"] == cs.load(expectant).table()
    assert (document["seed"], document["cache"], document["errors"], document["failures"]) == (1, None, {}, [])
    assert document["expectations"][1] == {
        "metric": "largest_stampede",
        "comparison": "<=",
        "bound": 1.0,
        "value": result.metrics["largest_stampede"],
        "met": False,
    }


def test_json_of_replications_equals_replicate(cachesim, storm):
    document = json.loads(cachesim("run", storm, "--json", "-", "--replications", 3).out)
    runs = cs.replicate(cs.load(storm), 3)
    assert document["mean"] == as_json({name: runs.mean(name) for name in METRICS})
    assert document["interval"]["loads"] == list(runs.interval("loads"))
    assert document["interval"]["database_utilization"] == [None, None]
    assert document["advice"] == runs.advice
    rows = [{"seed": run["seed"], **run["metrics"]} for run in document["replications"]]
    assert rows == [as_json(dict(row)) for _, row in runs.frame.iterrows()]
    one = json.loads(cachesim("run", storm, "--json", "-", "--seed", rows[1]["seed"]).out)
    assert one["digest"] == document["replications"][1]["digest"]


def test_json_in_a_file_comes_with_the_table(cachesim, storm, tmp_path):
    ended = cachesim("run", storm, "--json", "out.json")
    assert ended.out == cachesim("run", storm).out
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(cachesim("run", storm, "--json", "-").out)
    assert files(tmp_path) == ["out.json", "storm.toml"]


def test_a_file_that_is_there_is_replaced(cachesim, storm, tmp_path):
    (tmp_path / "out.json").write_text("before")
    (tmp_path / "out.json").chmod(0o640)
    (tmp_path / "link.json").symlink_to("out.json")
    assert cachesim("run", storm, "--json", "link.json").status == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "out.json").read_text())["seed"] == 1
    assert cachesim("run", storm, "--json", "out.json", "--seed", 2).status == 0
    assert json.loads((tmp_path / "out.json").read_text())["seed"] == 2
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o640
    assert cachesim("run", storm, "--json", os.devnull).status == 0
    assert Path(os.devnull).is_char_device()


def test_json_holds_what_its_library_does_not_know(cachesim, storm, module):
    name = module(
        "def factory(node):\n    async def get(key):\n        raise ValueError('\\ud800 no text')\n    return get\n"
    )
    ended = cachesim("run", storm, "--json", "-", "--seed", 2**70, "--cache", f"{name}:factory")
    assert ended.status == 0
    assert json.loads(ended.out)["seed"] == 2**70
    assert json.loads(ended.out)["errors"]["ValueError"]["message"] == "\\ud800 no text"


# Pictures


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_a_picture_in_the_format_of_its_suffix(cachesim, storm, tmp_path, suffix, magic):
    ended = cachesim("run", storm, "--plot", f"storm.{suffix}")
    assert (ended.status, ended.err) == (0, "")
    assert (tmp_path / f"storm.{suffix}").read_bytes().startswith(magic)


def test_of_several_runs_the_first_is_drawn(cachesim, storm, monkeypatch):
    from cachesim import plots

    drawn, storm_of = [], plots.storm

    def draw(loads, **options):
        drawn.append(loads)
        return storm_of(loads, **options)

    monkeypatch.setattr(plots, "storm", draw)
    assert cachesim("run", storm, "--plot", "storm.svg", "--replications", 3).status == 0
    (loads,) = drawn
    scenario = cs.load(storm)
    assert loads.equals(cs.simulate(scenario.replace(seed=seeds_of(scenario.seed, 3)[0])).loads)


# Somebody's own cache

OWN = """
print("imported")

class Cache:
    def __init__(self, node):
        print("made")
        self.node, self.rows = node, {}

    async def get(self, key):
        if key not in self.rows:
            self.rows[key] = await self.node.database.read(key)
        return self.rows[key]

class Shop:
    factory = staticmethod(lambda node: Cache(node))
"""


def test_an_own_cache_stands_in_the_place_of_the_pattern(cachesim, storm, module):
    name = module(OWN)
    ended = cachesim("run", storm, "--json", "-", "--cache", f"{name}:Cache")
    assert (ended.status, ended.err) == (0, "imported\nmade\n")
    document = json.loads(ended.out)
    assert document["cache"] == f"{name}:Cache"
    assert document["metrics"]["load_episodes"] == 1
    ended = cachesim("run", storm, "--cache", f"{name}:Shop.factory", "--replications", 2)
    assert f"\nCache: {name}:Shop.factory\n" in ended.out
    assert ended.err == "made\nmade\n"
    assert "" not in sys.path


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            "no_such_module:factory",
            "--cache: the module 'no_such_module' cannot be imported; ModuleNotFoundError: No mo",
        ),
        ("json:no_such", "--cache: 'json:no_such' is not allowed; module 'json' has no attribute 'no_such'"),
        ("json:__name__", "--cache: 'json:__name__' is 'json'; a factory is called with a node and returns a cache"),
        ("json", "--cache: 'json' is not allowed; MODULE:FACTORY, as in my_cache:factory"),
        (":factory", "--cache: ':factory' is not allowed; MODULE:FACTORY, as in my_cache:factory"),
        ("json:", "--cache: 'json:' is not allowed; MODULE:FACTORY, as in my_cache:factory"),
        ("..json:x", "--cache: the module '..json' cannot be imported; "),
        ("json:loads..x", "--cache: 'json:loads..x' is not allowed; "),
    ],
)
def test_a_cache_that_cannot_be_found_is_told(cachesim, storm, factory, message):
    assert refused(cachesim("run", storm, "--cache", factory)).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library' ({}.py:1)"),
        ("\n1 / 0", "ZeroDivisionError: division by zero ({}.py:2)"),
        ("def factory(node:", "SyntaxError: '(' was never closed ({}.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3 ({}.py:1)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(cachesim, storm, module, text, message):
    name = module(text)
    line = refused(cachesim("run", storm, "--cache", f"{name}:factory"))
    assert line == f"--cache: the module {name!r} cannot be imported; {message.format(name)}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def factory(node):\n    raise ValueError('no\\nluck')", "ValueError: no luck ({}.py:2)"),
        ("def factory(node):\n    raise SystemExit", "SystemExit ({}.py:2)"),
        (
            "import json\ndef factory(node):\n    json.loads('')",
            "JSONDecodeError: Expecting value: line 1 column 1 (ch",
        ),
        ("factory = lambda node: 5", "SimulationError: the cache factory returned 5; it must return an object with"),
        (
            "factory = lambda node: lambda key: 5",
            "SimulationError: the cache's `get` returned 5; it must be `async def",
        ),
        ("def factory():\n    pass", "TypeError: factory() takes 0 positional arguments but 1 was given"),
        (
            "import time\ndef factory(node):\n    async def get(key):\n        time.sleep(1)\n    return get",
            "SimulationError: time.sleep would stop simulated time for everybody; use `await asyncio.sleep(...)` ({}.",
        ),
        (
            "import asyncio\nclass factory:\n    def __init__(self, node): pass\n    async def get(self, key): pass\n"
            "    async def aclose(self): await asyncio.Event().wait()",
            "DeadlockError: nothing is left to happen at ",
        ),
    ],
)
@pytest.mark.parametrize("replications", [1, 2])
def test_a_run_that_fails_is_told_and_leaves_no_file(cachesim, storm, module, text, message, replications):
    name = module(text)
    options = ("--cache", f"{name}:factory", "--json", "out.json", "--replications", replications)
    ended = cachesim("run", storm, *options)
    assert (ended.status, ended.out) == (1, "")
    seed = 1 if replications == 1 else seeds_of(1, 2)[0]
    assert the_line(ended).startswith(f"storm.toml: the run with seed {seed} failed; {message.format(name)}")
    assert not Path("out.json").exists()


FAILING = """
import asyncio
import time

def factory(node):
    failed = []

    async def fail(number):
        await asyncio.sleep(0.1)
        if {simulation_error}:
            time.sleep(1)
        raise KeyError(number)

    async def get(key):
        if len(failed) < 3:
            failed.append(asyncio.create_task(fail(len(failed))))
            raise ConnectionError("no\\nway")
        return await node.database.read(key)

    return get
"""


@pytest.mark.parametrize("replications", [1, 2])
def test_errors_and_failures_are_listed(cachesim, storm, module, replications):
    options = ("--cache", f"{module(FAILING.format(simulation_error=False))}:factory", "--replications", replications)
    ended = cachesim("run", storm, *options)
    assert (ended.status, ended.err) == (0, "")
    errors, failures = ended.out.split("\nErrors that callers saw\n")[1].split("\nExceptions that nobody took\n")
    assert errors == f"  {3 * replications} × ConnectionError: no way\n"
    assert sorted(failures.splitlines()) == [f"  {replications} × KeyError: {number}" for number in range(3)]
    document = json.loads(cachesim("run", storm, *options, "--json", "-").out)
    assert document["errors"] == {"ConnectionError": {"count": 3 * replications, "message": "no\nway"}}
    assert document["failures"][0] == {"count": replications, "message": "KeyError: 0"}


def test_a_failure_that_a_simulation_cannot_bear_fails_the_run(cachesim, storm, module):
    name = module(FAILING.format(simulation_error=True))
    ended = cachesim("run", storm, "--cache", f"{name}:factory")
    assert ended.status == 1
    assert the_line(ended).startswith("storm.toml: the run with seed 1 failed; SimulationError: time.sleep would stop")
    assert f"({name}.py:11)" in ended.err
    assert "Exceptions that nobody took\n  3 × SimulationError: time.sleep would" in ended.out


# Bad input: one line that says what is allowed


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("title =", "titel =", "titel: unknown field; known: title, arrivals, keys, cache, database, redis, "),
        ("rate = 50", "rate = -1", "arrivals.rate: -1 is not allowed; above 0"),
        ("rate = 50", "rate = nan", "arrivals.rate: nan is not allowed; a finite number"),
        ("rate = 50", "rate = true", "arrivals.rate: True is not allowed; a number"),
        ("rate = 50", 'rate = "50"', "arrivals.rate: '50' is not allowed; a number"),
        (
            "rate = 50",
            "rate = 1e10",
            "duration: 20.0 is not allowed; about 2e+11 requests would arrive, at most 1e10 may",
        ),
        ("duration = 20", "duration = inf", "duration: inf is not allowed; a finite number"),
        ('"cache-aside"', '"cash-aside"', "cache.pattern: 'cash-aside' is unknown; known: none, "),
        ("ttl = 5", "ttl = 5\ntll = 5", "cache.tll: unknown field; known: ttl, jitter, single_flight, "),
        ("[keys]", "[expect]\nhit_rate = '> 0'\n[keys]", "expect.hit_rate: unknown metric; known: requests, reads, "),
        ("[keys]", "[expect]\nhits = '~ 3'\n[keys]", "expect.hits: '~ 3' is not allowed; a bound such as \">= 0.9\""),
        ("title =", "title", "is not TOML: Expected '=' after a key"),
        ("small", "sm\udcffll", "is not UTF-8 text"),
    ],
)
def test_a_bad_scenario_is_told_in_one_line(cachesim, tmp_path, before, after, message):
    (tmp_path / "bad.toml").write_text(STORM.replace(before, after, 1), errors="surrogateescape")
    for options in ((), ("--json", "-"), ("--replications", 2, "--check")):
        assert refused(cachesim("run", "bad.toml", *options)).startswith(f"bad.toml: {message}")


def test_a_scenario_that_is_not_there_is_told(cachesim):
    bundle = f"; bundled scenarios: {', '.join(bundled())}"
    assert refused(cachesim("run", "hot-kee")) == f"hot-kee: no such file{bundle}"
    assert refused(cachesim("run", "no/such.toml")) == f"no/such.toml: no such file{bundle}"
    assert refused(cachesim("run", ".")) == ".: cannot be read: Is a directory"
    assert refused(cachesim("run", "x" * 5000)).endswith(": cannot be read: File name too long")


RECORDED = STORM.replace('"one-key"', '"recorded"\npath = "{}"')
TRACE = random.Random(1).randbytes(40_000)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("missing.txt", None, "no such file"),
        ("empty.txt", b"", "is empty; at least one request is needed"),
        ("empty.trace", b"", "is empty; at least one request is needed"),
        ("cut.trace", TRACE[:-1], "is cut off, 3 byte(s) after the last whole 4-byte key"),
        ("cut.trace.xz", lzma.compress(TRACE)[:20_000], "cannot be read (Compressed file ended before"),
        ("binary.txt", TRACE, "is not UTF-8 text (binary traces are named *.trace)"),
        ("late.txt", b"a\n" * 500 + b"\xff\n", "is not UTF-8 text (binary traces are named *.trace)"),
    ],
)
def test_a_bad_trace_is_told_in_one_line(cachesim, tmp_path, file, content, message):
    (tmp_path / "recorded.toml").write_text(RECORDED.replace("duration = 20", "").replace("{}", file))
    if content is not None:
        (tmp_path / file).write_bytes(content)
    line = refused(cachesim("run", "recorded.toml", "--json", "out.json"))
    assert line.startswith(f"recorded.toml: keys.path: {file}")
    assert message in line
    assert not Path("out.json").exists()


def test_bad_times_are_told_in_one_line(cachesim, storm, tmp_path):
    (tmp_path / "times.txt").write_text("1\n2\n1.5\n")
    line = refused(cachesim("run", storm, "--set", 'arrivals={type="recorded", path="times.txt"}'))
    assert line == "storm.toml: arrivals.path: times.txt, line 3: '1.5' is not allowed; 2.0 (the line before) or more"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "cach.ttl=5"), "storm.toml, changed by --set: cach: unknown field; known: title, arrivals, "),
        (("--set", "cache.tll=5"), "storm.toml, changed by --set: cache.tll: unknown field; known: ttl, jitter, "),
        (("--set", "cache.ttl=soon"), "storm.toml, changed by --set: cache.ttl: 'soon' is not allowed; a number"),
        (("--set", "duration.x=5"), "storm.toml, changed by --set: duration.x: unknown field; 'duration' is no table"),
        (("--set", "duration"), "--set: 'duration' is not allowed; FIELD=VALUE, as in cache.ttl=5"),
        (("--set", "=5"), "--set: '=5' is not allowed; FIELD=VALUE, as in cache.ttl=5"),
        (("--set", "cache.=5"), "--set: 'cache.=5' is not allowed; FIELD=VALUE, as in cache.ttl=5"),
        (("--set",), "Option '--set' requires an argument; see cachesim --help"),
        (("--replications", "0"), "Invalid value for '--replications': 0 is not in the range 1<=x<=1000000"),
        (("--replications", "two"), "Invalid value for '--replications': 'two' is not a valid integer"),
        (("--seed", "-1"), "Invalid value for '--seed': -1 is not in the range x>=0"),
        (("--seed", "1.5"), "Invalid value for '--seed': '1.5' is not a valid integer"),
        (("--plot", "storm.gif"), "--plot: 'storm.gif' is not allowed; a file name that ends in .png, .svg, .pdf"),
        (("--plot", "storm"), "--plot: 'storm' is not allowed; a file name that ends in .png, .svg, .pdf"),
        (("--plot", "no/storm.png"), "--plot: 'no/storm.png' cannot be written: there is no folder 'no'"),
        (("--json", "no/out.json"), "--json: 'no/out.json' cannot be written: there is no folder 'no'"),
        (("--json", "."), "--json: '.' cannot be written: it is a folder; the name of a file is needed"),
        (("--json", "storm.toml/x"), "--json: 'storm.toml/x' cannot be written: there is no folder 'storm.toml'"),
        (("--json", "x" * 5000), "--json: 'xxx"),
        (("other.toml",), "Got unexpected extra argument (other.toml); see cachesim run --help"),
    ],
)
def test_a_bad_option_is_told_before_anything_runs(cachesim, storm, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr("cachesim.simulation.simulate", None)
    assert refused(cachesim("run", storm, *options)).startswith(message)
    assert files(tmp_path) == ["storm.toml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing command; commands: run, "),
        (("ran",), "No such command 'ran'"),
        (("--sed",), "No such option"),
        (("run",), "Missing argument 'SCENARIO'; see cachesim run --help"),
        (("run", "--sed", "1"), "No such option"),
        (("scenarios", "hot-key"), "Got unexpected extra argument (hot-key); see cachesim scenarios --help"),
    ],
)
def test_a_bad_command_line_is_told(cachesim, arguments, message):
    line = refused(cachesim(*arguments))
    assert line.startswith(message)
    if "such" in message:
        allowed = "--cache, --set, --seed, --replications" if "run" in arguments else "commands: run, "
        assert allowed in line


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="who may write everywhere")
def test_a_folder_without_permission_is_told_before_anything_runs(cachesim, storm, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    line = refused(cachesim("run", storm, "--json", "locked/out.json"))
    assert line == "--json: 'locked/out.json' cannot be written: permission denied"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_told(cachesim, storm):
    ended = cachesim("run", storm, "--json", "/dev/full")
    assert ended.status == 2
    assert the_line(ended) == "--json: '/dev/full' cannot be written: No space left on device"
    assert ended.out


# The end of a run


def test_an_interrupt_ends_with_130(cachesim, storm, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cachesim.simulation.simulate", interrupted)
    ended = cachesim("run", storm, "--json", "out.json")
    assert (ended.status, ended.out) == (130, "")
    assert the_line(ended) == "interrupted"
    assert not Path("out.json").exists()


def test_a_surprise_is_one_line_too(cachesim, storm, monkeypatch):
    monkeypatch.setattr("cachesim.summary.Summary.text", lambda self: 1 / 0)
    ended = cachesim("run", storm)
    assert (ended.status, ended.out) == (1, "")
    assert the_line(ended).startswith("ZeroDivisionError: division by zero")


def test_recorded_keys_end_the_run(cachesim, storm, tmp_path):
    (tmp_path / "keys.txt").write_text("a\nb\n\na\n" * 100)
    options = ("--set", 'keys={type="recorded", path="keys.txt"}', "--json", "-")
    metrics = json.loads(cachesim("run", storm, *options).out)["metrics"]
    assert metrics["requests"] == 300
    assert metrics["load_episodes"] < metrics["loads"] < 300


def conserved(metrics: dict[str, float]) -> bool:
    outcomes = ("hits", "stale_hits", "delayed_hits", "misses", "earlies", "errors", "writes")
    return metrics["requests"] == sum(metrics[name] for name in outcomes)


@pytest.mark.skipif("CACHESIM_TRACES" not in os.environ, reason="recorded requests lie beside the checkout in CI")
def test_a_recorded_day_of_a_web_shop(cachesim, tmp_path):
    recorded = f'type = "recorded"\npath = "{os.environ["CACHESIM_TRACES"]}/web07.trace.xz"'
    text = STORM.replace('type = "one-key"', recorded).replace("duration = 20", "").replace("ttl = 5", "ttl = 600")
    (tmp_path / "shop.toml").write_text(text.replace("value = 0.5", "value = 0.01"))
    ended = cachesim("run", "shop.toml", "--json", "-")
    assert (ended.status, ended.err) == (0, "")
    metrics = json.loads(ended.out)["metrics"]
    assert metrics["requests"] == 76_118
    assert conserved(metrics)
    assert metrics["loads"] >= 20_484
    assert 0 < metrics["hit_ratio"] <= 1 - 20_484 / 76_118


def test_the_words_of_the_documentation(cachesim):
    ended = cachesim("run", "documentation", "--json", "-", "--set", "cache.ttl=1e6")
    assert (ended.status, ended.err) == (0, "")
    metrics = json.loads(ended.out)["metrics"]
    words = list(cs.keys.Documentation().stream(np.random.default_rng(1)))
    assert metrics["requests"] == len(words) > 10_000
    assert metrics["loads"] == len(set(words))
    assert conserved(metrics)
    assert 0 < metrics["hit_ratio"] < 1


# As a process of its own

COMMAND = (sys.executable, "-m", "cachesim")


@pytest.fixture
def process(tmp_path, storm):
    """The command as a process of its own."""

    def run(*arguments, **options):
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 60} | options
        return subprocess.run([*COMMAND, *map(str, arguments)], check=False, **options)

    return run


def test_the_command_is_installed(storm, tmp_path):
    script = Path(sys.executable).with_name("cachesim")
    if not script.exists():
        pytest.skip("the package is not installed")
    ended = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.split()[:2] == ["cachesim,", "version"]
    ended = subprocess.run([script, "run", storm, "--check"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert ended.stdout.startswith("A small storm\n")


def test_the_module_is_the_command(process):
    ended = process("run", "nowhere")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("cachesim: nowhere: no such file")
    assert process("scenarios").returncode == 0


def test_help_has_an_example_and_is_quick():
    code = (
        "import sys; from cachesim.cli import main; status = main(['run', '--help']); "
        "heavy = {'numpy', 'pandas', 'pydantic', 'simpy', 'matplotlib', 'scipy', 'tqdm', 'redis'} & set(sys.modules); "
        "sys.exit(status or len(heavy))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cachesim run hot-key" in ended.stdout
    assert "Usage: cachesim run [OPTIONS] SCENARIO" in ended.stdout


@pytest.mark.parametrize("arguments", [("run", "storm.toml"), ("run", "storm.toml", "--json", "-"), ("run", "--help")])
def test_a_broken_pipe_is_no_error(process, arguments):
    read, write = os.pipe()
    os.close(read)
    try:
        ended = process(*arguments, capture_output=False, stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_check_counts_though_nobody_reads(process):
    read, write = os.pipe()
    os.close(read)
    try:
        options = {"capture_output": False, "stdout": write, "stderr": subprocess.PIPE}
        ended = process("run", "storm.toml", "--check", "--set", "expect.loads=< 1", **options)
    finally:
        os.close(write)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1


def test_what_a_terminal_cannot_show_is_replaced(process):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = process("run", "storm.toml", "--set", 'title="Ürgent –"', env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("?rgent ?\n")


def test_ctrl_c_ends_with_130_and_one_line(tmp_path, storm):
    text = 'import sys\ndef factory(node):\n    print("ready", flush=True)\n    return node.database.read\n'
    (tmp_path / "slow_cache.py").write_text(text)
    options = ("--cache", "slow_cache:factory", "--set", "duration=1e6", "--json", "out.json")
    pipe = subprocess.PIPE
    command = [*COMMAND, "run", storm, *options]
    with subprocess.Popen(command, cwd=tmp_path, text=True, stdout=pipe, stderr=pipe) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "cachesim: interrupted\n")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("options", "shown"), [((), "s simulated"), (("--replications", "2"), "of 2 runs"), (("--set", "duration=1"), "")]
)
def test_a_terminal_sees_progress_of_what_takes_long(tmp_path, storm, options, shown):
    pty = pytest.importorskip("pty")
    text = (
        "import time\nreal = time.monotonic\ndef factory(node):\n    until = real() + 0.7\n    async def get(key):\n"
        "        while real() < until and node.clock() > 5: pass\n        return await node.database.read(key)\n"
        "    return get\n"
    )
    (tmp_path / "slow_cache.py").write_text(text)
    mine, its = pty.openpty()
    command = [*COMMAND, "run", storm, "--cache", "slow_cache:factory", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=its) as running:
        os.close(its)
        seen = b""
        assert running.stdout is not None
        with contextlib.suppress(OSError):  # what Linux says when the other end is closed
            while block := os.read(mine, 4096):
                seen += block
        assert running.stdout.read().startswith(b"A small storm\n")
    os.close(mine)
    assert running.returncode == 0
    assert shown in seen.decode()
    assert bool(seen) == bool(shown)


def test_no_terminal_sees_no_progress(cachesim, storm, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace())
    assert cachesim("run", storm).err == ""


def test_a_released_library_is_a_cache_by_its_name(capsys):
    assert main(["run", "hot-key", "--set", "duration=20", "--cache", "cashews:lock", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["largest_stampede"] == 1
