"""A readable policy in the place of a kernel, for lifetimes and weights that the kernel of its policy does not know."""

from __future__ import annotations

from typing import Any

from cachesim.curves.chunks import Chunk
from cachesim.policies import POLICIES, Policy
from cachesim.policies.replay import replay

__all__ = ["Readable"]


class Readable:
    """As a kernel, but for a whole stream in one chunk, and at about a million requests a second."""

    def __init__(self, policy: str, size: int, seed: int, *, ttl: float | None, weighed: bool) -> None:
        options: dict[str, Any] = {"seed": seed} if policy == "random" else {}
        self._cache: Policy[int, int] = POLICIES[policy](size, int if weighed else None, **options)
        self._ttl = ttl

    def run(self, chunk: Chunk) -> int:
        """How many requests miss."""
        keys = chunk.stable_keys()[chunk.ids].tolist()
        times = None if chunk.times is None else chunk.times.tolist()
        weights = None if chunk.weights is None else chunk.weights.tolist()
        return len(keys) - sum(replay(self._cache, keys, times=times, ttl=self._ttl, weights=weights))
