"""Keys as dense numbers, in the order of their first appearance.

A loop over arrays that have a place for each key needs no hash table: that is paid for once, here, whatever is asked.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.policies.hashing import stable_key

__all__ = ["Numbering"]

_NARROW = 4
"""A range of integers is narrow if it holds so many for each request of the first chunk, or fewer."""


class Numbering:
    """Gives each key its number, chunk by chunk; all keys are integers, or all are text.

    >>> numbering = Numbering()
    >>> numbering.number(np.array([70, 10, 70])), numbering.number(np.array([30, 10]))
    (array([0, 1, 0], dtype=int32), array([2, 1], dtype=int32))
    >>> numbering.distinct, numbering.stable_keys()
    (3, array([70, 10, 30], dtype=uint64))
    """

    def __init__(self) -> None:
        self._numbers: _Integers | _Text | None = None

    def number(self, keys: NDArray[Any] | list[str]) -> NDArray[np.int32]:
        """The numbers of these keys, (n,); new keys get the next ones.

        Raises `ValueError` when text follows integers, or integers text.
        """
        kind = _Integers if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu" else _Text
        if self._numbers is None:
            self._numbers = kind()
        if not isinstance(self._numbers, kind):
            raise ValueError("keys: integers and text in one stream are not allowed; all integers, or all text")
        return self._numbers.number(keys)  # type: ignore[arg-type]  # it is of its kind

    @property
    def distinct(self) -> int:
        """How many keys there have been."""
        return 0 if self._numbers is None else self._numbers.distinct

    def stable_keys(self) -> NDArray[np.uint64]:
        """The 64-bit key of each number, (distinct,), as `policies.hashing.stable_key` gives it."""
        return np.zeros(0, np.uint64) if self._numbers is None else self._numbers.stable_keys()


class _NextNumber(dict[str, int]):
    """A key that is asked for and not there is given the next number."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


class _Text:
    """Numbers of text, in a dict."""

    def __init__(self) -> None:
        self._numbers = _NextNumber()
        self._stable = np.zeros(0, np.uint64)

    @property
    def distinct(self) -> int:
        return len(self._numbers)

    def number(self, keys: NDArray[Any] | list[str]) -> NDArray[np.int32]:
        listed = keys.tolist() if isinstance(keys, np.ndarray) else keys
        return np.fromiter(map(self._numbers.__getitem__, listed), np.int32, len(listed))

    def stable_keys(self) -> NDArray[np.uint64]:
        known = self._stable  # two threads may ask at once: what one has made is never added to what the other has
        new = np.fromiter(map(stable_key, islice(self._numbers, len(known), None)), np.uint64)
        self._stable = stable = np.concatenate((known, new))
        return stable


class _Integers:
    """Numbers of integers: in a plain table while they lie in the narrow range of the first chunk, else hashed."""

    def __init__(self) -> None:
        self.distinct = 0
        self._keys = np.zeros(0, np.uint64)
        """By number, with room for more."""
        self._range: range | None = None
        self._table = np.zeros(0, np.int32)
        """For each integer of the range, its number plus 1; 0 for none."""
        self._slots = np.zeros(0, np.uint64)
        """The hash table, 2**k slots of two words: a key, and its number plus 1, or 0 if the slot is free."""

    def number(self, keys: NDArray[Any]) -> NDArray[np.int32]:
        words = keys.astype(np.int64 if keys.dtype.kind == "i" else np.uint64, copy=False).view(np.uint64)
        numbers = np.empty(len(words), np.int32)
        if not len(words):
            return numbers
        lowest, highest = int(keys.min()), int(keys.max())
        if self._range is None:
            narrow = highest - lowest < _NARROW * len(words)
            self._range = range(lowest, highest + 1) if narrow else range(0)
            self._table = np.zeros(len(self._range), np.int32)
        if lowest in self._range and highest in self._range:
            self._keys = grown(self._keys, min(len(self._range), self.distinct + len(words)))
            start = np.uint64(self._range.start % (1 << 64))
            self.distinct = _look_up(words, start, self._table, self._keys, self.distinct, numbers)
        else:
            self._range, self._table = range(0), np.zeros(0, np.int32)
            self._hash(words, numbers)
        return numbers

    def stable_keys(self) -> NDArray[np.uint64]:
        return self._keys[: self.distinct]

    def _hash(self, words: NDArray[np.uint64], numbers: NDArray[np.int32]) -> None:
        """Half of the slots stay free: a table twice as large is made whenever more would be taken."""
        done = 0
        while done < len(words):
            if 4 * self.distinct >= len(self._slots):
                self._slots = np.zeros(
                    max(1 << 13, 2 * len(self._slots), 1 << (4 * self.distinct).bit_length()), np.uint64
                )
                self._keys = grown(self._keys, len(self._slots) // 4)
                _enter(self._keys, self.distinct, self._slots)
            done, self.distinct = _probe(words, done, self._slots, self._keys, self.distinct, numbers)


@kernel
def _slot(slots: NDArray[np.uint64], word: np.uint64) -> np.int64:
    """Where this key is, or the free place that it may take: upper bits of a product choose the first to look at."""
    mask = len(slots) - 2
    slot = np.int64(((word ^ word >> np.uint64(32)) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(31)) & mask
    while slots[slot + 1] != 0 and slots[slot] != word:
        slot = (slot + 2) & mask
    return slot


@kernel
def _enter(keys: NDArray[np.uint64], distinct: int, slots: NDArray[np.uint64]) -> None:
    """Puts keys that are numbered into empty slots."""
    for number in range(distinct):
        slot = _slot(slots, keys[number])
        slots[slot], slots[slot + 1] = keys[number], number + 1


@kernel
def _probe(
    words: NDArray[np.uint64],
    start: int,
    slots: NDArray[np.uint64],
    keys: NDArray[np.uint64],
    distinct: int,
    numbers: NDArray[np.int32],
) -> tuple[int, int]:
    """Numbers the words from `start` on, until half of the slots are taken; returns how far, and the keys there are."""
    most = len(slots) // 4
    for i in range(start, len(words)):
        slot = _slot(slots, words[i])
        number = np.int64(slots[slot + 1]) - np.int64(1)
        if number < 0:
            if distinct == most:
                return i, distinct
            number = np.int64(distinct)
            keys[number] = words[i]
            distinct += 1
            slots[slot], slots[slot + 1] = words[i], distinct
        numbers[i] = number
    return len(words), distinct


@kernel
def _look_up(
    words: NDArray[np.uint64],
    lowest: np.uint64,
    table: NDArray[np.int32],
    keys: NDArray[np.uint64],
    distinct: int,
    numbers: NDArray[np.int32],
) -> int:
    """Numbers the words from the table, and enters new ones; returns how many keys there are now."""
    for i in range(len(words)):
        place = words[i] - lowest
        number = table[place] - 1
        if number < 0:
            number = distinct
            keys[number] = words[i]
            distinct += 1
            table[place] = distinct
        numbers[i] = number
    return distinct
