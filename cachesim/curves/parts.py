"""Curves in parts: a stream too large for one process, or one machine, is split by the hashes of its keys.

Each of P parts has all requests of the keys whose hash lies in one of P equal ranges. It is counted on its own, in
caches about P times smaller (miniature simulation: Waldspurger, Saemundsson, Ahmad, Park, ATC 2017): of each size a
part is given the share that it has of the keys, or of their bytes. The misses add up. Whoever counts a part goes
through the stream, or is sent the part, and holds what a curve of the part's keys needs. LRU takes one pass, of which
the sizes are cut out afterwards; for the others the keys of the parts are counted in a pass before.

All requests are in some part, so that the estimate has no sampling error. What it has comes from parts that ask for
their keys in another way than the whole does, and from policies that do not scale. The stated error is that of random
groups, as for a sample (see `sampling`): each part is taken for a sample of its own, of which the requests and the keys
are known. It does not know that what one part has too much of the others lack: of eight parts of Zipf(.9) it is .017 on
average where the error is .001. On eleven streams it covers LRU at 95 to 100 % of the sizes, if the cache of a part has
30 entries and more. What all parts do wrong alike it does not see: with caches of a few entries, or SIEVE on
`orm-night`, whose hit ratio is .06 too high at 54 entries a part (`tests/curves/test_parts_error.py`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from queue import Queue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.counting import count
from cachesim.curves.kernels.logs import grown
from cachesim.curves.numbering import Numbering
from cachesim.curves.questions import Answer, Question
from cachesim.curves.sampling import better, counted, drawn, half_widths
from cachesim.curves.streams import Piece
from cachesim.curves.traced import Traced
from cachesim.executors import Lost, outcomes

__all__ = ["LostPartError", "compile_for", "count_in_parts"]

_SIZES = 50
_AHEAD = 2
"""Pieces that are read before those who count have asked for them."""


class LostPartError(RuntimeError):
    """A part of a stream was not counted: the process or the machine that had it is gone, or failed."""


class _Pass(NamedTuple):
    """Parts that are counted while a stream is gone through once."""

    stream: Iterable[Piece]
    numbers: range
    parts: int
    rate: float
    question: Question
    sizes: Mapping[int, NDArray[np.int64]] | None = None
    """Of the caches of each part. None: only what it has is counted, and LRU's misses at every size."""


class _Part(NamedTuple):
    """What a part has."""

    requests: int
    distinct: int
    volume: int
    """Its keys, or their bytes if they are weighed."""

    misses: NDArray[np.int64]
    """(sizes, ttls); LRU's at sizes 0, 1, ... `distinct`, where none were given."""


def count_in_parts(
    stream: Iterable[Piece],
    question: Question,
    *,
    parts: int,
    rate: float = 1.0,
    executor: Any = None,
    workers: int | None = None,
) -> Answer:
    """The misses of this stream, from this many parts of a share `rate` of its keys.

    A `Traced` stream is gone through by those who count; any other is split here, 8 bytes a request and as many more
    for its time and its weight. `executor`, `workers`: as in `outcomes`; a pass has its share of the parts, which is
    one each if an executor has no number of workers.

    Raises `LostPartError` when a part is lost, `ValueError` when a size is too small to be shared, or nothing is drawn.
    """
    _require_shareable(question, parts, rate)
    if executor is None:
        compile_for(question)
    passes = min(parts, workers or (os.cpu_count() or 1 if executor is None else parts))
    requests, plan = _planned(stream, question, parts, rate, passes)
    if requests is None or _has_every_size(question):
        read, found = _counted(plan, executor, workers)
        requests = read if requests is None else requests
    else:
        found = [_without_sizes(one.stream) for one in plan]
    if not any(part.requests for part in found):
        given = f"sample_rate: {rate:g} is not allowed; none of the keys is in the sample"
        raise ValueError(given if requests else "keys: there are none; at least one request is needed")
    sizes = _spread(found, question, rate) if question.sizes is None else question.sizes
    shares = _shares(sizes * rate, found)
    if _has_every_size(question):
        misses = [part.misses[share.clip(max=part.distinct)] for part, share in zip(found, shares, strict=True)]
    else:
        sized = [one._replace(sizes={i: shares[i] for i in one.numbers}) for one in plan]
        misses = [part.misses for part in _counted(sized, executor, workers)[1]]
    found = [part._replace(misses=those) for part, those in zip(found, misses, strict=True)]
    return _together(found, sizes, requests, rate)


