"""A real HTTP server on the loopback interface, and a page to serve."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import time

import httpx
import uvicorn

from cachesim.patterns.http_messages import App, Fields, Receive, Scope, Send

__all__ = ["Clock", "Page", "serving", "told", "visits"]


class Page:
    """An ASGI application of one page; `asked` counts how often it was made. While it is `broken` it answers 503."""

    def __init__(self, *, size: int, cache_control: str = "no-cache") -> None:
        self.asked, self.version, self.broken = 0, 1, False
        self._size, self._cache_control = size, cache_control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        body = b"" if self.broken else f"version {self.version} ".encode().ljust(self._size, b".")
        fields = Fields({"cache-control": self._cache_control, "content-length": str(len(body))})
        status = 503 if self.broken else 200
        await send({"type": "http.response.start", "status": status, "headers": fields.raw()})
        await send({"type": "http.response.body", "body": body})


class Clock:
    """The time, in seconds since the epoch, and `ahead` seconds more."""

    ahead = 0.0

    def __call__(self) -> float:
        return time() + self.ahead


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """An interrupt is the notebook's."""
        yield


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application on a free port while the block runs, in the event loop that runs already; a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = _Server(config)
    served = asyncio.create_task(server.serve(sockets=[listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await served


def told(response: httpx.Response) -> str:
    """Status, bytes of the body on the wire, and what caches know of it."""
    known = [f"{name} {response.headers[name]}" for name in ("Age", "ETag") if name in response.headers]
    return ", ".join([f"{response.status_code}", f"{response.num_bytes_downloaded:,} bytes", *known])


async def visits(
    client: httpx.AsyncClient, page: Page, clock: Clock, steps: Iterable[tuple[float, bool]]
) -> AsyncIterator[str]:
    """Visit a page again and again, each time so many seconds later, and the page broken or not: what came."""
    for later, broken in steps:
        clock.ahead += later
        page.broken = broken
        answer = told(await client.get("/"))
        yield f"{later:3g} s later{', page broken' * broken}: {answer.partition(', ETag')[0]}; made {page.asked} times"
