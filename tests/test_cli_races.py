"""`cachesim races`: what it looks for, that it tells what `search` finds, and that its last line repeats a race."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

import cachesim as cs
from cachesim.cli import main
from cachesim.cli.completion import INVARIANTS as COMPLETED
from cachesim.cli.races import STRATEGIES
from cachesim.races import INVARIANTS, search
from cachesim.races.finding import STRATEGIES as KNOWN_STRATEGIES
from cachesim.races.promises import promised
from cachesim.scenario import bundled

READS = """
title = "A few reads"
duration = 0.5
arrivals = { type = "constant", rate = 10 }
keys = { type = "one-key" }
cache = { pattern = "cache-aside", ttl = 10, single_flight = "none" }
database = { latency = { type = "constant", value = 0.1 } }
"""
STALE = "no_stale_read_after_delete"


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def races(capfd, tmp_path, monkeypatch):
    """The command, in a folder with a small scenario, as a function of its arguments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reads.toml").write_text(READS)

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        status = main(["races", *map(str, arguments)])
        return Ended(status, *capfd.readouterr())

    return run


def verdicts(out: str) -> dict[str, str]:
    """What is said of each invariant."""
    table = out.partition("Invariants\n")[2].partition("\n\n")[0]
    return {line.split()[0]: " ".join(line.split()[1:]) for line in table.splitlines()}


def again(out: str) -> list[str]:
    """The arguments of the command that a race ends with."""
    program, command, *arguments = shlex.split(re.findall(r"^Again: (.*)$", out, re.MULTILINE)[0])
    assert (program, command) == ("cachesim", "races")
    return arguments


def diagram(out: str) -> str:
    return re.split(r"^.* is broken: .*$", out, flags=re.MULTILINE)[1].partition("\nAgain: ")[0]


def refused(ended: Ended, status: int = 2) -> str:
    """The line that a command without a result has ended with."""
    line, *rest = ended.err.splitlines()
    assert (ended.status, ended.out, rest) == (status, "", [])
    return line.removeprefix("cachesim: ")


# What is looked for


def test_a_pattern_is_held_to_what_it_promises(races):
    ended = races("stale-set-leases", "--schedules", 20, "--check")
    assert ended.status == 0
    assert list(verdicts(ended.out)) == list(promised(cs.load(bundled()["stale-set-leases"]).cache))
    assert set(verdicts(ended.out).values()) == {"kept in 20 schedules promised"}


@pytest.mark.parametrize("cache", ["pitfall:in-process", "async-lru:ttl", "own:factory"])
def test_what_promises_nothing_is_held_to_every_invariant(races, module, cache):
    own = module("def factory(node):\n    return node.database.read\n")
    ended = races("reads.toml", "--cache", cache.replace("own", own), "--schedules", 1)
    assert list(verdicts(ended.out)) == list(INVARIANTS)
    assert "promised" not in ended.out


def test_an_invariant_that_is_not_promised_may_be_asked_for(races):
    ended = races("reads.toml", "--invariant", "single_flight", "--schedules", 50)
    assert ended.status == 0
    assert re.fullmatch(
        r"broken by schedule \d+: 2 requests, 2 switches not promised", verdicts(ended.out)["single_flight"]
    )


def test_what_is_told_is_what_a_search_finds(races):
    scenario = cs.load(bundled()["stale-set"])
    race = search(scenario, invariant=STALE, seed=7, strategy="priorities").race
    assert race is not None
    ended = races("stale-set", "--invariant", STALE, "--seed", 7, "--strategy", "priorities")
    assert verdicts(ended.out)[STALE] == f"broken by schedule {race.found}: 3 requests, {race.switches} switches"
    assert f"{STALE} is broken: {race.message}\n\n{race.diagram}\n\nAgain: " in ended.out
    assert race.schedule in again(ended.out)


