"""The fixture `simulate` and the marker `scenario`, in test suites that pytest runs inside these tests."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import Any

import pandas  # noqa: F401  what an inner run imports first is gone after it, and numpy cannot be imported twice
import pytest

import cachesim as cs
import cachesim.replay
import cachesim.timelines
from cachesim.cli import main
from cachesim.scenario import bundled

pytest_plugins = ["pytester"]

HOT_KEY = cs.load(bundled()["hot-key"]).replace(duration=12)
CACHE = """
import pytest
import cachesim as cs

class Forgetful:
    \"\"\"Keeps what it loaded for 5 s; whoever asks while it loads, loads too.\"\"\"

    def __init__(self, node):
        self.node, self.kept = node, {}

    async def get(self, key):
        value, until = self.kept.get(key, (None, 0))
        if self.node.clock() >= until:
            value = await self.node.database.read(key)
            self.kept[key] = value, self.node.clock() + 5
        return value
"""
FAILS = "    assert result.metrics['largest_stampede'] <= 1\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Any:
    """Run the tests in a text that follows `CACHE`, in a folder of their own, with options for pytest."""

    def run(tests: str, *options: str, name: str = "tests/test_shop.py") -> pytest.RunResult:
        file = pytester.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(CACHE + tests)
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "--strict-markers", "--import-mode=importlib", *options
        )

    return run


def one_test(body: str) -> str:
    return f"def test_it(simulate):\n    result = {body}\n{FAILS}"


def failed_with(result: pytest.RunResult) -> str:
    """The one line that says why the only test failed."""
    result.assert_outcomes(failed=1)
    said = [line for line in result.outlines if line.startswith("E  ")]
    assert len(said) == 1, result.outlines
    assert "site-packages" not in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()
    return said[0].removeprefix("E       ")


def section(result: pytest.RunResult) -> list[str]:
    """The lines of the only section."""
    first = next(i for i, line in enumerate(result.outlines) if re.match("-+ simulation 1 of 1: ", line))
    last = next(i for i, line in enumerate(result.outlines) if i > first and line.startswith("==="))
    return result.outlines[first + 1 : last]


# What runs


def test_it_is_simulate_with_the_scenario_changed_and_your_own_cache(suite: Any) -> None:
    suite(
        """
def test_it(simulate):
    result = simulate("hot-key", cache=Forgetful, duration=12, seed=3)
    scenario = cs.load(__import__("cachesim.scenario").scenario.bundled()["hot-key"]).replace(duration=12, seed=3)
    assert result.digest == cs.simulate(scenario, cache=Forgetful).digest
    assert result.digest != simulate("hot-key", cache=Forgetful, duration=12).digest
    pattern = simulate("hot-key", cache=cs.Pattern("cache-aside", ttl=7), **{"cache.ttl": 4, "duration": 12})
    assert pattern.metrics["loads"] == 3
    assert simulate("hot-key", record="summary", duration=12).digest == simulate(scenario, seed=1).digest
    with pytest.raises(ValueError, match="kept no tables"):
        simulate("hot-key", record="summary", duration=12).requests
"""
    ).assert_outcomes(passed=1)


def test_a_file_is_looked_for_beside_the_test_then_in_the_working_folder_and_goes_before_a_bundled_one(
    suite: Any, pytester: pytest.Pytester
) -> None:
    (pytester.path / "tests").mkdir()
    for name, duration in {"tests/a.toml": 3, "a.toml": 4, "b.toml": 5, "tests/hot-key": 6}.items():
        (pytester.path / name).write_text(HOT_KEY.replace(duration=duration).to_toml())
    suite(
        """
import pathlib
@pytest.mark.parametrize(
    ("name", "duration"), [("a.toml", 3), (pathlib.Path("b.toml"), 5), ("hot-key", 6), ("../a.toml", 4)]
)
def test_it(simulate, name, duration):
    assert simulate(name).duration == duration
"""
    ).assert_outcomes(passed=4)


def test_the_nearest_marker_says_what_runs_and_the_call_has_the_last_word(suite: Any) -> None:
    suite(
        """
pytestmark = pytest.mark.scenario("hot-key", duration=2)

def test_of_the_module(simulate):
    assert simulate().duration == 2

@pytest.mark.scenario("hot-key-single-flight", duration=3, cache=Forgetful, **{"cache.ttl": 1})
class TestClass:
    def test_of_the_class(self, simulate):
        assert simulate().metrics["stampedes"] == 1
        assert simulate(cache=cs.Pattern("cache-aside", ttl=5)).metrics["loads"] == 1
        assert simulate(duration=4, **{"cache.ttl": 9}).duration == 4

    @pytest.mark.scenario("hot-key", duration=5)
    def test_of_the_function(self, simulate):
        result = simulate(cache=Forgetful)
        assert result.duration == 5
        assert result.metrics["stampedes"] == 1

    def test_a_scenario_of_its_own_takes_no_changes_from_the_marker(self, simulate):
        assert simulate("hot-key-single-flight").duration == 120

