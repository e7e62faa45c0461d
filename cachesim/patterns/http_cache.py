"""A shared HTTP cache in front of an ASGI application: what it says may be shared is answered without asking it again.

The application decides, by Cache-Control: `max-age=60` is fresh for a minute; with `stale-while-revalidate=30` it is
served for half a minute more, while one request in the background asks for a new one; with `stale-if-error=600` it
bridges a failure. Whoever asks for what is under way waits for it (single flight). Source: RFC 9111, RFC 5861.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from math import nan
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import cachetools

from cachesim.patterns.cache import Observer, wall_clock
from cachesim.patterns.events import EVERY_KIND, Event, Kind
from cachesim.patterns.flights import Flights
from cachesim.patterns.http_exchange import Exchange, Request, url_of
from cachesim.patterns.http_messages import App, Fields, Message, Receive, Response, Scope, Send
from cachesim.patterns.http_stored import ERRORS, Stored, is_storable, wants

__all__ = ["HttpCache"]

_VARIANTS = 8  # of one URL, at most


class HttpCache:
    """ASGI middleware: a cache shared by all clients, in the memory of this process.

    Answers GET and HEAD; HEAD is asked of the application as GET. Conditions of clients (If-None-Match,
    If-Modified-Since) are answered here, from the stored response. Who asks for what is under way waits for it; what
    may not be shared, a response of 503 say, each then asks for alone. Other methods go to the application, and when
    they succeed the URL is forgotten, and those that Location and Content-Location name on the same host. Requests for
    ranges go past the cache.

    At most `max_entries` URLs and `max_bytes` of responses are kept, the least recently used go first; a response
    longer than `largest` bytes is not kept but passes as it comes. At most `max_refreshes` run in the background;
    beyond them a stale response is served without a refresh.

    `clock` tells the time in seconds since the epoch. `observe` is told events, with the URL as key: of clients "hit",
    "stale", "miss", "join"; of the application "load", "refresh", "loaded", "error"; of the store "stored", "deleted".

    >>> from cachesim.patterns.conditional import Conditional
    >>> async def app(scope, receive, send): ...
    >>> app = HttpCache(Conditional(app))  # or app.add_middleware: Conditional first, then HttpCache
    """

    def __init__(
        self,
        app: App,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 * 2**20,
        largest: int = 2**20,
        max_refreshes: int = 100,
        clock: Callable[[], float] = wall_clock,
        observe: Observer | None = None,
    ) -> None:
        self._app, self._largest, self._clock, self._observe = app, largest, clock, observe
        self._kinds = getattr(observe, "kinds", EVERY_KIND)
        self._max_entries, self._max_bytes, self._max_refreshes = max_entries, max_bytes, max_refreshes
        self._resources: cachetools.LRUCache[str, _Resource] = cachetools.LRUCache(max_bytes, lambda known: known.size)
        self._serials = count()
        self._flights = Flights()
        self._exchanges: dict[Exchange, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, self._closing(receive), send)
        elif scope["type"] != "http" or scope["method"] in ("OPTIONS", "TRACE"):
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, self._forgetting(scope, send))
        else:
            request = Request(scope, receive, send)
            if request.is_for_a_cache():
                await self._read(request)
            else:
                await self._app(scope, receive, send)

    async def aclose(self) -> None:
        """Wait for what goes on in the background; called when the server ends the application's lifespan."""
        await self._flights.landed()
        if tasks := [exchange.task for exchange in self._exchanges if exchange.request.left]:
            await asyncio.wait(tasks)

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _read(self, request: Request) -> None:
        resource = self._resource(request.url)
        stored = resource.find(request.fields)
        use = "no" if stored is None else stored.use(request.fields, self._clock())
        if stored is not None and use != "no":
            self._tell("hit" if use == "fresh" else "stale", request.url)
            if use == "stale":
                self._refresh(request, resource, stored)
            await self._serve(request, stored)
        elif "only-if-cached" in wants(request.fields):
            await request.reply(Response(504, Fields({"content-length": "0"})))
        else:
            self._tell("miss", request.url)
            try:
                await self._ask(request, resource, stored)
            except asyncio.CancelledError:
                request.leave()
                raise

    async def _ask(self, request: Request, resource: _Resource, stored: Stored | None) -> None:
        """Answer from the application; when that fails, with what is stored if it may bridge the failure."""
        try:
            fetched = await self._obtain(request, resource, stored)
        except Exception:
            if not self._bridges(stored, request):
                raise
            fetched = None
        if fetched is None:
            assert stored is not None
            self._tell("stale", request.url)
            await self._serve(request, stored)
        elif fetched.request is not request:
            assert fetched.stored is not None
            await self._serve(request, fetched.stored)
        else:
            if fetched.response is not None:
                await request.reply(fetched.response)
            await fetched.exchange.task  # which passes the response on, or does what is left to do after it

    async def _obtain(self, request: Request, resource: _Resource, stored: Stored | None) -> _Fetched | None:
        """What the application answers to this request, or to another one if that serves this one too.

        None when it fails and what is stored bridges that.
        """
        if resource.shared and not {"no-cache", "no-store"} & wants(request.fields).keys():
            fetched = await self._share(request, resource, stored)
            if fetched.stored is not None and not fetched.stored.matches(request.fields):
                fetched = await self._share(request, resource, stored)  # what varies is known now: with their like
            if fetched.failed and self._bridges(stored, request):
                return None
            if fetched.request is request or fetched.serves(request, self._clock()):
                return fetched
        fetched = await self._fetch(request, resource, stored)
        return None if fetched.failed and self._bridges(stored, request) else fetched

    async def _share(self, request: Request, resource: _Resource, stored: Stored | None) -> _Fetched:
        key = resource.flight(request.fields)
        if self._flights.joinable(key) is not None:
            self._tell("join", request.url)
        fetched: _Fetched = await self._flights.share(key, lambda _: self._fetch(request, resource, stored))
        return fetched

    def _refresh(self, request: Request, resource: _Resource, stored: Stored) -> None:
        """Ask for a new response in the background, unless somebody does."""
        key = resource.flight(request.fields)
        if self._flights.joinable(key) is not None or self._flights.in_background >= self._max_refreshes:
            return
        self._tell("refresh", request.url)
        self._flights.launch(key, lambda _: self._fetch(request.without_client(), resource, stored))

    async def _fetch(self, request: Request, resource: _Resource, stored: Stored | None) -> _Fetched:
        """Ask the application, with the validators of what is stored, and keep its response if that may be kept."""
        self._tell("load", request.url)
        asked = self._clock()
        exchange = self._exchange(request, stored)
        try:
            response = await exchange.held
        except asyncio.CancelledError:
            exchange.task.cancel()
            raise
        except Exception as error:
            self._tell("error", request.url, error=error)
            raise
        answered = self._clock()
        if response is None:
            request.is_passed(exchange.task)
        if exchange.status in ERRORS:
            self._tell("error", request.url, error=RuntimeError(f"the application answered {exchange.status}"))
            return _Fetched(request, exchange, response, None, failed=response is not None)
        self._tell("loaded", request.url, seconds=answered - asked)
        if response is None:
            resource.is_answered_apart(request.fields, stored)
            return _Fetched(request, exchange, None, None)
        return _Fetched(request, exchange, *self._take_in(request, resource, stored, response, asked, answered))

    def _take_in(
        self,
        request: Request,
        resource: _Resource,
        stored: Stored | None,
        response: Response,
        asked: float,
        answered: float,
    ) -> tuple[Response, Stored | None]:
        """A whole response, of 304 made one, and what of it is for others."""
        if stored is not None and response.status == 304:
            new = stored.renewed(request.fields, response.fields, asked=asked, answered=answered)
            response = new.response
        else:
            new = Stored.of(request.fields, response, asked=asked, answered=answered)
        if not is_storable(request.fields, response.status, response.fields):  # as a 304 may tell
            resource.is_answered_apart(request.fields, stored)
            return response, None
        resource.shared = new.use(Fields(), answered) != "no"
        self._keep(request.url, resource, new)
        return response, new

    def _exchange(self, request: Request, stored: Stored | None) -> Exchange:
        exchange = Exchange(self._app, request, stored, self._largest)
        self._exchanges[exchange] = None

        def ended(task: asyncio.Task[None]) -> None:
            self._exchanges.pop(exchange)
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                self._tell("error", request.url, error=error)

        exchange.task.add_done_callback(ended)
        return exchange

    def _bridges(self, stored: Stored | None, request: Request) -> bool:
        return stored is not None and stored.survives_an_error(request.fields, self._clock())

    async def _serve(self, request: Request, stored: Stored) -> None:
        """Answer from the store, with the Age that tells so."""
        response = stored.response
        aged = response.fields.adding("age", str(int(stored.age(self._clock()))))
        await request.reply(Response(response.status, aged, response.body))

    # ── The store ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _resource(self, url: str) -> _Resource:
        try:
            return self._resources[url]
        except KeyError:
            resource = self._resources[url] = _Resource(next(self._serials))
        while len(self._resources) > self._max_entries:
            self._resources.popitem()
        return resource

    def _keep(self, url: str, resource: _Resource, stored: Stored) -> None:
        if self._resources.get(url) is not resource:  # forgotten since the application was asked
            return
        resource.add(stored, self._max_bytes)
        self._resources[url] = resource  # weighed anew
        self._tell("stored", url, expires=stored.born + stored.lifetime)

    def _forgetting(self, scope: Scope, send: Send) -> Send:
        """A `send` that forgets what a method that succeeds may have changed (RFC 9111, section 4.4)."""

        async def forget_and_send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                url = url_of(scope, Fields(scope["headers"]))
                for changed in [url, *_named_urls(url, Fields(message.get("headers", ())))]:
                    if self._resources.pop(changed, None) is not None:
                        self._tell("deleted", changed)
            await send(message)

        return forget_and_send

    def _closing(self, receive: Receive) -> Receive:
        """A `receive` that lets the background finish before the application hears that it shall end."""

        async def receive_when_closed() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.aclose()
            return message

        return receive_when_closed

    def _tell(
        self, kind: Kind, url: str, *, expires: float = nan, error: Exception | None = None, seconds: float = nan
    ) -> None:
        if self._observe is not None and kind in self._kinds:
            self._observe(Event(kind, url, expires, error, seconds))


