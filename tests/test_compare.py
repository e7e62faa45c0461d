"""Caches under the same requests: what is paired, what the differences say, and how they are shown."""

from __future__ import annotations

from io import BytesIO
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import cachesim as cs
from cachesim.comparison import Comparison, compare
from cachesim.experiments import seeds_of
from cachesim.world.metrics import METRICS

UNPROTECTED = cs.Pattern("cache-aside", ttl=1, single_flight="none")
PROTECTED = cs.Pattern("cache-aside", ttl=1)
BOTH = {"none": UNPROTECTED, "lock": PROTECTED}


def scenario(**changes: Any) -> cs.Scenario:
    base = cs.Scenario(
        title="A hot key",
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.Zipf(n=50, alpha=0.9),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Exponential(0.1)),
        duration=10,
        warmup=2,
    )
    return base.replace(**changes)


def differences(found: Comparison, baseline: str | None = None, confidence: float = 0.95) -> Any:
    """As a frame whose cells may be anything: pandas' stubs know no better of `.loc` on two levels."""
    return found.differences(baseline, confidence)


def rows(found: Comparison, cache: str) -> pd.DataFrame:
    return found.frame[found.frame["cache"] == cache].drop(columns="cache").reset_index(drop=True)


# The runs


@pytest.mark.parametrize(
    "changes",
    [{}, {"writes": 0.2, "nodes": 3, "redis.round_trip": 0.001}, {"batch": 3, "nodes": 2}, {"database.connections": 2}],
)
def test_every_cache_meets_the_same_requests(changes):
    def met(cache: cs.Pattern) -> list[tuple[object, ...]]:
        table = cs.simulate(scenario(**changes).replace(cache=cache, seed=seeds_of(1, 1)[0])).requests
        return sorted(zip(table.time, table.key, table.node, table.outcome == "write", strict=True))

    assert met(UNPROTECTED) == met(PROTECTED) == met(cs.Pattern("in-process", ttl=0.3)) == met(cs.Pattern("none"))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_each_row_is_a_run_that_can_be_repeated_alone(n):
    found = compare(scenario(), BOTH, n=n)
    assert list(found.frame.columns) == ["cache", "seed", *METRICS]
    assert found.frame["cache"].tolist() == ["none"] * n + ["lock"] * n
    assert found.frame["seed"].tolist() == 2 * seeds_of(1, n)
    alone = cs.simulate(scenario(cache=PROTECTED, seed=seeds_of(1, n)[-1]), record="summary").metrics
    assert rows(found, "lock").iloc[-1].drop("seed").to_dict() == pytest.approx(alone, rel=0, abs=0, nan_ok=True)


def test_each_cache_is_what_replicate_makes_of_it() -> None:
    found = compare(scenario(), BOTH, n=3)
    runs = cs.replicate(scenario(cache=PROTECTED), n=3)
    pd.testing.assert_frame_equal(rows(found, "lock"), runs.frame)
    assert found.mean("load_rate")["lock"] == runs.mean("load_rate")
    assert tuple(found.interval("load_rate", 0.9).loc["lock"]) == runs.interval("load_rate", 0.9)


def test_factories_stand_beside_patterns_and_cache_adds_one() -> None:
    def factory(node: cs.Node) -> Any:
        return node.database.read

    found = compare(scenario(), {"none": cs.Pattern("none"), "mine": factory}, n=2, cache=factory)
    assert found.caches == ["none", "mine", "cache"]
    pd.testing.assert_frame_equal(rows(found, "none"), rows(found, "mine"))
    pd.testing.assert_frame_equal(rows(found, "none"), rows(found, "cache"))


def test_progress_counts_all_runs() -> None:
    told: list[int] = []
    compare(scenario(duration=3), BOTH, n=3, progress=told.append)
    assert told == [1, 2, 3, 4, 5, 6]


# The differences


