"""The simulated database is the queue of the closed forms."""

from __future__ import annotations

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


def test_erlang_c_refuses_a_queue_that_only_grows() -> None:
    with pytest.raises(ValueError, match="not below the number of servers"):
        theory.erlang_c_wait(3, 1, 3)