class _Resource:
    """What is known of one URL, the newest first. Loads begun before it was forgotten find another one in its place.

    `shared`: whether the last response served others too, so that it is worth waiting for.
    """

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self.variants: tuple[Stored, ...] = ()
        self.shared = True

    @property
    def size(self) -> int:
        """Bytes of all its responses."""
        return sum(stored.size for stored in self.variants)

    def find(self, request: Fields) -> Stored | None:
        """The response that answers such a request."""
        return next((stored for stored in self.variants if stored.matches(request)), None)

    def flight(self, request: Fields) -> str:
        """The key of loads that serve such a request, as far as is known."""
        names = [name for name, _ in self.variants[0].selecting] if self.variants else []
        return f"{self._serial} {[(name, request.get(name)) for name in names]}"

    def add(self, stored: Stored, max_bytes: int) -> None:
        """Take in a response, in the place of one that answers the same requests."""
        others = [other for other in self.variants if other.selecting != stored.selecting]
        self.variants = (stored, *others)[:_VARIANTS]
        while self.size > max_bytes:
            self.variants = self.variants[:-1]

    def is_answered_apart(self, request: Fields, stored: Stored | None) -> None:
        """The application has answered a request, in the place of `stored`, with what is for nobody else."""
        if "no-store" in wants(request):  # which is only the client's wish
            return
        self.shared = False
        if "authorization" not in request:
            self.variants = tuple(other for other in self.variants if other is not stored)


class _Fetched(NamedTuple):
    """What the application answered to `request`, and what of it may be served to others. No response: it passes on."""

    request: Request
    exchange: Exchange
    response: Response | None
    stored: Stored | None
    failed: bool = False

    def serves(self, request: Request, now: float) -> bool:
        """Whether it answers another request too."""
        stored = self.stored
        return stored is not None and stored.matches(request.fields) and stored.use(request.fields, now) != "no"


def _named_urls(url: str, fields: Fields) -> list[str]:
    """The URLs on the same host that a response names."""
    named = [
        urljoin(url, name) for name in (fields.get("location"), fields.get("content-location")) if name is not None
    ]
    return [other for other in named if urlsplit(other)[:2] == urlsplit(url)[:2]]