def test_differences_are_paired_student_t_intervals() -> None:
    from scipy.stats import ttest_rel

    found = compare(scenario(), BOTH, n=5)
    table = differences(found, confidence=0.9)
    assert table.index.names == ["cache", "metric"]
    assert table.index.tolist() == [("lock", metric) for metric in METRICS]
    for metric in ("load_rate", "hit_ratio", "latency_mean"):
        base, lock = (rows(found, name)[metric].to_numpy() for name in BOTH)
        row = table.loc[("lock", metric)]
        assert row["difference"] == pytest.approx((lock - base).mean())
        interval = ttest_rel(lock, base).confidence_interval(0.9)
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
        assert row["variance_ratio"] == pytest.approx((lock - base).var() / (base.var() + lock.var()))


def test_pairing_gains_where_both_meet_the_same_chance() -> None:
    """The hit ratio goes up and down with the keys drawn, for both caches alike."""
    found = compare(scenario(), {"1 s": PROTECTED, "1.1 s": cs.Pattern("cache-aside", ttl=1.1)}, n=10)
    assert differences(found).loc[("1.1 s", "reads"), "variance_ratio"] == 0
    assert differences(found).loc[("1.1 s", "hit_ratio"), "variance_ratio"] < 0.7


def test_any_cache_can_be_the_baseline() -> None:
    found = compare(scenario(), BOTH, n=3)
    forth, back = differences(found), differences(found, "lock")
    assert back.index.unique("cache").tolist() == ["none"]
    assert back.loc["none", "difference"].tolist() == pytest.approx(
        (-forth.loc["lock", "difference"]).tolist(), nan_ok=True
    )


def test_identical_caches_differ_by_exactly_0() -> None:
    table = differences(compare(scenario(writes=0.1), {"one": PROTECTED, "other": PROTECTED}, n=3))
    known = table.dropna(subset="difference")
    assert (known[["difference", "low", "high"]] == 0).all(axis=None)
    assert set(table["variance_ratio"].dropna()) == {0.0}


def test_a_metric_that_is_nan_in_a_run_has_no_difference() -> None:
    table = differences(compare(scenario(), BOTH, n=2))
    assert table.loc[("lock", "database_utilization")].isna().all()


def test_a_single_run_has_a_difference_but_no_interval() -> None:
    found = compare(scenario(), BOTH, n=1)
    row = differences(found).loc[("lock", "load_rate")]
    assert row["difference"] < 0
    assert row[["low", "high", "variance_ratio"]].isna().all()
    assert found.interval("load_rate").isna().all(axis=None)
    assert "*" not in found.text().split("Differences to")[0]


# Refusals


def factory_of_nothing(node: cs.Node) -> Any:
    return 5


def failing(node: cs.Node) -> Any:
    raise KeyError("no\nluck")


