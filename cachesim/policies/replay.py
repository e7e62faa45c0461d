"""A cache held against a stream of requests: which of them hit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat
from math import inf
from typing import Any, TypeVar

import cachetools

__all__ = ["replay"]

K = TypeVar("K")


def replay(
    cache: cachetools.Cache[K, Any],
    keys: Iterable[K],
    *,
    times: Iterable[float] | None = None,
    ttl: float | None = None,
    weights: Iterable[int] | None = None,
) -> Iterator[bool]:
    """Ask `cache`, one of ours or of cachetools, for each key in turn, insert what misses, and tell of each if it hits.

    `ttl`: seconds from the fill; a value is usable while now < filled + ttl, with now from `times`, seconds that never
    fall. What has expired is deleted at the next insertion, before anything useful is evicted, and to ask for it is no
    access: just as `patterns.InProcess` and `cachetools.TTLCache` have it. `weights`: the size of each request's
    object; the cache must be made with `getsizeof=int`, since the size is what is stored, and it stays what it was at
    the fill. An object larger than the cache is not stored. Raises `ValueError` for a `ttl` without `times`.

    >>> from cachesim.policies import Lru
    >>> list(replay(Lru(2), "abaca"))
    [False, False, True, False, True]
    >>> list(replay(Lru(2), "aaa", times=[0, 4.5, 5], ttl=5))
    [False, True, False]
    """
    if ttl is not None and times is None:
        raise ValueError(f"ttl: {ttl!r} is not allowed without the times of the requests")
    deadlines: dict[K, float] = {}
    order: deque[tuple[float, K]] = deque()
    moments, sizes = repeat(0.0) if times is None else times, repeat(1) if weights is None else weights
    for key, now, size in zip(keys, moments, sizes, strict=False):
        if key in cache and now < deadlines.get(key, inf):
            cache[key]
            yield True
            continue
        while order and order[0][0] <= now:
            deadline, expired = order.popleft()
            if deadlines.get(expired) == deadline:
                del deadlines[expired]
                if expired in cache:
                    del cache[expired]  # not pop, which would be an access
        if size <= cache.maxsize:
            cache[key] = size
            if ttl is not None:
                deadlines[key] = now + ttl
                order.append((deadlines[key], key))
        yield False
