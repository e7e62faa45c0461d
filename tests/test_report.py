"""The page that `--report` writes: what it says, that it needs nothing but itself, and that nothing can break it."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections import Counter
from html.parser import HTMLParser
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import cachesim as cs
from cachesim.cli import main
from cachesim.closed_forms import ClosedForm
from cachesim.experiments import seeds_of
from cachesim.report import Command, page
from cachesim.report.pictures import pictures
from cachesim.scenario import bundled
from cachesim.summary import Run, Summary

STORM = cs.Scenario(
    title="A small storm",
    arrivals=cs.arrivals.Poisson(rate=50),
    keys=cs.keys.OneKey(),
    cache=cs.Pattern("cache-aside", ttl=2, single_flight="none"),
    database=cs.Database(latency=cs.latency.Constant(0.2)),
    duration=10,
    expect={"loads": ">= 1", "largest_stampede": "<= 1", "database_utilization": "< 1"},
)


class Page(HTMLParser):
    """A page, read: its elements, and what a person sees of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in ("meta", "link", "img", "br"):
            self._open.append(tag)
        if tag in ("h1", "h2"):
            self.headings.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if self._open and self._open[-1] in ("h1", "h2"):
            self.headings[-1] += data
        if {"th", "td"} & set(self._open):
            self.rows[-1][-1] += data.strip("\n")

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, *beginning: str) -> list[str]:
        (found,) = [row for row in self.rows if row[: len(beginning)] == list(beginning)]
        return found[len(beginning) :]


def summed_up(scenario: cs.Scenario, n: int) -> tuple[Summary, cs.Result]:
    """The summary of `n` runs, and the first of them."""
    results = [(seed, cs.simulate(scenario.replace(seed=seed))) for seed in seeds_of(scenario.seed, n)]
    return Summary(scenario, [Run.of(seed, result) for seed, result in results]), results[0][1]


@pytest.fixture(scope="module")
def one() -> str:
    result = cs.simulate(STORM)
    return page(Summary.of(STORM, result), result)


@pytest.fixture(scope="module")
def several() -> str:
    return page(*summed_up(STORM, 4))


# What it says


def test_it_says_what_the_table_says(one):
    summary, read = Summary.of(STORM, cs.simulate(STORM)), Page(one)
    for lines in summary.groups.values():
        for label, value, _, beside in lines:
            assert [label, value, beside] in read.rows
    assert all(sentence in read.text for sentence in summary.advice)
    assert "Cache: cache-aside, ttl 2, single_flight none" in read.text
    assert "10 s of simulated time, seed 1" in read.text
    assert STORM.to_toml() in read.text
    assert read.row("1") == [cs.simulate(STORM).digest]
    sections = ["Expectations", "Over time", "Metrics", "Long enough?", "Theory", "Scenario", "Replay"]
    assert read.headings == ["A small storm", *sections]


def test_of_several_runs_it_says_means_and_intervals(several):
    runs, read = cs.replicate(STORM, 4), Page(several)
    low, high = runs.interval("episode_size_mean")
    cells = read.row("mean episode size")
    assert float(cells[0]) == pytest.approx(runs.mean("episode_size_mean"), rel=1e-3)
    assert [float(cell) for cell in cells[1].split(" to ")] == pytest.approx([low, high], rel=1e-3)
    for seed in runs.frame["seed"]:
        assert read.row(f"{seed}") == [cs.simulate(STORM.replace(seed=int(seed))).digest]
    assert f"The first run, with seed {runs.frame['seed'][0]}." in read.text
    assert "cachesim run scenario.toml --seed 1 --replications 4" in read.text


def test_verdicts_are_told_in_words(one, several):
    metrics, read = cs.simulate(STORM).metrics, Page(one)
    assert "✗ 2 of 3 expectation(s) missed" in read.text
    assert read.row("✓ met", "loads >= 1") == [f"{metrics['loads']:g}"]
    assert read.row("✗ missed", "largest_stampede <= 1") == [f"{metrics['largest_stampede']:g}"]
    assert read.row("✗ missed", "database_utilization < 1") == ["–"]
    runs = cs.replicate(STORM, 4)
    low, high = runs.interval("loads")
    assert Page(several).row("✓ met", "loads >= 1") == [f"{runs.mean('loads'):.6g}", f"{low:.6g} to {high:.6g}"]
    calm = STORM.replace(expect={"loads": ">= 1"})
    assert "✓ 1 expectation(s) met" in Page(page(Summary.of(calm, cs.simulate(calm)))).text
    hopeless = STORM.replace(expect={}, title="")
    read = Page(page(Summary.of(hopeless, cs.simulate(hopeless))))
    assert read.headings == ["A run of cachesim", "Metrics", "Long enough?", "Theory", "Scenario", "Replay"]


