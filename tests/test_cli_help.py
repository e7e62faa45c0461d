"""Help of every command: its examples run as they stand, and what the commands share holds for each of them."""

from __future__ import annotations

import gzip
import importlib
import json
import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pytest

from cachesim import scenario
from cachesim.cli import _commands, main
from tests.logs import write_log

COMMANDS = dict(sorted(_commands.commands.items()))

STORM = """
title = "A small storm"
duration = 5
arrivals = { type = "poisson", rate = 50 }
keys = { type = "one-key" }
cache = { pattern = "cache-aside", ttl = 1, single_flight = "none" }
database = { latency = { type = "constant", value = 0.1 } }
expect = { largest_stampede = ">= 2" }
"""
OWN = "def factory(node):\n    return node.database.read\n"


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the small files that examples name, where bundled scenarios are short."""
    (tmp_path / "storm.toml").write_text(STORM)
    (tmp_path / "shop.toml").write_text(STORM)
    (tmp_path / "my_cache.py").write_text(OWN)
    write_log(tmp_path / "access.log", 600, keys=50)
    (tmp_path / "access.log.gz").write_bytes(gzip.compress((tmp_path / "access.log").read_bytes()))
    keys = np.random.default_rng(1).zipf(1.3, 3_000) % 1000
    (tmp_path / "web07.trace.xz").write_bytes(lzma.compress(keys.astype("<u4").tobytes()))
    table = [f"{second},/page/{key},{key % 9 + 1}" for second, key in enumerate(keys.tolist())]
    (tmp_path / "requests.csv").write_text("\n".join(["time,url,size", *table]))
    _write_parquet(tmp_path / "requests.parquet", keys)
    short = {}
    (tmp_path / "bundled").mkdir()
    for name, path in scenario.bundled().items():
        short[name] = tmp_path / "bundled" / path.name
        text = re.sub(r"^(duration|warmup) = .*", _shortened, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        short[name].write_text(text, encoding="utf-8")
    monkeypatch.setattr(scenario, "bundled", lambda: short)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_cache", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def _shortened(field: re.Match[str]) -> str:
    return {"duration": "duration = 8", "warmup": "warmup = 1"}[field[1]]


def _write_parquet(path: Path, keys: np.ndarray) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    sizes = keys % 9 + 1
    parquet.write_table(pa.table({"key": keys.astype(str), "size": sizes, "time": np.arange(len(keys)) * 1.0}), path)


def examples() -> list[Any]:
    """Each line that a command shows; of those that start processes only the first runs in the fast lane."""
    found = []
    for name, command in COMMANDS.items():
        lines = [line.strip() for line in str(command.epilog).splitlines() if line.startswith("  ")]
        for place, line in enumerate(lines):
            slow = place > 0 and (name == "sweep" or "--parts" in line)
            found.append(pytest.param(line, id=f"{name}-{place}", marks=pytest.mark.slow if slow else ()))
    return found


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name, capsys):
    assert main([name, "--help"]) == main([name, "-h"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: cachesim {name} [OPTIONS]")
    assert f"Examples:\n    cachesim {name}" in out
    assert str(COMMANDS[name].help).partition("\n")[0].endswith((".", ":", ","))
    assert all(option.help for option in COMMANDS[name].params if isinstance(option, click.Option))


def test_the_help_of_all_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    assert re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("line", examples())
def test_an_example_runs_as_it_stands(line, folder, capfd, monkeypatch):
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))  # JupyterLab, by `lab`
    first, *pipe = line.split(" | ")
    program, *arguments = shlex.split(first)
    assert program == "cachesim"
    capfd.readouterr()
    status = main(arguments)
    out, err = capfd.readouterr()
    notes = [note for note in err.splitlines() if not note.startswith("compiling ")]
    assert (status, notes) == (0, [])
    assert out or started
    for reader in map(shlex.split, pipe):
        if shutil.which(reader[0]):
            ended = subprocess.run(reader, input=out, capture_output=True, text=True, check=True)
            assert ended.stdout
            assert ended.stdout.split() != ["null"]


# What all of them promise

WITH_JSON = {
    "advise": ["advise", "access.log"],
    "compare": ["compare", "storm.toml", "--caches", "scenario,none", "--replications", "2"],
    "curve": ["curve", "requests.csv", "--key", "url"],
    "races": ["races", "storm.toml", "--schedules", "5"],
    "run": ["run", "storm.toml"],
    "sweep": ["sweep", "storm.toml", "--vary", "cache.ttl=1,2", "--replications", "1"],
}
ANY = {
    **WITH_JSON,
    "run --json": [*WITH_JSON["run"], "--json", "-"],
    "completion": ["completion", "zsh"],
    "scenarios": ["scenarios"],
}


def test_every_command_that_writes_json_is_looked_at():
    options = {name: [option.name for option in command.params] for name, command in COMMANDS.items()}
    assert sorted(WITH_JSON) == [name for name, names in options.items() if "json_file" in names]
    assert set(COMMANDS) <= {*ANY, "lab"}


@pytest.mark.parametrize("name", WITH_JSON)
def test_json_on_standard_output_stands_alone(name, folder, capfd):
    noisy = ["--cache", "noisy:factory"] if name == "run" else []
    (folder / "noisy.py").write_text("print('imported')\ndef factory(node):\n    return node.database.read\n")
    assert main([*WITH_JSON[name], *noisy, "--json", "-"]) == 0
    out, _ = capfd.readouterr()
    document = json.loads(out)
    assert out.endswith("}\n")
    assert document["schema"].startswith(f"cachesim.{name}/")


@pytest.mark.parametrize("arguments", ANY.values(), ids=ANY)
def test_a_broken_pipe_is_no_error(arguments, folder, capfd, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        assert main(arguments) == 0
        assert os.fstat(unread.fileno()).st_rdev == Path(os.devnull).stat().st_rdev  # where the rest of it goes
    assert [note for note in capfd.readouterr().err.splitlines() if not note.startswith("compiling ")] == []


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [*ANY.values(), ["--help"]], ids=[*ANY, "help"])
def test_the_first_line_is_enough(arguments, folder):
    ended = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1', "-", sys.executable, "-m", "cachesim", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.count("\n") == 1
    assert [note for note in ended.stderr.splitlines() if not note.startswith("compiling ")] == []
    assert ended.returncode == 0


@pytest.mark.parametrize("arguments", ANY.values(), ids=ANY)
def test_an_interrupt_ends_with_130_and_one_line(arguments, folder, capfd, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for function in (
        "advice.advise",
        "comparison.compare",
        "simulation.simulate",
        "traces.trace.read",
        "scenario.bundled",
    ):
        monkeypatch.setattr(f"cachesim.{function}", interrupted)
    monkeypatch.setattr("cachesim.cli.completion.get_completion_class", interrupted)
    assert main(arguments) == 130
    assert capfd.readouterr() == ("", "cachesim: interrupted\n")
