"""Conditional requests: a client that keeps a response reads only what has changed, and writes only what has not.

A response carries a validator: an entity tag, `"..."` or weak `W/"..."`, or the date of the last change. The client
sends it back as a condition. When that is false there is nothing to do: 304 (Not Modified) for GET and HEAD, 412
(Precondition Failed) for every other method. Strong tags are equal only if the bytes are; a weak one stays the same
when only what does not matter has changed. Source: RFC 9110, sections 8.8 and 13.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import floor
from typing import Literal

from cachesim.patterns.http_messages import (
    App,
    Fields,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    http_date,
    members,
    number,
)

__all__ = ["Answer", "Conditional", "Decision", "Validators", "etag", "evaluate", "validators_of"]

Decision = Literal["perform", 304, 412]

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_OF_THE_BODY = frozenset(
    "content-digest content-disposition content-encoding content-language content-length content-md5 content-range "
    "content-type digest repr-digest trailer transfer-encoding".split()
)
_CONDITIONS = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")


@dataclass(frozen=True)
class Validators:
    """What conditions are held against: the current representation of a resource, if it `exists`.

    `etag`: with its quotes, and `W/` if weak. `last_modified`: in seconds since the epoch; fractions do not count, as
    HTTP cannot tell them.
    """

    etag: str | None = None
    last_modified: float | None = None
    exists: bool = True


def etag(body: bytes, *, weak: bool = False) -> str:
    """The entity tag of a body: the same in every process for the same bytes.

    >>> etag(b"hello")
    '"46fb7408d4f285228f4af516ea25851b"'
    """
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    return f"W/{tag}" if weak else tag


def evaluate(method: str, headers: Headers, validators: Validators) -> Decision:
    """Whether to perform a request, or which status to answer with, in the order of RFC 9110, section 13.2.2.

    For requests that would succeed without their conditions: any other answer comes first (section 13.2.1). If-Range is
    left to who serves ranges.

    >>> evaluate("GET", {"If-None-Match": 'W/"1", "2"'}, Validators(etag='"1"'))
    304
    """
    if method in ("CONNECT", "OPTIONS", "TRACE"):
        return "perform"
    fields = headers if isinstance(headers, Fields) else Fields(headers)
    reads = method in ("GET", "HEAD")
    match, none_match = fields.get("if-match"), fields.get("if-none-match")
    if match is not None:
        fails = not _matches(match, validators, strong=True)
    else:
        fails = _changed_after(fields.get("if-unmodified-since"), validators) is True
    if fails:
        return 412
    if none_match is not None:
        kept = _matches(none_match, validators, strong=False)
    else:
        kept = reads and _changed_after(fields.get("if-modified-since"), validators) is False
    if kept:
        return 304 if reads else 412
    return "perform"


def _matches(tags: str, validators: Validators, *, strong: bool) -> bool:
    if tags == "*":
        return validators.exists
    current = validators.etag
    if current is None or not _TAG.fullmatch(current) or (strong and current.startswith("W/")):
        return False
    listed = [tag for tag in members(tags) if _TAG.fullmatch(tag)]  # W/"1" never equals a strong "1"
    return current in listed if strong else _opaque(current) in map(_opaque, listed)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")


def _changed_after(date: str | None, validators: Validators) -> bool | None:
    """Whether the last change came after a date; None where either is not known, which makes no condition."""
    since = http_date(date)
    if since is None or validators.last_modified is None:
        return None
    return floor(validators.last_modified) > since


def validators_of(fields: Fields) -> Validators:
    """The validators that a response carries."""
    return Validators(fields.get("etag"), http_date(fields.get("last-modified")))


class Answer:
    """Where a response of 2xx goes to: to the client as it is, or, when a condition is false, 304 or 412 in its place.

    A `send` of ASGI. Other statuses pass as they are (RFC 9110, section 13.2.1). HEAD gets no body.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._method: str = scope["method"]
        self._request = Fields(scope["headers"])
        self._send = send
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if self._ended:
            return
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        decision: Decision = "perform"
        if 200 <= message["status"] < 300:
            fields = Fields(message.get("headers", ()))
            decision = evaluate(self._method, self._request, validators_of(fields))
            if decision != "perform":
                message = {"type": message["type"], "status": decision, "headers": _fields_of(decision, fields).raw()}
        await self._send(message)
        if decision != "perform" or self._method == "HEAD":
            self._ended = True
            await self._send({"type": "http.response.body", "body": b""})


