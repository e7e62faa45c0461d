"""An ASGI application as the cache of a node: a FastAPI or Starlette app, or any other.

Its requests are those that a server would make of `GET /key`, without the bytes. The application lives on the node's
event loop, from its start-up (`lifespan`) to its shutdown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import orjson

from cachesim.world.nodes import Factory, Node

__all__ = ["AsgiError", "asgi"]

Message = MutableMapping[str, Any]
App = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

_ASGI = {"version": "3.0", "spec_version": "2.4"}


class AsgiError(RuntimeError):
    """An application did not start, or answered with a status that is no success."""


def asgi(make_app: Callable[[Node], App], *, path: str = "/{key}", invalidate: str | None = None) -> Factory:
    """A factory of nodes that are asked through the ASGI application that `make_app` makes of each.

    A read is `GET path`; the answer is JSON: what `node.database.read(key)` returned. After a write the world sends
    `DELETE invalidate`, if there is one. In both paths `{key}` stands for the key. A read fails with what the
    application raises, or with `AsgiError` if the status of the answer is not 2xx.
    """
    return partial(_Served, make_app, path, invalidate)


class _Served:
    """An application, and the server that asks it."""

    delete: Callable[[str], Awaitable[None]] | None = None

    def __init__(self, make_app: Callable[[Node], App], path: str, invalidate: str | None, node: Node) -> None:
        self._app, self._path = make_app(node), path
        self._life = _Lifespan(self._app)
        if invalidate is not None:
            self._invalidate = invalidate
            self.delete = self._delete

    async def get(self, key: str) -> Any:
        return orjson.loads(await self._ask("GET", self._path, key))

    async def _delete(self, key: str) -> None:
        await self._ask("DELETE", self._invalidate, key)

    async def aclose(self) -> None:
        await self._life.end()

    async def _ask(self, method: str, path: str, key: str) -> bytes:
        """The body of the answer."""
        await self._life.begin()
        target = path.format(key=quote(key, safe=""))
        exchange = _Exchange()
        await self._app(_scope(method, target, self._life.state), exchange.receive, exchange.send)
        if not 200 <= exchange.status < 300:
            raise AsgiError(f"{method} {target} was answered {exchange.status}")
        return bytes(exchange.body)


def _scope(method: str, target: str, state: dict[str, Any]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"node")],
        "client": ("client", 0),
        "server": ("node", 80),
        "state": state.copy(),
    }


class _Exchange:
    """One request without a body, and its answer."""

    def __init__(self) -> None:
        self.status, self.body = 0, bytearray()
        self._asked = False
        self._answered = asyncio.Event()

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self._answered.set()


class _Lifespan:
    """An application's start-up and shutdown; one that does not know of them does without, as with any server."""

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self._failure: str | None = None
        self._tells: asyncio.Queue[Message] = asyncio.Queue()
        self._tells.put_nowait({"type": "lifespan.startup"})
        self._begun = asyncio.Event()
        self._life = asyncio.get_running_loop().create_task(self._live(app))

    async def begin(self) -> None:
        """Wait until the application has started; raises `AsgiError` if it could not."""
        if not self._begun.is_set():
            await self._begun.wait()
        if self._failure is not None:
            raise AsgiError(f"the application did not start: {self._failure}")

    async def end(self) -> None:
        self._tells.put_nowait({"type": "lifespan.shutdown"})
        await self._life

    async def _live(self, app: App) -> None:
        scope = {"type": "lifespan", "asgi": _ASGI, "state": self.state}
        try:
            await app(scope, self._tells.get, self._hear)
        except Exception:
            if self._failure is None and self._begun.is_set():
                raise
        finally:
            self._begun.set()

    async def _hear(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            *_, self._failure = message.get("message", "").strip().splitlines() or [""]
        if message["type"].startswith("lifespan.startup."):
            self._begun.set()
