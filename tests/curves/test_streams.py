"""Streams of requests: however they are given, the same pieces come out; what is wrong is told in one line."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cachesim.curves.streams import pieces

TEXTS = ["a", "b", "a", "c"]
NUMBERS = [3, 1, 3, -7]


def gathered(keys: Any) -> list[Any]:
    return [key for piece in pieces(keys) for key in np.asarray(piece.keys).tolist()]


@pytest.mark.parametrize(
    "keys",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS),
        iter(TEXTS),
        iter([TEXTS[:3], TEXTS[3:]]),
        iter([np.array(TEXTS[:1]), np.array(TEXTS[1:])]),
        iter(np.array(TEXTS)),
        list(np.array(TEXTS)),
        iter([[], TEXTS]),
    ],
    ids=lambda keys: type(keys).__name__,
)
def test_text_may_be_given_in_any_container(keys):
    assert gathered(keys) == TEXTS


@pytest.mark.parametrize(
    "keys",
    [
        NUMBERS,
        np.array(NUMBERS),
        np.array(NUMBERS, np.int16),
        pd.Series(NUMBERS),
        [np.int64(n) for n in NUMBERS],
        iter(NUMBERS),
        iter([np.array(NUMBERS[:2]), np.array(NUMBERS[2:])]),
    ],
    ids=lambda keys: type(keys).__name__,
)
def test_integers_may_be_given_in_any_container(keys):
    assert gathered(keys) == NUMBERS


def test_a_long_stream_comes_in_pieces_in_order_with_its_times_and_weights():
    n = (1 << 21) + 17
    parts = [np.arange(start, min(start + 70_000, n)) for start in range(0, n, 70_000)]
    found = list(pieces(iter(parts), iter(np.arange(n) * 0.5), repeat(7, n)))
    assert [len(piece.keys) for piece in found] == [1 << 20, 1 << 20, 17]
    assert np.array_equal(np.concatenate([np.asarray(piece.keys) for piece in found]), np.arange(n))
    assert [piece.times[0] for piece in found if piece.times is not None] == [0, (1 << 20) / 2, (1 << 21) / 2]
    assert all(piece.weights is not None and set(piece.weights.tolist()) == {7} for piece in found)


def test_a_whole_array_is_not_copied():
    keys = np.arange(10)
    (piece,) = pieces(keys)
    assert np.shares_memory(piece.keys, keys)


def test_nothing_has_no_pieces():
    assert list(pieces([])) == list(pieces(iter([]))) == list(pieces(np.array([], np.int64))) == []


@pytest.mark.parametrize(
    ("keys", "times", "weights", "told"),
    [
        (["a", 1], None, None, "keys: a mixture is not allowed; all integers, or all text"),
        (["a", None], None, None, "keys: None is not allowed; all integers, or all text"),
        ([True, 1], None, None, "keys: True is not allowed; all integers, or all text"),
        ([1.5], None, None, "keys: 1.5 is not allowed; all integers, or all text"),
        ([b"a"], None, None, "keys: b'a' is not allowed; all integers, or all text"),
        ([1 << 70], None, None, "keys: integers beyond 64 bits are not allowed; give them as text"),
        (np.ones((2, 2), int), None, None, "keys: 2 dimensions are not allowed; one key a request"),
        (pd.DataFrame({"key": TEXTS}), None, None, "keys: 2 dimensions are not allowed; one key a request"),
        (iter([["a"], np.array([1])]), None, None, "keys: a mixture is not allowed; all integers, or all text"),
        (iter([np.array([1]), ["a"]]), None, None, "keys: a mixture is not allowed; all integers, or all text"),
        ([1], [-np.inf], None, "times: -inf at request 0 is not allowed; finite seconds in order of time"),
        ([1, 2], [0.0], None, "one of each is needed for every request; there are 2 keys, 1 times"),
        (iter([1, 2]), iter([0.0]), None, "one of each is needed for every request; there are 2 keys, 1 times"),
        ([1, 2], None, [1, 2, 3], "one of each is needed for every request; there are 2 keys, 3 weights"),
        ([1, 2], [1.0, 0.5], None, "times: 0.5 at request 1 is not allowed; finite seconds in order of time"),
        ([1, 2], [1.0, np.nan], None, "times: nan at request 1 is not allowed; finite seconds in order of time"),
        ([1], ["now"], None, "times: 1 dimensions of <U3 are not allowed; numbers, one a request"),
        ([1], None, [0.5], "weights: 1 dimensions of float64 are not allowed; whole numbers, one a request"),
        ([1], None, [-1], "weights: -1 is not allowed; bytes, 0 or more"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(keys, times, weights, told):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the whole text is compared)
        list(pieces(keys, times, weights))
    assert str(raised.value) == told


def test_a_time_that_falls_from_one_piece_to_the_next_is_found():
    times = np.append(np.full(1 << 20, 5.0), 4.0)
    with pytest.raises(ValueError, match=f"times: 4.0 at request {1 << 20} is not allowed"):
        list(pieces(repeat(1, len(times)), iter(times)))
