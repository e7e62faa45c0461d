"""Which points a sweep runs."""

import pytest

from cachesim.sweeps.designs import Between, points


def test_a_grid_has_every_combination_the_last_field_fastest():
    found = points({"nodes": [1, 2], "cache.ttl": [5, 10, 20]})
    assert [(point["nodes"], point["cache.ttl"]) for point in found] == [
        (1, 5),
        (1, 10),
        (1, 20),
        (2, 5),
        (2, 10),
        (2, 20),
    ]


def test_nothing_varied_is_one_point():
    assert points({}) == [{}]


def test_each_stratum_of_a_range_is_drawn_once():
    found = points({"cache.ttl": Between(0.0, 64.0), "nodes": Between(1, 8), "balance": ["random", "key"]}, draws=64)
    assert sorted(int(point["cache.ttl"]) for point in found) == list(range(64))
    assert sorted(point["nodes"] for point in found) == sorted(list(range(1, 9)) * 8)
    assert sum(point["balance"] == "key" for point in found) == 32


def test_a_logarithmic_range_gives_each_magnitude_its_share():
    found = [point["cache.ttl"] for point in points({"cache.ttl": Between(0.01, 100.0, scale="log")}, draws=40)]
    assert [sum(low <= value < 10 * low for value in found) for low in (0.01, 0.1, 1.0, 10.0)] == [10, 10, 10, 10]


def test_a_whole_number_is_drawn_on_a_logarithmic_range_too():
    found = {point["nodes"] for point in points({"nodes": Between(1, 4, scale="log")}, draws=100)}
    assert found == {1, 2, 3, 4}


def test_the_draws_are_those_of_the_seed():
    def drawn(seed: int) -> list[float]:
        return [point["cache.ttl"] for point in points({"cache.ttl": Between(1.0, 2.0)}, draws=5, seed=seed)]

    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [(2, 1, "linear"), (1, 1, "linear"), (0, 1, "log"), (1, float("inf"), "linear"), ("a", 2, "linear")],
)
def test_a_range_that_is_none_is_refused(low, high, scale):
    with pytest.raises(ValueError, match=r"a range from .* is not allowed; two finite numbers, the smaller first"):
        Between(low, high, scale=scale)


@pytest.mark.parametrize(
    ("varied", "draws", "message"),
    [
        ({"nodes": []}, None, r"nodes: \[\] is not allowed; a list of one value or more, or a range"),
        ({"balance": "key"}, None, "balance: 'key' is not allowed; a list"),
        ({"nodes": Between(1, 2)}, None, "nodes: a range is not allowed without draws"),
        ({"nodes": [1]}, 0, "draws: 0 is not allowed; from 1 to 1,000,000"),
        (dict.fromkeys("abcdefg", range(10)), None, "a grid of 10,000,000 points is not allowed; 1,000,000 or less"),
    ],
)
def test_a_design_that_is_none_is_refused(varied, draws, message):
    with pytest.raises(ValueError, match=message):
        points(varied, draws=draws)