def test_every_schedule_was_tried_or_it_does_not_say_so(races):
    exhaustive = ("reads.toml", "--cache", "in-process", "--invariant", "single_flight", "--strategy", "exhaustive")
    found = search(
        cs.load("reads.toml").replace(cache=cs.Pattern("in-process", ttl=10)),
        invariant="single_flight",
        strategy="exhaustive",
        preemptions=0,
    )
    assert found.complete
    every = found.schedules
    told = verdicts(races(*exhaustive, "--preemptions", 0).out)["single_flight"]
    assert told.startswith(f"kept in all {every} schedules with at most 0 preemptions")
    fewer = verdicts(races(*exhaustive, "--preemptions", 0, "--schedules", every - 1).out)["single_flight"]
    assert fewer.startswith(f"kept in {every - 1} schedules")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), "5 read '0'; 4 read and 1 writes where an invariant is about writes"),
        (("duration=0.1",), "1 reads '0'; 2 read and 1 writes where an invariant is about writes"),
        (("writes=1",), "5 write '0'"),
        (("batch=3", "duration=0.3", 'keys={type="scan", n=9}'), "3 read '0' and 8 other keys; 2 read and 1 writes"),
    ],
)
def test_the_requests_are_told_and_who_writes_though_nobody_does(races, changes, told):
    sets = [word for change in changes for word in ("--set", change)]
    (line,) = re.findall(r"^Requests: (.*)$", races("reads.toml", *sets, "--schedules", 1).out, re.MULTILINE)
    assert line.startswith(told)


def test_the_same_run_is_drawn_once(races):
    ended = races("reads.toml", "--invariant", "single_flight", "--invariant", "cluster_single_flight")
    assert ended.out.count("╔") == 1
    assert "cluster_single_flight is broken in the run that breaks single_flight" in ended.out


WORLDS = {
    "batches": 'batch=3 keys={type="uniform",n=5} cache.pattern=batch',
    "http": "cache={pattern='conditional'} clients={n=2,validators=true}",
    "recorded": 'keys={type="recorded",path="keys.txt"} arrivals={type="recorded",path="times.txt"}',
    "users": 'arrivals={type="closed-loop",users=3,think=0.1}',
    "layers": "nodes=2 cache={pattern='layered',ttl=5,l1_ttl=1,invalidation='stream'}",
    "faults": 'faults=[{type="redis-down",start=0,duration=0.2},{type="deploy",at=0.1,every=0.1}]',
}


@pytest.mark.parametrize("world", WORLDS)
def test_every_kind_of_scenario_can_be_searched(races, tmp_path, world):
    (tmp_path / "times.txt").write_text("0\n0.1\n0.3\n")
    (tmp_path / "keys.txt").write_text("a\nb\na\n")
    sets = [word for change in WORLDS[world].split() for word in ("--set", change)]
    ended = races("reads.toml", *sets, "--schedules", 5, "--check")
    assert ended.err == ""
    assert ended.status == 0
    assert all(told.endswith(" promised") for told in verdicts(ended.out).values())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in bundled() if name not in ("stale-set", "write-race")])
def test_patterns_of_bundled_scenarios_keep_what_they_promise(races, name):
    ended = races(name, "--schedules", 200, "--check")
    assert ended.err == ""
    assert ended.status == 0


# Again


@pytest.mark.parametrize("cache", [(), ("--cache", "scenario+ttl=9"), ("--cache", "cashews:unprotected")])
def test_the_last_line_repeats_the_race(races, cache):
    sets = ("--set", 'title=It\'s "so"', "--set", "nodes=2")
    found = races("stale-set", *sets, *cache, "--invariant", STALE, "--seed", 3)
    arguments = again(found.out)
    assert arguments[:-3] == ["stale-set", *sets, *cache, "--invariant"]
    repeated = races(*arguments, "--check")
    assert repeated.status == 1
    assert diagram(repeated.out) == diagram(found.out)
    assert again(repeated.out) == arguments
    assert verdicts(repeated.out)[STALE].startswith("broken: 3 requests, ")


def test_a_race_that_is_gone_says_so(races, module):
    name = module("def factory(node):\n    return Cache(node.database.read)\n\n\nclass Cache:\n" + KEEPS)
    arguments = again(races("stale-set", "--cache", f"{name}:factory", "--invariant", STALE).out)
    assert races(*arguments).status == 0
    repaired = module("def factory(node):\n    return node.database.read\n")
    told = refused(races(*(word.replace(name, repaired) for word in arguments)), status=1)
    assert told.startswith(f"stale-set: the replay failed; {STALE} is kept now: ")


KEEPS = """
    def __init__(self, read):
        self.read, self.kept = read, {}

    async def get(self, key):
        if key not in self.kept:
            self.kept[key] = await self.read(key)
        return self.kept[key]

    async def delete(self, key):
        self.kept.pop(key, None)
"""


# What comes of it


def test_a_broken_invariant_fails_a_check(races):
    ended = races("reads.toml", "--invariant", "single_flight", "--invariant", "tables_empty", "--check")
    assert ended.status == 1
    assert ended.err == "cachesim: reads.toml: 1 of 2 invariant(s) broken: single_flight\n"
    assert "is broken:" in ended.out


