"""A real uvicorn on the loopback interface, in a thread of its own, for the time of a `with` block."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from cachesim.patterns.http_messages import App, Message, Receive, Scope, Send


class Observed:
    """What stands in front of an application and notes what it answers: method, path and status of each response."""

    def __init__(self, app: Any) -> None:
        self.app: App = app
        self.answers: list[tuple[str, str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        await self.app(scope, receive, note)


@contextmanager
def serving(app: App) -> Iterator[str]:
    """Serve an application; the URL that it is at."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"  # connections wait in the socket until it has started
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
