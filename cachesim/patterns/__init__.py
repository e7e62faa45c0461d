"""Caching patterns you could ship: asyncio over a Redis client, one file per pattern."""

from cachesim.patterns.batch import Batch
from cachesim.patterns.cache import Cache, Stats
from cachesim.patterns.cache_aside import CacheAside
from cachesim.patterns.conditional import Conditional
from cachesim.patterns.early_recompute import EarlyRecompute
from cachesim.patterns.events import Event
from cachesim.patterns.http_cache import HttpCache
from cachesim.patterns.in_process import InProcess
from cachesim.patterns.layered import Layered
from cachesim.patterns.metrics import Metrics
from cachesim.patterns.options import LoadFailed, LoadTimeout
from cachesim.patterns.stale_while_revalidate import StaleWhileRevalidate
from cachesim.patterns.write_through import WriteThrough

__all__ = [
    "PATTERNS",
    "Batch",
    "Cache",
    "CacheAside",
    "Conditional",
    "EarlyRecompute",
    "Event",
    "HttpCache",
    "InProcess",
    "Layered",
    "LoadFailed",
    "LoadTimeout",
    "Metrics",
    "StaleWhileRevalidate",
    "Stats",
    "WriteThrough",
]

PATTERNS: dict[str, type[Cache]] = {
    "in-process": InProcess,
    "cache-aside": CacheAside,
    "write-through": WriteThrough,
    "early-recompute": EarlyRecompute,
    "stale-while-revalidate": StaleWhileRevalidate,
    "batch": Batch,
    "layered": Layered,
}
"""Every pattern that keeps values, by the name that scenarios give it."""
