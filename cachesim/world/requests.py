"""What is asked: requests on their way, batches of them, the HTTP clients they come from, the loads they cause."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from math import nan
from typing import NamedTuple

__all__ = ["CURRENT_REQUEST", "Batch", "Client", "Kept", "Load", "Request"]


class Kept(NamedTuple):
    """What a client keeps of an answer: its entity tag, and the version of the row that it shows."""

    etag: bytes
    version: int


class Client:
    """An HTTP client, and what it keeps of the last full answer for each key."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}


class Request:
    """A request on its way: what it asks, when it arrived (s), at which node, and what it has caused so far."""

    has_loaded = False
    stale = False
    cause = "miss"
    client: Client | None = None

    def __init__(self, time: float, key: str, node: int, writes: bool) -> None:
        self.time, self.key, self.node, self.writes = time, key, node, writes


class Batch:
    """Several keys asked at once: a request for each, in their order; a key may stand there twice."""

    def __init__(self, time: float, keys: Sequence[str], node: int, writes: bool) -> None:
        self.time, self.keys, self.node, self.writes = time, keys, node, writes
        self.requests = [Request(time, key, node, writes) for key in keys]
        self._by_key: dict[str, list[Request]] = {}
        for request in self.requests:
            self._by_key.setdefault(request.key, []).append(request)

    def of(self, key: str) -> Sequence[Request]:
        """The requests for `key`."""
        return self._by_key.get(key, ())

    def loading(self, key: str) -> Request | None:
        """The request to which a load of `key` that starts now belongs: the first that has none yet."""
        requests = self.of(key)
        return next((request for request in requests if not request.has_loaded), requests[0] if requests else None)


class Load:
    """One key asked of the database, from issue to end (s; NaN until known)."""

    service_start = end = nan
    status = "in flight"

    def __init__(self, number: int, key: str, node: int, start: float, request: Request | None) -> None:
        self.number, self.key, self.node, self.start, self.request = number, key, node, start, request
        self.cause = "miss" if request is None else request.cause


CURRENT_REQUEST: ContextVar[Request | Batch | None] = ContextVar("current_request", default=None)
"""On whose behalf code runs; tasks inherit it, so a load knows who caused it: with a batch, the request for its key."""
