"""05: early recompute."""

from __future__ import annotations

import re
from itertools import product
from math import isnan, log, nan

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import cachesim as cs
from cachesim import plots, theory
from cachesim.lab.exercises import early_recompute as exercises
from cachesim.lab.explorer import simulated
from cachesim.lab.explorers.early_recompute import EarlyRecompute, density, explore

POPULAR = cs.Scenario(
    arrivals=cs.arrivals.Poisson(rate=100),
    keys=cs.keys.OneKey(),
    cache=cs.Pattern("early-recompute", ttl=10, single_flight="none"),
    database=cs.Database(latency=cs.latency.Constant(0.5)),
)

WRONG = {
    "earliness": 1.5,
    "due": lambda now, expiry, delta, beta, u: now - delta * beta * u >= expiry,
    "alone_in_the_background": POPULAR.replace(**{"cache.background": True}),
}


class TestExercises:
    def test_the_lost_logarithm_is_told(self):
        assert "some do not" in exercises.due.check(WRONG["due"]).text

    def test_a_constant_head_start_is_told(self):
        verdict = exercises.due.check(lambda now, expiry, delta, beta, u: now + delta * beta >= expiry)
        assert verdict.text == "With 0.25 s left 100 % of the readers load anew, where 61 % should: e^(-0.25 / βδ)."

    def test_a_head_start_that_is_never_large_is_told(self):
        verdict = exercises.due.check(
            lambda now, expiry, delta, beta, u: now + delta * beta * (1 - log(1 + u)) >= expiry
        )
        assert verdict.status == "not yet"

    def test_waiting_readers_are_told(self):
        verdict = exercises.alone_in_the_background.check(POPULAR.replace(**{"cache.single_flight": "process"}))
        assert re.fullmatch(r"\d+ readers had a usable value and still waited for a load\.", verdict.text)


class TestRecomputes:
    LOADS = pd.DataFrame(
        [
            ("b", 1, 9.0, 9.5),  # fills the cache
            ("a", 0, 0.0, 1.0),
            ("a", 1, 0.5, 1.5),  # these two do, for another key
            ("a", 2, 10.5, 11.5),  # a second early
            ("a", 0, 11.0, 12.0),
            ("a", 1, 22.5, nan),  # half a second late, still in flight
        ],
        columns=["key", "node", "start", "end"],
    )

    def test_counts_from_the_expiry_of_each_lifetime(self):
        found = plots.recomputes(self.LOADS, ttl=10)
        assert found.values.tolist() == [["a", 2, 1, -1.0], ["a", 0, 1, -0.5], ["a", 1, 2, 0.5]]

    def test_the_order_of_rows_does_not_matter(self):
        shuffled = self.LOADS.sample(frac=1, random_state=1)
        pd.testing.assert_frame_equal(plots.recomputes(shuffled, ttl=10), plots.recomputes(self.LOADS, ttl=10))

    def test_is_empty_without_a_lifetime(self):
        assert plots.recomputes(self.LOADS[:1], ttl=10).empty


class TestPicture:
    def test_each_load_is_a_mark_of_its_node_in_the_row_of_its_key(self):
        frame = plots.recomputes(TestRecomputes.LOADS, ttl=10)
        other = frame.assign(key="b")
        axes = plots.recompute_instants({"one": frame, "other": other})
        marks = {
            line.get_label(): np.asarray(line.get_xydata()).tolist()
            for line in axes.lines
            if line.get_marker() != "None"
        }
        assert {name: [point for point in points if not isnan(point[1])] for name, points in marks.items()} == {
            "node 1": [[-0.5, 1.0]],
            "node 2": [[0.5, 1.0]],
            "node 3": [[-1.0, 1.0]],
        }
        assert axes.get_title(loc="left") == "1.5 loads per expiry, 67 % before it"
        assert axes.get_xlim() == pytest.approx((-1.045, 0.545))

    def test_nodes_differ_in_shape_and_colour(self):
        frame = pd.DataFrame({"key": "a", "node": range(4), "lifetime": 1, "late": range(4)})
        lines = [line for line in plots.recompute_instants({"all": frame}).lines if line.get_marker() != "None"]
        assert len({line.get_marker() for line in lines}) == len({to_hex(line.get_color()) for line in lines}) == 4

    def test_the_densities_are_on_one_scale(self):
        frame = pd.DataFrame({"key": ["a"], "node": [0], "lifetime": [1], "late": [1.0]})
        times = [-1.0, 0.0, 1.0]
        low, high = pd.Series([0.0, 1.0, 0.0], times), pd.Series([0.0, 4.0, 0.0], times)
        axes = plots.recompute_instants({"a": frame, "b": frame}, densities={"a": low, "b": high})
        peaks = [
            max(
                np.asarray(line.get_ydata()).max() - panel.get_ylim()[0]
                for line in panel.lines
                if line.get_linestyle() == "--"
            )
            for panel in axes.figure.axes
        ]
        assert peaks[1] == pytest.approx(4 * peaks[0])


def test_the_printed_code_is_never_early_and_nearly_as_bad_as_nothing():
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=20 * 40),
        keys=cs.keys.Uniform(n=20),
        cache=cs.Pattern("pitfall:early-recompute", ttl=3),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
        duration=17,
    )
    found = plots.recomputes(cs.simulate(scenario).loads, ttl=3)
    found = found[found["lifetime"] <= 3]
    sizes = found.groupby(["key", "lifetime"]).size().to_numpy()
    assert len(sizes) == 60
    assert found["late"].min() > 0
    # About 3 %: the formula is approximate.
    expected = theory.no_logarithm_stampede_size(40, 0.5)
    assert sizes.mean() == pytest.approx(expected, abs=4 * sizes.std() / np.sqrt(60) + 0.03 * expected)
    assert sizes.mean() > 0.6 * theory.stampede_size(40, 0.5)


def test_the_density_is_one_of_shares_with_early_recompute_and_without():
    for beta in (0.0, 0.25, 1.0):
        dense = density(16, 0.4, beta=beta, start=-4, end=3, points=4000)
        assert np.trapezoid(dense, dense.index) == pytest.approx(1, abs=1e-3)
    assert density(16, 0.4, beta=0, start=-4, end=1)[:-1e-9].max() == 0


class TestExplorer:
    def test_its_sentence_has_the_numbers_of_theory(self):
        explorer = explore()
        assert re.fullmatch(
            r"Early recompute makes 2\.\d loads of 7\.\d, the first \d+ ms before the expiry, on average; "
            r"theory says 2\.65 of 1 \+ λδ = 7\.4, and 970 ms\.",
            explorer.finding.html,
        )

    def test_more_beta_makes_fewer_and_earlier_loads(self):
        explorer, seen = explore(), []
        for beta in (0.25, 0.75, 1.5):
            explorer.controls["beta"].value = beta
            match = re.match(r"Early recompute makes ([\d.]+) loads", explorer.finding.html)
            assert match
            seen.append(float(match[1]))
        assert seen == sorted(seen, reverse=True)

    @pytest.mark.parametrize(("beta", "rate", "load_time"), [*product((0.25, 1.5), (2, 20), (0.1, 0.5))])
    def test_every_key_lives_through_the_lifetimes_that_are_counted(self, beta, rate, load_time):
        settings = EarlyRecompute(beta, rate, load_time)
        for result in simulated(settings, 1_000, lambda share: None).values():
            found = plots.recomputes(result.loads, ttl=settings.ttl)
            counted = settings.lifetimes(result.duration)
            assert counted >= 1
            assert found.groupby("key")["lifetime"].max().min() >= counted
            assert found["key"].nunique() == 8
