"""11: eviction and hit-rate curves."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim import plots, policies, theory
from cachesim.lab.demonstrations.streams import nightly_job, steady_curves, zipf_stream
from cachesim.lab.exercises import eviction as exercises
from cachesim.lab.explorers.eviction import Eviction, by_size, explore
from cachesim.plots.size_curves import apart

WRONG = {"round_and_round": 0.9, "size_for_80_percent": 800, "keeps_its_users": policies.Lru(100)}


class TestExercises:
    def test_a_loop_larger_than_lru_never_hits(self):
        rows = np.tile(np.arange(1000), 5)
        assert cs.hit_rate_curve(rows, sizes=[900]).misses.tolist() == [5000]

    def test_a_larger_cache_is_no_answer(self):
        assert "may hold 100 entries" in exercises.keeps_its_users.check(policies.Sieve(101)).text

    def test_a_used_cache_is_no_answer(self):
        cache: policies.Sieve[int, int] = policies.Sieve(100)
        assert exercises.keeps_its_users.check(cache).status == "right"
        assert "used already" in exercises.keeps_its_users.check(cache).text


class TestStreams:
    def test_the_stream_is_that_of_scenarios(self):
        keys = cs.keys.Zipf(n=1000, alpha=0.9).stream(np.random.default_rng(1))
        assert zipf_stream(1000, 0.9, 5000).tolist() == [int(next(keys)) for _ in range(5000)]

    @pytest.mark.parametrize(("policy", "exact"), [("lru", theory.king_lru_hit_ratio), ("fifo", theory.fifo_hit_ratio)])
    def test_full_caches_hit_as_the_exact_formulas_say(self, policy, exact):
        popularity = cs.keys.Zipf(n=5, alpha=1).probabilities()
        curve = steady_curves(5, 1.0, [policy], [1, 2, 3], 200_000)[policy]
        for size, hit_ratio in zip(curve["size"], curve["hit_ratio"], strict=True):
            expected = exact(popularity, size)
            assert hit_ratio == pytest.approx(expected, abs=4 * 1.4 * sqrt(expected * (1 - expected) / 200_000))

    def test_hit_ratios_spread_a_little_more_than_if_hits_were_independent(self):
        """By 1.4 at most, which the explorer takes for granted; the standard error of the factor is .09."""
        for policy in ("lru", "fifo"):
            seeds = range(60)
            found = [steady_curves(1000, 0.8, [policy], [100], 10_000, seed=seed)[policy] for seed in seeds]
            hit_ratios = np.array([float(curve["hit_ratio"].iloc[0]) for curve in found])
            mean = hit_ratios.mean()
            assert 0.8 < hit_ratios.std(ddof=1) / sqrt(mean * (1 - mean) / 10_000) < 1.4

    def test_a_job_that_reads_much_once_flushes_lru_but_not_sieve(self):
        job = nightly_job()
        assert (np.bincount(job.keys[~job.of_users]) <= 1).all()
        for cache, loses in ((policies.Lru(100), True), (policies.Sieve(100), False), (policies.S3Fifo(100), False)):
            hit_ratio = job.hit_ratio(cache)
            before, during = hit_ratio.loc[2000 : job.begins], hit_ratio.loc[job.begins + 1 : job.ends]
            assert len(before) == len(during) == 6
            assert during.mean() < 0.6 * before.mean() if loses else during.mean() > 0.95 * before.mean()


class TestCurves:
    FRAME = pd.DataFrame({"size": [1, 10, 100], "hit_ratio": [0.1, 0.5, 0.9]})

    def names(self, axes):
        return [text.get_text() for text in axes.texts if text.get_visible() and text.get_text()]

    def test_names_stand_at_the_ends_apart_from_each_other(self):
        lower = self.FRAME.assign(hit_ratio=[0.1, 0.5, 0.89])
        axes = plots.hit_rate_curves({"lru": self.FRAME, "fifo": lower})
        assert self.names(axes) == ["lru", "fifo"]
        assert axes.get_legend() is None
        lru, fifo = (text.get_position()[1] for text in axes.texts)
        assert lru - fifo > 0.05

    def test_one_curve_is_named_in_the_title_alone(self):
        axes = plots.hit_rate_curves({"lru": self.FRAME})
        assert self.names(axes) == []
        assert axes.get_legend() is None

    def test_many_curves_have_a_legend(self):
        axes = plots.hit_rate_curves({f"lru {index}": self.FRAME for index in range(20)})
        assert self.names(axes) == []
        legend = axes.get_legend()
        assert legend is not None
        assert len(legend.get_texts()) == 20

    def test_theory_is_drawn_as_circles(self):
        axes = plots.hit_rate_curves({"lru": self.FRAME}, theory={"lru": pd.Series({10: 0.4, 100: 0.8})})
        (circles,) = [artist for artist in axes.collections if artist.get_label() == "theory"]
        assert np.asarray(circles.get_offsets()).tolist() == [[10, 0.4], [100, 0.8]]

    def test_all_of_a_curve_is_in_sight(self):
        low, high = plots.hit_rate_curves({"lru": self.FRAME}).get_xlim()
        assert low < 1
        assert high > 100


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.floats(0.01, 0.1))
def test_names_are_apart_in_their_order_and_inside(heights, gap):
    places = apart(heights, gap)
    order = np.argsort(heights, kind="stable")
    steps = np.diff(np.array(places)[order])
    assert (steps >= gap - 1e-9).all()
    assert min(places) >= 0
    assert max(places) <= 0.97 + 1e-9


def test_names_that_are_apart_stay_where_they_are():
    assert apart([0.5, 0.1, 0.9], 0.1) == pytest.approx([0.5, 0.1, 0.9])


class TestExplorer:
    @pytest.mark.parametrize("policy", ["lru", "fifo"])
    def test_its_scenario_hits_as_theory_says(self, policy):
        settings = Eviction(n=500, share=20, policy=policy)
        (scenario,) = settings.scenarios(50_000).values()
        metrics = cs.simulate(scenario).metrics
        formula = {"lru": theory.che_lru_hit_ratio, "fifo": theory.fifo_hit_ratio}[policy]
        expected = formula(settings.popularity, settings.size)
        error = 1.4 * sqrt(expected * (1 - expected) / metrics["reads"])
        assert metrics["hit_ratio"] == pytest.approx(expected, abs=4 * error + 0.002)

    def test_without_skew_all_policies_are_the_same(self):
        """Standard error of each: .004 at most, so of a difference .006."""
        explorer = explore()
        explorer.controls["alpha"].value = 0
        explorer.controls["share"].value = 50
        for policy in ("lru", "fifo", "sieve", "s3-fifo", "w-tinylfu"):
            explorer.controls["policy"].value = policy
            assert f"hits {50:.0f}" in explorer.finding.html or "hits 49" in explorer.finding.html

    def test_its_sentence_says_what_lru_would_need(self):
        explorer = explore()
        assert explorer.finding.html.startswith("SIEVE with 100 of 1,000 keys hits 49.")
        assert ", as LRU does with 17" in explorer.finding.html
        explorer.controls["policy"].value = "lru"
        explorer.rest()
        assert explorer.finding.html.startswith("LRU with 100 of 1,000 keys hits 3")
        assert ", with half as many 26." in explorer.finding.html

    def test_theory_by_size(self):
        says = by_size(theory.che_lru_hit_ratio, cs.keys.Zipf(n=1000, alpha=0.8).probabilities(), [100, 500])
        assert says.round(6).to_dict() == {100: 0.37779, 500: 0.769715}
