"""Stampedes in the simulator are as large as the closed forms say, without protection and with each kind of it."""

from __future__ import annotations

from math import log1p, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import cachesim as cs
from cachesim import theory
from cachesim.experiments import seeds_of
from tests.theory.agreement import Episodes, assert_agrees, assert_mean, episodes, one_key

# ── One key, no protection ────────────────────────────────────────────────────────────────────────────────────────


def stampedes(*, rate: float, latency: float | cs.latency.Latency, ttl: float, n: int) -> Episodes:
    """The first `n` stampedes of one key; an empty cache makes the first one."""
    cache = cs.Pattern("cache-aside", ttl=ttl, single_flight="none")
    run = cs.simulate(one_key(cache, rate=rate, latency=latency, duration=(n + 10) * (ttl + 2 + 1 / rate)))
    return episodes(run.loads).first(n)


def test_stampede_of_one_hot_key_is_1_plus_lambda_d() -> None:
    """Standard error about .9 of 51. Each run ends before its seventh stampede begins, at about 66 s."""
    cache = cs.Pattern("cache-aside", ttl=10, single_flight="none")
    runs = cs.replicate(one_key(cache, rate=100, latency=0.5, duration=65), n=10)
    assert (runs.frame["load_episodes"] == 6).all()
    assert_agrees(runs, "episode_size_mean", theory.stampede_size(100, 0.5))


def test_stampede_of_constant_loads_has_mean_51_variance_50_and_its_cycle() -> None:
    """Standard errors of 300 stampedes: size .4, variance about 4, cycle .0008 s of 2 s."""
    found = stampedes(rate=100, latency=0.5, ttl=1, n=300)
    assert_mean(found.sizes, 51, "size")
    assert_mean((found.sizes - 51) ** 2, theory.stampede_variance(100, 0.5), "variance")
    assert_mean(found.cycles, theory.unprotected_cycle(100, 0.5, 1), "cycle")


def test_stampede_of_erlang_loads_is_the_integral() -> None:
    """15.561685 loads; standard error about .5."""
    expected = theory.stampede_size_of(100, stats.gamma(2, scale=0.25).cdf)
    assert_mean(stampedes(rate=100, latency=cs.latency.Erlang(0.5, k=2), ttl=4, n=150).sizes, expected)


def test_stampede_of_lognormal_loads_is_the_integral() -> None:
    """26.5589 loads; standard error about .6."""
    variance = log1p(0.5**2)
    lognormal = stats.lognorm(sqrt(variance), scale=0.5 * np.exp(-variance / 2))
    expected = theory.stampede_size_of(100, lognormal.cdf)
    assert_mean(stampedes(rate=100, latency=cs.latency.LogNormal(0.5, cv=0.5), ttl=4, n=150).sizes, expected)


@pytest.mark.parametrize(("rate", "n"), [(1, 1000), (10, 500), (100, 120)])
def test_stampede_of_exponential_loads_is_the_series(rate: float, n: int) -> None:
    """a = .5, 5 and 50; standard errors about .02, .08 and .4."""
    found = stampedes(rate=rate, latency=cs.latency.Exponential(0.5), ttl=6, n=n)
    assert_mean(found.sizes, theory.exponential_stampede_size(rate, 0.5))


@pytest.mark.parametrize(("load_time", "n"), [(0.1, 800), (0.2, 500)])
def test_stampede_on_a_shared_processor_grows_with_the_exponential_of_the_load_time(load_time: float, n: int) -> None:
    """2.71828 and 7.38906 loads, geometric; standard errors about .08 and .3."""
    cache = cs.Pattern("cache-aside", ttl=20, single_flight="none")  # longer than any stampede takes to be worked off
    changes = {"database.processor_sharing": True, "duration": (n + 10) * 23}
    found = episodes(cs.simulate(one_key(cache, rate=10, latency=load_time, **changes)).loads).first(n)
    mean = theory.processor_sharing_stampede_size(10, load_time)
    assert_mean(found.sizes, mean, "size")
    assert_mean((found.sizes - mean) ** 2, mean * (mean - 1), "variance")