def test_errors_are_listed():
    scenario = STORM.replace(faults=[cs.faults.DatabaseErrors(share=0.5)])
    result = cs.simulate(scenario)
    read = Page(page(Summary.of(scenario, result)))
    ((kind, (number, example)),) = result.errors.items()
    assert f"{number:,} × {kind}: {example}" in read.text
    assert "That nobody took" not in read.text


# Theory


def test_theory_stands_beside_what_was_simulated(monkeypatch):
    summary, _ = summed_up(STORM, 4)
    values = np.array([run.metrics["load_rate"] for run in summary.runs])
    mean, error = float(values.mean()), float(values.std(ddof=1)) / sqrt(4)
    forms = [
        ClosedForm("load_rate", mean - 3 * error, "the first", "A. Author (1999)", "Everything holds."),
        ClosedForm("load_rate", mean - 3 * error, "the second", "B. Author", "Nearly.", approximation=error),
        ClosedForm("load_rate", mean + 3 * error, "the third", "B. Author", "Nearly.", approximation=4 * error),
        ClosedForm("loads_early", 0.0, "none", "B. Author", "Nearly."),
        ClosedForm("loads_early", 0.1, "some", "B. Author", "Nearly."),
    ]
    monkeypatch.setattr("cachesim.report.agreements.closed_forms", lambda scenario: forms)
    read = Page(page(summary))
    distances = {row[-1]: row[-2] for row in read.rows if len(row) == 5}
    assert distances == {
        "Form": "Distance",
        "the first": "+3.0",
        "the second": "+2.0",
        "the third": "0",
        "none": "0",
        "some": "–",
    }
    assert [row for row in read.rows if "Author" in row[0]] == [
        ["Everything holds. A. Author (1999)"],
        ["Nearly. B. Author"],
    ]
    assert "With 4 runs, chance alone\nputs one in twenty further away than 3.2." in read.text
    single = Page(page(Summary(STORM, summary.runs[:1])))
    assert "Distance" not in single.text
    assert "One run says nothing about chance" in single.text


def test_what_theory_says_of_the_hot_key():
    """Three times in 30 s, 1 + λD = 51 loads."""
    scenario = cs.load(bundled()["hot-key"]).replace(duration=30)
    read = Page(page(Summary.of(scenario, cs.simulate(scenario))))
    assert read.row("load_rate")[0] == "5.1/s"


def test_theory_says_nothing_of_an_own_cache():
    result = cs.simulate(STORM, cache=lambda node: node.database.read)
    read = Page(page(Summary.of(STORM, result, "shop:factory")))
    assert "Theory" not in read.headings
    assert "Cache: shop:factory" in read.text
    assert "In the place of its cache stood shop:factory." in read.text


# Nothing but itself


@pytest.mark.parametrize("number", [1, 4])
def test_it_loads_nothing_and_runs_nothing(one, several, number):
    text = one if number == 1 else several
    read = Page(text)
    tags = Counter(tag for tag, _ in read.elements)
    assert not {"script", "iframe", "object", "embed", "form", "base", "a"} & set(tags)
    assert (tags["style"], tags["link"], tags["img"]) == (1, 1, 2)
    addresses = [value for _, found in read.elements for name, value in found.items() if name in ("src", "href")]
    assert [address.split(",")[0] for address in addresses] == ["data:", *2 * ["data:image/svg+xml"]]
    assert not [name for _, found in read.elements for name in found if name.startswith("on")]
    assert not re.search(r"url\(|@import|//", re.sub(r' src="[^"]*"', "", text))
    (policy,) = [found["content"] for found in read.of("meta") if "http-equiv" in found]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_everybody_can_read_it(several):
    read = Page(several)
    assert read.of("html") == [{"lang": "en"}]
    assert [tag for tag, _ in read.elements if tag in ("h1", "main", "header", "footer")] == [
        "header",
        "h1",
        "main",
        "footer",
    ]
    assert all("scope" in cell for cell in read.of("th"))
    names = [found["id"] for _, found in read.elements if "id" in found]
    assert len(set(names)) == len(names)
    assert {found["aria-labelledby"] for _, found in read.elements if "aria-labelledby" in found} == set(names)
    storm, timelines = (found["alt"] for found in read.of("img"))
    first = cs.simulate(STORM.replace(seed=seeds_of(1, 4)[0]))
    peak = first.metrics["peak_concurrent_loads"]
    assert (
        storm
        == f"Up to {peak:.0f} requests at the database at once, from 0 s to 10 s. {len(first.loads)} loads in all."
    )
    assert timelines.startswith("Over time, from 0 s to 10 s: requests (1/s) from ")
    assert "p99 latency (ms) from 0 to 200." in timelines


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'{{ 7 * 7 }}{% raw %}"


