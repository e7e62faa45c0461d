"""Metastable failures: stuck long after their cause has gone, or healed, as the rates say.

The figures are those of a database of 300 queries/s: three connections of 10 ms. In the normal lane everything is a
third of that: one connection, a third of the requests and keys, the same times, so that each key is asked as often.
Clients wait for 1 s and ask once more; queries whose callers have gone are worked off all the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import pandas as pd
import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import ERRORS

SIZES = [pytest.param(1, id="a third"), pytest.param(3, id="full size", marks=pytest.mark.slow)]
SERVICE, RETRIES = 0.01, 1
OUTAGE = cs.faults.DatabaseDown(start=10, duration=10)
FULL_AT, FLUSH = 30.0, 45.0
"""Seconds after which all requests come, and at which the cache is lost."""


def scenario(connections: int, arrivals: cs.arrivals.Arrivals, fault: cs.faults.Fault, duration: float) -> cs.Scenario:
    return cs.Scenario(
        arrivals=arrivals,
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(SERVICE), connections=connections),
        clients=cs.Clients(timeout=1.0, retries=RETRIES),
        faults=[fault],
        duration=duration,
    )


def storm(connections: int, rate: float, duration: float) -> cs.Result:
    """`rate` requests/s at full size, and an outage."""
    return cs.simulate(scenario(connections, cs.arrivals.Poisson(rate=rate * connections / 3), OUTAGE, duration))


def queued(loads: pd.DataFrame, time: float) -> int:
    """Queries that wait for the database then."""
    return int(((loads.start <= time) & ~(loads.service_start <= time)).sum())


def of(requests: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    """Those that arrive in [start, end)."""
    return requests[(requests.time >= start) & (requests.time < end)]


def hit_ratio(requests: pd.DataFrame) -> float:
    return float((requests.outcome == "hit").mean())


# A retry storm


@pytest.mark.parametrize("connections", SIZES)
def test_all_is_well_before_the_outage_and_never_again(connections: int) -> None:
    result = storm(connections, 280, duration=60)
    requests, loads = result.requests, result.loads
    before, after = of(requests, 0, OUTAGE.start - 1), of(requests, OUTAGE.end, 60)
    assert set(before.outcome) == {"miss"}
    assert set(before.attempts) == {1}
    assert set(after.outcome) == {"error"}
    assert set(after.attempts) == {1 + RETRIES}
    assert queued(loads, 60) > queued(loads, OUTAGE.end) > 0


@pytest.mark.parametrize("connections", SIZES)
def test_the_stuck_database_is_asked_560_queries_a_second(connections: int) -> None:
    rate, start, end = 280 * connections / 3, 25.0, 60.0
    result = storm(connections, 280, duration=end)
    times = result.requests.time
    retried = sorted([*times[times >= start], *(times[times >= start - 1] + 1.0)])  # each once more, after its time-out
    loads = result.loads.start[result.loads.start >= start].sort_values()
    assert loads.to_list() == retried
    asked, seconds = int((loads < end).sum()), end - start
    error = sqrt(rate * ((1 + RETRIES) ** 2 * (seconds - 1) + 2))  # all but those at the ends count twice
    assert abs(asked - theory.stuck_query_rate(rate, RETRIES) * seconds) <= ERRORS * error


@pytest.mark.parametrize("connections", SIZES)
def test_it_heals_below_the_healing_rate(connections: int) -> None:
    assert theory.healing_request_rate(300, RETRIES) > 140
    result = storm(connections, 140, duration=400)
    assert set(of(result.requests, OUTAGE.end, 60).outcome) == {"error"}  # it was stuck
    healed = of(result.requests, 350, 400)
    assert set(healed.outcome) == {"miss"}
    assert set(healed.attempts) == {1}


@pytest.mark.parametrize("connections", SIZES)
def test_it_stays_stuck_above_the_healing_rate(connections: int) -> None:
    assert theory.healing_request_rate(300, RETRIES) < 160
    result = storm(connections, 160, duration=200)
    assert set(of(result.requests, OUTAGE.end, 200).outcome) == {"error"}
    assert queued(result.loads, 200) > queued(result.loads, OUTAGE.end)


@pytest.mark.parametrize(("rate", "outage"), [(9, 8), (8, 10), (11, 2)], ids=["even", "seldom", "growing"])
def test_a_storm_lasts_as_often_as_a_random_walk_stays_up(rate: float, outage: float) -> None:
    """At 20 queries/s; whether a query has been answered in time, 40 s after the outage."""
    capacity, runs, over = 20, 40, OUTAGE.start + outage
    base = scenario(2, cs.arrivals.Poisson(rate=rate), cs.faults.DatabaseDown(start=10, duration=outage), over + 42)
    base = base.replace(**{"database.latency.value": 0.1})
    lasted = 0
    for seed in range(1, runs + 1):
        loads = cs.simulate(base.replace(seed=seed)).loads
        in_time = loads[(loads.start >= over) & (loads.end - loads.start <= 1)]
        lasted += in_time.empty or in_time.start.min() > over + 40
    expected = theory.storm_probability(
        rate, RETRIES, timeout=1, outage=outage, capacity=capacity, service_time=0.1, time=40
    )
    assert abs(lasted / runs - expected) <= 0.15 + ERRORS * sqrt(expected * (1 - expected) / runs)


def test_the_backlog_of_an_outage_is_what_its_attempts_have_asked() -> None:
    expected = theory.outage_backlog(280 / 3, RETRIES, timeout=1, outage=10)
    assert expected == pytest.approx(280 / 3 * (10 + 9))
    waiting = [
        queued(cs.simulate(scenario(1, cs.arrivals.Poisson(rate=280 / 3), OUTAGE, 21).replace(seed=seed)).loads, 19.999)
        for seed in range(1, 9)
    ]
    error = sqrt(280 / 3 * (9 * 4 + 1) / len(waiting))  # two queries a request, but for those of the last second
    assert abs(sum(waiting) / len(waiting) - expected) <= ERRORS * error


def test_no_storm_after_an_outage_that_all_can_wait_for() -> None:
    assert theory.storm_probability(8, 3, timeout=3, outage=2, capacity=20, service_time=0.1, time=1) == 0


# A cache that is lost


def rising(rate: float, end: float) -> Iterator[float]:
    """Times of a Poisson process that rises from a twelfth of the rate to all of it, so that the cache can fill."""
    rng, time = random.Random(1), 0.0
    while (time := time + rng.expovariate(rate)) < end:
        if rng.random() < 1 / 12 + time / FULL_AT:
            yield time


def look_aside(
    folder: Path, connections: int, end: float, *, keys: int = 1000, ttl: float = 5, single_flight: str = "process"
) -> cs.Result:
    """3,000 requests/s for so many keys at full size, and a flush."""
    path = folder / "times.txt"
    path.write_text("".join(f"{time!r}\n" for time in rising(1000 * connections, end)))
    return cs.simulate(
        scenario(connections, cs.arrivals.Recorded(path=str(path)), cs.faults.Flush(at=FLUSH), end).replace(
            keys=cs.keys.Uniform(n=keys * connections // 3),
            cache=cs.Pattern("cache-aside", ttl=ttl, single_flight=single_flight),
        )
    )


def assert_well_before_the_flush(requests: pd.DataFrame) -> None:
    before = of(requests, FULL_AT, FLUSH - 1)
    assert "error" not in set(of(requests, 0, FLUSH - 1).outcome)
    assert hit_ratio(before) == pytest.approx(15 / 16, abs=0.015)  # loads take a little time


@pytest.mark.parametrize("connections", SIZES)
def test_a_flushed_cache_never_recovers_without_single_flight(connections: int, tmp_path: Path) -> None:
    result = look_aside(tmp_path, connections, FLUSH + 15, single_flight="none")
    assert_well_before_the_flush(result.requests)
    after = of(result.requests, FLUSH + 8, FLUSH + 15)
    assert set(after.outcome) == {"error"}  # nobody waits long enough to fill anything
    assert queued(result.loads, FLUSH + 15) > queued(result.loads, FLUSH + 8)


@pytest.mark.parametrize("connections", SIZES)
def test_a_flushed_cache_recovers_in_4_seconds_with_single_flight(connections: int, tmp_path: Path) -> None:
    result = look_aside(tmp_path, connections, FLUSH + 20)
    assert_well_before_the_flush(result.requests)
    loads = result.loads[(result.loads.start >= FLUSH)]
    refilled = loads.groupby("key").end.min().max() - FLUSH
    shortest = theory.refill_time(1000 * connections // 3, 100 * connections)
    assert shortest <= refilled <= 4.5
    assert "error" not in set(of(result.requests, FLUSH + 5, FLUSH + 20).outcome)
    assert hit_ratio(of(result.requests, FLUSH + 5, FLUSH + 20)) == pytest.approx(15 / 16, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("connections", [1, 3])
def test_three_times_the_keys_asked_a_third_as_often_do_not_recover_even_so(connections: int, tmp_path: Path) -> None:
    assert theory.flight_time(1, timeout=1) < theory.refill_time(3000, 300)
    result = look_aside(tmp_path, connections, FLUSH + 30, keys=3000, ttl=15)
    assert_well_before_the_flush(result.requests)
    last = of(result.requests, FLUSH + 25, FLUSH + 30)
    assert hit_ratio(last) < 0.1
    assert (last.outcome == "error").mean() > 0.8
    assert queued(result.loads, FLUSH + 30) > queued(result.loads, FLUSH + 15)
