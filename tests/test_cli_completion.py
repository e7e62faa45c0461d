"""Completion on the Tab key: what is offered where, by click's own classes and by a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

import cachesim as cs
from cachesim import adapters, conditions
from cachesim.cli import _commands, main
from cachesim.cli.completion import CACHES, CONDITIONS, FIELDS, FORMATS, LIBRARIES
from cachesim.policies import POLICIES
from cachesim.scenario import bundled
from cachesim.traces import FORMATS as KNOWN_FORMATS
from cachesim.world.caches import CACHES as KNOWN_CACHES
from cachesim.world.metrics import METRICS

STORM = """
[arrivals]
type = "poisson"
rate = 50
[cache]
pattern = "layered"
ttl = 5
[[faults]]
type = "flush"
at = 3
"""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """What a shell is answered to a line, in a folder with a scenario file and a log."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storm.toml").write_text(STORM)
    (tmp_path / "access.log").write_text("")

    def answers(line: str, shell: str = "fish") -> list[str]:
        monkeypatch.setenv("COMP_WORDS", line)
        last = "" if line.endswith(" ") else line.split()[-1]
        monkeypatch.setenv("COMP_CWORD", last if shell == "fish" else str(len(line.split()) - bool(last)))
        found = get_completion_class(shell)
        assert found is not None
        return found(_commands, {}, "cachesim", "_CACHESIM_COMPLETE").complete().splitlines()

    return answers


def values(answers: list[str]) -> list[str]:
    """Fish is told a kind, a value and perhaps a help text."""
    assert all(line.startswith("plain,") for line in answers)
    return [line.removeprefix("plain,").partition("\t")[0] for line in answers]


# What is offered


def test_commands_and_options(offered):
    assert values(offered("cachesim ")) == sorted(_commands.commands)
    assert values(offered("cachesim com")) == ["compare", "completion"]
    assert {"--cache", "--check"} == set(values(offered("cachesim run hot-key --c")))


def test_scenarios_are_bundled_ones_and_files(offered):
    assert values(offered("cachesim run ")) == sorted([*bundled(), "storm.toml"])
    assert values(offered("cachesim compare early")) == ["early-recompute"]
    assert offered("cachesim run other/st") == ["file,other/st"]


@pytest.mark.parametrize(
    "line", ["curve acc", "advise acc", "run x --plot acc", "run x --json acc", "advise x --scenario acc"]
)
def test_files_are_left_to_the_shell(offered, line):
    assert offered(f"cachesim {line}") == ["file,acc"]


def test_fields_are_those_of_the_scenario_and_of_its_pattern(offered):
    fields = values(offered("cachesim run storm.toml --set "))
    assert {"arrivals.rate=", "cache.ttl=", "cache.l1_cap=", "faults.0.at=", "nodes="} <= set(fields)
    assert values(offered("cachesim run storm.toml --seed 3 --set cache.l1_")) == [
        "cache.l1_cap=",
        "cache.l1_size=",
        "cache.l1_ttl=",
    ]
    assert values(offered("cachesim run early-recompute --set cache.be")) == ["cache.beta="]
    assert values(offered("cachesim run --set no")) == ["nodes="]
    assert values(offered("cachesim run storm.toml --set cache.ttl=")) == []


def test_a_scenario_that_cannot_be_read_is_no_error(offered, tmp_path):
    (tmp_path / "storm.toml").write_bytes(b"\xff = [")
    assert values(offered("cachesim run storm.toml --set nod")) == ["nodes="]
    for missing in ("missing.toml", "x" * 5000):
        assert values(offered(f"cachesim run {missing} --set nod")) == ["nodes="]


def test_caches_and_their_options_come_one_after_the_other(offered):
    every = values(offered("cachesim compare x --caches "))
    assert every == ["scenario", *KNOWN_CACHES, *LIBRARIES]
    assert values(offered("cachesim compare x --caches none,cashews:lo")) == ["none,cashews:lock"]
    assert values(offered("cachesim compare x --caches cashews:lock+")) == ["cashews:lock+ttl="]
    assert values(offered("cachesim compare x --caches none,ea")) == ["none,early-recompute"]
    assert values(offered("cachesim compare x --caches none,in-process+si")) == [
        "none,in-process+single_flight=",
        "none,in-process+size=",
    ]
    assert values(offered("cachesim compare x --caches pitfall:layered+ttl=5+l1_t")) == [
        "pitfall:layered+ttl=5+l1_ttl="
    ]
    assert values(offered("cachesim compare x --caches nothing+")) == []


