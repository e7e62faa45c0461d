"""`cachesim advise`: what it prints, and the scenario that `cachesim run` takes."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from cachesim.advice import advise
from cachesim.cli import main
from tests.logs import write_log


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cachesim(capfd, tmp_path, monkeypatch):
    """The command, run in an empty folder, as a function of its arguments; notes of what is compiled are left out."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capfd.readouterr()
        status = main([*map(str, args)])
        out, err = capfd.readouterr()
        notes = [line for line in err.splitlines(keepends=True) if not line.startswith("compiling ")]
        return Ended(status, out, "".join(notes))

    return run


@pytest.fixture
def log(tmp_path):
    write_log(tmp_path / "access.log", 5_000, keys=100, malformed=0.01, missing=0.02)
    return "access.log"


def test_it_prints_what_advise_says(cachesim, log):
    ended = cachesim("advise", log)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == advise(log).text() + "\n"


def test_json_alone_or_beside_the_text(cachesim, log, tmp_path):
    document = json.loads(cachesim("advise", log, "--json", "-").out)
    assert cachesim("advise", log, "--json", "out.json").out == advise(log).text() + "\n"
    assert json.loads((tmp_path / "out.json").read_text()) == document == json.loads(advise(log).json())


def test_its_scenario_runs_and_meets_its_expectations(cachesim, log):
    assert cachesim("advise", log, "--scenario", "shop.toml", "--plot", "shop.png").status == 0
    ended = cachesim("run", "shop.toml", "--check")
    assert (ended.status, ended.err) == (0, "")
    assert "  ok      hit_ratio >= " in ended.out


def test_malformed_lines_are_told_and_nothing_more(cachesim, log, tmp_path):
    with (tmp_path / log).open("a") as file:
        file.write("no request at all\n" * 10_000)
    ended = cachesim("advise", log)
    assert ended.status == 0
    assert "lines are malformed and were passed over; the first is line " in ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.log",), "missing.log: no such file"),
        (("access.log", "--format", "xml"), "--format: 'xml' is not allowed; text, binary, csv, parquet, "),
        (("access.log", "--scenario", "a.txt"), "--scenario: 'a.txt' is not allowed; a file name that ends in .toml"),
        (
            ("access.log", "--plot", "a.gif"),
            "--plot: 'a.gif' is not allowed; a file name that ends in .png, .svg, .pdf",
        ),
        (("access.log", "--json", "no/a"), "--json: 'no/a' cannot be written: there is no folder 'no'"),
        ((), "Missing argument 'LOG'; see cachesim advise --help"),
    ],
)
def test_bad_input_is_told_in_one_line(cachesim, log, tmp_path, arguments, message):
    ended = cachesim("advise", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"cachesim: {message}")
    assert len(ended.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [log]


def test_what_cannot_be_advised_is_told_in_one_line(cachesim, tmp_path):
    (tmp_path / "keys.txt").write_text("a\nb\n")
    ended = cachesim("advise", "keys.txt")
    assert ended == (2, "", "cachesim: keys.txt: tells no times, which advice needs; `cachesim curve` does without\n")
    (tmp_path / "noise.log").write_text("noise\n" * 10)
    ended = cachesim("advise", "noise.log", "--format", "access-log")
    assert ended.status == 2
    assert "none of its 10 line(s) is a request" in ended.err
