"""The command under whatever it may be given: mutated scenarios and logs, and any flags.

It ends with 0, 1 or 2, and with 1 only where a check was missed or a run failed. On standard error is one line at most
(notes on what is compiled, and what somebody's own cache prints, do not count). A file that is there keeps its bytes
unless it is named as an output; then it is as before, or new and whole.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, event, given, settings

from cachesim.cli import main
from cachesim.cli.naming import scenario_named
from cachesim.console import BAD_INPUT, Stop
from cachesim.scenario import Scenario
from tests.command_lines import Case, cases

# A case


OWN = """
def factory(node):
    return node.database.read
def failing(node):
    raise ValueError("no")
def leaving(node):
    raise SystemExit(7)
"""


def lay_out(folder: Path, case: Case) -> None:
    """The input, what scenarios and flags name, and files that nobody may harm."""
    (folder / case.name).write_bytes(case.data)
    (folder / "times.txt").write_text("0\n0.5\n0.5\n1\n")
    (folder / "keys.txt").write_text("a\nb\na\nc\n")
    (folder / "own.py").write_text(OWN)
    (folder / "folder").mkdir()
    for name in ("kept.json", "kept.png", "kept.toml", "locked.json", "folder/kept.json"):
        (folder / name).write_text(f"precious {name}")
    (folder / "locked.json").chmod(0o400)
    (folder / "link.json").symlink_to("folder/kept.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def named(arguments: Sequence[str]) -> set[str]:
    """What stands after an option that names an output."""
    found = set()
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, joined = option.partition("=")
        if name in ("--json", "--plot", "--svg", "--scenario"):
            found.add(joined if equals else value)
    return found | ({"folder/kept.json"} if "link.json" in found else set())


def stores(arguments: Sequence[str]) -> tuple[str, ...]:
    """What may be made as the store of a sweep, and beside it."""
    joined = [word.removeprefix("--store=") for word in arguments if word.startswith("--store=")]
    return (*joined, *(after for word, after in pairwise(arguments) if word == "--store" and after))


def whole(name: str, data: bytes) -> bool:
    """Whether a file is one that the command writes, from its beginning to its end."""
    if data.startswith(b"{"):
        return bool(json.loads(data))
    if data.startswith(b"\x89PNG"):
        return data.endswith(b"IEND\xaeB`\x82")
    if data.startswith((b"<?xml", b"<svg")):
        return data.endswith(b"</svg>\n")
    return bool(tomllib.loads(data.decode()))


def judge(
    case: Case, status: int, out: bytes, err: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> None:
    """The promise."""
    assert status in (0, 1, 2)
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if not line.startswith("compiling ")]
    assert len(lines) <= 1
    assert bool(lines) or status == 0
    assert all(line.startswith("cachesim: ") and line.isprintable() for line in lines)
    if status == 1:
        assert re.search(r" failed; | expectation\(s\) missed: | invariant\(s\) broken: ", lines[0])
    if status == 2:
        assert out == b"" or "cannot be written" in lines[0]
    outputs = named(case.arguments)
    for name, data in before.items():
        assert after[name] == data or (name in outputs and whole(name, after[name]))
    for name in after.keys() - before.keys():
        if name not in outputs:
            assert name.startswith(stores(case.arguments))
        else:
            assert whole(name, after[name])
    options = set(case.arguments)
    if status == 0 and "--json=-" in options and not options & {"-h", "--help", "--version"}:
        json.loads(out)


# In process


Ended = tuple[int, bytes, str]


class Here(Executor):
    """Does what it is given at once: processes of its own would take seconds."""

    def submit(self, work: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Scenarios are made small, so that a case takes milliseconds; somebody's own module is imported anew."""
    before = Path.cwd()
    os.chdir(folder)
    sys.modules.pop("own", None)
    importlib.invalidate_caches()
    try:
        with (
            patch("cachesim.cli.run.scenario_named", lambda *names: calm(scenario_named(*names))),
            patch("cachesim.cli.compare.scenario_named", lambda *names: calm(scenario_named(*names))),
            patch("cachesim.cli.sweep.scenario_named", lambda *names: calm(scenario_named(*names))),
            patch("cachesim.cli.races.scenario_named", lambda *names: calm(scenario_named(*names))),
            patch("cachesim.races.shrinking._MOST", 10),
            patch("cachesim.races.shrinking._FRESH", 5),
            patch("cachesim.races.shrinking._ONE_SWITCH", 10),
            patch("cachesim.cli.sweep.executor_at", lambda _: nullcontext(Here())),
        ):
            yield
    finally:
        os.chdir(before)