def _fields_of(decision: Literal[304, 412], fields: Fields) -> Fields:
    """What a 304 tells of the 200 that it stands for: all but what describes the body; of a 412, nothing."""
    if decision == 412:
        return Fields({"content-length": "0"})
    return fields.without(_OF_THE_BODY | {"last-modified"} if "etag" in fields else _OF_THE_BODY)


class Conditional:
    """ASGI middleware: responses get entity tags, and conditions are held against them.

    A GET is answered by the application; a response of 200 without a tag gets a strong one, of its bytes, for which it
    is held until it is whole. What is longer than `largest` bytes, or streams without telling its length, passes as it
    comes, without a tag. HEAD is asked of the application as GET, for the tag is that of the body, which then goes.

    For other methods `current(scope)` tells the validators of the resource as it is now, and the application is not
    called when a condition is false. It answers None where the application would refuse or redirect the request anyway:
    that comes first. Between the question and the write the resource may change; where two may write at once, ask again
    in the transaction. Without `current` these conditions are the application's own.

    What codes the body (GZip) belongs inside, so that each coding has its own tag; a strong tag that the application
    gave to a coded body is weakened. If it has to be outside, say `weak=True`, or two codings share a strong tag.

    >>> from cachesim.patterns.conditional import Conditional
    >>> async def app(scope, receive, send): ...
    >>> app = Conditional(app)  # or app.add_middleware(Conditional) in FastAPI and Starlette
    """

    def __init__(
        self,
        app: App,
        *,
        current: Callable[[Scope], Awaitable[Validators | None]] | None = None,
        weak: bool = False,
        largest: int = 2**20,
    ) -> None:
        self._app, self._current, self._weak, self._largest = app, current, weak, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            tagging = _Tagging(Answer(scope, send), self._weak, self._largest)
            await self._app({**scope, "method": "GET"}, receive, tagging)
            await tagging.release()
        elif await self._forbids(scope):
            await send({"type": "http.response.start", "status": 412, "headers": _fields_of(412, Fields()).raw()})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)

    async def _forbids(self, scope: Scope) -> bool:
        request = Fields(scope["headers"])
        if self._current is None or not any(condition in request for condition in _CONDITIONS):
            return False
        validators = await self._current(scope)
        return validators is not None and evaluate(scope["method"], request, validators) != "perform"


class _Tagging:
    """A `send` that holds a response of 200 until it is whole, to give it a tag."""

    def __init__(self, send: Send, weak: bool, largest: int) -> None:
        self._send, self._weak, self._largest = send, weak, largest
        self._held: list[Message] = []
        self._size = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _weakened(Fields(message.get("headers", ()))).raw()}
            self._held.append(message)
            if message["status"] != 200 or "etag" in Fields(message["headers"]):
                await self.release()
        elif not self._held:
            await self._send(message)
        else:
            await self._hold(message)

    async def _hold(self, message: Message) -> None:
        self._held.append(message)
        self._size += len(message.get("body", b""))
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        start = self._held[0]
        fields = Fields(start["headers"])
        if self._size > self._largest or not (whole or _tells_its_length(fields, self._largest)):
            await self.release()
        elif whole:
            body = b"".join(part.get("body", b"") for part in self._held[1:])
            start["headers"] = fields.adding("etag", etag(body, weak=self._weak)).raw()
            await self.release()

    async def release(self) -> None:
        """Send what is held."""
        held, self._held = self._held, []
        for message in held:
            await self._send(message)


def _tells_its_length(fields: Fields, largest: int) -> bool:
    """Whether a body of several parts ends soon; a stream, of events say, is not to be kept from its reader."""
    length = number(fields.get("content-length"))
    return length is not None and length <= largest


def _weakened(fields: Fields) -> Fields:
    """A strong tag on a coded body may be that of the bytes before they were coded."""
    tag = fields.get("etag")
    if tag is None or tag.startswith("W/") or fields.get("content-encoding") in (None, "identity"):
        return fields
    return fields.without(["etag"]).adding("etag", f"W/{tag}")