@pytest.mark.parametrize("n", [pytest.param(6, marks=pytest.mark.scenario("hot-key", duration=6))])
def test_of_a_parameter(simulate, n):
    assert simulate().duration == n

@pytest.mark.scenario(1, 2, nonsense=3)
def test_that_does_not_simulate():
    pass
"""
    ).assert_outcomes(passed=6)


def test_it_runs_where_an_event_loop_runs(suite: Any) -> None:
    suite(
        """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_it(simulate):
    assert simulate("hot-key", cache=Forgetful, duration=2).metrics["stampedes"] == 1
"""
    ).assert_outcomes(passed=1)


# What is refused


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('simulate("hot-kye")', "'hot-kye': no such file in .*tests or in the working folder; bundled .* hot-key, .*"),
        (f'simulate("{"x" * 300}")', "'x.*: File name too long"),
        ("simulate(7)", "7 is no scenario; the name of a bundled one, a file, or a Scenario"),
        ("simulate()", r'simulate: no scenario; simulate\("hot-key"\), or @pytest.mark.scenario\("hot-key"\)'),
        ('simulate("bad.toml")', r".*bad\.toml: arrivals\.rate: -1 is not allowed; above 0"),
        ('simulate("hot-key", duration=-1)', "hot-key, changed: duration: -1 is not allowed; above 0"),
        ('simulate("hot-key", **{"cache.tl": 5})', "hot-key, changed: cache.tl: unknown field; known: ttl, .*"),
        ('simulate("hot-key", typo=5)', "hot-key, changed: typo: unknown field; known: title, .*"),
        ('simulate("hot-key", cache=5)', "cache: 5 is not allowed; a factory, called with a node, or a Pattern"),
        ('simulate("hot-key", record="all")', 'record: \'all\' is not allowed; "tables" or "summary"'),
        ('simulate("lost.toml")', r"lost\.toml: .*none\.csv.*"),
        ('simulate("unchecked.toml", check=True)', r"unchecked\.toml has no \[expect\]: there is nothing to check"),
    ],
)
def test_bad_input_fails_the_test_with_one_line(call: str, said: str, suite: Any, pytester: pytest.Pytester) -> None:
    recorded = HOT_KEY.replace(keys=cs.keys.Recorded(path="none.csv"))
    (pytester.path / "bad.toml").write_text(HOT_KEY.to_toml().replace("rate = 100.0", "rate = -1"))
    (pytester.path / "lost.toml").write_text(recorded.to_toml())
    (pytester.path / "unchecked.toml").write_text(HOT_KEY.replace(expect={}).to_toml())
    assert re.fullmatch(f"Failed: {said}", failed_with(suite(one_test(call))))


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("()", r"@pytest.mark.scenario: \(\) is not allowed; one scenario, then changes of it"),
        ('("hot-key", 5)', r"@pytest.mark.scenario: \('hot-key', 5\) is not allowed; one scenario, .*"),
        ('("hot-key", **{"cache.tl": 5})', "hot-key, changed: cache.tl: unknown field; known: ttl, .*"),
    ],
)
def test_so_does_a_bad_marker(marker: str, said: str, suite: Any) -> None:
    result = suite(f"@pytest.mark.scenario{marker}\n" + one_test("simulate()"))
    assert re.fullmatch(f"Failed: {said}", failed_with(result))


def test_expectations_fail_the_test_only_when_asked(suite: Any) -> None:
    suite(
        """
def test_not_asked(simulate):
    simulate("hot-key", cache=cs.Pattern("cache-aside", ttl=10), duration=12)

def test_met(simulate):
    simulate("hot-key-single-flight", check=True)
"""
    ).assert_outcomes(passed=2)
    found = suite(one_test('simulate("hot-key", cache=cs.Pattern("cache-aside", ttl=10), duration=12, check=True)'))
    missed = "episode_size_mean >= 40 (1), largest_stampede >= 45 (1)"
    assert failed_with(found) == f"Failed: hot-key: 2 of 3 expectation(s) missed: {missed}"
    assert section(found)


BLOCKED = """
import asyncio

def stuck(node):
    return lambda key: asyncio.Event().wait()

def careless(node):
    async def refresh():
        raise KeyError("lost")

    async def get(key):
        asyncio.ensure_future(refresh())
        return await node.database.read(key)

    return get
