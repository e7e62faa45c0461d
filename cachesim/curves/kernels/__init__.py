"""Policies, compiled: a class for each, whose instances are caches of one size that go on from chunk to chunk.

On every request a kernel decides as the class by its name in `cachesim.policies`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["kernel_class"]

_CLASSES = {
    "fifo": "fifo:Fifo",
    "lru": "lru:Lru",
    "lfu": "lfu:Lfu",
    "random": "random:Random",
    "clock": "clock:Clock",
    "sieve": "sieve:Sieve",
    "slru": "slru:Slru",
    "2q": "two_q:TwoQ",
    "arc": "arc:Arc",
    "s3-fifo": "s3_fifo:S3Fifo",
    "lirs": "lirs:Lirs",
    "w-tinylfu": "w_tinylfu:WTinyLfu",
    "opt": "opt:Opt",
}


def kernel_class(policy: str) -> type[Any]:
    """The class of a policy: `kernel_class(policy)(size, seed).run(chunk)` is how many requests of the chunk miss.

    It is imported now, and numba with it, which takes a moment.
    """
    module, _, name = _CLASSES[policy].partition(":")
    found: type[Any] = getattr(import_module(f"{__name__}.{module}"), name)
    return found