def test_conditions_come_one_after_the_other(offered):
    assert values(offered("cachesim compare x --conditions ")) == ["none", *CONDITIONS]
    assert values(offered("cachesim compare x --conditions calm,")) == [f"calm,{name}" for name in CONDITIONS]


def test_races_are_looked_for_in_one_cache_and_of_known_invariants(offered):
    assert values(offered("cachesim races x --cache cashews:lo")) == ["cashews:lock"]
    assert values(offered("cachesim races x --invariant no_s")) == ["no_stale_read_after_delete"]
    assert values(offered("cachesim races x --strategy ex")) == ["exhaustive"]


def test_policies_formats_metrics_and_shells(offered):
    assert values(offered("cachesim curve x --policy ")) == [*POLICIES, "opt"]
    assert values(offered("cachesim curve x --policy lru --policy s")) == ["sieve", "slru", "s3-fifo"]
    assert values(offered("cachesim advise x --format ")) == list(KNOWN_FORMATS)
    assert values(offered("cachesim compare x --metric ")) == list(METRICS)
    assert values(offered("cachesim completion ")) == ["bash", "zsh", "fish"]
    assert offered("cachesim lab ") == []


def test_what_is_written_here_for_speed_is_what_there_is():
    assert set(CACHES) == set(KNOWN_CACHES)
    assert tuple(adapters.names()) == LIBRARIES
    assert tuple(conditions.CONDITIONS) == CONDITIONS
    assert tuple(FORMATS) == KNOWN_FORMATS
    scenario = cs.load(bundled()["hot-key"])
    for field in FIELDS:
        with pytest.raises(cs.ScenarioError, match="is not allowed"):
            scenario.replace(**{field: object()})


def test_an_answer_needs_nothing_that_is_slow_to_import():
    code = (
        "import sys; from cachesim.cli import main; main([]); "
        "sys.exit(len({'numpy', 'pandas', 'simpy', 'matplotlib', 'scipy', 'tqdm'} & set(sys.modules)))"
    )
    line = "cachesim compare hot-key --caches none,cache-aside+tt"
    environment = {**os.environ, "_CACHESIM_COMPLETE": "bash_complete", "COMP_WORDS": line}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout == "plain,none,cache-aside+ttl=\n"


# Shells


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_asks_by_the_name_of_its_shell(capfd, shell):
    assert main(["completion", shell]) == 0
    out, err = capfd.readouterr()
    assert f"_CACHESIM_COMPLETE={shell}_complete" in out
    assert err == ""


def test_fish_splits_no_value_at_its_commas(capfd):
    assert main(["completion", "fish"]) == 0
    assert 'string split --max 1 ","' in capfd.readouterr().out


def test_an_unknown_shell_is_told_in_one_line(capfd):
    assert main(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in capfd.readouterr().err


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_an_option_and_its_value_in_one_word_stay_together(offered, shell):
    (answer,) = {line for line in offered("cachesim curve x --policy=sie", shell) if "sieve" in line}
    assert answer.removeprefix("plain,") == "--policy=sieve"


LINES = {
    "cachesim comp": ["compare", "completion"],
    "cachesim run st": ["stale-set", "stale-set-leases", "stale-while-revalidate", "storm.toml"],
    "cachesim curve x --policy=sl": ["slru"],
    "cachesim compare x --caches none,pitfall:con": ["conditional"],
    "cachesim compare x --caches=none,early-recompute+be": ["none,early-recompute+beta="],
    "cachesim run storm.toml --set cache.l1_c": ["cache.l1_cap="],
    "cachesim run storm.toml --set cache.ttl=": [],
    'cachesim run "my fi': [],
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_what_readline_hands_it(tmp_path):
    """As readline does: the words end at COMP_WORDBREAKS, and the function fills COMPREPLY."""
    command = Path(sys.executable).with_name("cachesim")
    if not command.exists():
        pytest.skip("the package is not installed")
    (tmp_path / "storm.toml").write_text(STORM)
    calls = "".join(
        f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMPREPLY=()\n"
        f'_cachesim_completion "{command}"; echo "${{COMPREPLY[*]}}"\n'
        for line in LINES
    )
    script = f'compopt() {{ :; }}\nsource <("{command}" completion bash)\ncomplete -p cachesim\n{calls}'
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    registered, *answers = ended.stdout.splitlines()
    assert ended.stderr == ""
    assert registered == "complete -o nosort -F _cachesim_completion cachesim"
    assert [answer.split() for answer in answers] == list(LINES.values())
