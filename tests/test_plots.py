"""Pictures: arrays and frames in, Axes out, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from math import nan

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cachesim.plots import Storm, in_flight, storm
from cachesim.plots.storms import _thin


def frame(*loads: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(loads, columns=["start", "end"], dtype=float)


THREE = frame((0.5, 1.5), (1.0, 2.0), (4.0, nan))


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


class TestInFlight:
    def test_counts_a_case_made_by_hand(self):
        times, counts = in_flight(THREE["start"], THREE["end"], end=5)
        assert times.tolist() == [0, 0.5, 1, 1.5, 2, 4]
        assert counts.tolist() == [0, 1, 2, 1, 0, 1]

    def test_is_zero_without_loads(self):
        times, counts = in_flight([], [], end=5)
        assert times.tolist() == [0]
        assert counts.tolist() == [0]

    def test_an_end_comes_before_a_start_at_the_same_instant(self):
        times, counts = in_flight([0, 1], [1, 2], end=3)
        assert times.tolist() == [0, 2]
        assert counts.tolist() == [1, 0]

    def test_a_load_without_duration_is_never_in_flight(self):
        assert in_flight([1], [1], end=2)[1].tolist() == [0]

    def test_a_load_without_end_lasts_to_the_end(self):
        assert in_flight([1, 1], [nan, nan], end=2)[1].tolist() == [0, 2]

    def test_what_began_before_the_start_counts_and_what_ended_before_does_not(self):
        times, counts = in_flight([0, 0, 3], [1, 4, 5], end=6, start=2)
        assert times.tolist() == [2, 3, 4, 5]
        assert counts.tolist() == [1, 2, 1, 0]

    def test_what_begins_after_the_end_is_left_out(self):
        assert in_flight([1, 7], [2, 8], end=5)[0].tolist() == [0, 1, 2]

    def test_order_does_not_matter(self):
        rng = np.random.default_rng(1)
        starts = rng.uniform(0, 10, 200)
        ends = starts + rng.uniform(0, 2, 200)
        order = rng.permutation(200)
        for one, other in zip(in_flight(starts, ends, 10), in_flight(starts[order], ends[order], 10), strict=True):
            assert np.array_equal(one, other)

    def test_equals_counting_at_any_time(self):
        rng = np.random.default_rng(2)
        starts = rng.uniform(0, 10, 300)
        ends = np.where(rng.random(300) < 0.1, nan, starts + rng.uniform(0, 2, 300))
        times, counts = in_flight(starts, ends, 10)
        for time in rng.uniform(0, 10, 100):
            open_then = (starts <= time) & ~(ends <= time)
            assert counts[np.searchsorted(times, time, side="right") - 1] == open_then.sum()

    @pytest.mark.parametrize("end", [0, -1, nan])
    def test_refuses_an_end_that_is_not_after_the_start(self, end):
        with pytest.raises(ValueError, match=r"end: .* is not allowed; above start \(0\)"):
            in_flight([], [], end=end)


class TestStorm:
    def test_draws_on_the_axes_it_is_given(self):
        ax = Figure().subplots()
        assert storm(THREE, duration=5, ax=ax) is ax

    def test_draws_on_a_figure_of_its_own_that_can_be_saved(self):
        figure = storm(THREE, duration=5).figure
        assert isinstance(figure, Figure)
        buffer = BytesIO()
        figure.savefig(buffer, format="png")
        assert buffer.getvalue().startswith(b"\x89PNG")

    def test_axes_are_named_with_units(self):
        ax = storm(THREE, duration=5)
        assert ax.get_xlabel() == "time (s)"
        assert ax.get_ylabel() == "requests in flight\nat the database"

    def test_shows_the_whole_run(self):
        ax = storm(THREE, duration=5)
        assert ax.get_xlim() == (0, 5)
        assert ax.get_ylim()[0] == 0
        assert ax.get_ylim()[1] > 2

    def test_starts_where_it_is_told(self):
        assert storm(THREE, duration=5, start=1).get_xlim() == (1, 5)

    @pytest.mark.parametrize(
        ("loads", "title"),
        [
            (frame(), "No request reached the database"),
            (frame((1, 2), (3, 4)), "Never more than one request at the database"),
            (THREE, "Up to 2 requests at the database at once"),
        ],
    )
    def test_says_the_finding(self, loads, title):
        assert storm(loads, duration=5).get_title(loc="left") == title

    def test_takes_a_title(self):
        assert storm(THREE, duration=5, title="Mine").get_title(loc="left") == "Mine"

    def test_names_the_height_of_each_storm(self):
        assert sorted(texts(storm(THREE, duration=5))) == ["1", "2"]

    def test_names_only_the_highest_of_many(self):
        many = frame(*((time, time + 0.5) for time in range(50)), (10.1, 10.4))
        assert texts(storm(many, duration=50)) == ["2"]

    def test_of_two_close_storms_names_the_higher(self):
        close = frame((10, 10.1), (10.2, 10.4), (10.3, 10.4), (50, 51))
        assert texts(storm(close, duration=100)) == ["2", "1"]

    def test_keeps_every_peak_of_a_run_with_more_steps_than_pixels(self):
        starts = np.arange(0, 1000, 0.01)
        loads = pd.DataFrame({"start": starts, "end": starts + 0.005})
        loads.loc[len(loads)] = [500.001, 500.004]
        figure = storm(loads, duration=1000).figure
        assert isinstance(figure, Figure)
        figure.savefig(BytesIO(), format="png")  # the renderer refuses areas with that many steps
        times, counts = _thin(*in_flight(loads["start"], loads["end"], 1000), 1000)
        assert len(times) == len(counts) < 10_000
        assert counts.max() == 2
        assert times[counts.argmax()] == pytest.approx(500, abs=0.5)

    def test_thinning_never_goes_below_what_was_there(self):
        rng = np.random.default_rng(3)
        starts = rng.uniform(0, 100, 20_000)
        times, counts = in_flight(starts, starts + rng.exponential(0.1, 20_000), 100)
        thin_times, thin_counts = _thin(times, counts, 100)
        shown = thin_counts[np.searchsorted(thin_times, times, side="right") - 1]
        assert (shown >= counts).all()
        assert set(thin_counts) <= set(counts)

    def test_new_data_replace_the_old(self):
        picture = Storm(Figure().subplots())
        picture.show(*in_flight([0, 0, 0], [1, 1, 1], end=5), end=5, limit=10)
        picture.mark(3, "three")
        artists = len(picture.ax.get_children())
        picture.show(*in_flight([2], [3], end=5), end=5, limit=10)
        picture.mark(4, "four")
        assert len(picture.ax.get_children()) == artists
        assert texts(picture.ax) == ["1", "four"]
        assert picture.ax.get_ylim() == (0, 10)


def test_leaves_neither_figures_nor_settings_behind():
    before = dict(mpl.rcParams)
    storm(THREE, duration=5)
    assert dict(mpl.rcParams) == before
    code = (
        "import sys, pandas as pd, cachesim.plots as plots\n"
        "plots.storm(pd.DataFrame({'start': [0.0], 'end': [1.0]}), duration=2)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_knows_none_of_our_classes():
    code = (
        "import sys, cachesim.plots\n"
        "ours = {name for name in sys.modules if name.startswith('cachesim')}\n"
        "assert all(name == 'cachesim' or name.startswith('cachesim.plots') for name in ours), ours\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_itself_needs_neither_matplotlib_nor_jupyter():
    code = (
        "import sys, cachesim\n"
        "heavy = {'matplotlib', 'ipywidgets', 'anywidget', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
