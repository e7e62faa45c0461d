"""HTTP in the world: requests go through an ASGI application, and clients keep validators.

The application of a node answers `GET /key` from the database. Its body is made of the key and the version alone, so it
changes when the version does and only then. Around it stands the middleware under test.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import shake_256
from typing import TYPE_CHECKING, Any

from cachesim.patterns.http_messages import App, Message, Receive, Scope, Send
from cachesim.world.requests import CURRENT_REQUEST, Kept, Request

if TYPE_CHECKING:
    from cachesim.world.nodes import Factory, Node

__all__ = ["http_factory"]


def http_factory(middleware: Callable[[App], App]) -> Factory:
    """A cache factory that puts an ASGI middleware, `middleware(application)`, in front of each node's database."""
    return lambda node: _HttpNode(node, middleware)


class _HttpNode:
    """A node that is asked over HTTP. `get` is the client's side: it sends the tag it keeps and takes the answer."""

    def __init__(self, node: Node, middleware: Callable[[App], App]) -> None:
        self._node = node
        self._application = middleware(self._answer)

    async def get(self, key: str) -> dict[str, Any]:
        """The row that the client has now: that of a new body, or of the body it keeps if it is told to."""
        request = CURRENT_REQUEST.get()
        assert isinstance(request, Request)
        keeps = request.client.kept if request.client is not None and self._node.clients.validators else {}
        kept = keeps.get(key)
        answer, row = await self._exchange(key, [] if kept is None else [(b"if-none-match", kept.etag)])
        if request.given_up:
            return row  # to nobody: its client has gone, and keeps nothing
        if answer["status"] == 304:
            assert kept is not None, "only a conditional request is answered 304"
            request.not_modified = True
            return row | {"version": kept.version}
        if (etag := dict(answer["headers"]).get(b"etag")) is not None:
            keeps[key] = Kept(etag, row["version"])
        return row

    async def _exchange(self, key: str, headers: list[tuple[bytes, bytes]]) -> tuple[Message, dict[str, Any]]:
        """The start of the answer to `GET /key`, and the row that the application read for it."""
        state: dict[str, Any] = {}
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/{key}",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"node"), *headers],
            "client": None,
            "server": None,
            "state": state,
        }
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._application(scope, receive, send)
        return messages[0], state["row"]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope["path"].removeprefix("/")
        row = scope["state"]["row"] = await self._node.database.read(key)
        size = self._node.clients.body_bytes
        pattern = shake_256(f"{row['version']} {key}".encode(errors="surrogatepass")).digest(32)
        body = (pattern * (size // 32 + 1))[:size]
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