def _require_shareable(question: Question, parts: int, rate: float) -> None:
    if question.sizes is not None and question.sizes[0] * rate < parts:
        within = f"{parts} parts" + (f" and sample_rate {rate:g}" if rate < 1 else "")
        least = np.ceil(parts / rate)
        raise ValueError(f"sizes: {question.sizes[0]} is not allowed with {within}; {least:.0f} or more")


def compile_for(question: Question) -> None:
    """Have what it needs compiled here, and kept on disk, so that not every process that counts has to do so."""
    keys = np.array([0, 1], np.uint64), np.array([2, 1 << 60], np.uint64)  # in a narrow range, and not
    times = np.zeros(2) if question.ttls != (None,) else None
    weights = np.ones(2, np.int64) if question.weighed else None
    count([Piece(part, times, weights) for part in keys], question._replace(sizes=np.array([2])), held=True)


def _has_every_size(question: Question) -> bool:
    """Whether one pass tells the misses at all sizes."""
    return question.policy == "lru" and question.ttls == (None,) and not question.weighed


# The parts, and what they say together


def _planned(
    stream: Iterable[Piece], question: Question, parts: int, rate: float, passes: int
) -> tuple[int | None, list[_Pass]]:
    """The passes, and how many requests there are, if that is known before."""
    if isinstance(stream, Traced):
        return None, [_Pass(stream, range(first, parts, passes), parts, rate, question) for first in range(passes)]
    requests = 0
    held: list[list[Piece]] = [[] for _ in range(parts)]
    for found in drawn(stream, rate=rate, parts=parts, seed=question.seed):
        requests += found.requests
        for number, pieces in enumerate(held):
            pieces.append(found.part(number))
    plan = [_Pass(pieces, range(number, number + 1), parts, rate, question) for number, pieces in enumerate(held)]
    return requests, plan


def _counted(plan: Sequence[_Pass], executor: Any, workers: int | None) -> tuple[int, list[_Part]]:
    """How many requests the stream of a pass has, and all parts in order."""
    requests, found = 0, {}
    with closing(outcomes(_gone_through, plan, executor=executor, workers=workers)) as done:
        for number, outcome in done:
            if isinstance(outcome, Lost):
                raise LostPartError(_told(plan[number], outcome))
            if isinstance(outcome, ValueError):
                raise outcome
            requests, parts = outcome
            found.update(parts)
    return requests, [found[number] for number in sorted(found)]


def _told(one: _Pass, lost: Lost) -> str:
    which = ", ".join(str(number + 1) for number in one.numbers)
    which = f"part {which} of {one.parts} is" if len(one.numbers) == 1 else f"parts {which} of {one.parts} are"
    return f"{which} lost: {lost.reason}"


def _spread(found: Sequence[_Part], question: Question, rate: float) -> NDArray[np.int64]:
    """Sizes up to that of all keys: as many as LRU has whose parts differ, of others some fifty (as in `count`)."""
    volume, distinct = sum(part.volume for part in found), sum(part.distinct for part in found)
    least = len(found) / rate
    last = max(least, volume / rate)
    if _has_every_size(question):
        sizes = np.append(np.arange(least, last, least), last)
    else:
        sizes = np.geomspace(min(max(least, volume / distinct), last), last, _SIZES).round()
    return np.unique(np.ceil(sizes).astype(np.int64))


def _shares(sizes: NDArray[Any], found: Sequence[_Part]) -> list[NDArray[np.int64]]:
    """Of caches of these sizes together, those of each part: in proportion to what it has, and never falling."""
    volume, n = max(1, sum(part.volume for part in found)), len(found)
    return [(sizes * (part.volume / volume) + (i + 0.5) / n).astype(np.int64) for i, part in enumerate(found)]


