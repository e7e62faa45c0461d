"""Caching patterns you could ship: asyncio over a Redis client, one file per pattern."""

from cachesim.patterns.cache import Cache, Stats
from cachesim.patterns.cache_aside import CacheAside
from cachesim.patterns.events import Event
from cachesim.patterns.in_process import InProcess
from cachesim.patterns.options import LoadTimeout

__all__ = ["PATTERNS", "Cache", "CacheAside", "Event", "InProcess", "LoadTimeout", "Stats"]

PATTERNS: dict[str, type[Cache]] = {"in-process": InProcess, "cache-aside": CacheAside}
"""Every pattern by the name that scenarios give it."""
