"""The simulated database is the queue of the closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import assert_agrees, one_key


@pytest.mark.parametrize(("rate", "servers"), [(2.0, 3), (0.8, 1)])
def test_database_is_an_m_m_c_queue(rate: float, servers: int) -> None:
    """Wq = .4444 for M/M/3 at rate 2 and 4 for M/M/1 at rate .8; standard errors about .015 and .2."""
    scenario = one_key(
        cs.Pattern("none"),
        rate=rate,
        latency=cs.latency.Exponential(1.0),
        duration=3000,
        warmup=1000,
        seed=11,
        **{"database.connections": servers},
    )
    runs = cs.replicate(scenario, n=20)
    assert_agrees(runs, "database_wait_mean", theory.erlang_c_wait(rate, 1.0, servers))
    assert_agrees(runs, "database_utilization", rate / servers)


@pytest.mark.parametrize(
    ("latency", "cv", "duration"),
    [(cs.latency.Constant(1.0), 0.0, 8000), (cs.latency.LogNormal(1.0, cv=2.0), 2.0, 20_000)],
    ids=["M/D/1", "M/G/1"],
)
def test_database_of_one_connection_is_an_m_g_1_queue(latency: cs.latency.Latency, cv: float, duration: float) -> None:
    """Wq = 2 for constant services and 10 for those of cv^2 = 4; standard errors about .05 and .5.

    The queue forgets how it began within some 90 (1 + cv^2) / 2 s, so nothing of that is left after the warm-up.
    """
    scenario = one_key(cs.Pattern("none"), rate=0.8, latency=latency, duration=duration, warmup=2000, seed=12)
    scenario = scenario.replace(**{"database.connections": 1})
    runs = cs.replicate(scenario, n=20)
    assert_agrees(runs, "database_wait_mean", theory.pollaczek_khinchine_wait(0.8, 1.0, cv=cv))
    assert_agrees(runs, "database_utilization", 0.8)


@pytest.mark.parametrize(
    "latency",
    [cs.latency.Exponential(1.0), cs.latency.Constant(1.0), cs.latency.LogNormal(1.0, cv=2.0)],
    ids=["M/M/1", "M/D/1", "M/G/1"],
)
def test_response_of_a_shared_processor_depends_on_the_mean_of_services_alone(latency: cs.latency.Latency) -> None:
    """1 / (mu - lambda) = 2.5 s at load .6; standard errors about .03 (Kleinrock 1967, Sakata et al. 1971)."""
    scenario = one_key(
        cs.Pattern("none"),
        rate=0.6,
        latency=latency,
        duration=6000,
        warmup=1000,
        seed=13,
        **{"database.processor_sharing": True},
    )
    assert_agrees(cs.replicate(scenario, n=20), "latency_mean", 1 / (1 - 0.6))


def mean_number(begin: pd.Series, end: pd.Series, length: float) -> float:
    """Time average, over a run of `length` s, of how many intervals are open: its steps, one after the other."""
    times = np.concatenate([begin, end])
    steps = np.repeat([1, -1], [len(begin), len(end)])
    order = np.argsort(times, kind="stable")
    lasting = np.diff(times[order], append=length)
    return float((steps[order].cumsum() * lasting).sum() / length)


@pytest.mark.parametrize(
    "changes",
    [
        {"database.connections": 3},
        {"database.connections": 3, "database.slowdown": 0.1},
        {"database.connections": 5, "database.processor_sharing": True, "database.latency": cs.latency.Constant(0.08)},
        {"database.connections": 3, "database.errors": 0.2, "faults": [cs.faults.DatabaseDown(start=20, duration=3)]},
    ],
    ids=["queue", "slow-down", "processor sharing", "outage and errors"],
)
def test_littles_law_holds_for_the_queue_and_for_the_whole_database(changes: dict[str, Any]) -> None:
    """Exactly, over a run that has ended empty: what one query waits is what the queue is longer for so long."""
    run = cs.simulate(
        one_key(cs.Pattern("none"), rate=10, latency=cs.latency.Exponential(0.2), duration=100, **changes)
    )
    loads, length = run.loads, float(run.loads.end.max())
    rate = run.metrics["queries"] / length
    queue = mean_number(loads.start, loads.service_start, length)
    assert queue == pytest.approx(theory.littles_law(rate, run.metrics["database_wait_mean"]), rel=1e-9)
    inside = mean_number(loads.start, loads.end, length)
    assert inside == pytest.approx(theory.littles_law(rate, run.metrics["latency_mean"]), rel=1e-9)
    assert 0.1 < queue < inside


def test_erlang_c_refuses_a_queue_that_only_grows() -> None:
    with pytest.raises(ValueError, match="not below the number of servers"):
        theory.erlang_c_wait(3, 1, 3)
