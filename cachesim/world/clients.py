"""HTTP clients: how many there are, and what each keeps of the answers it got."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from cachesim.settings import Count, Setting
from cachesim.world.requests import Client

__all__ = ["Clients", "drawn"]

_BLOCK = 4096


def drawn(n: int, rng: np.random.Generator) -> Iterator[int]:
    """One of `n` after the other, each from 0 to n - 1, drawn uniformly."""
    return (number for block in iter(lambda: rng.integers(n, size=_BLOCK).tolist(), None) for number in block)


class Clients(Setting):
    """Who asks over HTTP: `n` clients, each request from one drawn uniformly; None (the default) is no HTTP at all.

    Each answer that is good has a body of `body_bytes` bytes, unless it is a 304. With `validators` a client keeps the
    entity tag of the last full answer for each key and sends it along; only the pattern `conditional` answers 304.
    """

    n: Count | None = None
    validators: bool = False
    body_bytes: Count = 1000

    def stream(self, rng: np.random.Generator) -> Iterator[Client]:
        """The client that sends each request; those that never do cost nothing."""
        assert self.n is not None
        return map(defaultdict[int, Client](Client).__getitem__, drawn(self.n, rng))