"""


def test_a_run_that_cannot_go_on_fails_the_test(suite: Any) -> None:
    """Its metrics may look fine: nobody loaded anything twice."""
    found = suite(BLOCKED + one_test('simulate("hot-key", cache=stuck, duration=1)'))
    found.assert_outcomes(failed=1)
    found.stdout.re_match_lines(["E .*DeadlockError: .*"])
    assert section(found)


def test_exceptions_that_nobody_took_fail_it_when_strict(suite: Any) -> None:
    suite(
        BLOCKED + 'def test_it(simulate):\n    assert len(simulate("hot-key", cache=careless, duration=1).failures) > 9'
    )
    found = suite(BLOCKED + one_test('simulate("hot-key", cache=careless, duration=1, strict=True)'))
    found.stdout.re_match_lines(["E .*KeyError: 'lost'"])
    assert any(re.fullmatch(r"  \d+ × KeyError: 'lost' \(test_shop.py:\d+\)", line) for line in section(found))


# What a failure shows


def test_a_failure_shows_the_storm(suite: Any) -> None:
    lines = section(suite(one_test('simulate("hot-key", cache=Forgetful, duration=12)')))
    assert lines[0] == "A hot key expires: Poisson(rate=100.0), OneKey(), Database(latency=Constant(value=0.5))"
    assert lines[1] == "Cache: tests.test_shop:Forgetful"
    assert any("largest_stampede            55" in line for line in lines)
    assert any(line.startswith("The largest stampede, 55 loads of the key '0', 25 ms a column") for line in lines)
    assert max(map(len, lines)) <= 100


def test_of_many_runs_the_last_three_are_shown(suite: Any) -> None:
    found = suite(
        """
def test_it(simulate):
    for seed in range(5):
        result = simulate("hot-key", duration=1, seed=seed)
    assert not result
"""
    )
    titles = [line.strip("- ") for line in found.outlines if " simulation " in line]
    assert titles == [f"simulation {n} of 5: hot-key, seed {n - 1}" for n in (3, 4, 5)]


def test_whoever_passes_or_is_expected_to_fail_shows_nothing(suite: Any) -> None:
    found = suite(
        """
def test_it(simulate):
    simulate("hot-key", duration=1)

@pytest.mark.xfail
def test_known(simulate):
    assert not simulate("hot-key", duration=1)
""",
        "-rA",
    )
    found.assert_outcomes(passed=1, xfailed=1)
    assert "simulation 1" not in found.stdout.str()


def test_a_failure_in_a_fixture_shows_its_run(suite: Any) -> None:
    found = suite(
        """
@pytest.fixture
def result(simulate):
    return simulate("hot-key", duration=1, cache=cs.Pattern("none"), check=True)

def test_it(result):
    pass
"""
    )
    found.assert_outcomes(errors=1)
    assert section(found)


def test_a_run_without_tables_or_without_an_end_shows_what_there_is(suite: Any) -> None:
    lines = section(suite(one_test('simulate("hot-key", duration=1, record="summary")')))
    assert 'No timeline: with record="summary" no tables are kept.' in lines
    lines = section(suite(one_test('simulate("hot-key", duration=1, cache=lambda: None)')))
    assert lines[-1] == "Replay: pytest tests/test_shop.py::test_it"


def test_a_run_that_cannot_be_shown_hides_no_failure(suite: Any) -> None:
    found = suite(
        """
def test_it(simulate, monkeypatch):
    simulate("hot-key", duration=1)
    monkeypatch.setattr("cachesim.timelines.timeline", None)
    assert False
