"""Doubly linked lists, for kernels: all of a cache's in one array, the two links of a node next to each other.

A list has a head, a node as the others, before its first and after its last. Of node n, link 2n leads to the one before
it and link 2n + 1 to the one after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.compiling import kernel

__all__ = ["empty_lists", "last", "put_first", "unlink"]


def empty_lists(count: int) -> NDArray[np.int32]:
    """The links of nodes 0 to count - 1, each the head of an empty list."""
    return np.repeat(np.arange(count, dtype=np.int32), 2)


@kernel
def put_first(links: NDArray[np.int32], head: int, node: int) -> None:
    """Puts a node that is in no list before the first of this one."""
    first = links[2 * head + 1]
    links[2 * node] = head
    links[2 * node + 1] = first
    links[2 * first] = node
    links[2 * head + 1] = node


@kernel
def unlink(links: NDArray[np.int32], node: int) -> None:
    """Takes a node out of its list."""
    before, after = links[2 * node], links[2 * node + 1]
    links[2 * before + 1] = after
    links[2 * after] = before


@kernel
def last(links: NDArray[np.int32], head: int) -> int:
    """The last of a list; its head if it is empty."""
    node: int = links[2 * head]
    return node