# ── Many keys that expire together ────────────────────────────────────────────────────────────────────────────────

KEYS, LOAD_TIME = 1000, 0.1


def wave(
    folder: Path, *, rate: float, ttl: float, jitter: float, single_flight: str, length: float, seed: int
) -> cs.Result:
    """Keys that were filled together, and the run from the first instant at which any of them may have expired.

    Recorded requests: all keys at once at 0 s, whose loads all end together; then nobody, until the shortest lifetime
    is over; from then on, for `length` seconds, a Poisson stream of `rate` for each key. No key expires a second time.
    """
    rng = np.random.default_rng(seed)
    begin = LOAD_TIME + ttl - jitter
    gaps = rng.exponential(1 / (KEYS * rate), int(1.2 * KEYS * rate * length) + 100)
    times = begin + gaps.cumsum()
    times = times[times < begin + length]
    keys = [*range(KEYS), *rng.integers(KEYS, size=len(times)).tolist()]
    (folder / "times.txt").write_text("\n".join(map(repr, [0.0] * KEYS + times.tolist())))
    (folder / "keys.txt").write_text("\n".join(map(str, keys)))
    return cs.simulate(
        cs.Scenario(
            arrivals=cs.arrivals.Recorded(path=str(folder / "times.txt")),
            keys=cs.keys.Recorded(path=str(folder / "keys.txt")),
            cache=cs.Pattern("cache-aside", ttl=ttl, jitter=jitter, single_flight=single_flight),
            database=cs.Database(latency=cs.latency.Constant(LOAD_TIME)),
            duration=begin + length,
            warmup=begin,
            seed=seed,
        )
    )


def in_flight(run: cs.Result, time: float) -> int:
    """Loads that have started by `time` and end after it."""
    return int(((run.loads.start <= time) & (run.loads.end > time)).sum())


def test_keys_that_expire_together_load_1200_times_without_protection(tmp_path: Path) -> None:
    """Standard error 6.3 of 1200; after 6 s one key in 100 runs has not been asked for."""
    options: Any = {"rate": 2, "ttl": 20, "jitter": 0, "single_flight": "none", "length": 6}
    loads = [wave(tmp_path, seed=seed, **options).metrics["loads"] for seed in seeds_of(1, 5)]
    assert_mean(np.array(loads), theory.group_stampede_size(KEYS, 2, LOAD_TIME))


def test_keys_that_expire_together_have_181_loads_in_flight_with_single_flight(tmp_path: Path) -> None:
    """Just before the first of them ends; standard error 3.9 of 181.27."""
    options: Any = {"rate": 2, "ttl": 20, "jitter": 0, "single_flight": "process", "length": 0.2}
    runs = [wave(tmp_path, seed=seed, **options) for seed in seeds_of(2, 10)]
    counts = np.array([float(in_flight(run, run.warmup + LOAD_TIME)) for run in runs])
    assert_mean(counts, theory.group_loads_in_flight(KEYS, 2, LOAD_TIME))
    assert {run.metrics["largest_stampede"] for run in runs} == {1}


def test_jitter_spreads_the_keys_that_would_expire_together(tmp_path: Path) -> None:
    """Time average while the wave lasts, from 8 s on (mean gap 2 s); held to 5 % of 3.333, standard error 1 %."""
    options: Any = {"rate": 0.5, "ttl": 90, "jitter": 30, "single_flight": "process", "length": 30}
    means = []
    for seed in seeds_of(3, 4):
        run = wave(tmp_path, seed=seed, **options)
        begin, end = run.warmup + 8, run.duration
        busy = run.loads.end.clip(begin, end) - run.loads.start.clip(begin, end)
        means.append(busy.sum() / (end - begin))
        assert run.metrics["largest_stampede"] == 1
    assert np.mean(means) == pytest.approx(theory.jittered_loads_in_flight(KEYS, LOAD_TIME, 30), rel=0.05)


# ── Single flight ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_single_flight_loads_exactly_once_per_expiry() -> None:
    cache = cs.Pattern("cache-aside", ttl=10, single_flight="process")
    runs = cs.replicate(one_key(cache, rate=100, latency=0.5, duration=100), n=5)
    assert (runs.frame["episode_size_mean"] == 1).all()
    assert (runs.frame["largest_stampede"] == 1).all()


