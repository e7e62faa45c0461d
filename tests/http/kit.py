"""What the tests of HTTP share: a site that does as it is told, and a client that calls ASGI applications.

Everything runs in simulated time, in seconds from 0. A test's coroutine is run by `conftest.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cachesim.patterns.events import Event
from cachesim.patterns.http_cache import HttpCache
from cachesim.patterns.http_messages import App, Fields, Message, Receive, Response, Scope, Send

start = asyncio.ensure_future
"""Begin a coroutine as a task, which takes its first step at the next turn."""


def now() -> float:
    """Simulated seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Page:
    """What the site answers with. `parts`: the body comes in several messages, without its length being told."""

    body: bytes = b"hello"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Iterable[bytes] | None = None

    async def send(self, send: Send, *, without_body: bool) -> None:
        """Answer with this page."""
        length = {} if self.parts is not None or self.status in (204, 304) else {"content-length": str(len(self.body))}
        fields = Fields({**self.headers, **length})
        await send({"type": "http.response.start", "status": self.status, "headers": fields.raw()})
        for part in self.parts or ():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        body = b"" if without_body or self.parts is not None else self.body
        await send({"type": "http.response.body", "body": body})


class Site:
    """An ASGI application: pages by path, which take `seconds` to make; PUT and POST change a page, DELETE removes it.

    `error`: what it raises instead of answering. `calls`: the requests it got, with their fields.
    """

    def __init__(self, pages: Mapping[str, Page] | None = None, seconds: float = 0.0) -> None:
        self.pages = dict(pages or {})
        self.seconds = seconds
        self.error: BaseException | None = None
        self.calls: list[tuple[str, str, Fields]] = []
        self.cancelled = self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        self.calls.append((method, path, Fields(scope["headers"])))
        page = self.pages.get(path, Page(b"no such page", 404))
        body = b""
        if method in ("PUT", "POST"):
            body = (await receive())["body"]
        self.under_way += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if self.error is not None:
            raise self.error
        if method in ("PUT", "POST"):
            self.pages[path] = Page(body)
            page = Page(b"", 204)
        elif method == "DELETE":
            page = Page(b"", 204) if self.pages.pop(path, None) is not None else page
        await page.send(send, without_body=method == "HEAD")

    @property
    def count(self) -> int:
        """How many requests it got."""
        return len(self.calls)


class Client:
    """One that asks an ASGI application; it leaves when `gone` is set."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.gone = asyncio.Event()
        self.messages: list[Message] = []

    async def ask(
        self, method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None, body: str = ""
    ) -> Response:
        """Send a request and take the response, which has to be as ASGI wants it."""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": Fields({"host": "example.org", **(headers or {})}).raw(),
            "client": None,
            "server": ("127.0.0.1", 80),
        }
        unread: list[Message] = [{"type": "http.request", "body": body.encode(), "more_body": False}]
        self.messages = []

        async def receive() -> Message:
            if unread:
                return unread.pop()
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.messages.append(message)

        await self.app(scope, receive, send)
        return self.response()

    def response(self) -> Response:
        """The response as received."""
        begin, *parts = self.messages
        assert begin["type"] == "http.response.start"
        assert [part["type"] for part in parts] == ["http.response.body"] * len(parts)
        assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]
        return Response(begin["status"], Fields(begin["headers"]), b"".join(part.get("body", b"") for part in parts))


async def ask(app: App, method: str = "GET", path: str = "/", body: str = "", **headers: str) -> Response:
    """What the application answers; `if_none_match="..."` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await Client(app).ask(method, path, named, body)


class Cached:
    """A site behind a cache, and the events of the cache."""

    def __init__(self, site: App, **options: Any) -> None:
        self.events: list[Event] = []
        self.cache = HttpCache(site, **({"clock": now, "observe": self.events.append} | options))

    async def get(self, path: str = "/", **headers: str) -> Response:
        return await ask(self.cache, "GET", path, **headers)

    async def ask(self, method: str, path: str = "/", body: str = "", **headers: str) -> Response:
        return await ask(self.cache, method, path, body, **headers)

    def kinds(self, *kinds: str) -> list[str]:
        """The kinds of events so far; only of those named, if any are."""
        return [event.kind for event in self.events if not kinds or event.kind in kinds]


async def cancel(*callers: asyncio.Future[Any]) -> None:
    """Cancel callers and see them go."""
    for caller in callers:
        caller.cancel()
    for caller in callers:
        with suppress(asyncio.CancelledError):
            await caller
