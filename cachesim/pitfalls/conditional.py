"""Conditional requests as tutorials print them: hash the body, compare with the header, answer a bare 304.

What goes wrong: `*`, lists and `W/` match nothing; a page that is missing is "not modified"; a POST is performed and
then answered by 304; If-Match is not read, so that writes overwrite each other; the 304 has no ETag, Vary or
Cache-Control, so that caches lose what they know; an application's own tag is doubled; HEAD has another tag than GET;
an endless stream fills the memory.
"""

from __future__ import annotations

import hashlib

from cachesim.patterns.http_messages import App, Message, Receive, Scope, Send

__all__ = ["Conditional"]


class Conditional:
    """ASGI middleware, of the same shape as `patterns.conditional.Conditional`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, collect)
        start, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
        tag = f'"{hashlib.md5(body).hexdigest()}"'.encode()
        if dict(scope["headers"]).get(b"if-none-match") == tag:
            await send({"type": "http.response.start", "status": 304, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({**start, "headers": [*start["headers"], (b"etag", tag)]})
            await send({"type": "http.response.body", "body": body})
