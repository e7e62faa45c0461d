"""00: the explorer of one hot key, without a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from math import sqrt
from typing import Any, TypeVar

import matplotlib as mpl
import pytest
from matplotlib import style
from PIL import Image

import cachesim as cs
from cachesim.lab.explorer import Explorer
from cachesim.lab.explorer import simulated as simulate_all
from cachesim.lab.explorers.hot_key import HotKey, explore
from tests.lab.reading import rows, simulated

T = TypeVar("T")

WRONG = {
    "loads_per_expiry": 40 * 0.3,
    "waiting": 13,
    "protected": cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("pitfall:cache-aside", ttl=60),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
    ),
}


def one(scenarios: Mapping[str, T]) -> T:
    (scenario,) = scenarios.values()
    return scenario


def expiries(explorer: Explorer[Any, Any]) -> int:
    match = re.search(r"with (\d+) expiries", explorer.numbers.html)
    assert match
    return int(match[1])


@pytest.mark.parametrize(
    ("rate", "load_time"), [(5, 0.05), (5, 1.5), (100, 0.5), (120, 1.35), (120, 0.05), (120, 1.2), (120, 1.5)]
)
class TestHotKey:
    def test_sends_as_many_loads_as_theory_says(self, rate, load_time):
        explorer = explore()
        explorer.controls["rate"].value, explorer.controls["load_time"].value = rate, load_time
        mean, error = 1 + rate * load_time, sqrt(rate * load_time / expiries(explorer))
        assert simulated(explorer, "Loads per expiry, mean") == pytest.approx(mean, abs=4 * error + 0.05)
        assert simulated(explorer, "Largest stampede (loads)") >= int(simulated(explorer, "Loads per expiry, mean"))
        assert rows(explorer.numbers.html)["Loads per expiry, mean"][1].startswith(f"{mean:g} (95 % of such runs:")
        assert f"= {mean:g}." in explorer.finding.html

    def test_sends_one_load_with_single_flight(self, rate, load_time):
        explorer = explore()
        explorer.controls["rate"].value, explorer.controls["load_time"].value = rate, load_time
        explorer.controls["single_flight"].value = True
        assert rows(explorer.numbers.html)["Loads per expiry, mean"] == ("1", "1")
        assert rows(explorer.numbers.html)["Largest stampede (loads)"][0] == "1"
        assert explorer.finding.html == "With single flight, each expiry sends one load; theory says 1."

    def test_a_move_simulates_few_requests_and_shows_several_expiries(self, rate, load_time):
        duration = HotKey(rate, load_time).duration(1000)
        assert duration >= 8
        assert rate * duration <= 2000
        assert duration / (2 * load_time + 2) > 1.5


@pytest.mark.parametrize(("rate", "load_time"), [(100, 0.5), (120, 1.35), (120, 0.05), (120, 1.2), (120, 1.5)])
def test_the_end_cuts_no_storm_short(rate, load_time):
    settings = HotKey(rate, load_time)
    duration = settings.duration(1000)
    longer = cs.simulate(one(settings.scenarios(1000)).replace(duration=duration + load_time)).loads
    soon_after = longer["start"].between(duration, duration + load_time / 2)
    assert not soon_after.any()


class TestPicture:
    def test_changes_with_each_control(self):
        explorer = explore()
        seen = {explorer.picture.png}
        for name, value in {"rate": 105, "load_time": 0.55, "single_flight": True, "seed": 2}.items():
            explorer.controls[name].value = value
            assert explorer.picture.png not in seen, name
            seen.add(explorer.picture.png)
        assert explorer.problem.html == ""

    def test_keeps_its_size_and_says_it(self):
        explorer = explore()
        sizes = set()
        for rate in (5, 120):
            explorer.controls["rate"].value = rate
            sizes.add(Image.open(BytesIO(explorer.picture.png)).size)
        ((width, height),) = sizes
        assert width / height == pytest.approx(explorer.picture.width / explorer.picture.height)

    def test_text_says_the_finding(self):
        explorer = explore()
        assert re.fullmatch(
            r"Requests in flight at the database during 8 s: 3 storms, the highest of \d\d requests at once\. "
            r"Without single flight, each expiry sends about \d\d loads at once\.",
            explorer.picture.alt,
        )
        explorer.controls["single_flight"].value = True
        assert re.fullmatch(
            r"Requests in flight at the database during 8 s: \d loads, never two at once\. "
            r"With single flight, each expiry sends one load\.",
            explorer.picture.alt,
        )

    def test_nothing_is_cut_off(self):
        """The outermost pixels are white at any setting."""
        explorer = explore()
        for rate, load_time in [(5, 0.05), (35, 0.35), (115, 1.45), (120, 1.5)]:
            explorer.controls["rate"].value, explorer.controls["load_time"].value = rate, load_time
            image = Image.open(BytesIO(explorer.picture.png)).convert("L")
            width, height = image.size
            for edge in [
                (0, 0, width, 1),
                (0, height - 1, width, height),
                (0, 0, 1, height),
                (width - 1, 0, width, height),
            ]:
                assert image.crop(edge).getextrema() == (255, 255), (rate, load_time, edge)

    def test_looks_the_same_whatever_matplotlib_is_set_to(self):
        plain = explore().picture.png
        with style.context("dark_background"), mpl.rc_context({"font.size": 30}):
            explorer = explore()
            assert explorer.picture.png == plain
            explorer.controls["rate"].value = 120
            dark = explorer.picture.png
        explorer = explore()
        explorer.controls["rate"].value = 120
        assert explorer.picture.png == dark

    def test_does_not_depend_on_what_was_shown_before(self):
        explorer = explore()
        explorer.controls["rate"].value = 120
        explorer.controls["load_time"].value = 1.5
        explorer.controls["seed"].value = 2
        explorer.reset.value += 1
        fresh = explore()
        fresh.controls["seed"].value = 3
        explorer.controls["seed"].value = 3
        assert explorer.picture.png == fresh.picture.png


class TestScenario:
    def test_gives_the_numbers_that_are_shown(self, tmp_path):
        explorer = explore()
        path = tmp_path / "storm.toml"
        path.write_text(explorer.listing.text)
        metrics = cs.simulate(cs.load(path)).metrics
        assert simulated(explorer, "Loads per expiry, mean") == pytest.approx(metrics["episode_size_mean"], rel=1e-3)
        assert simulated(explorer, "Hit ratio") == pytest.approx(100 * metrics["hit_ratio"], abs=0.01)

    def test_single_flight_meets_the_same_requests(self):
        runs = [one(simulate_all(HotKey(single_flight=on), 1000, lambda share: None)) for on in (False, True)]
        without, with_it = (sorted(run.requests["time"]) for run in runs)
        assert without == with_it
