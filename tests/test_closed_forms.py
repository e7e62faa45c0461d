"""What theory says of a scenario: it holds in the simulator, tends to the forms of `theory`, and is silent in doubt."""

from __future__ import annotations

from math import exp, isfinite
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import gammainc

import cachesim as cs
from cachesim import theory
from cachesim.closed_forms import ClosedForm, closed_forms
from cachesim.closed_forms.windows import Window
from cachesim.scenario import bundled
from cachesim.world.metrics import METRICS
from tests import worlds
from tests.theory.agreement import ERRORS, one_key

Changes = dict[str, Any]


def expected(scenario: cs.Scenario) -> dict[str, float]:
    """What theory says of each metric."""
    return {form.metric: form.expected for form in closed_forms(scenario)}


def assert_holds(scenario: cs.Scenario, *, n: int, errors: float = ERRORS) -> list[ClosedForm]:
    """That every claim holds in the mean of `n` runs, within so many standard errors and its own approximation."""
    forms = closed_forms(scenario)
    runs = cs.replicate(scenario, n=n) if forms else None
    for form in forms:
        assert runs is not None
        mean, error = runs.mean(form.metric), runs.standard_error(form.metric)
        off = abs(mean - form.expected) - form.approximation
        assert off <= errors * error, f"{form}: {mean:.6g} +- {error:.2g} (1 s.e.) in {scenario}"
    return forms


def cache(name: str, **options: Any) -> cs.Pattern:
    return cs.Pattern(name, **options)


ZIPF, THREE = cs.keys.Zipf(n=200, alpha=0.9), cs.keys.Uniform(n=3)
UNPROTECTED = {"single_flight": "none"}
CLIENTS = cs.Clients(n=10, validators=True, body_bytes=50)


def pages(name: str, **changes: Any) -> cs.Scenario:
    """Pages of 20 keys, a second apart."""
    return cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.HotSet(n=30_000, hot=5, share=0.97 if name == "batch" else 0.6),
        cache=cs.Pattern(name, ttl=1e6),
        database=cs.Database(latency=cs.latency.Constant(0.01), connections=3),
        redis=cs.Redis(round_trip=0.001),
        batch=20,
        duration=70,
        warmup=10,
        seed=7,
    ).replace(**changes)


def queue(latency: cs.latency.Latency, rate: float, connections: int, **changes: Any) -> cs.Scenario:
    options = {"database.connections": connections, "warmup": 60, "duration": 1000}
    return one_key(cache("none"), rate=rate, latency=latency).replace(**options | changes)


SHARES = {"hit_ratio", "miss_ratio"}
WAITS = SHARES | {"delayed_hit_ratio", "latency_mean"}
STORMS = SHARES | {"load_rate", "latency_mean", "episode_size_mean", "largest_stampede"}

