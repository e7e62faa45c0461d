"""`cachesim compare`: which caches its words name, and that what it tells is what `compare` says."""

from __future__ import annotations

import json
import logging
from math import isnan
from typing import Any, NamedTuple

import jsonschema
import pytest

import cachesim as cs
from cachesim import adapters
from cachesim.cli import main
from cachesim.cli.caches import LibraryCache, cache_named
from cachesim.conditions import CONDITIONS, under_conditions
from cachesim.console import Stop
from cachesim.scenario import bundled
from cachesim.schemas import schema
from cachesim.world.caches import CACHES

STORM = """
title = "A small storm"
duration = 5
arrivals = { type = "poisson", rate = 50 }
keys = { type = "one-key" }
cache = { pattern = "cache-aside", ttl = 2, single_flight = "none" }
database = { latency = { type = "constant", value = 0.2 } }
"""
OWN = cs.Pattern("cache-aside", ttl=10, single_flight="none", jitter=1)


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def compare(capfd, tmp_path, monkeypatch):
    """The command with two replications of a small storm, in an empty folder, as a function of its options."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storm.toml").write_text(STORM)

    def run(*options: object) -> Ended:
        capfd.readouterr()
        status = main(["compare", "storm.toml", "--replications", "2", *map(str, options)])
        return Ended(status, *capfd.readouterr())

    return run


def refused(ended: Ended, status: int = 2) -> str:
    """The line that a command without a result has ended with."""
    line, *rest = ended.err.splitlines()
    assert (ended.status, ended.out, rest) == (status, "", [])
    return line.removeprefix("cachesim: ")


# Which cache is meant


@pytest.mark.parametrize("name", ["scenario", "cache-aside", "cachesim:cache-aside"])
def test_the_scenario_s_own_cache_is_as_it_is(name):
    assert cache_named(name, OWN) == OWN


@pytest.mark.parametrize(
    ("text", "cache"),
    [
        ("none", cs.Pattern("none")),
        ("conditional", cs.Pattern("conditional")),
        ("in-process", cs.Pattern("in-process", ttl=10, single_flight="none", jitter=1)),
        ("pitfall:cache-aside", cs.Pattern("pitfall:cache-aside", ttl=10)),
        ("cachesim:pitfall:batch", cs.Pattern("pitfall:batch", ttl=10)),
        ("scenario+jitter=0+ttl=20", cs.Pattern("cache-aside", ttl=20, single_flight="none")),
        ("early-recompute+beta=1.5e+1", cs.Pattern("early-recompute", beta=15.0, **OWN.options)),
        ("in-process+policy=s3-fifo+size=9", cs.Pattern("in-process", policy="s3-fifo", size=9, **OWN.options)),
        (
            "stale-while-revalidate+stale_for=60",
            cs.Pattern("stale-while-revalidate", fresh_for=10, stale_for=60, single_flight="none", jitter=1),
        ),
    ],
)
def test_a_pattern_takes_over_the_options_that_it_has(text, cache):
    assert cache_named(text, OWN) == cache


def test_what_is_fresh_for_a_time_lends_it_as_a_lifetime():
    own = cs.Pattern("stale-while-revalidate", fresh_for=5, stale_for=60)
    assert cache_named("cache-aside", own) == cs.Pattern("cache-aside", ttl=5)
    assert cache_named("scenario+stale_for=9", own) == cs.Pattern("stale-while-revalidate", fresh_for=5, stale_for=9)


@pytest.mark.parametrize("name", CACHES)
def test_of_every_pattern_is_told_what_is_missing(name):
    try:
        cache_named(name, cs.Pattern("none"))
    except Stop as stop:
        written = str(stop).partition("; write ")[2].replace("SECONDS", "7")
        assert isinstance(cache_named(written, cs.Pattern("none")), cs.Pattern)
    else:
        cs.Pattern(name)


@pytest.mark.parametrize(("text", "ttl"), [("cashews:lock", 10), ("cashews:lock+ttl=2.5", 2.5)])
def test_a_librarys_cache_has_the_lifetime_of_the_scenarios(text, ttl):
    cache = cache_named(text, OWN)
    assert isinstance(cache, LibraryCache)
    assert (cache.name, cache.ttl) == ("cashews:lock", ttl)
    assert list(cache.versions) == ["cashews"]
    loads = cs.simulate(cs.load(bundled()["hot-key"]).replace(duration=35), cache=cache).loads
    between = loads["start"].diff().dropna()
    assert len(between) == 35 // (ttl + 0.6)
    assert between.between(ttl + 0.5, ttl + 0.6).all()  # the load, and the wait for the next request


def test_a_library_that_is_not_installed_is_told_in_one_line(monkeypatch):
    def missing(name: str, *, ttl: float) -> Any:
        raise adapters.MissingLibraryError(f"{name} needs cashews; pip install 'cachesim[libraries]'")

    monkeypatch.setattr(adapters, "library_cache", missing)
    with pytest.raises(Stop, match=r"^--caches: cashews:lock needs cashews; pip install 'cachesim\[libraries\]'$"):
        cache_named("cashews:lock", OWN)


def test_a_module_that_is_called_like_no_library_is_imported():
    assert cache_named("asyncio:sleep", OWN) is __import__("asyncio").sleep


# What is told


def caches() -> dict[str, Any]:
    own = cs.load("storm.toml").cache
    return {"scenario": own, "in-process+size=5": cs.Pattern("in-process", size=5, **own.options)}


def comparison(**options: Any) -> Any:
    return cs.compare(cs.load("storm.toml"), caches(), n=2, **options)


def test_it_prints_the_caches_and_what_compare_says(compare):
    ended = compare("--caches", "scenario,in-process+size=5", "--conditions", "none")
    assert (ended.status, ended.err) == (0, "")
    listed, table = ended.out.split("\n\n", 1)
    assert listed.splitlines() == [
        "Caches",
        "  scenario           cache-aside, ttl 2, single_flight none",
        "  in-process+size=5  in-process, ttl 2, single_flight none, size 5",
    ]
    assert table == comparison().text() + "\n"
    options = ("--caches", "scenario", "--caches", "in-process+size=5", "--conditions", "none")
    other = compare(*options, "--baseline", "in-process+size=5").out
    assert other.split("\n\n", 1)[1] == comparison().text("in-process+size=5") + "\n"


@pytest.mark.parametrize(
    ("options", "conditions"), [((), list(CONDITIONS)), (("--conditions", "deploy,calm"), ["calm", "deploy"])]
)
def test_at_the_end_stands_what_becomes_of_them_under_conditions(compare, options, conditions):
    out = compare("--caches", "scenario,in-process+size=5", "--seed", 4, *options).out
    found = under_conditions(cs.load("storm.toml").replace(seed=4), caches(), conditions=conditions)
    assert out.endswith(f"\n\n{found.text()}\n")


def test_a_librarys_cache_is_told_with_its_version(compare):
    options = ("--caches", "scenario,cashews:lock", "--conditions", "cancellation")
    version = adapters.versions(["cashews:lock"])["cashews"]
    assert f"\n  cashews:lock  cashews {version}, ttl 2\n" in compare(*options).out
    scenario, library = json.loads(compare(*options, "--json", "-").out)["caches"]
    assert scenario["library"] is None
    assert library["cache"] is None
    assert library["library"] == {"name": "cashews:lock", "ttl": 2, "versions": {"cashews": version}}


def test_what_a_library_logs_does_not_reach_the_terminal(compare, module):
    name = module("import logging\ndef factory(node):\n    logging.error('no')\n    return node.database.read\n")
    handlers = list(logging.getLogger().handlers)
    assert compare("--caches", f"none,{name}:factory").err == ""
    assert logging.getLogger().handlers == handlers


def test_seed_and_changes_hold_for_all_caches(compare):
    out = compare("--caches", "scenario,none", "--seed", 5, "--set", "cache.ttl=3", "--json", "-").out
    document = json.loads(out)
    assert document["scenario"]["seed"] == document["seed"] == 5
    assert document["caches"][0]["cache"]["ttl"] == 3
    seeds = [[run["seed"] for run in cache["replications"]] for cache in document["caches"]]
    assert seeds[0] == seeds[1]


def or_none(value: float) -> float | None:
    return None if isnan(value) else value


def test_json_tells_the_same_and_keeps_its_schema(compare, tmp_path):
    options = ("--caches", "scenario,in-process+size=5", "--baseline", "in-process+size=5")
    document = json.loads(compare(*options, "--json", "-").out)
    checked = jsonschema.Draft202012Validator(schema("cachesim.compare/1"))
    checked.validate(document)
    found = comparison()
    assert [cache["name"] for cache in document["caches"]] == found.caches
    assert document["advice"] == found.advice
    rows = [{"seed": run["seed"], **run["metrics"]} for cache in document["caches"] for run in cache["replications"]]
    frame = found.frame.drop(columns="cache").to_dict("records")
    assert rows == [{name: or_none(value) for name, value in row.items()} for row in frame]
    for cache in document["caches"]:
        for name in found.metrics:
            assert cache["mean"][name] == or_none(found.mean(name)[cache["name"]])
            assert cache["interval"][name] == [or_none(end) for end in found.interval(name).loc[cache["name"]]]
    differences = found.differences("in-process+size=5").loc["scenario"]
    assert set(document["differences"]) == {"scenario"}
    for name, told in document["differences"]["scenario"].items():
        told = [told["difference"], *told["interval"], told["variance_ratio"]]
        assert told == [or_none(value) for value in differences.loc[name]]
    under = under_conditions(cs.load("storm.toml"), caches())
    for condition in document["conditions"]:
        assert condition["about"] == CONDITIONS[condition["name"]].about
        assert cs.Scenario(**condition["scenario"]) == under.scenarios[condition["name"]]
    cells = [{"condition": one["name"], **cell} for one in document["conditions"] for cell in one["caches"]]
    assert [(cell["condition"], cell["name"], cell["errors"], cell["failure"]) for cell in cells] == [
        (cell.condition, cell.cache, cell.errors, None) for cell in under.cells
    ]
    assert [cell["metrics"] for cell in cells] == [
        {name: or_none(value) for name, value in cell.metrics.items()} for cell in under.cells
    ]
    assert compare(*options, "--json", "out.json").out == compare(*options).out
    assert json.loads((tmp_path / "out.json").read_text()) == document


def test_its_schema_refuses_what_is_none_of_it(compare):
    document = json.loads(compare("--caches", "scenario,none", "--replications", 1, "--json", "-").out)
    checked = jsonschema.Draft202012Validator(schema("cachesim.compare/1"))
    checked.check_schema(schema("cachesim.compare/1"))
    assert checked.is_valid(document)
    (one,) = document["caches"][1]["replications"]
    for wrong in (
        {**document, "schema": "cachesim.compare/2"},
        {**document, "caches": document["caches"][:1]},
        {**document, "seed": "1"},
        {**document, "conditions": [{**document["conditions"][0], "caches": []}]},
        {**document, "conditions": [{**document["conditions"][0], "scenario": {}}]},
        {**document, "differences": {"none": {"loads": {"difference": 1.0}}}},
        {**document, "caches": [document["caches"][0], {**document["caches"][1], "mean": {"loads": 1.0}}]},
        {**document, "caches": [document["caches"][0], {**document["caches"][1], "replications": []}]},
        {**document, "caches": [document["caches"][0], {**document["caches"][1], "replications": [{"seed": 1}]}]},
        {**document, "caches": [document["caches"][0], {**document["caches"][1], "cache": "none"}]},
    ):
        assert not checked.is_valid(wrong)
    assert one["metrics"]["database_utilization"] is None


def test_a_document_of_an_earlier_version_is_one_still(compare):
    """Before there were conditions and libraries."""
    document = json.loads(compare("--caches", "scenario,none", "--json", "-").out)
    del document["conditions"]
    for cache in document["caches"]:
        del cache["library"]
    jsonschema.validate(document, schema(document["schema"]))


def test_a_cache_that_fails_under_a_condition_is_told(compare, module):
    name = module("def factory(node):\n    return 5 if node.clock() else node.database.read\n") + ":factory"
    options = ("--caches", f"none,{name}", "--conditions", "calm,deploy")
    document = json.loads(compare(*options, "--json", "-").out)
    calm, deploy = document["conditions"]
    assert calm["caches"][1] == {**calm["caches"][0], "name": name}
    assert deploy["caches"][1]["metrics"] is None
    assert deploy["caches"][1]["failure"].startswith("SimulationError: the cache factory returned 5")
    jsonschema.validate(document, schema(document["schema"]))
    assert f"\n  {name}, deploy: SimulationError: the cache factory returned 5; " in compare(*options).out


def test_an_own_cache_is_compared(compare, module):
    name = module("print('imported')\ndef factory(node):\n    return node.database.read\n")
    ended = compare("--caches", f"none,{name}:factory", "--json", "-")
    assert (ended.status, ended.err) == (0, "imported\n")
    none, own = json.loads(ended.out)["caches"]
    assert own["cache"] is None
    assert own["mean"] == none["mean"]
    assert f"\n  {name}:factory  your own\n" in compare("--caches", f"none,{name}:factory").out


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_metric_is_drawn(compare, tmp_path, suffix, magic):
    options = ("--metric", "episode_size_mean", "--plot", f"sizes.{suffix}")
    ended = compare("--caches", "scenario,stale-while-revalidate+stale_for=10", *options)
    assert (ended.status, ended.err) == (0, "")
    assert (tmp_path / f"sizes.{suffix}").read_bytes().startswith(magic)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Missing option '--caches'; see cachesim compare --help"),
        (("--caches", "none"), "--caches: 'none' is not allowed; at least 2 caches, each of them once"),
        (("--caches", "none,none"), "--caches: 'none,none' is not allowed; at least 2 caches, each of them once"),
        (("--caches", "none,"), "--caches: '' is unknown; known: scenario, none, in-process, cache-aside, "),
        (("--caches", "none,nothing"), "--caches: 'nothing' is unknown; known: scenario, none, in-process, "),
        (("--caches", "none,x:y+ttl=5"), "--caches: 'x:y' is unknown; known: scenario, none, in-process, "),
        (("--caches", "none,no_such:factory"), "--caches: the module 'no_such' cannot be imported; ModuleNotFound"),
        (("--caches", "none,json:no_such"), "--caches: 'json:no_such' is not allowed; module 'json' has no attr"),
        (("--caches", "none,in-process+sze=5"), "--caches: 'in-process+sze=5': sze: unknown field; known: ttl, "),
        (("--caches", "none,in-process+size=0"), "--caches: 'in-process+size=0': size: 0 is not allowed; 1 or more"),
        (
            ("--caches", "none,stale-while-revalidate"),
            "--caches: 'stale-while-revalidate' needs stale_for; write stale-while-revalidate+stale_for=SECONDS",
        ),
        (
            ("--set", 'cache={pattern="none"}', "--caches", "none,stale-while-revalidate"),
            "--caches: 'stale-while-revalidate' needs fresh_for and stale_for; "
            "write stale-while-revalidate+fresh_for=SECONDS+stale_for=SECONDS",
        ),
        (("--caches", "none,cashews:lok"), "--caches: 'cashews:lok' is unknown; known: cashews:simple, "),
        (("--caches", "none,cashews:lock+tl=5"), "--caches: 'cashews:lock+tl=5': tl: unknown field; known: ttl"),
        (("--caches", "none,cashews:lock+ttl=0"), "--caches: 'cashews:lock+ttl=0': ttl: 0 is not allowed; a number"),
        (
            ("--set", 'cache={pattern="none"}', "--caches", "none,cashews:lock"),
            "--caches: 'cashews:lock' needs ttl; write cashews:lock+ttl=SECONDS",
        ),
        (("--caches", "none,batch", "--conditions", "calm,clam"), "--conditions: 'clam' is unknown; known: calm, exp"),
        (("--caches", "none,batch", "--conditions", "calm,none"), "--conditions: 'none' is unknown; known: calm, exp"),
        (("--caches", "none,batch", "--baseline", "nome"), "--baseline: 'nome' is unknown; known: none, batch"),
        (("--caches", "none,batch", "--metric", "loads_"), "--metric: 'loads_' is unknown; known: requests, reads, "),
        (("--caches", "none,batch", "--plot", "a.gif"), "--plot: 'a.gif' is not allowed; a file name that ends in "),
        (("--caches", "none,batch", "--json", "no/a"), "--json: 'no/a' cannot be written: there is no folder 'no'"),
        (("--caches", "none,batch", "--set", "nodes=0"), "storm.toml, changed by --set: nodes: 0 is not allowed; 1"),
        (("--caches", "none,batch", "--replications", "0"), "Invalid value for '--replications': 0 is not in the ra"),
        (
            ("--caches", "none,batch", "--set", 'keys={type="recorded", path="no.txt"}'),
            "storm.toml: no.txt: no such file",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(compare, options, message):
    assert refused(compare(*options)).startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no')", "the cache {!r} failed; ValueError: no"),
        ("raise SystemExit('no')", "a cache failed; SystemExit: no"),
        ("return 5", "the cache {!r} failed; SimulationError: the cache factory returned 5; it must return"),
    ],
)
def test_a_cache_that_fails_is_named(compare, module, body, message):
    name = module(f"def factory(node):\n    {body}\n") + ":factory"
    line = refused(compare("--caches", f"none,{name}"), status=1)
    assert line.startswith(f"storm.toml: {message.format(name)}")
    assert line.endswith(f"({name.partition(':')[0]}.py:2)") == body.startswith("raise")
