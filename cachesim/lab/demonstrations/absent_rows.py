"""A cache of lists of which some are empty: products without reviews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from cachesim.world.nodes import Factory, Node

__all__ = ["reviews"]


def reviews(make: Callable[[Node], Any], *, without: int) -> Factory:
    """What answers at a node: reviews by product, in a cache that `make` makes; every `without`th product has none."""

    def factory(node: Node) -> Callable[[str], Awaitable[list[str]]]:
        cache = make(node)

        async def load(key: str) -> list[str]:
            await node.database.read(key)
            return [] if int(key) % without == 0 else ["very good"]

        return lambda key: cache.get_or_set(key, partial(load, key))

    return factory
