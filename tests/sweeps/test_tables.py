"""What a sweep found, a row a point: numbers, intervals, what counts, and how it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import nan

import numpy as np
import pytest

import cachesim as cs
from cachesim.estimates import estimate
from cachesim.sweeps.sweeping import sweep
from cachesim.sweeps.tables import table, text
from cachesim.world.metrics import METRICS
from tests.sweeps.frames import grid, made

TTLS = grid({"cache.ttl": [5, 10]})
LATE = "TimeLimit: did not return within 5 s"


def rising(point, run):
    return 10.0 * point["cache.ttl"] + run


# The table


def test_has_a_row_a_point_in_order_of_appearance_and_three_columns_a_metric():
    found = table(made(grid({"nodes": [4, 1], "cache.pattern": ["lock", "none"]}), lambda *_: 1.0))
    assert found[["nodes", "cache.pattern"]].to_numpy().tolist() == [
        [4, "lock"],
        [4, "none"],
        [1, "lock"],
        [1, "none"],
    ]
    three = [column for name in METRICS for column in (name, f"{name}_low", f"{name}_high")]
    assert list(found.columns) == ["nodes", "cache.pattern", "runs", "failed", *three]


def test_means_and_intervals_are_those_of_estimates():
    found = table(made(TTLS, rising), ["load_rate"], confidence=0.9)
    for row, ttl in enumerate([5, 10]):
        expected = estimate([10.0 * ttl, 10.0 * ttl + 1, 10.0 * ttl + 2], 0.9)
        assert found["load_rate"][row] == expected.mean
        assert (found["load_rate_low"][row], found["load_rate_high"][row]) == expected.interval
    assert list(found["runs"]) == [3, 3]


def test_runs_that_failed_do_not_count_whatever_their_metrics_say():
    frame = made(TTLS, rising, failures={(0, 2): LATE})
    frame.loc[2, "load_rate"] = 1e6
    found = table(frame, ["load_rate"])
    assert found[["runs", "failed", "load_rate"]].to_numpy().tolist() == [[2, 1, 50.5], [3, 0, 101.0]]


def test_a_point_without_a_good_run_has_no_numbers():
    found = table(made(TTLS, rising, failures={(0, run): LATE for run in range(3)}), ["load_rate"])
    assert found[["runs", "failed"]].to_numpy().tolist() == [[0, 3], [3, 0]]
    assert found.loc[0, ["load_rate", "load_rate_low", "load_rate_high"]].isna().all()


def test_one_good_run_without_the_metric_leaves_its_point_without_it():
    found = table(made(TTLS, lambda point, run: nan if (point["cache.ttl"], run) == (5, 1) else 2.0), ["load_rate"])
    assert np.isnan(found["load_rate"][0])
    assert found["load_rate"][1] == 2.0


def test_one_run_has_no_interval():
    found = table(made(TTLS, rising, runs=1), ["load_rate"])
    assert found["load_rate"].tolist() == [50, 100]
    assert found[["load_rate_low", "load_rate_high"]].isna().all(axis=None)


def test_a_run_that_stands_there_twice_counts_once():
    drawn_again = made([*TTLS, TTLS[0]], rising)
    assert table(drawn_again).equals(table(made(TTLS, rising)))


def test_refuses_unknown_metrics_and_impossible_confidence():
    with pytest.raises(KeyError, match="unknown metric 'hits_ratio'; known: requests, reads"):
        table(made(TTLS, rising), ["hits_ratio"])
    with pytest.raises(ValueError, match=r"confidence: 1\.0 is not allowed"):
        table(made(TTLS, rising), confidence=1.0)


def test_a_point_of_a_sweep_says_what_replicate_says():
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=1, single_flight="none"),
        database=cs.Database(latency=cs.latency.Exponential(0.1)),
        duration=5,
    )
    with ThreadPoolExecutor(1) as pool:
        frame = sweep(scenario, {"cache.ttl": [1.0, 2.0]}, replications=3, executor=pool)
    alone = cs.replicate(scenario.replace(**{"cache.ttl": 2.0}), n=3)
    found = table(frame)
    for name in METRICS:
        row = [found[column][1] for column in (name, f"{name}_low", f"{name}_high")]
        assert row == pytest.approx([alone.mean(name), *alone.interval(name)], rel=0, abs=0, nan_ok=True)


# The text


def test_the_text_is_aligned_with_units_and_half_widths():
    frame = made(grid({"cache.pattern": ["lock", "none"], "cache.ttl": [5, 1000]}), rising, latency_mean=0.0123)
    assert text(frame, ["load_rate", "latency_mean"]).splitlines() == [
        "4 points, 3 runs each: mean ± half the 95 % interval",
        "",
        "cache.pattern  cache.ttl         load_rate   latency_mean",
        "lock                   5      51/s ± 2.5/s  12.3 ms ± 0 s",
        "lock               1,000  10,001/s ± 2.5/s  12.3 ms ± 0 s",
        "none                   5      51/s ± 2.5/s  12.3 ms ± 0 s",
        "none               1,000  10,001/s ± 2.5/s  12.3 ms ± 0 s",
    ]


def test_tells_what_differs_and_leaves_out_what_is_nothing_everywhere():
    told = text(made(TTLS, rising, hit_ratio=0.9, hit_ratio_l1=nan))
    assert "load_rate" in told
    assert "hit_ratio" not in told  # the same at all points
    assert "error_ratio" not in told


def test_tells_what_there_is_where_nothing_differs():
    told = text(made(TTLS, lambda *_: 2.0, hit_ratio=0.9))
    assert "90.00 %" in told
    assert "error_ratio" not in told


def test_stays_within_the_width_and_names_what_it_leaves_out():
    frame = made(TTLS, rising)
    for place, name in enumerate(METRICS):
        frame[name] = frame["load_rate"] + place
    lines = text(frame).splitlines()
    assert 80 < max(map(len, lines)) <= 110
    assert "hit_ratio" in lines[2]
    left_out = " ".join(lines[lines.index("", 2) :])
    assert "bytes_sent" in left_out
    assert "bytes_sent" not in lines[2]
    asked_for = text(frame, METRICS).splitlines()
    assert all(name in asked_for[2] for name in METRICS)


def test_one_run_each_has_no_plus_minus():
    told = text(made(TTLS, rising, runs=1))
    assert told.startswith("2 points, 1 run each\n")
    assert "±" not in told
    assert "100/s" in told


def test_failures_are_counted_and_listed_by_reason_with_points_and_seeds():
    failures = {(0, 0): LATE, (0, 2): LATE, (1, 1): LATE, (1, 2): "ValueError:\n  no (mine.py:7)"}
    lines = text(made(TTLS, rising, failures=failures)).splitlines()
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["cache.ttl", "runs", "failed"],
        ["5", "1", "2"],
        ["10", "1", "2"],
    ]
    assert lines[5:] == [
        "",
        "4 of 6 runs failed",
        f"  3 × {LATE}; at cache.ttl 5 (seeds 100, 102); cache.ttl 10 (seed 101)",
        "  1 × ValueError: no (mine.py:7); at cache.ttl 10 (seed 102)",
    ]


def test_many_failures_are_told_in_few_lines():
    points = grid({"cache.ttl": list(range(1, 101))})
    same = text(made(points, rising, runs=8, failures={(place, run): LATE for place in range(50) for run in range(8)}))
    told = " ".join(same[same.index("400 of") :].split())
    assert told.endswith("cache.ttl 5 (seeds 100, 101, 102, 103, 104, ...); and 45 more")
    different = text(made(points, rising, failures={(place, 0): f"no {'i' * place}" for place in range(50)}))
    assert different.endswith("  1 × no iiiiiiiii; at cache.ttl 10 (seed 100)\n  and 40 more")


def test_reasons_that_differ_in_their_numbers_alone_are_one():
    failures = {(0, 0): "stopped after 1.25 s", (1, 0): "stopped after 17 s"}
    told = text(made(TTLS[::-1], rising, failures=failures)).splitlines()
    assert told[-1] == ("  2 × stopped after 1.25 s (numbers vary); at cache.ttl 10 (seed 100); cache.ttl 5 (seed 100)")


def test_a_sweep_of_which_every_run_failed_is_told():
    every = {(place, run): LATE for place in range(2) for run in range(3)}
    assert "6 of 6 runs failed" in text(made(TTLS, rising, failures=every))


def test_texts_of_any_kind_stay_on_their_line():
    told = text(made([{"cache.name": "a\nb\x1b[31m" + 100 * "c"}], lambda *_: 1.0)).splitlines()
    assert len(told) == 4
    assert max(map(len, told)) <= 110
    assert "\x1b" not in told[3]
