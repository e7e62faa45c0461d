"""Pictures: arrays and frames in, Axes out, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import combinations, product
from math import nan
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cachesim.plots import Storm, faceted, in_flight, scattered, storm
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


def points(varied: Mapping[str, Sequence[object]], **measured: Any) -> pd.DataFrame:
    """Every combination of values, with a measure and its interval."""
    table = pd.DataFrame(product(*varied.values()), columns=list(varied))
    return table.assign(mean=np.linspace(2.0, 3.0, len(table)), low=1.9, high=3.1).assign(**measured)


def drawn_at(ax: Axes, line: int = 0) -> list[float]:
    return [float(x) for x in np.asarray(ax.containers[line].lines[0].get_xdata())]  # type: ignore[attr-defined]


def whole(panels: list[Axes]) -> Figure:
    figure = panels[0].get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


class TestFaceted:
    def test_numbers_rise_and_are_joined(self):
        panel = faceted(points({"nodes": [4, 1, 2]}), x="nodes", label="loads")[0]
        assert drawn_at(panel) == [1, 2, 4]
        assert panel.lines[0].get_linestyle() == "-"
        assert (panel.get_xlabel(), panel.get_ylabel()) == ("nodes", "loads")

    @pytest.mark.parametrize(
        ("values", "scale"),
        [
            ([1, 10, 100], "log"),
            ([0.1, 0.3, 1, 3, 10], "log"),
            ([1, 2, 5, 10, 20], "linear"),
            ([*range(1, 200, 10)], "linear"),
            ([0, 1, 10, 100, 1000], "linear"),
        ],
    )
    def test_the_scale_is_logarithmic_where_values_are_spread_over_magnitudes(self, values, scale):
        panel = faceted(points({"rate": values}), x="rate", label="loads")[0]
        assert panel.get_xscale() == scale
        assert panel.get_xlabel() == ("rate (log scale)" if scale == "log" else "rate")

    @pytest.mark.parametrize("values", [["none", "lock", "lease"], [True, False]])
    def test_texts_and_booleans_are_dots_in_order_of_appearance(self, values):
        panel = faceted(points({"kind": values}), x="kind", label="loads")[0]
        assert [tick.get_text() for tick in panel.get_xticklabels()] == [str(value) for value in values]
        assert panel.lines[0].get_linestyle() == "None"

    def test_long_texts_are_turned_in_every_panel(self):
        table = points({"kind": ["stale-while-revalidate", "early-recompute", "write-through"], "c": [1, 2]})
        panels = [*faceted(table, x="kind", column="c", label="loads"), *scattered(table, ["c", "kind"], label="loads")]
        turned = [{tick.get_rotation() for tick in panel.get_xticklabels()} for panel in panels]
        assert turned == [{30}, {30}, {0}, {30}]

    @pytest.mark.parametrize("kind", [[1, 2, 4], [1, 30, 1000], [*range(30)], ["u", "v"]])
    def test_points_of_several_lines_stand_apart_nearer_to_their_own_value_than_to_another(self, kind):
        panel = faceted(points({"x": kind, "line": [*range(6)]}), x="x", line="line", label="loads")[0]
        places = np.array([drawn_at(panel, line) for line in range(6)])
        assert (np.diff(places, axis=0) > 0).all()
        places = np.log(places) if panel.get_xscale() == "log" else places
        assert (places[-1, :-1] < places[0, 1:]).all()

    def test_six_lines_differ_in_colour_and_in_marker_and_have_one_legend(self):
        panels = faceted(
            points({"x": [1, 2], "line": [*range(6)], "c": [1, 2]}), x="x", line="line", column="c", label="loads"
        )
        lines = [container.lines[0] for container in panels[0].containers]  # type: ignore[attr-defined]
        assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 6
        (legend,) = whole(panels).legends
        assert [text.get_text() for text in legend.get_texts()] == list("012345")

    def test_panels_are_titled_and_share_their_scales(self):
        panels = faceted(
            points({"x": [1, 2], "nodes": [1, 4], "kind": ["u", "v", "w"]}, low=nan, high=nan),
            x="x",
            column="nodes",
            row="kind",
            label="loads",
        )
        assert [panel.get_title() for panel in panels] == ["nodes = 1", "nodes = 4", *[""] * 4]
        assert [texts(panel) for panel in panels] == [[], ["kind = u"], [], ["kind = v"], [], ["kind = w"]]
        assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
        assert [panel.get_xlabel() for panel in panels] == ["", "", "", "", "x", "x"]

    def test_many_columns_go_on_below_and_none_is_without_ticks_at_its_foot(self):
        panels = faceted(points({"x": [1, 2], "nodes": [*range(5)]}), x="x", column="nodes", label="loads")
        assert [panel.get_title() for panel in panels] == [f"nodes = {n}" for n in range(5)]
        assert [panel.get_xlabel() for panel in panels] == ["", "", "x", "x", "x"]
        assert panels[2].xaxis.get_tick_params()["labelbottom"]

    @pytest.mark.parametrize("n", [2, pytest.param(4, marks=pytest.mark.slow)])
    def test_nothing_overlaps(self, n):
        varied = {"x": [1, 10, 100], "line": [*range(6)], "database.connections": [*range(n)]}
        table = points({**varied, "cache.single_flight": [f"kind{number}" for number in range(n)]})
        panels = faceted(
            table,
            x="x",
            line="line",
            column="database.connections",
            row="cache.single_flight",
            label="latency_p99",
            unit="s",
            title="A title that is longer than those that say how many runs there were, and how many failed. " * 2,
        )
        figure = whole(panels)
        figure.draw_without_rendering()
        parts = [figure.legends[0], *figure.texts, *panels]
        boxes = [box for box in (part.get_tightbbox() for part in parts) if box is not None]
        assert len(boxes) == 2 + n * n
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)

    def test_the_figure_grows_with_its_panels(self):
        varied = {"x": [1, 2], "c": [1, 2, 3], "r": [1, 2, 3]}
        small = whole(faceted(points(varied), x="x", column="c", label="loads"))
        large = whole(faceted(points(varied), x="x", column="c", row="r", label="loads"))
        assert large.get_figheight() > small.get_figheight()
        assert small.get_figwidth() > whole(faceted(points(varied), x="x", label="loads")).get_figwidth()

    @pytest.mark.parametrize(
        ("unit", "label", "tick"),
        [
            ("ratio", "m", "50 %"),
            ("s", "m", "500 ms"),
            ("1/s", "m (1/s)", "0.5"),
            ("", "m", "0.5"),
            ("B", "m", "500 mB"),
        ],
    )
    def test_units_are_told(self, unit, label, tick):
        panel = faceted(points({"x": [1, 2]}), x="x", label="m", unit=unit)[0]
        assert panel.get_ylabel() == label
        assert panel.yaxis.get_major_formatter()(0.5) == tick

    def test_what_is_missing_leaves_a_gap_and_an_empty_panel_says_so(self):
        table = points({"x": [1, 2, 3], "c": ["u", "v"]})
        table.loc[(table["c"] == "v") | (table["x"] == 2), ["mean", "low", "high"]] = nan
        table.loc[len(table)] = {"x": 9, "c": "u", "mean": nan, "low": nan, "high": nan}
        panels = faceted(table, x="x", column="c", label="loads")
        assert np.isnan(np.asarray(panels[0].lines[0].get_ydata(), dtype=float)).tolist() == [False, True, False, True]
        assert panels[0].get_xlim()[1] > 9
        assert [texts(panel) for panel in panels] == [[], ["no values"]]

    @pytest.mark.parametrize(
        ("mean", "zero"), [([1.0, 10.0], True), ([9.0, 10.0], False), ([0.0, 0.0], True), ([nan, nan], True)]
    )
    def test_zero_is_shown_where_it_costs_little(self, mean, zero):
        table = points({"x": [1, 2]}, mean=mean, low=nan, high=nan)
        low, high = faceted(table, x="x", label="loads")[0].get_ylim()
        assert bool(low <= 0 < high) is zero

    def test_one_point_without_interval_is_drawn(self):
        panel = faceted(points({"x": [7]}, low=nan, high=nan), x="x", label="loads")[0]
        assert drawn_at(panel) == [7]
        assert panel.get_xticks().tolist() == [7]


class TestScattered:
    def test_points_of_one_value_stand_side_by_side(self):
        table = points({"kind": ["u", "v"], "nodes": [1, 2, 3]})
        by_kind, by_nodes = scattered(table, ["kind", "nodes"], label="loads")
        for panel, values in ((by_kind, [0, 0, 0, 1, 1, 1]), (by_nodes, [1, 2, 3, 1, 2, 3])):
            places = drawn_at(panel)
            assert len(set(places)) == 6
            assert [round(place) for place in places] == values

    def test_values_of_their_own_stand_where_they_are(self):
        values = np.random.default_rng(1).uniform(size=64)
        table = pd.DataFrame({"share": values, "mean": 1.0, "low": nan, "high": nan})
        assert drawn_at(scattered(table, ["share"], label="loads")[0]) == values.tolist()

    @pytest.mark.parametrize(("fields", "across"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (7, 3)])
    def test_panels_fill_their_rows(self, fields, across):
        table = points({f"f{number}": [1, 2] for number in range(fields)})
        panels = scattered(table, list(table.columns[:fields]), label="loads")
        assert len(panels) == fields
        assert len({round(panel.get_position().x0, 3) for panel in panels}) == across
