"""Advice on whether runs are long enough: each doubt is told when there is cause for it, and only then."""

from __future__ import annotations

from math import nan, sqrt
from typing import Any

import numpy as np
import pytest

import cachesim as cs
from cachesim.experiments import replicate
from cachesim.run_length import advice
from cachesim.world.metrics import METRICS


def scenario(**changes: Any) -> cs.Scenario:
    base = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.Zipf(n=1000, alpha=0.9),
        cache=cs.Pattern("cache-aside", ttl=10),
        database=cs.Database(latency=cs.latency.Constant(0.01)),
        warmup=20,
        duration=120,
    )
    return base.replace(**changes)


GOOD = {"hit_ratio": 0.9, "load_rate": 10.0, "episode_size_mean": 1.0, "latency_mean": 0.02, "latency_p99": 0.5}


def runs(n: int = 10, *, spread: float = 0.001, **metrics: float) -> list[dict[str, float]]:
    """Runs without fault, each metric spread by a share of itself, so that their sample deviation is that share."""
    values = dict.fromkeys(METRICS, nan) | {"hits": 9e3, "load_episodes": 1e3, "queries": 1e3} | GOOD | metrics
    steps = np.linspace(-1, 1, n)
    steps /= steps.std(ddof=1) if n > 1 else 1.0
    return [{name: value * (1 + spread * step) for name, value in values.items()} for step in steps.tolist()]


def said(found: list[dict[str, float]], setting: cs.Scenario | None = None, **options: Any) -> list[str]:
    setting = scenario() if setting is None else setting
    assert setting.duration is not None
    return advice(found, setting, measured=setting.duration - setting.warmup, **options)


def test_runs_without_fault_are_long_enough_and_it_is_said_how_exact_they_are() -> None:
    (sentence,) = said(runs())
    assert sentence.startswith("Long enough: hit_ratio 90.00 % ± 0.06 %, load_rate 10/s ± 0.0072/s, ")
    assert sentence.endswith("(95 % intervals, 10 runs).")


def test_one_run_says_nothing_about_chance() -> None:
    assert said(runs(1)) == ["One run says nothing about chance: with 10 replications each mean has an interval."]


@pytest.mark.parametrize(("n", "share"), [(2, 8), (3, 29), (4, 45)])
def test_few_runs_are_told_what_more_would_gain(n, share):
    """The share is t(9)/√10 by t(n - 1)/√n."""
    assert said(runs(n))[0] == f"{n} runs are few: the intervals of 10 would be about {share} % as wide."


def test_runs_in_which_nothing_is_drawn_are_no_sample() -> None:
    setting = scenario(arrivals=cs.arrivals.Constant(rate=10), keys=cs.keys.OneKey(), nodes=1)
    (sentence,) = replicate(setting, n=3).advice[:1]
    assert (
        sentence == "All 3 runs are the same: nothing here is drawn by chance, and an interval of width 0 says no more."
    )


# Lifetimes


@pytest.mark.parametrize(
    ("cache", "lifetime"),
    [
        (cs.Pattern("cache-aside", ttl=100, jitter=10), 100),
        (cs.Pattern("in-process", ttl=100), 100),
        (cs.Pattern("layered", ttl=100, l1_ttl=1), 100),
        (cs.Pattern("stale-while-revalidate", fresh_for=40, stale_for=60), 100),
        (cs.Pattern("pitfall:stale-while-revalidate", fresh_for=40, stale_for=60), 100),
    ],
)
def test_a_cold_start_is_told_with_the_settings_that_leave_it_out(cache, lifetime):
    (sentence,) = said(runs(), scenario(cache=cache))
    assert sentence == (
        f"The cold start is measured: 20 s of warm-up are less than 2 lifetimes of a value ({lifetime} s); "
        "set warmup = 200 and duration = 1200."
    )


def test_what_is_advised_is_enough() -> None:
    for setting in (scenario(warmup=0), scenario(warmup=3, **{"cache.ttl": 7.77}), scenario(duration=30)):
        changes = dict(
            part.split(" = ") for part in said(runs(), setting)[0].rstrip(".").split("set ")[1].split(" and ")
        )
        after = setting.replace(**{name: float(value) for name, value in changes.items()})
        assert said(runs(), after)[0].startswith("Long enough")


def test_a_short_measured_time_is_told_in_lifetimes() -> None:
    assert said(runs(), scenario(duration=65)) == [
        "45 s measured are 4.5 lifetimes of a value (10 s); for 10 of them, set duration = 120."
    ]


def test_a_cache_that_holds_nothing_has_no_cold_start() -> None:
    assert said(runs(hits=0.0), scenario(cache=cs.Pattern("none"), warmup=0))[0].startswith("Long enough")


def test_of_somebodys_own_cache_no_lifetime_is_known() -> None:
    assert said(runs(), scenario(warmup=0), own_cache=True)[0].startswith("Long enough")


