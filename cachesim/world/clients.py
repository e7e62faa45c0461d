"""Clients: how long they wait for an answer, whether they ask again, and what they keep of the answers they got."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cachesim.settings import Count, Positive, Setting
from cachesim.world.latency import SecondsOrLatency, as_latency
from cachesim.world.requests import Batch, Client, Request

__all__ = ["Clients", "drawn", "sent_by"]

_BLOCK = 4096


def drawn(n: int, rng: np.random.Generator) -> Iterator[int]:
    """One of `n` after the other, each from 0 to n - 1, drawn uniformly."""
    return (number for block in iter(lambda: rng.integers(n, size=_BLOCK).tolist(), None) for number in block)


class Clients(Setting):
    """Who asks, and how patiently; the outcome of a request is that of its last attempt.

    A client gives up an attempt after `timeout` seconds (None: never) and asks again, as it does after an error, up to
    `retries` times. Before the first retry it waits `backoff`, seconds or a latency to draw them from, before each
    further one twice as long as before. `disconnect` says what becomes of the attempt that was given up: "cancel", the
    node notices and cancels it, or "ignore", the node works on.

    Over HTTP: `n` clients, each request from one drawn uniformly; None (the default) is no HTTP at all. Each answer
    that is good has a body of `body_bytes` bytes, unless it is a 304. With `validators` a client keeps the entity tag
    of the last full answer for each key and sends it along; only the pattern `conditional` answers 304.
    """

    timeout: Positive | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    backoff: SecondsOrLatency = 0.0
    disconnect: Literal["cancel", "ignore"] = Field(default="cancel")
    n: Count | None = None
    validators: bool = False
    body_bytes: Count = 1000

    @property
    def asks_once(self) -> bool:
        """Whether a request is one attempt, waited for without end."""
        return self.timeout is None and self.retries == 0

    def waits(self, rng: np.random.Generator) -> Iterator[float]:
        """What is drawn for each wait before a retry (s), not yet doubled."""
        return as_latency(self.backoff).draws(rng)

    def stream(self, rng: np.random.Generator) -> Iterator[Client]:
        """The client that sends each request; those that never do cost nothing."""
        assert self.n is not None
        return map(defaultdict[int, Client](Client).__getitem__, drawn(self.n, rng))


def sent_by(clients: Iterator[Client], requests: Iterator[Request | Batch]) -> Iterator[Request | Batch]:
    """The requests, each from the next of the clients."""
    for asking, client in zip(requests, clients, strict=False):
        for request in asking.requests:
            request.client = client
        yield asking