def test_what_was_found_is_drawn(races, tmp_path):
    assert races("stale-set", "--invariant", STALE, "--svg", "race.svg").status == 0
    root = ElementTree.parse(tmp_path / "race.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert f"{STALE}: " in str(root[0].text)


def test_where_nothing_was_found_nothing_is_drawn(races, tmp_path):
    ended = races("stale-set-leases", "--schedules", 1, "--svg", "race.svg")
    assert ended.err == "cachesim: --svg: 'race.svg' is not written: no race was found\n"
    assert ended.status == 0
    assert not (tmp_path / "race.svg").exists()


def test_json_holds_what_the_text_says(races):
    arguments = ("stale-set", "--invariant", STALE, "--schedules", 200)
    text = races(*arguments).out
    document = json.loads(races(*arguments, "--json", "-").out)
    (found,) = document["invariants"]
    assert document["search"] == {"strategy": "mixed", "seed": 1, "schedules": 200, "preemptions": 2}
    assert (found["name"], found["promised"], found["complete"]) == (STALE, False, False)
    assert found["race"]["diagram"] == diagram(text).strip("\n")
    assert [request["writes"] for request in found["race"]["requests"]].count(True) == 1
    assert shlex.split(found["race"]["replay"])[2:] == again(text)
    assert len(found["requests"]) == 6
    replayed = json.loads(races(*again(text), "--json", "-").out)
    assert (replayed["search"], replayed["replay"]) == (None, found["race"]["schedule"])


def test_progress_counts_the_schedules_of_all_invariants(races, monkeypatch):
    said: list[tuple[float | None, str]] = []
    done: list[float] = []

    @contextmanager
    def progress(total: float | None, unit: str) -> Iterator[Callable[[float], None]]:
        said.append((total, unit))
        yield done.append

    monkeypatch.setattr("cachesim.cli.races.progress", progress)
    races("stale-set-leases", "--invariant", STALE, "--invariant", "tables_empty", "--schedules", 5)
    assert said == [(10, "schedules")]
    assert done == [*range(1, 11)]


def test_the_readme_shows_what_its_command_draws(races):
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    command, drawn = re.findall(r"^    cachesim (races .*)\n\n```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0]
    _, *arguments = shlex.split(command)
    assert diagram(races(*arguments).out).strip("\n") == drawn.strip("\n")


# Bad input


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--invariant", "x"), f"--invariant: 'x' is unknown; known: {', '.join(INVARIANTS)}"),
        (("--cache", "x"), "--cache: 'x' is unknown; known: scenario, none, "),
        (("--cache", "no_such_module:x"), "--cache: the module 'no_such_module' cannot be imported; "),
        (("--schedules", 0), "Invalid value for '--schedules': 0 is not in the range 1<=x<=1000000000"),
        (("--strategy", "x"), "Invalid value for '--strategy': 'x' is not one of 'mixed', "),
        (("--replay", "0:0::00000000"), "--replay: needs one --invariant, as in the command that a race ends with"),
        (("--svg", "race.png"), "--svg: 'race.png' is not allowed; a file name that ends in .svg"),
        (("--set", "arrivals.rate=0.001", "--set", "arrivals.type=poisson"), "reads.toml: duration: 0.5 is not"),
    ],
)
def test_bad_input_is_told_in_one_line(races, arguments, told):
    assert refused(races("reads.toml", *arguments)).startswith(told)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("x", "'x' is no schedule; it looks like 0,1,2:7:5a1~3f,12r0~9c:1a2b3c4d"),
        ("0,9:0::00000000", "'0,9:0::00000000' is a schedule of other requests: here are 5"),
        ("9,0:0::00000000", "'9,0:0::00000000' is a schedule of other requests: here are 5"),
    ],
)
def test_a_schedule_that_is_none_is_told(races, schedule, told):
    ended = races("reads.toml", "--invariant", "single_flight", "--replay", schedule)
    assert refused(ended) == f"--replay: {told}"


@pytest.mark.parametrize("error", ['ValueError("no")', "SystemExit(7)"])
def test_a_cache_that_fails_ends_the_search(races, module, error):
    name = module(f"def factory(node):\n    raise {error}\n")
    told = refused(races("reads.toml", "--cache", f"{name}:factory"), status=1)
    assert told.startswith(f"reads.toml: the search for {STALE} failed; {error.partition('(')[0]}: ")
    assert told.endswith(f"({name}.py:2)")


def test_what_is_written_here_for_speed_is_what_there_is():
    assert STRATEGIES == KNOWN_STRATEGIES
    assert tuple(INVARIANTS) == COMPLETED
