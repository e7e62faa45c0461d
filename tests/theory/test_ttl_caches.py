"""TTL caches in the simulator hit, wait and load as the closed forms say; where patterns must coincide, they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cachesim as cs
from cachesim import theory
from cachesim.experiments import seeds_of
from tests.theory.agreement import assert_agrees, assert_mean, one_key

# ── One key ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_unprotected_miss_ratio_at_low_rate() -> None:
    """Standard error about .0015 of .1617."""
    cache = cs.Pattern("cache-aside", ttl=5, single_flight="none")
    runs = cs.replicate(one_key(cache, rate=2, latency=0.5, duration=1000, warmup=50), n=20)
    assert_agrees(runs, "miss_ratio", theory.unprotected_miss_ratio(2, 0.5, 5))


@pytest.mark.parametrize("pattern", ["in-process", "cache-aside"])
def test_single_flight_shares_of_hits_delayed_hits_and_misses(pattern: str) -> None:
    """Standard errors at most .0017, of the mean wait .0005 of .0625 s."""
    runs = cs.replicate(one_key(cs.Pattern(pattern, ttl=5), rate=2, latency=0.5, duration=1000, warmup=50), n=20)
    shares = theory.single_flight_shares(2, 0.5, 5)
    assert_agrees(runs, "hit_ratio", shares.hit)
    assert_agrees(runs, "delayed_hit_ratio", shares.delayed_hit)
    assert_agrees(runs, "miss_ratio", shares.miss)
    assert_agrees(runs, "latency_mean", theory.single_flight_wait(2, 0.5, 5))


@pytest.mark.parametrize("pattern", ["in-process", "cache-aside", "write-through"])
def test_values_expire_as_the_ttl_formula_says(pattern: str) -> None:
    """Loads that take no time: h = lambda T / (1 + lambda T); standard error about .0006."""
    runs = cs.replicate(one_key(cs.Pattern(pattern, ttl=5), rate=2, latency=0.0, duration=750, warmup=50), n=20)
    assert_agrees(runs, "hit_ratio", theory.ttl_hit_ratio(2, 5))


def test_a_ttl_that_every_read_renews_makes_it_the_gap_that_counts() -> None:
    """h = 1 - e^(-lambda T) = .632121; standard error .003."""
    cache = cs.Pattern("in-process", ttl=2, renew=True)
    runs = cs.replicate(one_key(cache, rate=0.5, latency=0.0, duration=2050, warmup=50), n=20)
    assert_agrees(runs, "hit_ratio", theory.renewed_ttl_hit_ratio(0.5, 2))


# ── Many keys ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_keys_of_different_popularity() -> None:
    """h = .631721 and 36.828 loads/s; standard errors about .0015 and .12."""
    keys = cs.keys.Zipf(n=1000, alpha=0.8)
    cache = cs.Pattern("cache-aside", ttl=10)
    scenario = one_key(cache, rate=100, latency=0.0, duration=70, warmup=30).replace(keys=keys)
    runs = cs.replicate(scenario, n=8)
    expected = theory.ttl_cache([100 * share for share in keys.probabilities()], 10)
    assert_agrees(runs, "hit_ratio", expected.hit_ratio)
    assert_agrees(runs, "load_rate", expected.load_rate)


def test_as_many_entries_live_as_loads_start_in_a_lifetime() -> None:
    """368.28 on average over time; standard error about 2."""
    keys = cs.keys.Zipf(n=1000, alpha=0.8)
    begin, end = 30, 70
    lives = []
    for seed in seeds_of(5, 8):
        scenario = one_key(cs.Pattern("cache-aside", ttl=10), rate=100, latency=0.0, duration=end, seed=seed, keys=keys)
        entries = cs.simulate(scenario).entries.fillna({"ended": end})
        lives.append((entries.ended.clip(begin, end) - entries.stored.clip(begin, end)).sum() / (end - begin))
    expected = theory.ttl_cache([100 * share for share in keys.probabilities()], 10)
    assert_mean(np.array(lives), expected.entries)


# ── Patterns that coincide ────────────────────────────────────────────────────────────────────────────────────────

SAME: dict[str, cs.Pattern] = {
    "write-through without writes": cs.Pattern("write-through", ttl=2),
    "write-around without writes": cs.Pattern("write-through", ttl=2, write_around=True),
    "batch of one key, without jitter": cs.Pattern("batch", ttl=2, jitter=0.0),
    "stale-while-revalidate that serves nothing stale": cs.Pattern("stale-while-revalidate", fresh_for=2, stale_for=0),
    "early-recompute that is never early": cs.Pattern("early-recompute", ttl=2, beta=0),
    "early-recompute that is never early, in the background": cs.Pattern(
        "early-recompute", ttl=2, beta=0, background=True
    ),
}


@pytest.mark.parametrize(
    ("pattern", "single_flight"),
    [
        (pattern, single_flight)
        for pattern in SAME
        for single_flight in ("none", "process", "cluster")
        if (SAME[pattern].pattern, single_flight) != ("batch", "cluster")  # which would take a third round trip
    ],
)
@pytest.mark.parametrize("connections", [None, 5])
def test_without_what_is_its_own_a_pattern_is_cache_aside(
    pattern: str, single_flight: str, connections: int | None
) -> None:
    """Request by request and load by load, where round trips take no time."""
    world: dict[str, Any] = {
        "keys": cs.keys.Zipf(n=200, alpha=0.9),
        "nodes": 3,
        "duration": 10,
        "database.latency": cs.latency.Exponential(0.05),
        "database.connections": connections,
    }
    scenario = one_key(SAME[pattern], rate=150, latency=0.0).replace(**world, **{"cache.single_flight": single_flight})
    run = cs.simulate(scenario)
    aside = cs.simulate(scenario.replace(cache=cs.Pattern("cache-aside", ttl=2, single_flight=single_flight)))
    columns = ["time", "key", "node", "outcome", "latency"]
    assert run.requests[columns].equals(aside.requests[columns])
    assert run.loads.equals(aside.loads)
    assert set(run.requests.outcome) == {"hit", "miss"} | ({"delayed_hit"} if single_flight != "none" else set())


# ── Two layers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("l1_cap", [False, True])
def test_two_layers_hit_as_the_closed_forms_say(l1_cap: bool) -> None:
    """L1 .8333, with the cap .8264, standard errors .0005; without the cap L2 is approximate, within .001 of .9881."""
    cache = cs.Pattern("layered", ttl=10, l1_ttl=1, l1_cap=l1_cap, invalidation="none")
    scenario = one_key(cache, rate=50, latency=0.0, nodes=10, duration=180, warmup=20)
    runs = cs.replicate(scenario, n=10)
    ratios = (theory.capped_layered_hit_ratios if l1_cap else theory.layered_hit_ratios)(5, 10, l1_ttl=1, l2_ttl=10)
    assert_agrees(runs, "hit_ratio_l1", ratios.l1)
    assert runs.mean("hit_ratio_l2") == pytest.approx(ratios.l2, abs=0.001)
    assert runs.mean("hit_ratio") == pytest.approx(ratios.overall, abs=0.001)
    if l1_cap:
        assert_agrees(runs, "hit_ratio_l2", ratios.l2)
        assert_agrees(runs, "hit_ratio", ratios.overall)
