"""What must hold of each policy's queues at any moment: `check` looks at all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cachesim.policies import (
    Arc,
    Clock,
    Fifo,
    Lfu,
    Lirs,
    Lru,
    Policy,
    Random,
    S3Fifo,
    Sieve,
    Slru,
    TwoQ,
    WTinyLfu,
)


def check(cache: Policy[Any, Any]) -> None:
    """Each key lies in one queue, no queue is too long, and what is remembered is not held."""
    assert cache.currsize <= cache.maxsize
    _QUEUES[type(cache)](cache)


def _split(cache: Policy[Any, Any], *queues: Any, ghosts: Any = ()) -> None:
    """The queues hold each key of the cache once and no other; the ghosts none of them."""
    held = [key for queue in queues for key in queue]
    assert len(held) == len(cache)
    assert set(held) == set(cache)
    assert not set(held) & set(ghosts)


def _fifo(cache: Fifo[Any, Any] | Lru[Any, Any]) -> None:
    _split(cache, cache._queue)


def _clock(cache: Clock[Any, Any]) -> None:
    _split(cache, cache._referenced)


def _sieve(cache: Sieve[Any, Any]) -> None:
    _split(cache, cache._ahead, cache._passed)
    assert cache._ahead or not cache


def _random(cache: Random[Any, Any]) -> None:
    _split(cache, cache._keys)
    assert cache._slots == {key: slot for slot, key in enumerate(cache._keys)}


def _lfu(cache: Lfu[Any, Any]) -> None:
    _split(cache, *cache._classes.values())
    assert all(cache._classes.values())
    assert cache._uses == {key: uses for uses, keys in cache._classes.items() for key in keys}
    assert all(uses >= cache._fewest for uses in cache._classes)


def _slru(cache: Slru[Any, Any]) -> None:
    _split(cache, *cache._segments)
    assert sum(cache._limits) == cache.maxsize
    assert all(len(segment) <= limit for segment, limit in zip(cache._segments, cache._limits, strict=True))


def _two_q(cache: TwoQ[Any, Any]) -> None:
    _split(cache, cache._a1in, cache._am, ghosts=cache._a1out)
    assert len(cache._a1out) <= cache._a1out_limit


def _arc(cache: Arc[Any, Any]) -> None:
    _split(cache, cache._t1, cache._t2, ghosts={**cache._b1, **cache._b2})
    assert not set(cache._b1) & set(cache._b2)
    assert 0 <= cache._p <= cache.maxsize
    assert len(cache._t1) + len(cache._b1) <= cache.maxsize
    assert len(cache) + len(cache._b1) + len(cache._b2) <= 2 * cache.maxsize


def _s3_fifo(cache: S3Fifo[Any, Any]) -> None:
    _split(cache, cache._small, cache._main, ghosts=cache._ghost)
    assert len(cache._ghost) <= cache._ghost_limit
    assert {*cache._small.values(), *cache._main.values()} <= {0, 1, 2, 3}


def _lirs(cache: Lirs[Any, Any]) -> None:
    _split(cache, cache._lir, cache._queue, ghosts=cache._remembered)
    assert len(cache._lir) <= cache._lir_limit
    assert len(cache._remembered) <= cache._remembered_limit
    assert cache._lir | set(cache._remembered) <= set(cache._stack)
    assert set(cache._stack) <= {*cache, *cache._remembered}
    assert not cache._lir or next(iter(cache._stack)) in cache._lir


def _w_tinylfu(cache: WTinyLfu[Any, Any]) -> None:
    _split(cache, cache._window, cache._probation, cache._protected)
    assert len(cache._window) <= cache._window_limit
    assert len(cache._protected) <= cache._protected_limit
    assert len(cache._probation) + len(cache._protected) <= cache.maxsize - cache._window_limit
    assert all(max(row) <= 15 for row in cache._sketch._rows)


_QUEUES: dict[type, Callable[[Any], None]] = {
    Fifo: _fifo,
    Lru: _fifo,
    Clock: _clock,
    Sieve: _sieve,
    Random: _random,
    Lfu: _lfu,
    Slru: _slru,
    TwoQ: _two_q,
    Arc: _arc,
    S3Fifo: _s3_fifo,
    Lirs: _lirs,
    WTinyLfu: _w_tinylfu,
}
