"""`hit_rate_curve`: what is asked, checked, and counted or estimated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cachesim.curves.counting import count
from cachesim.curves.curve import HitRateCurve
from cachesim.curves.parts import count_in_parts
from cachesim.curves.questions import Question
from cachesim.curves.sampling import estimate
from cachesim.curves.streams import Piece, is_whole, pieces
from cachesim.curves.traced import Traced
from cachesim.policies import POLICIES
from cachesim.traces.trace import Trace

__all__ = ["asked", "hit_rate_curve", "measure", "stream_of"]


def hit_rate_curve(
    keys: Any,
    policy: str = "lru",
    sizes: ArrayLike | None = None,
    *,
    times: Any = None,
    ttl: float | ArrayLike | None = None,
    weights: Any = None,
    sample_rate: float = 1.0,
    seed: int = 0,
    parts: int = 1,
    executor: Any = None,
    workers: int | None = None,
) -> HitRateCurve:
    """The hit ratio that a cache of each size gives on this stream of requests, from an empty start.

    - `keys`: one for each request, integers or text: an array, a list, or an iterator over keys, arrays or lists, which
      is read piece by piece. Or a `Trace`, whose files are read piece by piece; its times serve a `ttl`.
    - `policy`: fifo, lru, lfu, random, clock, sieve, slru, 2q, arc, s3-fifo, lirs, w-tinylfu, opt.
    - `sizes`: how many entries the cache holds. Default: all sizes for lru; for the others some fifty, spread evenly
      over the scale of magnitudes, for which an iterator is held in memory as numbers, 4 bytes a request.
    - `times`: when each request arrives (s, never falling); `ttl`: how long a value is used from its fill (s, 0.001 or
      more). What has expired makes room before anything useful is evicted, as in the pattern in-process. Several
      lifetimes give a curve in two dimensions: a row a size, a column a lifetime.
    - `weights`: the bytes of each request's object; `sizes` are then bytes. What is larger than the cache is not kept.
      Of a `Trace`: True for the sizes that it tells.
    - `sample_rate`: below 1, the curve is estimated from this share of the keys, with 95 % intervals; exact otherwise.
    - `seed`: of the sample, of the parts, and of the policy random.
    - `parts`: above 1, the keys are split into so many parts, each is counted on its own in caches so many times
      smaller, and the curve is estimated from all of them, with 95 % intervals. `sizes` are then `parts` or more; by
      default multiples of it. Where: on processes of this machine (`workers`, by default one a processor), or wherever
      `executor` is, a `concurrent.futures.Executor` or a `dask.distributed.Client`: the curve is the same. The files of
      a `Trace` are read there, once for each process and by an executor once for each part, or `workers` times. All
      else is split here, in memory.

    Exact LRU takes one pass over the stack distances (Mattson, Gecsei, Slutz, Traiger, IBM Systems Journal 1970), in
    memory of a few bytes a key. Raises `ValueError` for what is not as above, and `LostPartError` when a process or a
    machine fails that had a part.

    >>> curve = hit_rate_curve(["a", "b", "c", "b", "a", "d", "a", "c"])
    >>> curve.sizes.tolist(), curve.misses.tolist()
    ([1, 2, 3, 4], [8, 6, 5, 4])
    >>> curve.at(3), curve.size_for(0.5)
    (0.375, 4)
    """
    return measure(
        stream_of(keys, times, ttl, weights),
        policy,
        sizes,
        ttl=ttl,
        weighed=weights is not None,
        sample_rate=sample_rate,
        seed=seed,
        parts=parts,
        held=is_whole(keys),
        executor=executor,
        workers=workers,
    )


def measure(
    stream: Iterable[Piece],
    policy: str = "lru",
    sizes: ArrayLike | None = None,
    *,
    ttl: float | ArrayLike | None = None,
    weighed: bool = False,
    sample_rate: float = 1.0,
    seed: int = 0,
    parts: int = 1,
    held: bool = False,
    threads: int | None = None,
    executor: Any = None,
    workers: int | None = None,
) -> HitRateCurve:
    """What `hit_rate_curve` does, of a stream in pieces; `held`: they lie in memory anyway.

    `threads`: that count what is not in parts; default: one a processor.
    """
    question = asked(policy, sizes, ttl=ttl, weighed=weighed, sample_rate=sample_rate, seed=seed)
    for name, number in (("parts", parts), ("workers", 1 if workers is None else workers)):
        if _whole(name, number) < 1:
            raise ValueError(f"{name}: {number!r} is not allowed; 1 or more")
    if parts > 1:
        answer = count_in_parts(stream, question, parts=parts, rate=sample_rate, executor=executor, workers=workers)
    elif sample_rate < 1:
        answer = estimate(_some(stream), question, rate=sample_rate, threads=threads)
    else:
        answer = count(_some(stream), question, held=held, threads=threads)
    lifetimes = None if ttl is None else _lifetimes(ttl)
    columns = slice(None) if isinstance(lifetimes, np.ndarray) else 0
    return HitRateCurve(
        policy=policy,
        requests=answer.requests,
        distinct=answer.distinct,
        sizes=answer.sizes,
        misses=answer.misses[:, columns],
        ttl=lifetimes,
        weighed=question.weighed,
        sample_rate=sample_rate,
        half_widths=None if answer.half_widths is None else answer.half_widths[:, columns],
    )


def stream_of(keys: Any, times: Any, ttl: float | ArrayLike | None, weights: Any) -> Iterable[Piece]:
    """What is given as a stream, in pieces; raises `ValueError` for what does not belong together."""
    if isinstance(keys, Trace):
        if times is not None or not (weights is None or weights is True):
            raise ValueError("times, weights: a Trace has its own; leave times out, and weights, or say weights=True")
        return Traced(keys, timed=ttl is not None, weighed=weights is not None)
    for name, given in (("times", times), ("weights", weights)):
        if given is not None and is_whole(given) != is_whole(keys):
            raise ValueError(f"{name}: must be given as the keys are, in memory or by an iterator")
    if ttl is not None and times is None:
        raise ValueError("ttl: the times of the requests are needed too")
    return pieces(keys, times if ttl is not None else None, weights)


def _some(stream: Iterable[Piece]) -> Iterator[Piece]:
    stream = iter(stream)
    first = next(stream, None)
    if first is None:
        raise ValueError("keys: there are none; at least one request is needed")
    return chain([first], stream)


def asked(
    policy: str,
    sizes: ArrayLike | None,
    *,
    ttl: float | ArrayLike | None,
    weighed: bool,
    sample_rate: float,
    seed: int,
) -> Question:
    """What is asked of a stream; raises `ValueError` for what is not allowed, in itself or together."""
    if policy not in (known := [*POLICIES, "opt"]):
        raise ValueError(f"policy: {policy!r} is not allowed; {', '.join(known)}")
    if not 0 < sample_rate <= 1:
        raise ValueError(f"sample_rate: {sample_rate!r} is not allowed; above 0, at most 1")
    if policy == "opt" and ttl is not None:
        raise ValueError("ttl: is not allowed with policy 'opt', which is optimal without lifetimes only")
    if weighed and not (policy in POLICIES and POLICIES[policy].weighs):
        weighing = ", ".join(name for name, kind in POLICIES.items() if kind.weighs)
        raise ValueError(f"weights: are not allowed with policy {policy!r}, which counts entries; with {weighing}")
    return Question(
        policy,
        None if sizes is None else _sizes(sizes),
        (None,) if ttl is None else tuple(np.atleast_1d(_lifetimes(ttl)).tolist()),
        weighed=weighed,
        seed=_whole("seed", seed),
    )


def _sizes(sizes: ArrayLike) -> NDArray[np.int64]:
    """Rising, each once."""
    array = np.atleast_1d(np.asarray(sizes))
    if array.ndim > 1 or array.dtype.kind not in "iu" or not len(array) or array.min() < 1 or array.max() >= 1 << 63:
        raise ValueError(f"sizes: {sizes!r} is not allowed; whole numbers, 1 or more, that fit 63 bits")
    return np.unique(array).astype(np.int64)


def _whole(name: str, number: int) -> int:
    """One of Python's: the arithmetic of numpy's integers overflows."""
    try:
        return index(number)
    except TypeError:
        raise ValueError(f"{name}: {number!r} is not allowed; a whole number") from None


def _lifetimes(ttl: float | ArrayLike) -> float | NDArray[np.float64]:
    array = np.asarray(ttl)
    if array.ndim > 1 or array.dtype.kind not in "iuf" or not array.size or not (array >= 0.001).all():
        raise ValueError(f"ttl: {ttl!r} is not allowed; seconds, 0.001 or more")
    return float(array) if array.ndim == 0 else array.astype(np.float64)