HOLDS: dict[str, tuple[cs.Scenario, set[str]]] = {
    # One load at a time
    "a hot key": (one_key(cache("cache-aside", ttl=2), rate=50, latency=0.3, duration=25), WAITS),
    "in process": (
        one_key(cache("in-process", ttl=1, jitter=0.5), rate=20, latency=0.1, duration=60, nodes=2, keys=THREE),
        WAITS | {"load_rate"},
    ),
    "random loads": (
        one_key(cache("write-through", ttl=1), rate=20, latency=cs.latency.Erlang(0.2, k=3), duration=90, warmup=5),
        WAITS,
    ),
    "many keys, in the cluster": (
        one_key(cache("cache-aside", ttl=2, single_flight="cluster"), rate=50, latency=0.1, duration=30).replace(
            keys=ZIPF, nodes=3
        ),
        SHARES | {"load_rate", "delayed_hit_ratio"},
    ),
    "round trips": (
        one_key(cache("cache-aside", ttl=1), rate=20, latency=0.2, duration=60).replace(**{"redis.round_trip": 0.05}),
        WAITS | {"load_rate"},
    ),
    "a lifetime that reads renew": (
        one_key(cache("in-process", ttl=2, renew=True), rate=0.5, latency=0.0, duration=2500),
        SHARES,
    ),
    "many lifetimes that reads renew": (
        one_key(cache("in-process", ttl=2, renew=True), rate=30, latency=0.0, duration=40, keys=ZIPF, nodes=2),
        SHARES,
    ),
    # Writes
    "leases": (
        one_key(cache("cache-aside", ttl=5), rate=10, latency=0.5, duration=150, warmup=10, writes=0.1),
        SHARES | {"load_rate", "delayed_hit_ratio"},
    ),
    "late fills": (
        one_key(cache("pitfall:cache-aside", ttl=5, single_flight="process"), rate=10, latency=0.5).replace(
            duration=150, warmup=10, writes=0.1
        ),
        SHARES | {"delayed_hit_ratio", "stale_reads"},
    ),
    "writes past the cache": (
        one_key(cache("cache-aside", ttl=5), rate=10, latency=0.5, duration=250, warmup=10).replace(
            writes=cs.Writes(behind=0.1)
        ),
        WAITS | {"stale_reads"},
    ),
    "write-through": (
        one_key(cache("write-through", ttl=1), rate=10, latency=0.0, duration=150, writes=0.2, keys=THREE),
        SHARES | {"load_rate"},
    ),
    "write-around": (
        one_key(cache("write-through", ttl=1, write_around=True), rate=10, latency=0.0, duration=150, writes=0.2),
        SHARES | {"load_rate"},
    ),
    "copies that hear of few writes": (
        one_key(cache("in-process", ttl=2), rate=30, latency=0.2, duration=80, warmup=5, nodes=3).replace(
            writes=cs.Writes(share=0.05, behind=0.1)
        ),
        SHARES | {"load_rate", "delayed_hit_ratio", "stale_reads"},
    ),
    "copies that nobody tells": (
        one_key(cache("layered", ttl=100, l1_ttl=2, invalidation="none"), rate=20, latency=0.0, duration=80).replace(
            nodes=3, writes=0.1, keys=cs.keys.Uniform(n=2)
        ),
        {"stale_reads", "hit_ratio_l1"},
    ),
    "lost messages": (
        one_key(cache("layered", ttl=600, l1_ttl=5), rate=20, latency=0.0, duration=120, nodes=4, writes=0.04).replace(
            faults=(cs.faults.MessageLoss(share=0.3),)
        ),
        {"stale_reads", "hit_ratio_l1"},
    ),
    # Nothing that protects the database
    "a stampede": (one_key(cache("cache-aside", ttl=2, **UNPROTECTED), rate=22, latency=0.3, duration=48), STORMS),
    "a stampede cut in two": (
        one_key(cache("in-process", ttl=1, **UNPROTECTED), rate=40, latency=0.5, duration=31.9, warmup=2.2),
        STORMS - {"largest_stampede"},
    ),
    "one in each of several nodes": (
        one_key(cache("cache-aside", ttl=2), rate=12, latency=0.2, duration=90, nodes=5),
        STORMS - {"latency_mean"} | {"delayed_hit_ratio"},
    ),
    "stampedes on many keys": (
        one_key(cache("pitfall:cache-aside", ttl=2), rate=50, latency=0.1, duration=25, keys=ZIPF),
        STORMS - {"largest_stampede"},
    ),
    "a stampede of exponential loads": (
        one_key(cache("cache-aside", ttl=2, **UNPROTECTED), rate=20, latency=cs.latency.Exponential(0.1)).replace(
            duration=130
        ),
        {"episode_size_mean"},
    ),
    "a stampede of log-normal loads": (
        one_key(cache("cache-aside", ttl=2, **UNPROTECTED), rate=20, latency=cs.latency.LogNormal(0.1, cv=0.5)).replace(
            duration=130
        ),
        {"episode_size_mean"},
    ),
    "a stampede on a shared processor": (
        one_key(cache("cache-aside", ttl=6, **UNPROTECTED), rate=10, latency=0.1, duration=360).replace(
            **{"database.processor_sharing": True}
        ),
        {"episode_size_mean"},
    ),
    # Before and after the expiry
    "early recompute": (
        one_key(cache("early-recompute", ttl=1, **UNPROTECTED), rate=10, latency=0.1, duration=150, warmup=5),
        {"episode_size_mean"},
    ),
    "early recompute for long": (
        one_key(cache("early-recompute", ttl=2.5, **UNPROTECTED), rate=150, latency=0.2, duration=230, warmup=2),
        {"episode_size_mean", "load_rate", "early_ratio"},
    ),
    "early recompute, one at a time": (
        one_key(cache("early-recompute", ttl=2), rate=20, latency=0.5, duration=60, warmup=5),
        {"load_rate"},
    ),
    "early recompute in the background of the cluster": (
        one_key(
            cache("early-recompute", ttl=0.7, beta=2, background=True, single_flight="cluster"), rate=10, latency=0.3
        ).replace(duration=60, nodes=3),
        {"load_rate"},
    ),
    "stale while revalidate": (
        one_key(cache("stale-while-revalidate", fresh_for=2, stale_for=3), rate=10, latency=0.5, duration=120),
        {"stale_ratio", "load_rate"},
    ),
    "stale while revalidate, rarely asked": (
        one_key(cache("stale-while-revalidate", fresh_for=1, stale_for=0.3), rate=20, latency=0.5, duration=60).replace(
            keys=cs.keys.Uniform(n=10)
        ),
        SHARES | {"stale_ratio", "delayed_hit_ratio", "load_rate"},
    ),
    # Layers
    "two layers": (
        one_key(cache("layered", ttl=2.9, l1_ttl=1), rate=20, latency=0.0, duration=70, nodes=4, keys=THREE),
        {"hit_ratio", "hit_ratio_l1", "load_rate"},
    ),
    "two layers, each for itself": (
        one_key(cache("layered", ttl=2, l1_ttl=0.25, l1_cap=False), rate=100, latency=0.0).replace(
            nodes=5, duration=210, warmup=5
        ),
        {"hit_ratio", "hit_ratio_l1", "hit_ratio_l2"},
    ),
    # Pages, and HTTP
    "a batch": (pages("batch"), {"latency_mean", "miss_ratio", "queries"}),
    "all at once": (pages("cache-aside"), {"latency_mean", "miss_ratio", "queries"}),
    "304": (
        one_key(cache("conditional"), rate=4.2, latency=0.005, duration=300, clients=CLIENTS, writes=0.05),
        {"not_modified", "bytes_saved"},
    ),
    "304, and changes behind": (
        one_key(cache("conditional"), rate=4, latency=0.005, duration=300, warmup=30, clients=CLIENTS).replace(
            writes=cs.Writes(behind=0.1), keys=THREE
        ),
        {"not_modified", "bytes_saved"},
    ),
    # Eviction
    "LRU by Che": (
        one_key(cache("in-process", ttl=60, size=100), rate=1000, latency=0.0, duration=5, warmup=2.5).replace(
            keys=cs.keys.Zipf(n=1000, alpha=0.8)
        ),
        {"hit_ratio"},
    ),
    "LRU by King": (
        one_key(cache("in-process", ttl=60, size=2), rate=100, latency=0.0, duration=30, warmup=2).replace(
            keys=cs.keys.Zipf(n=5, alpha=1.0), arrivals=cs.arrivals.Constant(rate=100)
        ),
        {"hit_ratio"},
    ),
    "FIFO": (
        one_key(cache("in-process", ttl=60, size=20, policy="fifo"), rate=500, latency=0.0).replace(
            duration=6, warmup=1, keys=ZIPF
        ),
        {"hit_ratio"},
    ),
    "RANDOM": (
        one_key(cache("in-process", ttl=60, size=20, policy="random"), rate=1000, latency=0.0).replace(
            duration=6, warmup=1, keys=cs.keys.HotSet(n=100, hot=10, share=0.5), nodes=2
        ),
        {"hit_ratio"},
    ),
    # The database alone
    "M/M/3": (
        queue(cs.latency.Exponential(0.5), 3, 3),
        {"database_utilization", "database_wait_mean", "latency_mean"},
    ),
    "M/G/1": (
        queue(cs.latency.Erlang(0.3, k=2), 1.5, 1, writes=0.2),
        {"database_utilization", "database_wait_mean", "latency_mean"},
    ),
    "M/D/2": (queue(cs.latency.Constant(0.5), 2, 2), {"database_utilization"}),
}