def calm(scenario: Scenario) -> Scenario:
    """The scenario for a shorter time; one that is too large whatever the time is refused."""
    sizes = (getattr(scenario.keys, "n", 1), getattr(scenario.arrivals, "users", 1), scenario.clients.n or 1)
    if max(*sizes, scenario.nodes, scenario.batch, scenario.clients.retries) > 100:
        raise Stop(BAD_INPUT, "too large for a test")
    if scenario.duration is None:
        return scenario
    duration = min(scenario.duration, 2.0)
    while duration > 1e-6 and scenario.batch * scenario.arrivals.expected(duration) > 200:
        duration /= 4
    return scenario.replace(duration=duration, warmup=min(scenario.warmup, duration / 2))


def ended(arguments: list[str]) -> Ended:
    """The exit status, and what was written to standard output and to standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    with redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    out.flush()
    err.flush()
    return status, out.buffer.getvalue(), err.buffer.getvalue().decode()


def held(case: Case, run: Callable[[list[str]], Ended]) -> None:
    """Run a case in a folder of its own, and judge it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder, case)
        before = contents(folder)
        with inside(folder):
            status, out, err = run(case.arguments)
        judge(case, status, out, err, before, contents(folder))
        event(f"{case.arguments[0]}: {status}")


@given(cases())
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_whatever_it_is_given(case):
    held(case, ended)


@pytest.mark.slow
@given(cases())
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
def test_whatever_it_is_given_ten_thousand_times(case):
    held(case, ended)


# As a process of its own


def ended_as_a_process(arguments: list[str]) -> Ended:
    command = [sys.executable, "-m", "cachesim", *arguments]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=300)
    return ran.returncode, ran.stdout, ran.stderr.decode(errors="backslashreplace")


def is_small(case: Case) -> bool:
    """Whether a process that is given it ends soon; it takes no NUL among its arguments."""
    try:
        calm(Scenario(**tomllib.loads(case.data.decode())))
    except Stop:
        return False
    except (ValueError, TypeError):  # refused by the command, too
        pass
    return "\0" not in "".join(case.arguments)


@given(cases().filter(is_small))
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_whatever_a_process_is_given(case):
    held(case, ended_as_a_process)


@pytest.mark.slow
@given(cases().filter(is_small))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_whatever_a_process_is_given_fifty_times(case):
    held(case, ended_as_a_process)


# Found so


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ("nodes=1000000000", "nodes: 1000000000 is not allowed; 10,000 or less"),
        ("batch=1000000", "batch: 1000000 is not allowed; 10,000 or less"),
        ("clients.n=1" + "0" * 30, "clients.n: 1000000000000000000000000000000 is not allowed; 1,000,000,000 or less"),
        ('keys={type="uniform", n=1000000000}', "keys.n: 1000000000 is not allowed; 100,000,000 or less"),
        (
            'arrivals={type="closed-loop", users=10000000, think=1}',
            "arrivals.users: 10000000 is not allowed; 1,000,000 or less",
        ),
    ],
)
def test_what_no_memory_holds_is_refused(change, allowed, capfd):
    assert main(["run", "hot-key", "--set", change]) == 2
    assert capfd.readouterr() == ("", f"cachesim: hot-key, changed by --set: {allowed}\n")


def test_a_nul_in_the_name_of_an_output_is_told_before_the_run(capfd):
    assert main(["run", "hot-key", "--json", "a\0.json"]) == 2
    line = "cachesim: --json: 'a\\x00.json' cannot be written: no file has a NUL in its name\n"
    assert capfd.readouterr() == ("", line)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of Unix")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "/dev/zero"), "/dev/zero: is not TOML: it has more than 100,000,000 bytes"),
        (("curve", "/dev/zero"), "/dev/zero: is no text: it has a line of more than 16,777,216 bytes"),
        (("advise", "/dev/zero"), "/dev/zero: is no text: it has a line of more than 16,777,216 bytes"),
    ],
)
def test_what_never_ends_is_refused(arguments, line, capfd):
    assert main([*arguments]) == 2
    assert capfd.readouterr() == ("", f"cachesim: {line}\n")


@pytest.mark.parametrize("command", ["curve", "advise", "run"])
def test_a_name_that_is_too_long_is_told(command, capfd):
    assert main([command, "x" * 300]) == 2
    assert "File name too long" in capfd.readouterr().err