@pytest.mark.parametrize(("rate", "nodes"), [(10, 2), (10, 5), (40, 5)])
def test_single_flight_in_each_of_k_nodes_loads_at_most_k_times(rate: float, nodes: int) -> None:
    """E[N] = 1 + (k-1)(1 - e^(-lambda D/k)), N - 1 binomial; standard errors at most .05, of the variance .06.

    The load of the first node ends D later, and from then on everybody finds its value in Redis. Meanwhile each of the
    k-1 others is asked by a Poisson stream of rate lambda/k, and loads once if it is asked at all.
    """
    cache = cs.Pattern("cache-aside", ttl=2, single_flight="process")
    run = cs.simulate(one_key(cache, rate=rate, latency=0.5, nodes=nodes, duration=1400))
    sizes = episodes(run.loads).first(450).sizes
    mean = theory.single_flight_stampede_size(rate, 0.5, nodes)
    assert_mean(sizes, mean)
    assert_mean((sizes - mean) ** 2, theory.single_flight_stampede_variance(rate, 0.5, nodes))
    assert run.metrics["largest_stampede"] == nodes


CLUSTER: dict[str, dict[str, Any]] = {
    "round trips that take no time": {},
    "constant round trips": {"redis.round_trip": 0.002},
    "random round trips": {"redis.round_trip": cs.latency.Exponential(0.01)},
    "random loads": {"redis.round_trip": 0.002, "database.latency": cs.latency.Exponential(0.5)},
    "loads longer than a lease": {"database.latency": cs.latency.Constant(15.0), "duration": 300},
    "loads longer than a lease, and round trips": {
        "database.latency": cs.latency.Constant(15.0),
        "redis.round_trip": 0.01,
        "duration": 300,
    },
    "few connections": {
        "keys": cs.keys.Zipf(n=20, alpha=0.8),
        "database.connections": 2,
        "database.latency": cs.latency.Constant(0.2),
    },
}


@pytest.mark.parametrize("world", CLUSTER)
@pytest.mark.parametrize("nodes", [2, 5])
def test_single_flight_in_the_cluster_loads_exactly_once_per_expiry(nodes: int, world: str) -> None:
    """Nor does a second load follow the first: the next one starts when the lifetime of its value is over."""
    cache = cs.Pattern("cache-aside", ttl=5, single_flight="cluster")
    scenario = one_key(cache, rate=30, latency=0.5, nodes=nodes, duration=100).replace(**CLUSTER[world])
    run = cs.simulate(scenario)
    assert run.metrics["largest_stampede"] == 1
    assert run.metrics["errors"] == 0
    assert run.metrics["loads"] >= 10
    for _, loads in run.loads.groupby("key"):
        loads = loads.sort_values("start")
        assert (loads.start.to_numpy()[1:] - loads.end.to_numpy()[:-1] > 5 - 1e-9).all()


@pytest.mark.parametrize(("jitter", "times"), [(0.0, (0.05, 0.099, 2.2, 2.28)), (1.0, (0.05, 1.4, 1.9, 2.28))])
def test_the_echo_of_a_flush_is_as_high_as_the_curve_says(jitter: float, times: tuple[float, ...]) -> None:
    """An empty cache is a flushed one. Counts of 20 runs; standard errors at most 1.1 of up to 55."""
    cache = cs.Pattern("cache-aside", ttl=2, jitter=jitter)
    scenario = one_key(cache, rate=800, latency=LOAD_TIME, keys=cs.keys.Uniform(n=100), duration=2.3)
    runs = [cs.simulate(scenario.replace(seed=seed)) for seed in seeds_of(4, 20)]
    flush: Any = {"keys": 100, "rate": 8, "load_time": LOAD_TIME, "ttl": 2, "jitter": jitter}
    for time in times:
        counts = np.array([float(in_flight(run, time)) for run in runs])
        assert_mean(counts, theory.loads_in_flight_after_flush(time, **flush), f"at {time} s")
