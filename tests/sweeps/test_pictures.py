"""Which field of a sweep is what in its picture, and what the picture says."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from cachesim.sweeps.designs import Between
from cachesim.sweeps.designs import points as design
from cachesim.sweeps.pictures import plot
from tests.sweeps.frames import grid, made


def total(point, run):
    return run + sum(value if isinstance(value, int | float) else len(value) for value in point.values())


def shown(figure: Figure) -> dict[str, Any]:
    """What each role of a picture is, read from its labels."""
    legend = figure.legends[0] if figure.legends else None
    return {
        "x": {panel.get_xlabel() for panel in figure.axes} - {""},
        "line": legend.get_title().get_text() if legend else None,
        "column": {panel.get_title().split(" = ")[0] for panel in figure.axes} - {""},
        "row": {text.get_text().split(" = ")[0] for panel in figure.axes for text in panel.texts},
    }


@pytest.mark.parametrize(
    ("varied", "roles"),
    [
        ({"a": [1, 2]}, [{"a"}, None, set(), set()]),
        ({"a": [1, 2], "b": [1, 2, 3]}, [{"b"}, "a", set(), set()]),
        ({"kind": ["u", "v", "w"], "b": [1, 2]}, [{"b"}, "kind", set(), set()]),
        ({"kind": ["u", "v"], "more": ["u", "v", "w"]}, [{"more"}, "kind", set(), set()]),
        ({"on": [True, False], "kind": ["u", "v"]}, [{"on"}, "kind", set(), set()]),
        ({"one": [7], "a": [1, 2], "b": [1, 2]}, [{"a"}, "b", set(), set()]),
        ({"a": [1, 2], "b": [1, 2], "c": [1, 2, 3]}, [{"c"}, "a", {"b"}, set()]),
        ({"a": [1, 2], "b": [1, 2, 3], "c": ["u", "v"], "d": [1, 2]}, [{"b"}, "a", {"c"}, {"d"}]),
        ({"one": [7]}, [{"one"}, None, set(), set()]),
    ],
)
def test_fields_that_vary_get_their_roles_by_themselves(varied, roles):
    assert list(shown(plot(made(grid(varied), total), "load_rate")).values()) == roles


def test_roles_that_are_given_are_kept():
    frame = made(grid({"a": [1, 2], "b": [1, 2, 3], "c": ["u", "v"]}), total)
    figure = plot(frame, "load_rate", x="c", row="b")
    assert list(shown(figure).values()) == [{"c"}, "a", set(), {"b"}]
    with pytest.raises(ValueError, match="line: 'd' is unknown; known: a, b, c"):
        plot(frame, "load_rate", line="d")
    with pytest.raises(ValueError, match="x: 'a' is not allowed twice"):
        plot(frame, "load_rate", x="a", row="a")
    with pytest.raises(ValueError, match="x: missing; every field has another role"):
        plot(made(grid({"a": [1, 2]}), total), "load_rate", line="a")
    with pytest.raises(KeyError, match="unknown metric 'load'"):
        plot(frame, "load")


def test_what_was_drawn_at_random_has_a_panel_a_field_that_shows_every_point():
    varied = {"a": Between(0.0, 1.0), "b": Between(1, 9), "kind": ["u", "v"]}
    frame = made(design(varied, draws=64), total)
    figure = plot(frame, "load_rate")
    assert [panel.get_xlabel() for panel in figure.axes] == ["a", "b", "kind"]
    assert all(np.size(panel.lines[0].get_xdata()) == 64 for panel in figure.axes)
    assert figure.get_suptitle() == "load_rate of 64 points: mean and 95 % interval of 3 runs"
    assert [panel.get_xlabel() for panel in plot(frame, "load_rate", x="b").axes] == ["b"]


def test_a_random_field_beside_one_with_few_values_is_drawn_along_it():
    frame = made(design({"a": Between(0.0, 1.0), "b": [1, 2]}, draws=20), total)
    assert list(shown(plot(frame, "load_rate")).values()) == [{"a"}, "b", set(), set()]


def test_more_fields_than_there_are_roles_have_a_panel_each():
    frame = made(grid({name: [1, 2] for name in "abcde"}), total)
    assert [panel.get_xlabel() for panel in plot(frame, "load_rate").axes] == list("abcde")


def test_the_title_says_what_is_shown_and_how_many_runs_failed():
    points = grid({"nodes": [1, 2]})
    assert plot(made(points, total, runs=1), "load_rate").get_suptitle() == "load_rate by nodes: one run each"
    figure = plot(made(points, total, failures={(0, 0): "no"}), "load_rate", confidence=0.9)
    assert figure.get_suptitle() == "load_rate by nodes: mean and 90 % interval of 3 runs\n1 of 6 runs failed"
    assert plot(made(points, total), "load_rate", title="Mine").get_suptitle() == "Mine"


def test_a_ratio_is_drawn_within_what_it_can_be():
    frame = made(grid({"nodes": [1, 2]}), total)
    frame["hit_ratio"] = [1.0, 0.9, 1.0, 0.0, 0.1, 0.0]
    bars = np.vstack(plot(frame, "hit_ratio").axes[0].collections[0].get_segments())  # type: ignore[attr-defined]
    assert bars[:, 1].min() == 0
    assert bars[:, 1].max() == 1


def test_any_text_can_be_drawn():
    frame = made(grid({"name": ["$x_1$ and $", 90 * "long ", "_"], "nodes": [1, 2]}), total, failures={(0, 0): "no"})
    figure = plot(frame, "load_rate", column="name")
    figure.savefig(BytesIO(), format="png")
    assert r"name = \$x" in figure.axes[0].get_title()