@pytest.mark.parametrize(
    ("caches", "options", "message"),
    [
        ({}, {}, r"caches: \[\] is not allowed; at least 2 are compared"),
        ({"lock": PROTECTED}, {}, r"caches: \['lock'\] is not allowed; at least 2 are compared"),
        (BOTH, {"n": 0}, "n: 0 is not allowed; 1 or more"),
        (
            {"lock": PROTECTED, "x": "lock"},
            {},
            "caches: 'x' is 'lock'; a Pattern, or a factory, which is called with a",
        ),
        ({**BOTH, "cache": PROTECTED}, {"cache": failing}, "cache: the name 'cache' is taken"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(caches, options, message):
    with pytest.raises(ValueError, match=message):
        compare(scenario(), caches, **options)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (failing, r"^the cache 'broken' failed; KeyError: 'no\\nluck'$"),
        (factory_of_nothing, "^the cache 'broken' failed; SimulationError: the cache factory returned 5"),
    ],
)
def test_a_cache_that_fails_is_named(factory, message):
    with pytest.raises(cs.SimulationError, match=message):
        compare(scenario(), {"lock": PROTECTED, "broken": factory}, n=2)


def test_a_stream_that_cannot_be_read_is_no_caches_fault() -> None:
    with pytest.raises(cs.ScenarioError, match="no such file"):
        compare(scenario(keys=cs.keys.Recorded(path="nowhere.txt")), BOTH, n=2)


def test_unknown_names_are_told_with_the_known_ones() -> None:
    found = compare(scenario(duration=3), BOTH, n=1)
    with pytest.raises(ValueError, match="baseline: 'lokc' is unknown; known: none, lock"):
        found.differences("lokc")
    for ask in (found.mean, found.interval, found.plot):
        with pytest.raises(KeyError, match="unknown metric 'hitratio'; known: requests, reads"):
            ask("hitratio")
    with pytest.raises(ValueError, match="confidence: 95 is not allowed; between 0 and 1"):
        compare(scenario(duration=3), BOTH, n=2).differences(confidence=95)


# What is shown


def test_the_text_shows_means_and_marks_differences_that_are_none_by_chance() -> None:
    found = compare(scenario(), {**BOTH, "twin": UNPROTECTED}, n=5)
    text = str(found)
    assert text == found.text("none")
    assert text.startswith(
        "A hot key\n3 caches under the same requests, 5 run(s) of 10 s each, the first 2 s not measured"
    )
    block = text.split("\nload_rate\n")[1].splitlines()[:3]
    assert [line.split("  ")[1] for line in block] == ["none", "lock", "twin"]
    assert f"{found.mean('load_rate')['lock']:.2f}"[:4] in block[1]
    low, high = differences(found).loc[("lock", "load_rate"), ["low", "high"]]
    assert low < high < 0
    assert block[1].endswith(" *")
    assert block[2].endswith("0/s ± 0/s")
    assert "nan" not in text
    assert "\nstale_ratio\n" not in text  # 0 for all
    assert "\ndatabase_utilization\n" not in text  # missing for all
    assert text.split("\nLong enough?\n")[1].replace("\n   ", "").splitlines() == ["  " + line for line in found.advice]
    assert max(map(len, text.splitlines())) <= 120


def test_advice_names_the_caches_that_it_is_about_unless_it_is_about_all() -> None:
    found = compare(
        scenario(), {"none": cs.Pattern("none"), "short": PROTECTED, "long": cs.Pattern("in-process", ttl=3)}, n=2
    )
    assert found.advice[0].startswith("2 runs are few")
    (cold,) = [sentence for sentence in found.advice if "The cold start" in sentence]
    assert (
        cold
        == "long: The cold start is measured: 2 s of warm-up are less than 2 lifetimes of a value (3 s); set "
        + ("warmup = 6 and duration = 36.")
    )
    (short,) = [sentence for sentence in found.advice if "measured are" in sentence]
    assert short.startswith("short: 8 s measured are 8.0 lifetimes of a value (1 s); for 10 of them, set duration = 12")


def test_the_picture_shows_each_cache_each_run_and_the_unit() -> None:
    found = compare(scenario(), BOTH, n=4)
    ax = found.plot("latency_mean")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["none", "lock"]
    assert ax.get_xlabel() == "latency_mean (s)"
    assert ax.get_title(loc="left") == "latency_mean under the same requests: mean and 95 % interval"
    *runs, means = ax.lines
    assert [tuple(np.asarray(line.get_xdata())) for line in runs] == list(
        zip(*(rows(found, name).sort_values("seed")["latency_mean"] for name in BOTH), strict=True)
    )
    assert np.asarray(means.get_xdata()).tolist() == found.mean("latency_mean").tolist()
    (bars,) = ax.collections
    drawn = [segment[:, 0].tolist() for segment in bars.get_segments()]  # type: ignore[attr-defined]
    assert drawn == found.interval("latency_mean").to_numpy().tolist()
    assert found.plot("hit_ratio").get_xlabel() == "hit_ratio"
    assert found.plot("loads", title="Mine", ax=ax) is ax
    assert ax.get_title(loc="left") == "Mine"


@pytest.mark.parametrize(("n", "metric"), [(1, "load_rate"), (3, "database_utilization"), (2, "stale_reads")])
def test_what_does_not_exist_is_not_drawn(n, metric):
    figure = compare(scenario(duration=3), BOTH, n=n).plot(metric).figure
    assert isinstance(figure, Figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_a_mean_over_runs_of_which_one_has_none_is_nan() -> None:
    found = compare(scenario(), BOTH, n=2)
    found.frame.loc[0, "hit_ratio"] = nan
    assert isnan(found.mean("hit_ratio")["none"])
    assert differences(found).loc[("lock", "hit_ratio"), ["difference", "low", "high"]].isna().all()
    assert "–" in found.text()
