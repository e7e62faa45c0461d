"""How many requests miss, in caches of many sizes and lifetimes at once: exact, from a stream of numbered keys.

LRU has the stack property: one pass over the stack distances gives every size. Other policies, lifetimes and weights
take a pass each, a compiled one where there is a kernel, in parallel threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product, repeat
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.kernels import kernel_class
from cachesim.curves.numbering import Numbering
from cachesim.curves.questions import Answer, Question
from cachesim.curves.readable import Readable
from cachesim.curves.stack_distances import StackDistances
from cachesim.curves.streams import Piece

__all__ = ["count"]

_SIZES = 50
_WALKING = ("fifo", "lru", "clock", "sieve")
"""Those whose kernels know lifetimes and weights."""


class Cache(Protocol):
    """A cache of one size, which goes on from chunk to chunk."""

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        ...


Maker = Callable[[int, float | None], Cache]
"""Makes a cache of a size and a lifetime."""


def count(stream: Iterable[Piece], question: Question, *, held: bool, threads: int | None = None) -> Answer:
    """The misses of this stream, at each size and lifetime, in this many threads (default: one a processor).

    `held`: the stream lies in memory, so that a cache may go through all of it before the next one starts. Another is
    held as numbers, 4 bytes a request, if its sizes are to be found out or a cache needs the stream as a whole.
    """
    numbering = Numbering()
    chunks = _numbered(stream, numbering)
    if question.policy == "lru" and question.ttls == (None,) and not question.weighed:
        return _every_size(chunks, question.sizes)
    sizes, (make, whole) = question.sizes, _maker(question)
    if not (held or whole or sizes is None):
        requests, misses = _side_by_side(chunks, make, _cells(sizes, question), threads)
    else:
        kept = list(chunks)
        sizes = _spread(kept, numbering.distinct) if sizes is None else sizes
        requests = sum(len(chunk.ids) for chunk in kept)
        kept = [_joined(kept)] if whole else kept
        misses = _one_after_another(kept, make, _cells(sizes, question), threads)
    return Answer(requests, numbering.distinct, sizes, misses.reshape(len(sizes), len(question.ttls)))


def _cells(sizes: NDArray[np.int64], question: Question) -> list[tuple[int, float | None]]:
    """Each size with each lifetime, in rows of a size."""
    return list(product(sizes.tolist(), question.ttls))


def _numbered(stream: Iterable[Piece], numbering: Numbering) -> Iterator[Chunk]:
    for piece in stream:
        ids = numbering.number(piece.keys)
        yield Chunk(ids, numbering.distinct, numbering.stable_keys, piece.times, piece.weights)


def _maker(question: Question) -> tuple[Maker, bool]:
    """What makes a cache of a size and a lifetime, and whether it needs the whole stream in one chunk."""
    policy, seed = question.policy, question.seed
    if policy in _WALKING:
        return lambda size, ttl: kernel_class(policy)(size, seed, ttl=ttl), False
    if question.weighed or question.ttls != (None,):
        return lambda size, ttl: Readable(policy, size, seed, ttl=ttl, weighed=question.weighed), True
    return lambda size, ttl: kernel_class(policy)(size, seed), policy == "opt"


def _joined(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    ids, *others = zip(*chunks, strict=True)
    distinct, stable_keys, times, weights = others
    join = [None if parts[0] is None else np.concatenate(parts) for parts in (times, weights)]
    return Chunk(np.concatenate(ids), distinct[-1], stable_keys[-1], *join)


def _every_size(chunks: Iterable[Chunk], sizes: NDArray[np.int64] | None) -> Answer:
    """LRU from the stack distances."""
    distances = StackDistances()
    for chunk in chunks:
        distances.run(chunk)
    hits = np.cumsum(distances.histogram)  # at sizes 1, 2, ... distinct
    if sizes is None:
        sizes = np.arange(1, len(hits) + 1)
    misses = distances.requests - hits[np.minimum(sizes, len(hits)) - 1]
    return Answer(distances.requests, len(hits), sizes, misses[:, None])


def _one_after_another(
    chunks: list[Chunk], make: Maker, cells: list[tuple[int, float | None]], threads: int | None
) -> NDArray[np.int64]:
    """The misses at each size and lifetime; no more caches at a time than there are threads."""
    enough: dict[float | None, tuple[int, int]] = {}
    """Of a lifetime, a size that evicts nothing of use, and its misses: those of all larger ones too.

    A smaller one may look late, when a thread has been kept waiting: hence the size.
    """

    def misses(cell: tuple[int, float | None]) -> int:
        size, ttl = cell
        if ttl in enough and enough[ttl][0] <= size:
            return enough[ttl][1]
        cache = make(size, ttl)
        found = sum(cache.run(chunk) for chunk in chunks)
        if getattr(cache, "evictions", None) == 0:
            enough[ttl] = size, found
        return found

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        return np.fromiter(pool.map(misses, cells), np.int64, len(cells))


def _side_by_side(
    chunks: Iterable[Chunk], make: Maker, cells: list[tuple[int, float | None]], threads: int | None
) -> tuple[int, NDArray[np.int64]]:
    """Requests, and the misses of each cache, of a stream that is gone through once; one chunk of it at a time."""
    running = [make(*cell) for cell in cells]
    requests, misses = 0, np.zeros(len(running), np.int64)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for chunk in chunks:
            requests += len(chunk.ids)
            found = pool.map(lambda cache, chunk: cache.run(chunk), running, repeat(chunk))
            misses += np.fromiter(found, np.int64, len(running))
    return requests, misses


def _spread(chunks: list[Chunk], distinct: int) -> NDArray[np.int64]:
    """Sizes evenly spread over the scale of magnitudes, from one object to all of them."""
    first, last = 1, distinct
    weighed = [(chunk.ids, chunk.weights) for chunk in chunks if chunk.weights is not None]
    if weighed:
        largest = np.zeros(distinct, np.int64)
        for ids, weights in weighed:
            np.maximum.at(largest, ids, weights)
        first, last = max(1, int(largest.mean())), int(largest.sum())
    return np.unique(np.geomspace(first, max(first, last), _SIZES).round().astype(np.int64))