QUICK = ["a hot key", "leases", "a stampede", "M/M/3"]
"""What is run each time; together the others take minutes."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in HOLDS])
def test_what_theory_says_holds_in_the_simulator(name: str) -> None:
    """Within 4 standard errors of 12 runs."""
    scenario, metrics = HOLDS[name]
    assert {form.metric for form in assert_holds(scenario, n=12)} == metrics


@pytest.mark.parametrize("name", HOLDS)
def test_theory_speaks_of_the_metrics_that_it_should(name: str) -> None:
    scenario, metrics = HOLDS[name]
    assert set(expected(scenario)) == metrics


@pytest.mark.slow
def test_a_storm_of_retries_asks_as_often_as_theory_says() -> None:
    scenario = cs.load(bundled()["retry-storm"])
    assert {form.metric for form in assert_holds(scenario.replace(duration=40), n=8)} == {"load_rate"}
    gentle = {"arrivals.rate": 90, "database.connections": 1, "database.latency.value": 0.01}
    assert {form.metric for form in assert_holds(scenario.replace(duration=40, **gentle), n=8)} == {"load_rate"}


# ── In the long run ───────────────────────────────────────────────────────────────────────────────────────────────


def in_the_long_run(pattern: cs.Pattern, *, rate: float, latency: float, **changes: Any) -> dict[str, float]:
    """What is said of a run that has forgotten how it began."""
    return expected(one_key(pattern, rate=rate, latency=latency, warmup=1_000, duration=6_000, **changes))


def test_long_runs_have_the_shares_and_waits_of_single_flight() -> None:
    found, shares = (
        in_the_long_run(cache("cache-aside", ttl=5), rate=2, latency=0.5),
        theory.single_flight_shares(2, 0.5, 5),
    )
    assert found["hit_ratio"] == pytest.approx(shares.hit, rel=1e-4)
    assert found["delayed_hit_ratio"] == pytest.approx(shares.delayed_hit, rel=1e-4)
    assert found["miss_ratio"] == pytest.approx(shares.miss, rel=1e-4)
    assert found["latency_mean"] == pytest.approx(theory.single_flight_wait(2, 0.5, 5), rel=1e-4)


def test_long_runs_of_exponential_loads_wait_as_delayed_hits_do() -> None:
    found = expected(
        one_key(cache("in-process", ttl=2), rate=5, latency=cs.latency.Exponential(0.2), warmup=1_000, duration=9_000)
    )
    waits = theory.waiting_per_miss(5, 0.2, cv=1)
    assert found["latency_mean"] == pytest.approx(waits / (1 + 5 * 2.2), rel=1e-4)


def test_long_runs_of_many_keys_are_a_ttl_cache() -> None:
    keys = cs.keys.Zipf(n=1000, alpha=0.8)
    found = in_the_long_run(cache("cache-aside", ttl=10), rate=10, latency=0.0, keys=keys)
    whole = theory.ttl_cache([10 * share for share in keys.probabilities()], 10)
    assert found["hit_ratio"] == pytest.approx(whole.hit_ratio, rel=1e-4)
    assert found["load_rate"] == pytest.approx(whole.load_rate, rel=1e-4)


def test_long_runs_with_writes_are_those_of_leases_and_of_late_fills() -> None:
    where = 1.8, 0.5, 5, 0.2
    found, shares = (
        in_the_long_run(cache("cache-aside", ttl=5), rate=2, latency=0.5, writes=0.1),
        theory.leased_shares(*where),
    )
    assert found["hit_ratio"] == pytest.approx(shares.hit, rel=1e-4)
    assert found["delayed_hit_ratio"] == pytest.approx(shares.delayed_hit, rel=1e-4)
    printed = cache("pitfall:cache-aside", ttl=5, single_flight="process")
    late, shares = in_the_long_run(printed, rate=2, latency=0.5, writes=0.1), theory.late_fill_shares(*where)
    assert late["miss_ratio"] == pytest.approx(shares.miss, rel=1e-4)
    assert late["stale_reads"] / (1.8 * 5_000) == pytest.approx(theory.late_fill_stale_ratio(*where), rel=1e-4)


def test_long_runs_written_past_the_cache_are_as_stale_as_their_age_says() -> None:
    found = in_the_long_run(cache("cache-aside", ttl=5), rate=2, latency=0.0, writes=cs.Writes(behind=0.1))
    stale = found["hit_ratio"] * theory.stale_hit_ratio(0.1, 5)
    assert found["stale_reads"] / 10_000 == pytest.approx(stale, rel=1e-4)


def test_long_runs_of_copies_that_hear_of_few_writes() -> None:
    """Of four nodes, a write in 2.5 s; each hears of its own."""
    found = in_the_long_run(cache("in-process", ttl=5), rate=20, latency=0.0, nodes=4, writes=0.02)
    assert found["stale_reads"] / (19.6 * 5_000) == pytest.approx(theory.stale_read_ratio(4.9, 0.1, 0.3, 5), rel=1e-4)
    lossy: Changes = {"nodes": 4, "writes": 0.02, "faults": (cs.faults.MessageLoss(share=0.2),)}
    found = in_the_long_run(cache("layered", ttl=600, l1_ttl=5), rate=20, latency=0.0, **lossy)
    assert found["stale_reads"] / (19.6 * 5_000) == pytest.approx(theory.stale_read_ratio(4.9, 0.34, 0.06, 5), rel=1e-4)


def test_long_runs_of_write_through_and_of_renewed_lifetimes() -> None:
    found = in_the_long_run(cache("write-through", ttl=1), rate=2, latency=0.0, writes=0.2)
    assert found["hit_ratio"] == pytest.approx(theory.write_through_hit_ratio(1.6, 0.4, 1), rel=1e-4)
    found = in_the_long_run(cache("in-process", ttl=1, renew=True), rate=2, latency=0.0)
    assert found["hit_ratio"] == pytest.approx(theory.renewed_ttl_hit_ratio(2, 1), rel=1e-6)


def test_long_runs_without_protection() -> None:
    found = in_the_long_run(cache("cache-aside", ttl=5, **UNPROTECTED), rate=2, latency=0.5)
    assert found["miss_ratio"] == pytest.approx(theory.unprotected_miss_ratio(2, 0.5, 5), rel=1e-4)
    assert found["episode_size_mean"] == pytest.approx(theory.stampede_size(2, 0.5), rel=1e-3)
    several = in_the_long_run(cache("cache-aside", ttl=5), rate=2, latency=0.5, nodes=4)
    assert several["episode_size_mean"] == pytest.approx(theory.single_flight_stampede_size(2, 0.5, 4), rel=1e-3)


@pytest.mark.parametrize("times", [(10, 0.5, 2, 3), (0.4, 0.5, 2, 3), (1.0, 2.0, 2, 1)])
def test_long_runs_of_stale_while_revalidate(times: tuple[float, float, float, float]) -> None:
    rate, load_time, fresh, stale = times
    pattern = cache("stale-while-revalidate", fresh_for=fresh, stale_for=stale)
    found, shares = in_the_long_run(pattern, rate=rate, latency=load_time), theory.revalidation_shares(*times)
    assert found["stale_ratio"] == pytest.approx(shares.stale_hit, rel=2e-4)
    if rate < 10:
        assert found["miss_ratio"] + found["delayed_hit_ratio"] == pytest.approx(shares.waiting, rel=1e-3)
        assert found["hit_ratio"] == pytest.approx(shares.hit + shares.stale_hit, rel=1e-4)


def test_long_runs_of_two_layers() -> None:
    found = in_the_long_run(cache("layered", ttl=10, l1_ttl=1), rate=8, latency=0.0, nodes=4)
    ratios = theory.capped_layered_hit_ratios(2, 4, 1, 10)
    assert found["hit_ratio"] == pytest.approx(ratios.overall, rel=1e-5)
    assert found["hit_ratio_l1"] == pytest.approx(ratios.l1, rel=1e-4)
    assert found["hit_ratio_l2"] == pytest.approx(ratios.l2, rel=1e-4)


def test_long_runs_of_early_recompute_one_at_a_time() -> None:
    found = expected(one_key(cache("early-recompute", ttl=5), rate=10, latency=0.5, warmup=500, duration=1500))
    cycle = 5 + 0.5 - theory.early_recompute_time_given_up(10, 0.5) + exp(-5) / 10
    assert found["load_rate"] == pytest.approx(1 / cycle, rel=5e-4)


# ── In a run of any length ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("rate", "cycle", "end"), [(100, 10.5, 115.65), (2, 5.5, 100), (0.08, 10, 100), (5, 0.5, 400)])
def test_cycles_begun_in_a_window_are_sums_of_gamma_probabilities(rate: float, cycle: float, end: float) -> None:
    """The k-th begins after k exponential waits and k - 1 constant times."""

    def begun(until: float) -> float:
        waits = rate * (until - cycle * np.arange(int(until / cycle) + 1))
        return float(gammainc(np.arange(1, len(waits) + 1), np.maximum(waits, 0)).sum())

    found = Window(end / 3, end).totals(
        lambda s: [rate / (rate + s) / (1 - rate / (rate + s) * np.exp(-s * cycle))], fastest=rate
    )
    assert found[0] == pytest.approx(begun(end) - begun(end / 3), rel=1e-5)


def test_a_short_run_is_not_taken_for_a_long_one() -> None:
    """One key that is loaded at about 0, 11 and 22 s: three loads in 30 s, where the long run has 2.7."""
    pattern = cache("cache-aside", ttl=10.5)
    run = one_key(pattern, rate=100, latency=0.5, duration=30)
    assert expected(run)["miss_ratio"] == pytest.approx(3 / 3000, rel=1e-6)
    assert "load_rate" not in expected(run)  # the same in every run: no interval could be held against it


def test_the_spline_between_many_ranks_is_as_good_as_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = one_key(
        cache("cache-aside", ttl=10), rate=50, latency=0.1, duration=60, keys=cs.keys.Zipf(n=800, alpha=0.9)
    )
    quick = expected(scenario)
    monkeypatch.setattr("cachesim.closed_forms.keys._RANKS", 1000)
    assert quick == pytest.approx(expected(scenario), rel=1e-5)


def test_every_form_says_what_it_is() -> None:
    for scenario, _ in HOLDS.values():
        forms = closed_forms(scenario)
        assert len({form.metric for form in forms}) == len(forms)
        for form in forms:
            assert form.metric in METRICS
            assert isfinite(form.expected)
            assert 0 <= form.approximation < 0.01
            assert form.assumption.endswith(".")
            assert all(0 < len(text) < 90 for text in (form.name, form.source))


# ── Where it does not apply ───────────────────────────────────────────────────────────────────────────────────────

TROUBLE: dict[str, Changes] = {
    "a fault": {"faults": [{"type": "flush", "at": 5}]},
    "impatient clients": {"clients.timeout": 1.0},
    "retries": {"clients.retries": 1},
    "failing queries": {"database.errors": 0.1},
    "a database that load slows down": {"database.slowdown": 0.1},
    "bursts": {"arrivals": cs.arrivals.Bursty(low=1, high=100, mean_low=5, mean_high=1)},
    "users who wait": {"arrivals": cs.arrivals.ClosedLoop(users=20, think=1.0)},
    "keys in turn": {"keys": cs.keys.Scan(n=10)},
    "keys that drift": {"keys": cs.keys.Drift(n=10, alpha=1.0, every=100)},
    "words": {"keys": cs.keys.Documentation()},
}
"""What no form but those of full caches, queues and pages allows."""
IN_REDIS: dict[str, Changes] = {
    "round trips at random": {"redis.round_trip": cs.latency.Exponential(0.001)},
    "a Redis that evicts": {"redis.max_keys": 10},
}
OPTIONS: dict[str, Changes] = {
    "loads that time out": {"cache.load_timeout": 5.0},
    "stale answers to errors": {"cache.stale_if_error": 5.0},
    "another lifetime of absent rows": {"cache.negative_ttl": 5.0},
}

SILENT: dict[str, dict[str, Changes]] = {
    "a hot key": TROUBLE
    | IN_REDIS
    | OPTIONS
    | {
        "few connections": {"database.connections": 1, "keys": THREE},
        "a shared processor": {"database.processor_sharing": True},
        "log-normal loads": {"database.latency": cs.latency.LogNormal(0.3, cv=1.0)},
        "loads as long as the run": {"database.latency.value": 20.0},
        "nodes in turn": {"nodes": 3, "balance": "round-robin"},
        "requests at regular times": {"arrivals": cs.arrivals.Constant(rate=50)},
        "several keys at once": {"batch": 3},
        "round trips, and several nodes": {"redis.round_trip": 0.001, "nodes": 3},
        "writes, and several nodes": {"writes": 0.1, "nodes": 3},
        "writes, and round trips": {"writes": 0.1, "redis.round_trip": 0.001},
        "writes and loads that take random times": {"writes": 0.1, "database.latency": cs.latency.Exponential(0.1)},
        "a run that begins with no write under way": {"writes": 0.5},
    },
    "in process": OPTIONS
    | {
        "too little room": {"cache.size": 2},
        "nodes in turn": {"balance": "round-robin"},
        "renewed lifetimes, and loads that take time": {"cache.jitter": 0.0, "cache.renew": True},
    },
    "many keys, in the cluster": {
        "loads that others give up waiting for": {"database.latency.value": 1.49, "duration": 25}
    },
    "late fills": {"round trips": {"redis.round_trip": 0.001}, "everybody loads": {"cache.single_flight": "none"}},
    "copies that hear of few writes": {"nodes in turn": {"balance": "round-robin"}},
    "copies that nobody tells": IN_REDIS
    | OPTIONS
    | {
        "a fault": TROUBLE["a fault"],
        "values that end in Redis": {"cache.ttl": 4.0},
        "round trips": {"redis.round_trip": 0.001},
        "loads that take time": {"database.latency.value": 0.01},
        "one node": {"nodes": 1},
        "writes of both kinds": {"writes": cs.Writes(share=0.1, behind=0.1)},
        "a stream": {"cache.invalidation": "stream"},
    },
    "lost messages": {
        "for a while": {"faults": [{"type": "message-loss", "share": 0.3, "start": 5}]},
        "another fault too": {"faults": [{"type": "message-loss", "share": 0.3}, {"type": "flush", "at": 5}]},
    },
    "write-through": TROUBLE | IN_REDIS | {"writes that take time": {"database.latency.value": 0.1}},
    "write-around": {"writes that take time": {"database.latency.value": 0.1}},
    "a stampede": TROUBLE
    | IN_REDIS
    | OPTIONS
    | {
        "connections": {"database.connections": 100},
        "round trips": {"redis.round_trip": 0.001},
        "a lifetime shorter than a load": {"cache.ttl": 0.2},
        "jitter": {"cache.jitter": 0.1},
        "writes": {"writes": 0.1},
    },
    "one in each of several nodes": {
        "nodes in turn": {"balance": "round-robin"},
        "more nodes than the sum bears": {"nodes": 30},
    },
    "a stampede of exponential loads": {
        "short lifetimes": {"cache.ttl": 0.5},
        "connections": {"database.connections": 100},
        "few stampedes": {"duration": 50},
        "keys of different popularity": {"keys": ZIPF},
    },
    "a stampede on a shared processor": {
        "two keys": {"keys": cs.keys.Uniform(n=2)},
        "random loads": {"database.latency": cs.latency.Exponential(0.1)},
        "a stampede that chokes": {"database.latency.value": 0.5},
    },
    "early recompute": TROUBLE
    | IN_REDIS
    | OPTIONS
    | {
        "a short lifetime": {"cache.ttl": 0.5},
        "the cold start": {"warmup": 0.0},
        "few expiries": {"duration": 12},
        "in the background": {"cache.background": True},
        "several keys": {"keys": THREE},
        "never early": {"cache.beta": 0.0},
        "connections": {"database.connections": 5},
        "writes": {"writes": 0.1},
        "jitter": {"cache.jitter": 0.2},
    },
    "early recompute, one at a time": {"nodes": {"nodes": 3}},
    "stale while revalidate": TROUBLE
    | IN_REDIS
    | OPTIONS
    | {
        "everybody refreshes": {"cache.single_flight": "none"},
        "in each of several nodes": {"nodes": 3},
        "round trips": {"redis.round_trip": 0.001},
        "jitter": {"cache.jitter": 0.5},
        "writes": {"writes": 0.1},
        "connections": {"database.connections": 5},
        "random loads": {"database.latency": cs.latency.Exponential(0.5)},
    },
    "two layers": TROUBLE
    | IN_REDIS
    | OPTIONS
    | {
        "loads that take time": {"database.latency.value": 0.02},
        "round trips": {"redis.round_trip": 0.001},
        "writes": {"writes": 0.1},
        "jitter": {"cache.jitter": 0.5},
        "nodes in turn": {"balance": "round-robin"},
        "too little room": {"cache.l1_size": 2},
    },
    "two layers, each for itself": {
        "a short run": {"duration": 20},
        "several keys": {"keys": THREE},
        "a few nodes that ask in step": {"nodes": 2},
    },
    "a batch": {
        "a fault": TROUBLE["a fault"],
        "requests at random": {"arrivals": cs.arrivals.Poisson(rate=1)},
        "values that expire": {"cache.ttl": 30},
        "pages that overlap": {"database.latency.value": 1.0},
        "keys that depend on each other": {"keys": cs.keys.Uniform(n=200)},
        "several nodes": {"nodes": 2},
        "single flight in the cluster": {"cache.single_flight": "cluster"},
        "few pages": {"duration": 30},
    },
    "304": TROUBLE
    | {
        "clients without tags": {"clients.validators": False},
        "no clients": {"clients": cs.Clients()},
        "bodies too large for tags": {"cache.largest": 20},
        "visits before the answer": {"database.latency.value": 0.5},
        "connections": {"database.connections": 2},
        "the printed code": {"cache": cs.Pattern("pitfall:conditional")},
        "no changes": {"writes": 0.0},
    },
    "LRU by Che": {name: TROUBLE[name] for name in TROUBLE if name != "bursts"}
    | {
        "another policy": {"cache.policy": "sieve"},
        "few entries": {"cache.size": 50},
        "values that expire": {"cache.ttl": 3.0},
        "a cache that is not full": {"warmup": 0.1},
        "loads that take time": {"database.latency.value": 0.01},
        "nodes with keys of their own": {"nodes": 2, "balance": "key"},
        "writes": {"writes": 0.1},
    },
    "M/M/3": {name: TROUBLE[name] for name in TROUBLE if not name.startswith(("keys", "words"))}
    | {
        "overload": {"arrivals.rate": 7.0},
        "the cold start": {"warmup": 0.0},
        "a short run": {"duration": 100},
        "no queue": {"arrivals.rate": 0.1},
        "a shared processor": {"database.processor_sharing": True},
        "unlimited connections": {"database": cs.Database(latency=cs.latency.Exponential(0.5))},
        "several at once": {"batch": 2},
    },
}
"""By the scenario of `HOLDS` that each breaks: what leaves nothing to say, or nothing of what was said there."""

ALLOWED = {("M/M/3", "no queue"): {"database_utilization"}}


@pytest.mark.parametrize(("name", "broken"), [(name, broken) for name in SILENT for broken in SILENT[name]])
def test_where_a_condition_is_broken_theory_is_silent(name: str, broken: str) -> None:
    scenario, metrics = HOLDS[name]
    found = expected(scenario.replace(**SILENT[name][broken]))
    assert set(found) & metrics == ALLOWED.get((name, broken), set())


STORM: dict[str, Changes] = {
    "a storm that heals": {"arrivals.rate": 140},
    "before the storm": {"warmup": 5},
    "a short outage": {"faults.0.duration": 0.5},
    "a pause before each retry": {"clients.backoff": 0.5},
    "clients who wait": {"clients": cs.Clients(retries=1)},
    "queries that leave the queue": {"database.on_cancel": "withdraw"},
    "another fault": {"faults": [{"type": "database-slow", "start": 10, "duration": 10, "factor": 9}]},
    "an overload in any case": {"arrivals.rate": 310},
}


@pytest.mark.parametrize("broken", STORM)
def test_a_storm_that_may_end_is_not_foretold(broken: str) -> None:
    scenario = cs.load(bundled()["retry-storm"])
    assert set(expected(scenario)) == {"load_rate"}
    assert expected(scenario.replace(**STORM[broken])) == {}


# ── The bundled scenarios, and any other ──────────────────────────────────────────────────────────────────────────

BUNDLED = {
    "early-recompute": {"episode_size_mean"},
    "hot-key": STORMS,
    "hot-key-single-flight": WAITS,
    "retry-storm": {"load_rate"},
    "synchronized-expiry": WAITS,
    "synchronized-expiry-jitter": WAITS | {"load_rate"},
}


@pytest.mark.parametrize("name", bundled())
def test_what_is_said_of_the_bundled_scenarios(name: str) -> None:
    assert set(expected(cs.load(bundled()[name]))) == BUNDLED.get(name, set())


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED)
def test_what_is_said_of_the_bundled_scenarios_holds(name: str) -> None:
    assert assert_holds(cs.load(bundled()[name]), n=6)


_LATENCIES = st.sampled_from([0.0, 0.02, 0.1, 0.3]).flatmap(
    lambda mean: st.sampled_from(
        [cs.latency.Constant(mean)] * 3
        + (
            [cs.latency.Exponential(mean), cs.latency.Erlang(mean, k=3), cs.latency.LogNormal(mean, cv=0.7)]
            if mean
            else []
        )
        + [cs.latency.Uniform(mean / 2, high=1.5 * mean), cs.latency.Empirical([mean / 2, mean, 2 * mean])]
    )
)
_WRITES: list[float | cs.Writes] = [0.0, 0.0, 0.0, 0.05, 0.3, cs.Writes(behind=0.2)]
_LIFETIMES = st.sampled_from([0.2, 0.5, 1.0, 3.3, 1000.0])
_FLIGHTS = st.sampled_from(["none", "process", "process", "cluster"])
_PATTERNS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "none": {},
    "conditional": {},
    "in-process": {
        "ttl": _LIFETIMES,
        "single_flight": st.sampled_from(["none", "process"]),
        "size": st.sampled_from([2, 10, 100, 10_000]),
        "policy": st.sampled_from(["lru", "fifo", "random", "sieve"]),
        "renew": st.sampled_from([False, False, True]),
        "jitter": st.sampled_from([0.0, 0.1]),
    },
    "cache-aside": {"ttl": _LIFETIMES, "single_flight": _FLIGHTS, "jitter": st.sampled_from([0.0, 0.0, 0.1])},
    "write-through": {"ttl": _LIFETIMES, "single_flight": _FLIGHTS, "write_around": st.booleans()},
    "batch": {"ttl": _LIFETIMES, "single_flight": _FLIGHTS},
    "early-recompute": {
        "ttl": _LIFETIMES,
        "single_flight": _FLIGHTS,
        "beta": st.sampled_from([0.5, 1.0, 2.0]),
        "background": st.booleans(),
    },
    "stale-while-revalidate": {
        "fresh_for": _LIFETIMES,
        "stale_for": st.sampled_from([0.0, 0.1, 1.0]),
        "single_flight": _FLIGHTS,
    },
    "layered": {"ttl": _LIFETIMES, "l1_ttl": st.sampled_from([0.1, 0.5, 2.0]), "l1_cap": st.booleans()},
    "pitfall:cache-aside": {"ttl": _LIFETIMES, "single_flight": st.sampled_from(["none", "process"])},
}


@st.composite
def scenarios(draw: st.DrawFn) -> cs.Scenario:
    """Scenarios of some 2,000 requests, most of which break few of the conditions."""
    name, rate = draw(st.sampled_from(sorted(_PATTERNS))), draw(st.sampled_from([2.0, 20.0, 60.0]))
    duration = draw(st.sampled_from([1200, 1777, 2500])) / rate
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=rate),
        keys=draw(
            st.sampled_from([cs.keys.OneKey(), cs.keys.OneKey(), THREE, ZIPF, cs.keys.HotSet(n=20, hot=1, share=0.8)])
        ),
        cache=cs.Pattern(name, **{option: draw(values) for option, values in _PATTERNS[name].items()}),
        database=cs.Database(latency=draw(_LATENCIES), connections=draw(st.sampled_from([None, None, None, 1, 3]))),
        redis=cs.Redis(round_trip=draw(st.sampled_from([0.0, 0.0, 0.01]))),
        clients=CLIENTS if name == "conditional" else cs.Clients(),
        writes=draw(st.sampled_from(_WRITES)),
        nodes=draw(st.sampled_from([1, 1, 3])),
        balance=draw(st.sampled_from(["random", "random", "round-robin", "key"])),
        duration=duration,
        warmup=draw(st.sampled_from([0.0, 0.0, 0.1, 0.4])) * duration,
        seed=draw(st.integers(0, 1000)),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(worlds.scenarios() | scenarios())
def test_theory_has_an_answer_to_every_scenario(scenario: cs.Scenario) -> None:
    """Of each metric one, and a number."""
    found = closed_forms(scenario)
    assert len({form.metric for form in found}) == len(found)
    assert all(isfinite(form.expected) for form in found)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scenarios())
def test_whatever_is_said_of_any_scenario_holds(scenario: cs.Scenario) -> None:
    """Within 5 standard errors of 16 runs."""
    assert_holds(scenario, n=16, errors=5)