def test_what_comes_from_elsewhere_is_text(one):
    scenario = STORM.replace(title=HOSTILE)

    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            raise type(HOSTILE, (Exception,), {})(HOSTILE)

        return get

    result = cs.simulate(scenario, cache=factory)
    summary = Summary(scenario, [Run.of(1, result)], HOSTILE)
    read = Page(page(summary, command=Command(HOSTILE, ("--set", HOSTILE))))
    expected = Counter(tag for tag, _ in Page(one).elements)
    assert {tag for tag, _ in read.elements} <= set(expected) | {"ul", "li"}
    assert read.of("img") == []
    assert read.headings[0] == HOSTILE
    assert read.text.count(HOSTILE) >= 6


@pytest.mark.parametrize("text", ["\x00\x1b[0m", "\ud800", "\u202eevil", "two\nlines", "é 漢 🎈"])
def test_no_text_breaks_it(text):
    scenario = STORM.replace(title=text)
    summary = Summary(scenario, [Run.of(1, cs.simulate(scenario))], text)
    written = page(summary, command=Command(text, ("--set", f"title={text}"))).encode()
    assert not set(b"\x00\x1b") & set(written)
    assert Page(written.decode()).headings[0].isprintable()


# Pictures


def test_pictures_are_drawings_and_the_same_for_the_same_run(one):
    found = pictures(STORM, cs.simulate(STORM))
    assert [picture.address for picture in found] == [image["src"] for image in Page(one).of("img")]
    for picture in found:
        svg = ElementTree.fromstring(unquote(picture.address.partition(",")[2]))
        assert svg.tag == "{http://www.w3.org/2000/svg}svg"


def test_faults_are_marked_where_they_are_seen():
    faults = [
        cs.faults.DatabaseSlow(start=2, duration=3, factor=2),
        cs.faults.DatabaseSlow(start=2, duration=2, factor=2),
        cs.faults.DatabaseSlow(start=10, factor=2),
        cs.faults.RedisSlow(start=8, added=0.01),
        cs.faults.Flush(at=1),
        cs.faults.Flush(at=6),
        cs.faults.Deploy(at=7, every=2),
    ]
    scenario = STORM.replace(faults=faults, nodes=3, warmup=4)
    storm, _ = pictures(scenario, cs.simulate(scenario))
    assert storm.caption.split(". ") == [
        "Shaded from 4 s to 5 s: database-slow",
        "Shaded from 8 s to 10 s: redis-slow",
        "Dotted line at 6 s: flush",
        "Dotted line at 7 s: deploy",
        "Dotted line at 9 s: deploy.",
    ]


def test_a_line_has_few_points_each_for_some_requests(monkeypatch):
    from cachesim import plots

    seen, timelines = [], plots.timelines

    def draw(series: pd.DataFrame, **options: Any) -> Any:
        seen.append(series)
        return timelines(series, **options)

    monkeypatch.setattr(plots, "timelines", draw)
    rare = STORM.replace(duration=100, **{"arrivals.rate": 0.5})
    pictures(rare, cs.simulate(rare))
    assert len(seen[-1]) == 10
    limited = STORM.replace(**{"database.connections": 2})
    pictures(limited, cs.simulate(limited))
    columns = [
        "requests (1/s)",
        "hit ratio (%)",
        "loads (1/s)",
        "waiting queries (mean)",
        "median latency (s)",
        "p99 latency (s)",
    ]
    assert list(seen[-1]) == columns
    assert seen[-1].index[0] == 0.1  # the middle of the first bin


