"""The share of 304 in the simulator, and how far runs stray from it, are as the closed forms say."""

from __future__ import annotations

import numpy as np
import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import assert_mean


@pytest.mark.parametrize(("clients", "visit_every", "change_every"), [(5, 10, 60), (20, 10, 10), (20, 30, 10)])
def test_share_of_304(clients: int, visit_every: float, change_every: float) -> None:
    """Standard errors about .003 to .01."""
    visits, changes = clients / visit_every, 1 / change_every
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=visits),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("conditional"),
        database=cs.Database(latency=cs.latency.Constant(0.01)),
        clients=cs.Clients(n=clients, validators=True, body_bytes=10),
        writes=cs.Writes(behind=changes),
        duration=20 * visit_every + 1500 / visits,
        warmup=20 * visit_every,
    )
    runs = cs.replicate(scenario, n=8).frame
    assert_mean(
        (runs["not_modified"] / runs["reads"]).to_numpy(), theory.not_modified_ratio(1 / visit_every, 1 / change_every)
    )


def share_of_304(rng: np.random.Generator, clients: int, visit_rate: float, change_rate: float, time: float) -> float:
    """Of one run, from the process itself; what comes before the first visit of a client is not counted."""
    warmup = 30 / visit_rate
    changes = np.sort(rng.uniform(0, warmup + time, rng.poisson(change_rate * (warmup + time))))
    whole = visited = 0
    for _ in range(clients):
        visits = np.sort(rng.uniform(0, warmup + time, rng.poisson(visit_rate * (warmup + time))))
        versions, measured = changes.searchsorted(visits), visits[1:] >= warmup
        whole += int((np.diff(versions) > 0)[measured].sum())
        visited += int(measured.sum())
    return 1 - whole / visited


@pytest.mark.parametrize(
    ("clients", "visit_rate", "change_rate", "time"),
    [(30, 0.1, 1 / 60, 2000), (5, 1 / 60, 0.1, 4000), (1, 0.2, 0.1, 2000)],
)
def test_runs_stray_as_far_as_the_standard_error_says(
    clients: int, visit_rate: float, change_rate: float, time: float
) -> None:
    """The variance of 400 runs has a standard error of a fourteenth of itself, if they are about normal."""
    rng = np.random.default_rng(1)
    shares = np.array([share_of_304(rng, clients, visit_rate, change_rate, time) for _ in range(400)])
    assert_mean(shares, theory.not_modified_ratio(visit_rate, change_rate))
    error = theory.not_modified_error(clients, visit_rate, change_rate, time)
    assert_mean(((shares - shares.mean()) / error) ** 2, 1, "variance")
