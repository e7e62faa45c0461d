"""Which node is asked: each request goes to one, drawn uniformly ("random"), in turn ("round-robin") or by its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle, repeat, tee
from typing import Any
from zlib import crc32

import numpy as np

from cachesim.world.clients import drawn

__all__ = ["addressed", "readdressed"]


def addressed(
    asked: Iterator[Any], how: str, nodes: int, rng: np.random.Generator
) -> tuple[Iterator[Any], Iterator[int]]:
    """What is asked, a key or several at once, and of which node; several go by the first."""
    if nodes == 1:
        return asked, repeat(0)
    if how == "round-robin":
        return asked, cycle(range(nodes))
    if how == "key":
        asked, copies = tee(asked)
        firsts = (one if isinstance(one, str) else one[0] for one in copies)
        return asked, (crc32(key.encode()) % nodes for key in firsts)
    return asked, drawn(nodes, rng)


def readdressed(how: str, nodes: int, rng: np.random.Generator) -> Callable[[int], int]:
    """Which node is asked again, given the one that was asked before: any, the next one, or the same."""
    if how == "key" or nodes == 1:
        return lambda node: node
    if how == "round-robin":
        return lambda node: (node + 1) % nodes
    again = drawn(nodes, rng)
    return lambda node: next(again)
