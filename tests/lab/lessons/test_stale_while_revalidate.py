"""08: the life of a value that is served stale, who waits for it, and refreshes that go wrong."""

from __future__ import annotations

import re
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cachesim as cs
from cachesim import plots, theory
from cachesim.lab.explorers.stale_while_revalidate import StaleWhileRevalidate, explore
from tests.lab.reading import simulated

ARTICLE = cs.Scenario(
    arrivals=cs.arrivals.Poisson(rate=20),
    keys=cs.keys.OneKey(),
    cache=cs.Pattern("stale-while-revalidate", fresh_for=10, stale_for=5),
    database=cs.Database(latency=cs.latency.Constant(0.5)),
    writes=cs.Writes(behind=0.5),
    duration=150,
    warmup=5,
)
WRONG = {"oldest": 360, "rarely": 1 - np.exp(-0.05), "lifetimes": ARTICLE}


class TestExplorer:
    def test_nobody_waits_for_a_hot_key(self):
        explorer = explore()
        explorer.controls["rate"].value = 20
        assert re.match(r"\d+ % of requests are served stale, and nobody waits\.", explorer.finding.html)
        assert simulated(explorer, "Wait for a load") == 0
        assert simulated(explorer, "Served stale") > 0

    def test_somebody_often_waits_for_a_rare_one(self):
        explorer = explore()
        explorer.controls["rate"].value, explorer.controls["stale_for"].value = 0.5, 0.25
        assert simulated(explorer, "Wait for a load") > 30

    def test_without_stale_time_nothing_is_served_stale(self):
        explorer = explore()
        explorer.controls["stale_for"].value = 0
        assert simulated(explorer, "Served stale") == 0

    @pytest.mark.parametrize(("rate", "load_time", "stale_for"), [(20, 0.1, 2), (2, 2, 0.5), (0.5, 0.5, 4)])
    def test_nothing_is_out_of_date_for_longer_than_the_bound(self, rate, load_time, stale_for):
        settings = StaleWhileRevalidate(rate=rate, load_time=load_time, stale_for=stale_for)
        (scenario,) = settings.scenarios(2_000).values()
        assert 0.3 * settings.bound < cs.simulate(scenario).metrics["staleness_max"] <= settings.bound

    def test_the_text_counts_what_the_picture_shows(self):
        explorer = explore()
        (result,) = explorer._run(explorer.settings, explorer.resting, lambda share: None).values()
        shown = result.requests[result.requests["time"] < 12]
        counts = [int(count) for count in re.findall(r"(?:hit|miss) (\d+)", explorer.picture.alt)]
        assert sum(counts) == len(shown)
        assert counts[0] == (shown["outcome"] == "hit").sum()


def test_the_printed_code_starts_a_refresh_for_each_stale_hit():
    """1 + λD of them in each cycle, λD = 32; the pattern has one."""
    busy = ARTICLE.replace(
        writes=0, duration=100, warmup=3, **{"arrivals.rate": 80, "database.latency.value": 0.4, "cache.fresh_for": 2}
    )
    pattern = cs.simulate(busy).metrics
    assert pattern["largest_stampede"] == 1
    printed = cs.simulate(
        busy.replace(cache=cs.Pattern("pitfall:stale-while-revalidate", fresh_for=2, stale_for=5))
    ).metrics
    expected, episodes = theory.stampede_size(80, 0.4), printed["load_episodes"]
    assert episodes > 20
    assert abs(printed["episode_size_mean"] - expected) <= 4 * sqrt(32 / episodes) + expected / episodes  # a cut one
    assert printed["loads_refresh"] == printed["loads"] == printed["stale_hits"]


def test_a_failed_refresh_prolongs_nothing_unless_stale_if_error_says_so():
    outage = cs.faults.DatabaseErrors(start=20, duration=30, share=1)
    scenario = ARTICLE.replace(writes=0, duration=60, faults=[outage])
    run = cs.simulate(scenario)
    stored = run.loads["end"][run.loads["status"] == "finished"]
    last = stored[stored < 20.5].max()
    failed = run.requests[run.requests["outcome"] == "error"]
    assert failed["time"].min() > last + 15
    assert failed["time"].min() < last + 15.5
    kept = cs.simulate(scenario.replace(**{"cache.stale_if_error": 60.0})).metrics
    assert kept["errors"] == 0
    assert kept["latency_max"] == pytest.approx(0.5)


def test_the_price_of_no_wait_is_a_load_time_of_age():
    caches = {"single flight": cs.Pattern("cache-aside", ttl=10), "stale": ARTICLE.cache}
    means = cs.compare(ARTICLE, caches, n=3).frame.groupby("cache")[["latency_mean", "staleness_max"]].mean()
    assert means["latency_mean"]["stale"] == 0
    assert means["latency_mean"]["single flight"] > 0.01
    older = means["staleness_max"]["stale"] - means["staleness_max"]["single flight"]
    assert 0 < older < 2 * 0.5


class TestPictures:
    def life(self, **lifetimes: Any) -> plots.StaleLife:
        requests = pd.DataFrame({"time": [0.0, 3.5], "outcome": ["miss", "stale_hit"], "latency": [0.5, 0.0]})
        loads = pd.DataFrame({"start": [0.0, 3.5], "end": [0.5, 4.0]})
        axes = plots.stale_life(requests, loads, end=10, **lifetimes)
        picture = plots.StaleLife(axes)
        picture.show(requests, loads, end=10, title="", limit=0.5, **lifetimes)
        return picture

    @staticmethod
    def stretches(band: Any) -> list[tuple[float, float]]:
        values, edges, baseline = band.get_data()
        spans = zip(edges[:-1], edges[1:], values, strict=True)
        return [(float(begin), float(end)) for begin, end, value in spans if value > baseline and end > begin]

    def test_a_value_is_fresh_then_stale_then_gone(self):
        picture = self.life(fresh_for=2, stale_for=3)
        assert self.stretches(picture._fresh) == [(0.5, 2.5), (4.0, 6.0)]
        assert self.stretches(picture._stale) == [(2.5, 4.0), (6.0, 9.0)]  # the first until its refresh is done

    def test_a_value_that_is_gone_before_its_refresh_is_done(self):
        picture = self.life(fresh_for=2, stale_for=1)
        assert self.stretches(picture._stale) == [(2.5, 3.5), (6.0, 7.0)]

    def test_a_tradeoff_names_its_points(self):
        points = pd.DataFrame({"wait (s)": [2.0, 0.0], "age (s)": [1.0, 3.0]}, index=["load anew", "serve stale"])
        axes = plots.tradeoff(points)
        assert [text.get_text() for text in axes.texts] == ["load anew", "serve stale"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("wait (s)", "age (s)")
