"""Keys become dense numbers in the order of their first appearance, chunk by chunk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.curves.numbering import Numbering
from cachesim.policies.hashing import stable_key

INTEGERS = st.integers(-(2**63), 2**63 - 1)
CLOSE = st.integers(-3, 3) | st.integers(2**63 - 5, 2**63 - 1) | st.sampled_from([k << 40 for k in range(9)])


def plainly(keys: list[int] | list[str]) -> list[int]:
    """The numbers, by a dict."""
    numbers: dict[int | str, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


@given(parts=st.lists(st.lists(INTEGERS | CLOSE, max_size=30), max_size=5))
def test_integers_are_numbered_in_the_order_of_first_appearance(parts):
    numbering = Numbering()
    numbers = [number for part in parts for number in numbering.number(np.array(part, np.int64)).tolist()]
    keys = [key for part in parts for key in part]
    assert numbers == plainly(keys)
    assert numbering.distinct == len(set(keys))
    assert numbering.stable_keys().tolist() == [stable_key(key) for key in dict.fromkeys(keys)]


@given(parts=st.lists(st.lists(st.text(max_size=3), max_size=20), max_size=5))
def test_text_is_numbered_in_the_order_of_first_appearance(parts):
    numbering = Numbering()
    keys: list[str] = []
    numbers: list[int] = []
    for i, part in enumerate(parts):
        keys += part
        numbers += numbering.number(part if i % 2 else np.array(part, object)).tolist()
        assert numbering.stable_keys().tolist() == [stable_key(key) for key in dict.fromkeys(keys)]
    assert numbers == plainly(keys)


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers_of_any_width_are_the_same_keys(kind):
    numbering = Numbering()
    keys = np.array([5, 3, 5, 100, 3], kind)
    assert numbering.number(keys).tolist() == [0, 1, 0, 2, 1]
    assert numbering.number(keys.astype("i8")[::-1]).tolist() == [1, 2, 0, 1, 0]
    assert numbering.stable_keys().tolist() == [5, 3, 100]


def test_the_largest_unsigned_integers_are_keys():
    keys = np.array([2**64 - 1, 0, 2**64 - 2, 2**64 - 1], np.uint64)
    numbering = Numbering()
    assert numbering.number(keys).tolist() == [0, 1, 2, 0]
    assert numbering.stable_keys().tolist() == [2**64 - 1, 0, 2**64 - 2]


@pytest.mark.parametrize("spread", [1, 4096, 1 << 40, 0x9E3779B97F4A7C15 >> 1])
def test_many_keys_outgrow_the_first_tables_and_keep_their_numbers(spread):
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 40_000, 100_000) * np.int64(spread)
    numbering = Numbering()
    numbers = np.concatenate([numbering.number(part) for part in np.split(keys, [10, 5000, 50_000])])
    assert numbers.tolist() == plainly(keys.tolist())


def test_keys_beyond_the_range_of_the_first_chunk_keep_the_numbers_of_those_in_it():
    numbering = Numbering()
    assert numbering.number(np.arange(100)).tolist() == list(range(100))
    assert numbering.number(np.array([99, 100, -1, 10**12, 0])).tolist() == [99, 100, 101, 102, 0]
    assert numbering.number(np.arange(100)).tolist() == list(range(100))


def test_a_stream_of_nothing_has_no_keys():
    numbering = Numbering()
    assert numbering.distinct == 0
    assert numbering.stable_keys().tolist() == []
    assert numbering.number(np.zeros(0, np.int64)).tolist() == []
    assert numbering.stable_keys().tolist() == []


@pytest.mark.parametrize(("first", "second"), [(np.array([1]), ["1"]), (["1"], np.array([1]))])
def test_integers_and_text_do_not_mix(first, second):
    numbering = Numbering()
    numbering.number(first)
    with pytest.raises(ValueError, match="keys: integers and text in one stream are not allowed"):
        numbering.number(second)