def _together(found: Sequence[_Part], sizes: NDArray[np.int64], requests: int, rate: float) -> Answer:
    answers = [Answer(part.requests, part.distinct, sizes, part.misses) for part in found]
    drawn, distinct = sum(part.requests for part in found), sum(part.distinct for part in found)
    whole = Answer(drawn, distinct, sizes, np.sum([part.misses for part in found], axis=0))
    if rate == 1:
        return whole._replace(half_widths=_half_widths(found))
    ratios, widths = better(whole, answers, requests * rate)
    return Answer(requests, distinct, sizes, ratios * requests, widths)


def _half_widths(found: Sequence[_Part]) -> NDArray[np.float64]:
    """Of the intervals of the miss ratios, as the misses of the parts differ, or what requests or keys do not explain.

    The narrowest on average of the three; at least three requests, which may be missed though none was seen to be (the
    rule of three: Hanley, Lippman-Hand, JAMA 249(13), 1983).
    """
    misses = np.stack([part.misses for part in found]).astype(np.float64)
    requests = np.array([part.requests for part in found], np.float64)
    volumes = np.array([part.volume for part in found], np.float64)
    scale, together = len(found) / requests.sum(), misses.sum(axis=0)
    shares = [np.zeros(len(found)), requests / requests.sum(), volumes / max(1.0, volumes.sum())]
    widths = [half_widths((misses - together * share[:, None, None]) * scale) for share in shares]
    narrowest: NDArray[np.float64] = min(widths, key=lambda found: float(found.mean()))
    return narrowest.clip(min=3 / requests.sum())


# What is done with parts, wherever that is


def _gone_through(one: _Pass) -> tuple[int, dict[int, _Part]] | ValueError:
    try:
        return _go_through(one)
    except ValueError as error:  # what was given is wrong; no part is lost
        return error


def _go_through(one: _Pass) -> tuple[int, dict[int, _Part]]:
    """How many requests the stream has, and the parts, which are counted in a thread each while it is gone through."""
    requests, queues = 0, {number: Queue[Piece | None](_AHEAD) for number in one.numbers}
    with ThreadPoolExecutor(len(queues)) as pool:
        counting = {number: pool.submit(_taken, one, number, queue) for number, queue in queues.items()}
        try:
            for found in drawn(one.stream, rate=one.rate, parts=one.parts, seed=one.question.seed):
                requests += found.requests
                for number, queue in queues.items():
                    queue.put(found.part(number))
        finally:
            for queue in queues.values():
                queue.put(None)
    return requests, {number: part.result() for number, part in counting.items()}


def _taken(one: _Pass, number: int, queue: Queue[Piece | None]) -> _Part:
    """The part whose pieces come through the queue."""
    pieces = iter(queue.get, None)
    try:
        stream = (piece for piece in pieces if len(piece.keys))
        if one.sizes is not None:
            return _with_misses(stream, one.question, one.sizes[number])
        return _with_every_size(stream, one.question) if _has_every_size(one.question) else _without_sizes(stream)
    finally:
        deque(pieces, maxlen=0)  # whoever fills the queue does not wait for one that has failed


def _with_every_size(stream: Iterator[Piece], question: Question) -> _Part:
    """One pass of LRU."""
    first = next(stream, None)
    if first is None:
        return _Part(0, 0, 0, np.zeros((1, 1), np.int64))
    found = count(chain([first], stream), question._replace(sizes=None), held=False)
    misses = np.concatenate(([[found.requests]], found.misses))
    return _Part(found.requests, found.distinct, found.distinct, misses)


def _without_sizes(stream: Iterable[Piece]) -> _Part:
    """What is to be known before the sizes are shared."""
    numbering, requests, largest = Numbering(), 0, np.zeros(0, np.int64)
    for piece in stream:
        ids = numbering.number(piece.keys)
        requests += len(ids)
        if piece.weights is not None:
            largest = grown(largest, numbering.distinct)
            np.maximum.at(largest, ids, piece.weights)
    volume = int(largest.sum()) if len(largest) else numbering.distinct
    return _Part(requests, numbering.distinct, volume, np.zeros((0, 0), np.int64))


def _with_misses(stream: Iterator[Piece], question: Question, sizes: NDArray[np.int64]) -> _Part:
    """The misses in caches of these sizes: all requests, of one that holds nothing."""
    found = counted(stream, question, sizes.clip(1), held=False, threads=1)
    misses = np.where(sizes[:, None] > 0, found.misses, found.requests)
    return _Part(found.requests, found.distinct, 0, misses)