def test_a_queue_remembers_for_its_relaxation_time() -> None:
    """M/M/1 at .81 with 891 queries in 110 s, a service of .1 s, and 1/(μ(1 - .9)²) = 10 s."""
    setting = scenario(cache=cs.Pattern("none"), warmup=9, duration=119, **{"database.connections": 1})
    busy = runs(1, hits=0.0, spread=0.0, database_utilization=0.81, queries=891.0)
    assert said(busy, setting)[1:] == [
        "The cold start is measured: 9 s of warm-up are less than 2 relaxation times of a database 81 % busy (10 s); "
        "set warmup = 20 and duration = 120."
    ]
    # With two connections the queries are twice as long, and so many go on at once.
    assert said(busy, setting.replace(**{"database.connections": 2})) == said(busy, setting)


# Where there is no steady state


@pytest.mark.parametrize(
    "changes",
    [
        {"arrivals": cs.arrivals.FlashCrowd(base=10, peak=100, at=30, duration=10)},
        {"arrivals": cs.arrivals.Diurnal(mean=10, peak=20, period=60)},
        {"keys": cs.keys.Documentation()},
        {"faults": (cs.faults.Flush(at=30),)},
    ],
)
def test_of_an_event_only_more_runs_say_more(changes):
    setting = scenario(warmup=0, **changes)
    assert said(runs(), setting)[0].startswith("Long enough")
    (sentence,) = said(runs(spread=0.5), setting)
    assert "runs" in sentence
    assert "duration" not in sentence


# Chance


def test_a_wide_interval_says_how_many_runs_make_it_narrow() -> None:
    """Half a width t(9) · s/√10 = .715 s; for a tenth of the mean, (.715 · .5/.1)² = 12.8 times as much."""
    (sentence,) = said(runs(spread=0.5, hit_ratio=nan, latency_mean=nan, latency_p99=nan, episode_size_mean=nan))
    assert sentence == (
        "The 95 % interval of load_rate 10/s ± 3.6/s: for ± 1/s about 128 runs, or a duration 13 times as long."
    )
    wanted = (2.2621572 * 0.5 / sqrt(10) / 0.1) ** 2
    assert 127 < 10 * wanted < 128


def test_a_ratio_is_judged_by_its_rarer_side() -> None:
    """A hit ratio of .95 ± .012 leaves the misses, 5 %, in doubt."""
    (sentence,) = said(runs(spread=0.012 / 0.7154 / 0.95, load_rate=nan, hit_ratio=0.95))
    assert sentence.startswith("The 95 % interval of hit_ratio 95.00 % ± 1.20 %: for ± 0.50 % about 58 runs, or a dura")


def test_the_widest_stands_for_all_that_are_wide() -> None:
    found = runs(spread=0.3)
    for run in found:
        run["hit_ratio"] = 0.9
        run["latency_p99"] = 0.5 + 2 * (run["latency_p99"] - 0.5)
    (sentence,) = said(found)
    assert sentence.startswith("The 95 % interval of latency_p99 500 ms ± 210 ms: for ± 50 ms about 185 runs, or ")
    others = sentence.partition(" (")[2].removesuffix(": wide too, but less so).").split(", ")
    assert sorted(others) == ["episode_size_mean", "latency_mean", "load_rate"]


def test_few_episodes_are_told() -> None:
    (sentence,) = said(runs(load_episodes=2.0, hits=100.0))
    assert sentence == (
        "20 load episode(s) in all say little about stampedes: for 30 of them about 15 runs, or a duration 1.5 times "
        "as long."
    )
    (sentence,) = said(runs(load_episodes=0.0, hits=100.0))
    assert sentence == "Not one load was measured: what happens when a value expires was not seen."


def test_an_overloaded_database_is_told() -> None:
    setting = scenario(
        cache=cs.Pattern("none"), database=cs.Database(latency=cs.latency.Constant(0.011), connections=1)
    )
    found = replicate(setting, n=5)
    assert found.mean("database_utilization") == pytest.approx(1)
    (sentence,) = [line for line in found.advice if "busy" in line]
    assert sentence.startswith(
        "The database is busy 100.00 % of the time, so its queue may grow as long as the run lasts"
    )


@pytest.mark.parametrize("value", [nan, 0.0, 1.0])
def test_what_does_not_exist_or_is_certain_is_not_judged(value):
    found = runs(spread=0.0, **dict.fromkeys(GOOD, value))
    for number, run in enumerate(found):
        run["requests"] = number  # the runs differ, though not in what is judged
    (sentence,) = said(found)
    assert sentence.startswith("Long enough")


def test_a_run_without_requests_is_no_reason_to_fail() -> None:
    found = replicate(scenario(arrivals=cs.arrivals.Poisson(rate=1e-6), **{"database.connections": 1}), n=2)
    assert found.advice
