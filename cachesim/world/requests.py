"""What is asked: requests on their way, batches of them, the HTTP clients they come from, the loads they cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from itertools import islice
from math import nan
from typing import NamedTuple

__all__ = ["CURRENT_REQUEST", "Batch", "Client", "Kept", "Load", "Request", "batches"]


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
    attempts = 1
    given_up = False
    not_modified = False
    client: Client | None = None

    def __init__(self, time: float, key: str, node: int, writes: bool) -> None:
        self.time, self.key, self.node, self.writes = time, key, node, writes

    @property
    def origin(self) -> Request:
        """The request itself; of an attempt, the one that it was made for."""
        return self

    @property
    def requests(self) -> Sequence[Request]:
        """The request alone, as a batch has several."""
        return (self,)

    def attempt(self, node: int) -> Request:
        """The request sent to a node once, by a client that may send it again."""
        return _Attempt(self, node)


class _Attempt(Request):
    """A request sent once: an attempt that was given up may work on, and must not change what another one says."""

    def __init__(self, origin: Request, node: int) -> None:
        super().__init__(origin.time, origin.key, node, origin.writes)
        self.client, self._origin = origin.client, origin

    @property
    def origin(self) -> Request:
        return self._origin


class Batch:
    """Several keys asked at once: a request for each, in their order; a key may stand there twice."""

    def __init__(self, time: float, keys: Sequence[str], node: int, writes: bool) -> None:
        self._of(time, keys, node, writes, [Request(time, key, node, writes) for key in keys])

    def _of(self, time: float, keys: Sequence[str], node: int, writes: bool, requests: list[Request]) -> None:
        self.time, self.keys, self.node, self.writes, self.requests = time, keys, node, writes, requests
        self._by_key: dict[str, list[Request]] = {}
        for request in requests:
            self._by_key.setdefault(request.key, []).append(request)

    def attempt(self, node: int) -> Batch:
        """The batch sent to a node once, by a client that may send it again."""
        attempt = object.__new__(Batch)
        attempts = [request.attempt(node) for request in self.requests]
        attempt._of(self.time, self.keys, node, self.writes, attempts)
        return attempt

    def of(self, key: str) -> Sequence[Request]:
        """The requests for `key`."""
        return self._by_key.get(key, ())

    def loading(self, key: str) -> Request | None:
        """The request to which a load of `key` that starts now belongs: the first that has none yet."""
        requests = self.of(key)
        return next((request for request in requests if not request.has_loaded), requests[0] if requests else None)


def batches(keys: Iterator[str], n: int) -> Iterator[tuple[str, ...]]:
    """The keys, `n` at once; the last of a recorded stream may be fewer."""
    return iter(lambda: tuple(islice(keys, n)), ())


class Load:
    """One key asked of the database, from issue to end (s; NaN until known)."""

    service_start = end = nan
    status = "in flight"

    def __init__(self, number: int, key: str, node: int, start: float, request: Request | None) -> None:
        self.number, self.key, self.node, self.start = number, key, node, start
        self.request = None if request is None else request.origin
        self.cause = "miss" if request is None else request.cause


CURRENT_REQUEST: ContextVar[Request | Batch | None] = ContextVar("current_request", default=None)
"""On whose behalf code runs; tasks inherit it, so a load knows who caused it: with a batch, the request for its key."""
