"""What is given as a stream of requests, in pieces: keys, and with them times and weights where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import MOST_REQUESTS

__all__ = ["Piece", "is_whole", "pieces"]

_GATHERED = 1 << 20
"""Requests in a piece of a stream that does not lie in memory as a whole."""

_MIXED = "keys: a mixture is not allowed; all integers, or all text"


class Piece(NamedTuple):
    """Requests that follow each other."""

    keys: NDArray[Any] | list[str]
    """Integers, or text."""

    times: NDArray[np.float64] | None = None
    weights: NDArray[np.int64] | None = None


def is_whole(stream: Any) -> bool:
    """Whether it lies in memory, so that it can be gone through more than once."""
    return hasattr(stream, "__len__")


def pieces(keys: Any, times: Any = None, weights: Any = None) -> Iterator[Piece]:
    """The stream, piece by piece.

    `keys`: integers or text, as an array or a list, or whatever yields one key after another, or arrays or lists of
    them; `times` and `weights` likewise, one for each key. Raises `ValueError` for a key of another kind, for a time
    that falls, a weight that is no count of bytes, or when there are more of one than of another.
    """
    length = MOST_REQUESTS if is_whole(keys) else _GATHERED
    given = {"keys": (keys, _as_keys), "times": (times, _as_times), "weights": (weights, _as_weights)}
    parts = {name: _parts(stream, length, read) for name, (stream, read) in given.items() if stream is not None}
    start, last = 0, -np.inf
    for found in zip_longest(*parts.values()):
        piece = dict(zip(parts, found, strict=True))
        lengths = {name: 0 if part is None else len(part) for name, part in piece.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"one of each is needed for every request; {_told(start, lengths)}")
        if times is not None:
            _require_rising(piece["times"], last, start)
            last = piece["times"][-1]
        start += lengths["keys"]
        yield Piece(**piece)


def _told(start: int, lengths: dict[str, int]) -> str:
    return "there are " + ", ".join(f"{start + length} {name}" for name, length in lengths.items())


def _parts(stream: Any, length: int, read: Callable[[Any], Any]) -> Iterator[Any]:
    """Arrays (or lists of text) of this length, the last of what is left."""
    if is_whole(stream):
        whole = read(stream)
        for start in range(0, len(whole), length):
            yield whole[start : start + length]
        return
    held: list[Any] = []
    count = 0
    for part in filter(len, _gathered(iter(stream), read)):
        held.append(part)
        count += len(part)
        while count >= length:
            joined = _joined(held)
            yield joined[:length]
            held, count = [joined[length:]], count - length
    if count:
        yield _joined(held)


def _gathered(stream: Iterator[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    """What the stream yields, as arrays: its arrays and lists as they are, single values gathered."""
    for first in stream:
        if is_whole(first) and not isinstance(first, str | bytes):
            yield read(first)
        else:
            yield read([first, *islice(stream, _GATHERED - 1)])


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if len({isinstance(part, list) for part in parts}) > 1:
        raise ValueError(_MIXED)
    if isinstance(parts[0], list):
        return [key for part in parts for key in part]
    if parts[0].dtype.kind in "iu" and np.result_type(*parts).kind == "f":  # of uint64 and what has a sign
        return np.concatenate([part.astype(np.uint64) for part in parts])
    return np.concatenate(parts)


def _as_keys(values: Any) -> NDArray[Any] | list[str]:
    """Integers as an array, text as a list."""
    if (dimensions := getattr(values, "ndim", 1)) != 1:
        raise ValueError(f"keys: {dimensions} dimensions are not allowed; one key a request")
    if hasattr(values, "__array__"):  # of numpy, pandas, pyarrow
        array = np.asarray(values)
        if array.dtype.kind in "iu":
            return array
        values = array.tolist()
    listed = list(values)
    kinds = set(map(type, listed))
    if all(issubclass(kind, str) for kind in kinds):
        return listed
    if not all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        wrong = [key for key in listed if isinstance(key, bool) or not isinstance(key, int | np.integer | str)]
        raise ValueError(f"keys: {wrong[0]!r} is not allowed; all integers, or all text" if wrong else _MIXED)
    try:
        return np.array(listed, np.uint64 if max(listed) >= 1 << 63 else np.int64)
    except OverflowError:
        raise ValueError("keys: integers beyond 64 bits are not allowed; give them as text") from None


def _as_times(values: Any) -> NDArray[np.float64]:
    return _numbers("times", values, np.float64)


def _as_weights(values: Any) -> NDArray[np.int64]:
    weights: NDArray[np.int64] = _numbers("weights", values, np.int64)
    if len(weights) and weights.min() < 0:
        raise ValueError(f"weights: {weights.min()} is not allowed; bytes, 0 or more")
    return weights


def _numbers(name: str, values: Any, dtype: type[np.generic]) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not np.can_cast(array.dtype, dtype, "same_kind"):
        kind = "numbers" if dtype is np.float64 else "whole numbers"
        raise ValueError(f"{name}: {array.ndim} dimensions of {array.dtype} are not allowed; {kind}, one a request")
    return np.ascontiguousarray(array, dtype)


def _require_rising(times: NDArray[np.float64], last: float, start: int) -> None:
    wrong = ~np.isfinite(times) | (times < np.concatenate(([last], times[:-1])))
    if wrong.any():
        place = int(wrong.argmax())
        time = float(times[place])
        raise ValueError(f"times: {time!r} at request {start + place} is not allowed; finite seconds in order of time")
