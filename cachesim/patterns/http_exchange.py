"""What a shared cache asks an application, on behalf of one client and to the use of all who ask the same."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from cachesim.patterns.conditional import Answer
from cachesim.patterns.http_messages import App, Fields, Message, Receive, Response, Scope, Send
from cachesim.patterns.http_stored import ERRORS, Stored, is_storable

__all__ = ["Exchange", "Request", "url_of"]

_NOT_FOR_A_CACHE = ("range", "if-match", "if-unmodified-since", "transfer-encoding", "upgrade")
_ANSWERED_BY_THE_CACHE = ("if-none-match", "if-modified-since")


class Request:
    """What a client asks. `left`: whether the client waits no more."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self._send = scope, receive, send
        self.fields = Fields(scope["headers"])
        self.url = url_of(scope, self.fields)
        self.answer = Answer(scope, send)
        self.left = False
        self._passing: asyncio.Task[None] | None = None

    def is_for_a_cache(self) -> bool:
        """Whether its response may come from a store, and be put there."""
        without_body = self.fields.get("content-length") in (None, "0")
        return without_body and not any(name in self.fields for name in _NOT_FOR_A_CACHE)

    def without_client(self) -> Request:
        """The same, asked on nobody's behalf."""
        request = Request(self.scope, self.receive, self._send)
        request.left = True
        return request

    async def reply(self, response: Response) -> None:
        """Send a whole response."""
        await self.answer({"type": "http.response.start", "status": response.status, "headers": response.fields.raw()})
        await self.answer({"type": "http.response.body", "body": response.body})

    def is_passed(self, task: asyncio.Task[None]) -> None:
        """The task of the application passes a response on to this client, and to nobody else."""
        self._passing = task
        if self.left:
            task.cancel()

    def leave(self) -> None:
        """The client waits no more."""
        self.left = True
        if self._passing is not None:
            self._passing.cancel()


class Exchange:
    """One call of the application, in a task of its own, for all who wait for the response.

    `held`: the response once it is whole, if it may be kept. Any other one belongs to the client who asked: then it is
    None as soon as that shows, and the response passes on to that client as it comes.
    """

    def __init__(self, app: App, request: Request, stored: Stored | None, largest: int) -> None:
        loop = asyncio.get_running_loop()
        self.request = request
        self.status = 0
        self.held: asyncio.Future[Response | None] = loop.create_future()
        self._stored, self._largest = stored, largest
        self._asked = self._passes = False
        self._messages: list[Message] = []
        self._size = 0
        self.task = loop.create_task(self._run(app))

    async def _run(self, app: App) -> None:
        try:
            await app(self._scope(), self._receive, self._send)
        except asyncio.CancelledError:
            self.held.cancel()
            raise
        except BaseException as error:
            if self.held.done():
                raise
            self.held.set_exception(error)
        if not self.held.done():
            self.held.set_exception(RuntimeError(f"the application has not answered {self.request.url}"))

    def _scope(self) -> Scope:
        validators = Fields() if self._stored is None else self._stored.conditions()
        headers = [
            line
            for line in self.request.scope["headers"]
            if line[0].lower().decode("latin-1") not in _ANSWERED_BY_THE_CACHE
        ]
        return {**self.request.scope, "method": "GET", "headers": [*headers, *validators.raw()]}

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.wait([self.held])  # until then nobody who leaves ends it: others may wait
        if not self._passes:
            return {"type": "http.disconnect"}
        while (message := await self.request.receive())["type"] == "http.request":
            pass
        return message

    async def _send(self, message: Message) -> None:
        if self._passes:
            await self._pass(message)
        elif not self.held.done():
            self._messages.append(message)
            if not self._may_be_kept(message):
                await self._pass_on()
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                body = b"".join(part.get("body", b"") for part in self._messages[1:])
                self.held.set_result(Response(self.status, Fields(self._messages[0].get("headers", ())), body))

    def _may_be_kept(self, message: Message) -> bool:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._stored is not None and (self.status == 304 or self.status in ERRORS):
                return True
            return is_storable(self.request.fields, self.status, Fields(message.get("headers", ())))
        self._size += len(message.get("body", b""))
        return message["type"] == "http.response.body" and self._size <= self._largest

    async def _pass_on(self) -> None:
        self._passes = True
        self.held.set_result(None)
        messages, self._messages = self._messages, []
        for message in messages:
            await self._pass(message)

    async def _pass(self, message: Message) -> None:
        if self.request.left:
            await asyncio.sleep(0)  # a turn for the cancellation that is on its way
        else:
            await self.request.answer(message)


def url_of(scope: Scope, fields: Fields) -> str:
    """The URL of a request: of the host it names, or else of the server."""
    host = fields.get("host") or ":".join(map(str, scope.get("server") or ()))
    path, query = scope.get("raw_path") or quote(scope["path"]).encode(), scope["query_string"]
    return f"{scope.get('scheme', 'http')}://{host.lower()}{(path + b'?' * bool(query) + query).decode('latin-1')}"
