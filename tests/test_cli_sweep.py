"""`cachesim sweep`: a table, a picture, JSON; killed at any moment it goes on where it was."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cachesim.cli import main
from cachesim.schemas import schema

ROOT = Path(__file__).parents[1]
QUICK = ("--set", "duration=10", "--replications", "2")
GRID = ("--vary", "cache.ttl=2,5", "--vary", "cache.single_flight=none,process")


def sweep(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    status = main(["sweep", "hot-key", *QUICK, *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_table_with_intervals_a_row_a_point(capsys):
    status, out, err = sweep(capsys, *GRID, "--metric", "load_rate", "--metric", "hit_ratio")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "4 points, 2 runs each: mean ± half the 95 % interval"
    assert lines[2].split() == ["cache.ttl", "cache.single_flight", "load_rate", "hit_ratio"]
    assert [line.split()[:2] for line in lines[3:]] == [
        ["2", "none"],
        ["2", "process"],
        ["5", "none"],
        ["5", "process"],
    ]
    assert lines[4].split()[2:5] == ["0.4/s", "±", "0/s"]


def test_json_is_what_its_schema_says_and_standard_output_holds_it_alone(capsys):
    status, out, err = sweep(capsys, *GRID, "--json", "-")
    assert (status, err) == (0, "")
    document = json.loads(out)
    jsonschema.validate(document, schema("cachesim.sweep/1"))
    assert [point["fields"] for point in document["points"]][1] == {"cache.ttl": 2, "cache.single_flight": "process"}
    assert document["points"][1]["mean"]["loads"] == 4.0
    assert [run["failure"] for run in document["runs"]] == [None] * 8


def test_a_random_design_from_the_command_line(capsys):
    status, out, _ = sweep(
        capsys, "--vary", "cache.ttl=1.0..10.0:log", "--vary", "nodes=1..4", "--draws", "4", "--json", "-"
    )
    document = json.loads(out)
    jsonschema.validate(document, schema("cachesim.sweep/1"))
    assert status == 0
    assert sorted(point["fields"]["nodes"] for point in document["points"]) == [1, 2, 3, 4]
    assert document["varied"]["cache.ttl"] == {"low": 1.0, "high": 10.0, "scale": "log"}


def test_the_picture_is_that_of_the_first_metric(capsys, tmp_path):
    picture = tmp_path / "sweep.svg"
    status, _, _ = sweep(capsys, *GRID, "--metric", "hit_ratio", "--plot", str(picture))
    assert status == 0
    assert "hit_ratio" in picture.read_text()


def test_runs_that_fail_are_told_and_the_rest_is_there(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    cache = ("--cache", "tests.sweeps.caches:exits", "--vary", "nodes=1,2")
    status, out, err = sweep(capsys, *cache, "--metric", "loads")
    assert status == 1
    assert err == "cachesim: hot-key: 2 of 4 runs failed; its process ended with exit status 7\n"
    rows = [line.split() for line in out.splitlines()]
    assert ["nodes", "runs", "failed", "loads"] in rows
    assert rows[3][:3] == ["1", "2", "0"]
    assert rows[4] == ["2", "0", "2", "–"]


def test_what_a_cache_prints_does_not_mix_with_the_results(capfd, monkeypatch):
    monkeypatch.chdir(ROOT)
    status = main(
        ["sweep", "hot-key", *QUICK, "--vary", "nodes=1", "--cache", "tests.sweeps.caches:prints", "--json", "-"]
    )
    out, err = capfd.readouterr()
    assert status == 0
    json.loads(out)
    assert err.count("on standard output") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--vary'"),
        (["--vary", "nodes"], "--vary: 'nodes' is not allowed; FIELD=VALUES, as in cache.ttl=5,10 or nodes=1..8"),
        (
            ["--vary", "nodes=1..8"],
            "--vary: nodes: a range is not allowed without draws; a list of values, or draws=64",
        ),
        (["--vary", "nodes=8..1"], "--vary: 'nodes=8..1' is not allowed; a range from 8 to 1 is not allowed"),
        (["--vary", "nodes=a..b"], "a range from 'a' to 'b' is not allowed; two finite numbers, the smaller first"),
        (["--vary", "nodes=0"], "hot-key, changed by --vary: nodes: 0 is not allowed; 1 or more"),
        (["--vary", "cache.beta=1"], "hot-key, changed by --vary: cache.beta: unknown field; known: "),
        (["--vary", "seed=1,2"], "--vary: seed: is not allowed; each point is run with as many seeds"),
        (["--vary", "nodes=1", "--metric", "speed"], "--metric: 'speed' is unknown; known: requests"),
        (["--vary", "nodes=1", "--store", "."], "--store: .: cannot be used as a store; unable to open database file"),
        (["--vary", "nodes=1", "--time-limit", "0"], "Invalid value for '--time-limit'"),
        (["--vary", "nodes=1", "--cache", "no_such:factory"], "--cache: the module 'no_such' cannot be imported"),
        (["--vary", "nodes=1", "--scheduler", "nowhere"], "--scheduler: 'nowhere' cannot be used"),
    ],
)
def test_bad_input_is_told_in_one_line(capsys, arguments, message):
    status, out, err = sweep(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cachesim", "sweep", "hot-key", *arguments]


def table_of(*arguments: str) -> Any:
    ended = subprocess.run(command(*arguments, "--json", "-"), capture_output=True, check=True, timeout=120)
    return json.loads(ended.stdout)


def kept_in(store: Path) -> int:
    """How many runs the store holds."""
    if not store.exists() or not store.stat().st_size:
        return 0
    with closing(sqlite3.connect(store, timeout=60)) as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def killed(rng: random.Random, store: Path, *arguments: str) -> int:
    """Starts it and kills it, now and then before it has kept anything; how many runs the store holds then."""
    enough = kept_in(store) + rng.choice((-1, 1, 2, 3))
    with subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while kept_in(store) < enough:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
    return kept_in(store)


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_sweep_that_is_killed_goes_on_where_it_was_and_ends_with_the_same_table(tmp_path, kills):
    size = ("--vary", "cache.ttl=2,4", "--set", "duration=20", "--replications", str(20 * kills), "--workers", "1")
    store = tmp_path / "runs.db"
    stored, rng = (*size, "--store", str(store)), random.Random(kills)
    kept = [killed(rng, store, *stored) for _ in range(kills)]
    assert kept == sorted(kept)  # none is lost
    assert 0 < kept[-1] < 40 * kills  # the last was killed before its end
    expected = table_of(*size)
    assert table_of(*stored) == expected
    assert kept_in(store) == 40 * kills  # none is there twice
