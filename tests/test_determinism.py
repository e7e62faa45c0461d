"""The same scenario and seed give the same digest, in any process, loop and version of Python."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pytest

import cachesim as cs
from tests.digests import digests, scenarios

ROOT = Path(__file__).parent.parent
OTHER_PYTHONS = sorted(ROOT.glob(".venv-3.*/bin/python"))


@cache
def here() -> dict[str, cs.Result]:
    """Each scenario run in this process, once."""
    return {name: cs.simulate(scenario) for name, scenario in scenarios().items()}


def digests_here() -> dict[str, str]:
    return {name: result.digest for name, result in here().items()}


def in_a_process(python: str | Path = sys.executable, **environment: str) -> dict[str, str]:
    command = [str(python), "-m", "tests.digests"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, check=True)
    return dict(orjson.loads(done.stdout))


def test_digests_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    """That of this process is drawn by chance."""
    found = in_a_process(PYTHONHASHSEED="1")
    assert found == digests_here()
    assert len({found[name] for name in ("zipf", "ties", "in-process")}) == 3


def test_digests_do_not_depend_on_a_loop_that_runs_already() -> None:
    """As in Jupyter: the simulation then runs in a thread of its own."""

    async def inside() -> dict[str, str]:
        return digests()

    assert asyncio.run(inside()) == digests_here()


@pytest.mark.skipif(not OTHER_PYTHONS, reason="no other Python is set up; `make pythons` does it where there is one")
@pytest.mark.parametrize("python", OTHER_PYTHONS, ids=lambda path: path.parts[-3])
def test_digests_do_not_depend_on_the_version_of_python(python: Path) -> None:
    numpy = subprocess.run([python, "-c", "import numpy; print(numpy.__version__)"], capture_output=True, check=True)
    if numpy.stdout.decode().strip() != np.__version__:
        pytest.skip(f"{python.parts[-3]} has another numpy")
    assert in_a_process(python) == digests_here()


def test_summary_mode_has_the_same_digest_and_the_same_counts() -> None:
    for key, scenario in scenarios().items():
        tables, summary = here()[key], cs.simulate(scenario, record="summary")
        assert tables.digest == summary.digest
        for name, value in tables.metrics.items():
            close = 0.005 if name.startswith("latency_p") else 0
            assert summary.metrics[name] == pytest.approx(value, rel=close, abs=0, nan_ok=True), name


def test_another_seed_gives_another_digest() -> None:
    scenario = scenarios()["zipf"]
    assert here()["zipf"].digest != cs.simulate(scenario.replace(seed=2)).digest
