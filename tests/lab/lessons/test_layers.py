"""What 10 teaches: each layer has a ratio of its own, and the overall one is the last to know."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from prometheus_client import CollectorRegistry

import cachesim as cs
from cachesim.lab.demonstrations import scraping, trouble
from cachesim.lab.explorer import simulated
from cachesim.lab.explorers.layers import Layers, _numbers, explore
from cachesim.patterns import Metrics
from cachesim.patterns.events import Event
from cachesim.plots import timelines

WRONG = {
    "overall": 0.85,
    "loads_grow": 1.01,
    "both_targets": cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=10),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("layered", ttl=10, l1_ttl=5, invalidation="none"),
        database=cs.Database(latency=cs.latency.Constant(0.02)),
        nodes=2,
        duration=600,
    ),
}


RUNS = 40


class TestExplorer:
    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({}, "Memory misses its target, and Redis makes up for it: in process 82"),
            ({"l1_ttl": 10, "nodes": 2}, "Redis misses its target, for memory has taken its hits: in process 98"),
            ({"l1_ttl": 2, "l2_ttl": 20}, "Both layers meet their targets"),
            ({"l1_ttl": 0.5, "l2_ttl": 2, "nodes": 1, "rate": 1}, "Both layers miss their targets"),
        ],
    )
    def test_says_how_the_layers_fare(self, settings, told):
        moved = Layers(**settings)
        assert told in explore().sketch.draw(moved, simulated(moved, 3_000, lambda share: None)).sentence

    def test_the_lifetime_in_process_does_not_matter_to_the_database(self):
        overall = {Layers(l1_ttl=l1_ttl).expected.overall for l1_ttl in (0.5, 1, 5, 10)}
        assert max(overall) - min(overall) < 1e-12
        loads = {cs.simulate(*Layers(l1_ttl=t).scenarios(2_000).values()).metrics["loads"] for t in (0.5, 1, 5, 10)}
        assert len(loads) == 1

    @pytest.mark.parametrize(
        "settings",
        [Layers(), Layers(l1_ttl=0.5, l2_ttl=2, nodes=2, rate=1), Layers(l1_ttl=5, l2_ttl=2, nodes=10, rate=1)],
    )
    def test_ratios_stray_as_far_as_theory_says(self, settings):
        """Over many seeds the deviations, by their standard errors, are of size 1."""
        deviations: dict[str, list[float]] = {}
        for seed in range(1, RUNS + 1):
            moved = replace(settings, seed=seed)
            (scenario,) = moved.scenarios(500).values()
            for number in _numbers(moved, cs.simulate(scenario)):
                if number.expected is not None:
                    deviations.setdefault(number.name, []).append((number.value - number.expected) / number.error)
        for name in ("Hit ratio in process", "Hit ratio overall"):
            size = float(np.sqrt(np.mean(np.square(deviations[name]))))
            assert 0.2 < size < 1 + 4 / np.sqrt(2 * RUNS), name
        assert max(abs(deviation) for found in deviations.values() for deviation in found) < 4


def test_the_printed_code_storms_and_a_mean_over_a_minute_hides_it():
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("pitfall:layered", ttl=30, l1_ttl=5),
        redis=cs.Redis(round_trip=0.001),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
        nodes=4,
        duration=180,
        warmup=60,
    )
    series = cs.simulate(scenario).series(bin=1)
    assert series["load_rate"].max() > 20
    assert series["load_rate"].rolling(60).mean().max() < 2
    assert series["hit_ratio"].rolling(60).mean().min() > 0.97
    ours = scenario.replace(cache=cs.Pattern("layered", ttl=30, l1_ttl=5, single_flight="cluster", invalidation="none"))
    assert cs.simulate(ours).series(bin=1)["load_rate"].max() == 1


class TestTheHour:
    hour = staticmethod(cache(trouble.hour))

    def test_redis_moves_first_and_errors_come_long_after(self):
        moved = trouble.moved(self.hour())
        assert min(moved, key=lambda name: moved[name]) == "in Redis (%)"
        assert moved["in Redis (%)"] <= 25
        assert moved["loads (1/s)"] < moved["database busy (%)"]
        assert moved["errors (%)"] >= moved["in Redis (%)"] + 25

    def test_the_overall_ratio_stays_above_its_bound(self):
        assert trouble.WATCHED[0].name not in trouble.moved(self.hour())
        assert self.hour()["in Redis (%)"].iloc[-1] < 40

    def test_a_hit_without_a_round_trip_is_one_in_process(self):
        """The ratios by the minute are those that the caches themselves tell."""
        scenario = cs.Scenario(
            arrivals=cs.arrivals.Poisson(rate=20),
            keys=cs.keys.Zipf(n=50, alpha=1),
            cache=cs.Pattern("layered", ttl=30, l1_ttl=5, invalidation="none"),
            redis=cs.Redis(round_trip=0.001),
            database=cs.Database(latency=cs.latency.Constant(0.1), connections=1),
            nodes=2,
            duration=60,
        )
        result = cs.simulate(scenario)
        (minute,) = trouble._dashboard(result).to_dict("records")
        assert minute["in process (%)"] == pytest.approx(100 * result.metrics["hit_ratio_l1"], abs=0.5)
        assert minute["in Redis (%)"] == pytest.approx(100 * result.metrics["hit_ratio_l2"], abs=1.5)
        assert minute["loads (1/s)"] == pytest.approx(result.metrics["load_rate"])
        assert minute["database busy (%)"] == pytest.approx(100 * result.metrics["database_utilization"], abs=0.5)


def test_a_measure_has_moved_when_it_stays_past_its_bound():
    calm = {measure.name: [measure.bound] * 12 for measure in trouble.WATCHED}
    minutes = pd.DataFrame({**calm, "errors (%)": [0, 2, 2, 2, 2, 0, 2, 2, 2, 2, 2, 2]}, index=range(1, 13))
    assert trouble.moved(minutes) == {"errors (%)": 7}


class TestTimelines:
    SERIES = pd.DataFrame({"a (%)": [1.0, 2, 3], "b (s)": [3.0, 2, 1]}, index=[0.0, 1, 2])

    def test_a_picture_for_each_column_with_bounds_and_marks(self):
        top = timelines(
            self.SERIES, xlabel="time (min)", bounds={"a (%)": 1.5, "b (s)": 2.5}, marks={"b (s)": 1.0, "a (%)": 2.0}
        )
        panels = top.figure.axes
        assert [panel.get_ylabel() for panel in panels] == ["a\n(%)", "b\n(s)"]
        assert panels[1].get_xlabel() == "time (min)"
        assert top.get_title(loc="left") == "First past its bound: b (s)"
        assert [[text.get_text() for text in panel.texts] for panel in panels] == [
            ["1.5", "from 2 ▶"],
            ["2.5", "from 1 ▶"],
        ]

    def test_nothing_passes(self):
        assert "None" in timelines(self.SERIES, xlabel="time (s)", bounds={}, marks={}).get_title(loc="left")


class TestScraping:
    def test_what_is_counted_is_scraped(self):
        registry = scraping.new_registry()
        assert isinstance(registry, CollectorRegistry)
        for _ in range(2):  # a cell that runs again
            metrics = Metrics("user", registry=registry)
        hit = Event("hit", "user:1", layer="l1")
        for event in (hit, hit, hit, hit._replace(kind="miss"), hit._replace(layer="l2")):
            metrics(event)
        text = scraping.scrape(registry)
        assert 'cache_hits_total{entity="user",layer="l1"} 3.0' in text
        assert "user:1" not in text
        assert scraping.hit_ratios(text) == {"l1": 0.75, "l2": 1.0}
