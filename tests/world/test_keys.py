"""Which keys are asked: how often each, in what order, and what the settings refuse."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import cachesim as cs
from cachesim.world.keys import Drift, HotSet, Keys, OneKey, Scan, Uniform, Zipf
from tests.theory.agreement import ERRORS

CHANCE = 2 * float(stats.norm.sf(ERRORS))
"""How rarely a sound sampler may fail a test of fit: as rarely as a mean is 4 standard errors off."""


def asked(keys: Keys, count: int, seed: int = 1) -> NDArray[np.int64]:
    """The first keys of numbered ones, as numbers."""
    return np.fromiter(map(int, keys.stream(np.random.default_rng(seed))), np.int64, count)


def scenario(keys: Any) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=1),
        keys=keys,
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
    )


def assert_shares(numbers: NDArray[np.int64], shares: Sequence[float]) -> None:
    found = np.bincount(numbers, minlength=len(shares))
    assert stats.chisquare(found, np.array(shares) * len(numbers)).pvalue > CHANCE


# ── How often each ────────────────────────────────────────────────────────────────────────────────────────────────


SHARES: list[tuple[Keys, list[float]]] = [
    (Uniform(n=100), [0.01] * 100),
    (Zipf(n=4, alpha=1), [12 / 25, 6 / 25, 4 / 25, 3 / 25]),
    (Zipf(n=100, alpha=0), [0.01] * 100),
    (HotSet(n=100, hot=20, share=0.8), [0.04] * 20 + [0.0025] * 80),
    (HotSet(n=100, hot=99, share=0.5), [0.5 / 99] * 99 + [0.5]),
]


@pytest.mark.parametrize(("keys", "shares"), SHARES, ids=[str(keys) for keys, _ in SHARES])
def test_each_key_has_its_share(keys: Keys, shares: list[float]) -> None:
    assert_shares(asked(keys, 200_000), shares)


@pytest.mark.parametrize("keys", [Zipf(n=50, alpha=0.9), HotSet(n=50, hot=7, share=0.3)], ids=str)
def test_probabilities_are_the_shares_and_add_up_to_1(keys: Zipf | HotSet) -> None:
    assert math.fsum(keys.probabilities()) == pytest.approx(1, abs=1e-12)
    assert_shares(asked(keys, 200_000), keys.probabilities())


def test_a_hot_set_may_take_all_or_nothing() -> None:
    assert set(asked(HotSet(n=5, hot=2, share=1), 10_000).tolist()) == {0, 1}
    assert set(asked(HotSet(n=5, hot=2, share=0), 10_000).tolist()) == {2, 3, 4}


@pytest.mark.parametrize("keys", [Uniform(n=100), Zipf(n=100, alpha=0.9), HotSet(n=100, hot=9, share=0.5)], ids=str)
def test_a_request_owes_nothing_to_the_one_before(keys: Keys) -> None:
    """The standard error of a serial correlation without any is 1/sqrt(n)."""
    numbers = asked(keys, 100_000)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) <= ERRORS / math.sqrt(len(numbers))


# ── In what order ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_scan_asks_each_key_in_order_round_and_round() -> None:
    assert list(islice(Scan(n=3).stream(np.random.default_rng(1)), 7)) == ["0", "1", "2", "0", "1", "2", "0"]


def test_with_one_popular_key_drift_asks_the_newest_only() -> None:
    numbers = asked(Drift(n=4, alpha=1000, every=2), 12)
    assert numbers.tolist() == [0, 0, 3, 3, 2, 2, 1, 1, 0, 0, 3, 3]


def test_with_drift_a_key_is_asked_by_its_age() -> None:
    """Key -m (mod n) is new at move m and sinks by one rank a move; ranks are asked as in Zipf."""
    n, every = 50, 7
    numbers = asked(Drift(n=n, alpha=0.9, every=every), 350_000)
    moves = np.arange(len(numbers)) // every
    ages = (numbers + moves) % n
    shares = Zipf(n=n, alpha=0.9).probabilities()
    assert_shares(ages, shares)
    assert_shares(ages[moves % n == 3], shares)  # whoever is the newest
    assert_shares(numbers, [1 / n] * n)  # over whole rounds nobody is the most popular


def test_drift_without_a_move_is_zipf() -> None:
    assert asked(Drift(n=100, alpha=0.9, every=10**30), 9000).tolist() == asked(Zipf(n=100, alpha=0.9), 9000).tolist()


# ── As settings ───────────────────────────────────────────────────────────────────────────────────────────────────

N = st.integers(1, 300)
NUMBERED: st.SearchStrategy[Keys] = st.one_of(
    st.builds(OneKey),
    st.builds(Uniform, n=N),
    st.builds(Zipf, n=N, alpha=st.floats(0, 1e300)),
    st.builds(lambda hot, cold, share: HotSet(n=hot + cold, hot=hot, share=share), N, N, st.floats(0, 1)),
    st.builds(Scan, n=N),
    st.builds(Drift, n=N, alpha=st.floats(0, 1e300), every=st.integers(1)),
)


@given(NUMBERED, st.integers(0))
def test_only_keys_of_the_population_are_asked(keys: Keys, seed: int) -> None:
    names = set(islice(keys.stream(np.random.default_rng(seed)), 5000))
    assert names <= set(keys.population())


@given(NUMBERED)
def test_toml_and_back_without_loss(keys: Keys) -> None:
    before = scenario(keys)
    assert cs.Scenario(**tomllib.loads(before.to_toml())) == before


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        (Uniform(n=100), "47 51 75 95 3 14 82"),
        (Zipf(n=100, alpha=0.9), "10 81 0 80 3 6 48"),
        (HotSet(n=100, hot=10, share=0.5), "48 47 23 9 0 95 47"),
        (Drift(n=100, alpha=2, every=3), "0 10 0 9 99 99 0"),
    ],
    ids=str,
)
def test_a_seed_keeps_its_keys(keys: Keys, first: str) -> None:
    assert list(islice(keys.stream(np.random.default_rng(1)), 7)) == first.split()


KNOWN = "one-key, uniform, zipf, hot-set, scan, drift, recorded, documentation"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"type": "numbered", "n": 5}, f"type: 'numbered' is unknown; known: {KNOWN}"),
        ({"n": 5}, f"type: missing; known: {KNOWN}"),
        ({"type": "hot-set", "n": 5, "hot": 5, "share": 0.5}, "hot: 5 is not allowed; below n (5)"),
        ({"type": "hot-set", "n": 5, "hot": 0.5, "share": 0.5}, "hot: 0.5 is not allowed; a whole number"),
        ({"type": "hot-set", "n": 5, "hot": 0, "share": 0.5}, "hot: 0 is not allowed; 1 or more"),
        ({"type": "hot-set", "n": 5, "hot": 2, "share": 1.5}, "share: 1.5 is not allowed; 1 or less"),
        ({"type": "scan", "n": 0}, "n: 0 is not allowed; 1 or more"),
        ({"type": "scan"}, "n: missing"),
        ({"type": "drift", "n": 5, "alpha": -1, "every": 5}, "alpha: -1 is not allowed; 0 or more"),
        ({"type": "drift", "n": 5, "alpha": 1, "every": 0}, "every: 0 is not allowed; 1 or more"),
    ],
)
def test_what_is_refused_and_in_which_words(table: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ScenarioError) as refused:
        scenario(table)
    assert str(refused.value) == f"keys.{message}"
