"""The patterns as tutorials print them, bugs and all: what the notebooks break.

Each takes those options of its pattern that it has. `tests/pitfalls/tables.py` tells which of the tests it fails.
"""

from __future__ import annotations

from typing import Any

from cachesim.pitfalls.batch import Batch
from cachesim.pitfalls.cache_aside import CacheAside
from cachesim.pitfalls.conditional import Conditional
from cachesim.pitfalls.early_recompute import EarlyRecompute
from cachesim.pitfalls.in_process import InProcess, remembered
from cachesim.pitfalls.layered import Layered
from cachesim.pitfalls.stale_while_revalidate import StaleWhileRevalidate
from cachesim.pitfalls.write_through import WriteThrough

__all__ = [
    "PITFALLS",
    "Batch",
    "CacheAside",
    "Conditional",
    "EarlyRecompute",
    "InProcess",
    "Layered",
    "StaleWhileRevalidate",
    "WriteThrough",
    "remembered",
]

PITFALLS: dict[str, type[Any]] = {
    "in-process": InProcess,
    "cache-aside": CacheAside,
    "write-through": WriteThrough,
    "early-recompute": EarlyRecompute,
    "stale-while-revalidate": StaleWhileRevalidate,
    "batch": Batch,
    "layered": Layered,
}
"""Every pitfall that keeps values, by the name of its pattern."""