"""
    )
    assert failed_with(found) == "assert False"
    assert section(found) == ["The run cannot be shown: TypeError(\"'NoneType' object is not callable\")"]


# What it says repeats the run


def told_digest(lines: list[str]) -> str:
    return next(line.removeprefix("Digest: ") for line in lines if line.startswith("Digest: "))


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ("'hot-key', duration=6", "run hot-key --set duration=6 --seed 1"),
        (
            "'hot-key', cache=Forgetful, seed=3, duration=6.5, **{'cache.ttl': 5}",
            "run hot-key --set duration=6.5 --set cache.ttl=5 --seed 3 --cache tests.test_shop:Forgetful",
        ),
        (
            "'shop.toml', title='A & B', balance='round-robin', nodes=2",
            "run tests/shop.toml --set 'title=\"A & B\"' --set balance=round-robin --set nodes=2 --seed 4",
        ),
        ("SCENARIO, cache=Forgetful", "run scenario.toml --cache tests.test_shop:Forgetful"),
        ("'hot-key', duration=6, cache=cs.Pattern('none')", "run scenario.toml"),
        ("'hot-key', duration=6, faults=[cs.faults.Flush(at=4)]", "run scenario.toml"),
    ],
)
def test_the_command_repeats_it(
    call: str, command: str, suite: Any, pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]
) -> None:
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests/shop.toml").write_text(HOT_KEY.replace(duration=6, seed=4).to_toml())
    scenario = "cs.load('tests/shop.toml').replace(**{'cache.ttl': 2})"
    lines = section(suite(f"SCENARIO = {scenario}\n" + one_test(f"simulate({call})")))
    assert f"Replay: cachesim {command}" in lines
    if "scenario.toml" in command:
        toml = lines.index("with this scenario.toml:")
        (pytester.path / "scenario.toml").write_text("\n".join(lines[toml + 1 :]))
    capfd.readouterr()
    assert main([*shlex.split(command), "--json", "-"]) == 0
    assert json.loads(capfd.readouterr().out)["digest"] == told_digest(lines)


@pytest.mark.parametrize("option", [[], ["--cachesim-seed", "9"]])
def test_a_factory_without_a_name_is_repeated_by_its_test(
    option: list[str], suite: Any, pytester: pytest.Pytester
) -> None:
    text = """
@pytest.mark.parametrize("ttl", ["a b"])
def test_it(simulate, ttl):
    result = simulate("hot-key", cache=lambda node: Forgetful(node), duration=6)
"""
    lines = section(suite(text + FAILS, *option))
    test = "tests/test_shop.py::test_it[a b]"
    assert f"Replay: {shlex.join(['pytest', test, *option])}" in lines
    again = pytester.runpytest_inprocess("-p", "no:cacheprovider", test, *option)
    assert told_digest(section(again)) == told_digest(lines)


def test_a_worker_knows_what_a_new_process_finds(pytester: pytest.Pytester) -> None:
    """With pytest-xdist, whose workers look for modules in every folder that pytest has added."""
    for folder in ("src/shop", "tests"):
        (pytester.path / folder).mkdir(parents=True)
    (pytester.path / "pytest.ini").write_text("[pytest]\npythonpath = src\n")
    (pytester.path / "src/shop/__init__.py").touch()
    (pytester.path / "src/shop/caches.py").write_text(CACHE)
    body = one_test('simulate("hot-key", cache=Forgetful, duration=6)')
    (pytester.path / "tests/test_shop.py").write_text(CACHE + body)
    (pytester.path / "tests/test_hidden.py").write_text(f"import shop.caches\n{CACHE}{body}")
    found = output("pytest", "-n1", "-p", "no:cacheprovider")
    assert "Replay: pytest tests/test_hidden.py::test_it\n" in found
    digests = re.findall("Digest: (.*)", found)
    assert len(digests) == 2
    assert digests[0] == digests[1]
    command = shlex.split(re.findall("Replay: cachesim (.*)", found)[0])
    assert command[-2:] == ["--cache", "tests.test_shop:Forgetful"]
    assert json.loads(output("cachesim", *command, "--json", "-"))["digest"] == digests[0]


def output(module: str, *arguments: str) -> str:
    """What a command prints in a process of its own."""
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True).stdout


# Seeds


def test_another_seed_for_every_run(suite: Any) -> None:
    tests = """
@pytest.mark.scenario("hot-key", duration=2, seed=5)
def test_it(simulate):
    assert simulate().digest == simulate("hot-key", duration=2, seed=6).digest
    assert simulate().metrics["requests"] < 0
"""
    found = suite(tests, "--cachesim-seed", "8")
    found.stdout.fnmatch_lines(["cachesim: seed 8 in every run", "*simulation 3 of 3: hot-key, seed 8*"])
    found.stdout.fnmatch_lines(["Replay: cachesim run hot-key --set duration=2 --seed 8"])
    suite(tests).stdout.fnmatch_lines(["*simulation 1 of 2: hot-key, seed 5*", "*simulation 2 of 2: hot-key, seed 6*"])


def test_a_seed_that_is_none_is_refused(suite: Any) -> None:
    found = suite("", "--cachesim-seed", "-1")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    message = "argument --cachesim-seed: '-1' is not allowed; a whole number of 0 or more"
    assert any(line.endswith(message) for line in found.errlines)


# What it costs whoever does not use it


def test_loading_the_plugin_imports_nothing_else() -> None:
    code = "import sys, pytest; before = {*sys.modules}; import cachesim.pytest_plugin; print(*{*sys.modules} - before)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) <= {"cachesim", "cachesim.pytest_plugin"}
