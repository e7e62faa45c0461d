"""04: the protections beside each other, keys that expire together, and the lock that queues failures."""

from __future__ import annotations

import re
from math import sqrt

import numpy as np
import pandas as pd
import pytest

import cachesim as cs
from cachesim import plots, theory
from cachesim.lab.exercises import thundering_herd as exercises
from cachesim.lab.explorer import simulated as simulate_all
from cachesim.lab.explorers import protections, together
from cachesim.plots import Herd, Herds
from tests.lab.reading import simulated

WRONG = {
    "herd_of_servers": 1,
    "jitter_for": 400,
    "spread": exercises.RUSH.replace(**{"cache.single_flight": "cluster"}),
}


class TestProtections:
    def test_the_sentence_tells_the_herd_and_the_one_load(self):
        finding = protections.explore().finding.html
        assert re.fullmatch(
            r"One expiry: \d\d loads without protection, 1 with single flight in the cluster\. "
            r"Early recompute began \d\.?\d* s before it, with \d loads?\.",
            finding,
        ), finding

    @pytest.mark.parametrize("nodes", [1, 8])
    def test_a_herd_of_nodes_is_never_larger_than_their_number(self, nodes):
        explorer = protections.explore()
        explorer.controls["nodes"].value = nodes
        explorer.rest()
        assert 1 <= simulated(explorer, "Loads per expiry, single flight in each process") <= nodes

    def test_all_meet_the_same_requests(self):
        outcome = simulate_all(protections.Protections(), 2_400, lambda share: None)
        times = {tuple(sorted(result.requests["time"])) for result in outcome.values()}
        assert len(outcome) == 5
        assert len(times) == 1

    def test_nobody_waits_with_a_stale_value(self):
        outcome = simulate_all(protections.Protections(), 20_000, lambda share: None)
        longest = {name: result.metrics["latency_max"] for name, result in outcome.items()}
        assert longest["stale while revalidate"] == 0
        assert longest["no protection"] == pytest.approx(0.4)
        assert longest["single flight in the cluster"] >= 0.4 - 1e-9

    def test_an_expiry_that_the_end_cuts_off_is_not_counted(self):
        """Three expiries, of 2, 1 and 1 loads; the last first load would end after the run."""
        result = cs.simulate(protections.Protections().scenarios(2_400)["no protection"].replace(warmup=0))
        start = [0.0, 0.3, 2.0, result.duration - 0.1]
        result.__dict__["loads"] = pd.DataFrame({"start": start, "end": np.add(start, 0.4)})
        expiries = protections._Expiries.of(result, 0.4)
        assert expiries.starts.tolist() == [0.0, 2.0]
        assert expiries.sizes.tolist() == [2, 1]


class TestTogether:
    def test_jitter_leaves_the_first_wave_and_spreads_the_echo(self):
        explorer = together.explore()
        waves = {}
        for jitter in (0, 1):
            explorer.controls["jitter"].value = jitter
            match = re.search(r"up to (\d+) loads at once, then (\d+),", explorer.finding.html)
            assert match, explorer.finding.html
            waves[jitter] = (int(match[1]), int(match[2]))
        assert waves[0][0] == waves[1][0]
        assert waves[1][1] < waves[0][1]

    def test_single_flight_does_not_help(self):
        """With it there are fewer loads of a key, but as many keys at once as before."""
        explorer = together.explore()
        explorer.controls["rate"].value = 2
        one = simulated(explorer, "Loads in flight 0.1 s after the flush")
        explorer.controls["single_flight"].value = False
        many = simulated(explorer, "Loads in flight 0.1 s after the flush")
        assert one <= many <= one * 2 * 0.1 / (1 - np.exp(-2 * 0.1)) + 4 * sqrt(many)
        assert "Without protection" in explorer.finding.html

    def test_theory_ends_where_a_third_load_may_begin(self):
        settings = together.Together(jitter=1)
        assert settings.third == pytest.approx(2 * (2 + 0.1 - 1))
        assert settings.echo < settings.third


def refused(single_flight: str, kind: str) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=80),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern(kind, ttl=5, single_flight=single_flight),
        database=cs.Database(latency=cs.latency.Constant(0.4)),
        faults=[cs.faults.DatabaseErrors(duration=4, share=1)],
        duration=6,
    )


def test_behind_a_lock_failures_queue_up_and_a_flight_tells_them_at_once():
    lock = cs.simulate(refused("process", "pitfall:cache-aside")).metrics
    flight = cs.simulate(refused("process", "cache-aside")).metrics
    assert lock["latency_max"] > 3.5
    assert lock["errors"] <= 4 / 0.4
    assert flight["latency_max"] == pytest.approx(0.4)
    assert flight["errors"] > 200
    assert lock["loads"] == pytest.approx(flight["loads"], abs=2)


def test_a_processor_that_is_shared_makes_the_herd_grow_as_the_notebook_says():
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=10),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=20, single_flight="none"),
        database=cs.Database(latency=cs.latency.Constant(0.15), processor_sharing=True),
        duration=500,
    )
    runs = cs.replicate(scenario, n=5)
    expected = theory.processor_sharing_stampede_size(10, 0.15)
    assert abs(runs.mean("episode_size_mean") - expected) <= 4 * runs.standard_error("episode_size_mean")


def test_the_rush_of_the_exercise_is_as_high_as_its_text_says():
    metrics = cs.simulate(exercises.RUSH).metrics
    assert metrics["peak_concurrent_loads"] == 18
    assert metrics["largest_stampede"] == 1


class TestHerds:
    def test_all_rows_have_one_scale(self):
        """A load is as high in the first row as in the others, whatever the row's own height."""
        axes = plots.herds({"a": pd.DataFrame({"start": [0.0], "end": [0.5]})}, end=1, start=-1)
        picture = Herds(axes, ["herd", "one", "two"])
        times = np.array([0.0, 0.5])
        picture.show([Herd(times, np.array([n, 0]), "") for n in (10, 1, 2)], end=1, title="")
        heights = [outline.get_data()[0][0] - outline.get_data()[0][1] for outline in picture._outlines]
        assert heights == pytest.approx([10 * heights[1], heights[1], 2 * heights[1]])

    def test_rows_do_not_reach_into_each_other(self):
        axes = plots.herds({"a": pd.DataFrame({"start": [0.0], "end": [0.5]})}, end=1, start=-1)
        picture = Herds(axes, ["herd", "one", "two"])
        picture.show([Herd(np.array([0.0]), np.array([n]), "") for n in (10, 9, 9)], end=1, title="")
        tops = [outline.get_data()[0].max() for outline in picture._outlines]
        assert tops[0] < 1
        assert all(top < base for top, base in zip(tops[1:], picture._bases, strict=False))

    def test_names_labels_and_what_is_counted_stand_there(self):
        loads = pd.DataFrame({"start": [0.0, 0.1], "end": [0.5, 0.6]})
        axes = plots.herds({"lock": loads, "flight": loads[:1]}, end=1, what="requests that wait")
        texts = [text.get_text() for text in axes.texts]
        assert {"lock", "flight", "2 at once", "1 at once", "requests that wait"} <= set(texts)
        assert axes.get_title(loc="left") == "Up to 2 requests that wait with lock, 1 with flight"
