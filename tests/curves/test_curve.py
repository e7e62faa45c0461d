"""What a curve tells: hit ratios at sizes, sizes for hit ratios, a frame and a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cachesim.curves.curve import HitRateCurve


def curve(**changes: Any) -> HitRateCurve:
    given: dict[str, Any] = {
        "policy": "lru",
        "requests": 10,
        "distinct": 4,
        "sizes": np.array([2, 4, 8]),
        "misses": np.array([9, 5, 4]),
    }
    return HitRateCurve(**(given | changes))


def test_the_hit_ratio_at_a_size_is_that_of_the_largest_computed_size_below_it():
    assert [curve().at(size) for size in (2, 3, 4, 7, 8, 10**12)] == pytest.approx([0.1, 0.1, 0.5, 0.5, 0.6, 0.6])


def test_below_the_first_size_there_is_no_answer():
    with pytest.raises(ValueError, match="size: 1 is not allowed; the smallest computed size is 2"):
        curve().at(1)


def test_the_size_for_a_ratio_is_the_smallest_that_has_it():
    assert [curve().size_for(ratio) for ratio in (0, 0.1, 0.11, 0.5, 0.6, 0.61, 1)] == [2, 2, 4, 4, 8, None, None]


def test_a_curve_that_is_not_monotone_gives_the_first_size_that_is_enough():
    assert curve(misses=np.array([5, 6, 4])).size_for(0.5) == 2


def test_every_ratio_of_a_curve_is_reached_at_its_own_size():
    ratios = [1 - misses / 997 for misses in range(997, 0, -1)]
    long = curve(requests=997, sizes=np.arange(1, 998), misses=np.arange(997, 0, -1))
    assert [long.size_for(ratio) for ratio in ratios] == list(range(1, 998))


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_what_is_no_ratio_is_refused(ratio):
    with pytest.raises(ValueError, match="between 0 and 1"):
        curve().size_for(ratio)


class TestManyLifetimes:
    MANY = curve(
        misses=np.array([[9, 8], [7, 5], [6, 4]]),
        ttl=np.array([1.0, 60.0]),
        half_widths=np.array([[0.01, 0.02]] * 3),
        sample_rate=0.1,
    )

    def test_the_curve_of_one_of_them_is_a_curve(self):
        one = self.MANY.for_ttl(60)
        assert one.ttl == 60
        assert one.misses.tolist() == [8, 5, 4]
        assert one.half_widths is not None
        assert one.half_widths.tolist() == [0.02] * 3
        assert one.at(4) == 0.5

    def test_a_lifetime_that_is_none_of_them_is_refused(self):
        with pytest.raises(ValueError, match="ttl: 5 is not allowed; the lifetimes of this curve: 1, 60"):
            self.MANY.for_ttl(5)
        with pytest.raises(ValueError, match="there are none"):
            curve().for_ttl(5)

    @pytest.mark.parametrize("ask", [lambda many: many.at(4), lambda many: many.size_for(0.5)])
    def test_one_must_be_chosen_first(self, ask):
        with pytest.raises(ValueError, match=r"this curve has 2 lifetimes; choose one with for_ttl\(...\)"):
            ask(self.MANY)

    def test_the_frame_has_a_row_for_each_size_and_lifetime(self):
        frame = self.MANY.frame
        assert list(frame) == ["size", "ttl", "hit_ratio", "misses", "low", "high"]
        assert frame[["size", "ttl", "misses"]].to_numpy().tolist() == [
            [2, 1, 9],
            [2, 60, 8],
            [4, 1, 7],
            [4, 60, 5],
            [8, 1, 6],
            [8, 60, 4],
        ]
        assert (frame["high"] - frame["low"]).tolist() == pytest.approx([0.02, 0.04] * 3)

    def test_the_picture_has_a_line_for_each_lifetime(self):
        labels = [line.get_label() for line in self.MANY.plot().get_lines()]
        assert labels == ["lru, 1 s", "lru, 60 s"]


def test_the_frame_of_an_exact_curve_has_no_interval():
    assert list(curve().frame) == ["size", "hit_ratio", "misses"]


def test_the_picture_names_the_unit():
    assert curve(weighed=True).plot().get_xlabel() == "size (bytes)"