def test_a_run_without_requests_is_a_page_too():
    scenario = STORM.replace(**{"arrivals.rate": 1e-6})
    result = cs.simulate(scenario)
    read = Page(page(Summary.of(scenario, result), result))
    assert read.of("img")[0]["alt"].startswith("No request reached the database, ")
    assert "nan" not in read.text


def test_many_loads_make_no_large_page():
    """No more steps are drawn than can be seen; here there are 10,000."""
    scenario = STORM.replace(cache=cs.Pattern("none"), **{"arrivals.rate": 500})
    result = cs.simulate(scenario)
    assert len(result.loads) > 4_500
    assert len(page(Summary.of(scenario, result), result).encode()) < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled())
def test_the_page_of_a_bundled_scenario(name):
    scenario = cs.load(bundled()[name])
    result = cs.simulate(scenario)
    text = page(Summary.of(scenario, result), result)
    assert len(text.encode()) < 500_000
    assert "missed" not in Page(text).text


# The command


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cachesim(capfd, tmp_path, monkeypatch):
    """The command, run in a folder with a scenario, as a function of its arguments."""
    monkeypatch.chdir(tmp_path)
    Path("storm.toml").write_text(STORM.to_toml())

    def run(*args):
        capfd.readouterr()
        return Ended(main([str(arg) for arg in args]), *capfd.readouterr())

    return run


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr("cachesim.report.pages.pictures", lambda scenario, result: [])


def written(name: str = "out.html") -> str:
    return Path(name).read_text(encoding="utf-8")


def test_the_command_writes_it_beside_the_table(cachesim, one):
    ended = cachesim("run", "storm.toml", "--report", "out.html")
    assert ended == (0, cachesim("run", "storm.toml").out, "")
    assert written() == one.replace("scenario.toml", "storm.toml")


def test_the_command_writes_it_beside_json_too(cachesim, no_pictures):
    ended = cachesim("run", "storm.toml", "--report", "out.html", "--json", "-", "--check")
    assert ended.status == 1
    assert "✗ 2 of 3 expectation(s) missed" in written()
    assert json.loads(ended.out)["expectations"][0]["met"]


def test_replications_draw_their_first_run(cachesim, several):
    assert cachesim("run", "storm.toml", "--report", "out.html", "--replications", 4).status == 0
    summaries = page(*summed_up(STORM, 4), Command("storm.toml"))
    assert Page(written()).of("img") == Page(summaries).of("img")
    assert Page(written()).row("1835504127") == Page(several).row("1835504127")


MODULES = (f"own_for_report_{number}" for number in itertools.count())


def test_what_it_says_replays_the_run(cachesim, no_pictures):
    name = next(MODULES)
    Path(f"{name}.py").write_text("def factory(node):\n    return node.database.read\n")
    options = ("--cache", f"{name}:factory", "--set", "duration=3", "--set", "title=a 'b'", "--seed", 7)
    cachesim("run", "storm.toml", *options, "--report", "out.html")
    (command,) = [line for line in Page(written()).text.splitlines() if line.startswith("cachesim run")]
    _, *again = shlex.split(command)
    assert cachesim(*again, "--report", "again.html").status == 0
    assert written("again.html") == written()


def test_a_run_that_fails_leaves_no_page(cachesim):
    name = next(MODULES)
    Path(f"{name}.py").write_text("def factory(node):\n    raise ValueError\n")
    assert cachesim("run", "storm.toml", "--cache", f"{name}:factory", "--report", "out.html").status == 1
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == [f"{name}.py", "storm.toml"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.htm", "--report: 'out.htm' is not allowed; a file name that ends in .html"),
        ("no/out.html", "--report: 'no/out.html' cannot be written: there is no folder 'no'"),
    ],
)
def test_where_it_cannot_be_written_is_told_before_anything_runs(cachesim, monkeypatch, name, message):
    monkeypatch.setattr("cachesim.simulation.simulate", None)
    assert cachesim("run", "storm.toml", "--report", name) == (2, "", f"cachesim: {message}\n")
