"""Conditional requests, case by case: what RFC 9110 says, and what a middleware answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cachesim import pitfalls
from cachesim.patterns import Conditional
from cachesim.patterns.conditional import Validators, etag
from cachesim.patterns.http_messages import App, Fields, Message, Receive, Scope, Send

__all__ = ["compared"]

_BODY = b"the page as it is now"


class _Answer(NamedTuple):
    status: int
    fields: Fields
    written: bool


_Ask = Callable[..., Awaitable[_Answer]]


@dataclass
class _Site:
    """`/page` can be read and written; nothing else is there."""

    written: bool = field(default=False, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = (200, _BODY) if scope["path"] == "/page" else (404, b"no such page")
        if scope["method"] == "PUT":
            self.written, status, body = True, 204, b""
        fields = Fields({"cache-control": "max-age=60", "content-length": str(len(body))})
        await send({"type": "http.response.start", "status": status, "headers": fields.raw()})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _current(scope: Scope) -> Validators:
    return Validators(etag(_BODY))


_PRINTED, _PACKAGE = "printed code", "Conditional"


def _asking(name: str) -> _Ask:
    """A function that asks a site behind a middleware, anew each time."""

    async def ask(method: str, path: str = "/page", **conditions: str) -> _Answer:
        site, messages = _Site(), []
        app: App = pitfalls.Conditional(site) if name == _PRINTED else Conditional(site, current=_current)
        fields = Fields({name.replace("_", "-"): value for name, value in conditions.items()})

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await app({"type": "http", "method": method, "path": path, "headers": fields.raw()}, receive, send)
        return _Answer(messages[0]["status"], Fields(messages[0]["headers"]), site.written)

    return ask


async def _tag(ask: _Ask, path: str = "/page") -> str:
    return (await ask("GET", path)).fields.get("etag") or '"none"'


async def _any(ask: _Ask) -> str:
    return str((await ask("GET", if_none_match="*")).status)


async def _listed(ask: _Ask) -> str:
    return str((await ask("GET", if_none_match=f'"old", {await _tag(ask)}')).status)


async def _weak(ask: _Ask) -> str:
    return str((await ask("GET", if_none_match=f"W/{await _tag(ask)}")).status)


async def _missing(ask: _Ask) -> str:
    return str((await ask("GET", "/missing", if_none_match=await _tag(ask, "/missing"))).status)


async def _bare(ask: _Ask) -> str:
    answer = await ask("GET", if_none_match=await _tag(ask))
    return f"{answer.status} {'with' if 'cache-control' in answer.fields else 'without'} it"


async def _head(ask: _Ask) -> str:
    return "same tag" if (await ask("HEAD")).fields.get("etag") == await _tag(ask) else "another tag"


async def _lost_update(ask: _Ask) -> str:
    return _written(await ask("PUT", if_match='"old"'))


async def _created_twice(ask: _Ask) -> str:
    return _written(await ask("PUT", if_none_match="*"))


def _written(answer: _Answer) -> str:
    return f"{answer.status}, {'written' if answer.written else 'not written'}"


_CASES = (
    ("GET, If-None-Match: *", "13.1.2", "304", _any),
    ("GET, a list with the tag", "13.1.2", "304", _listed),
    ('GET, the tag as W/"…"', "8.8.3.2", "304", _weak),
    ("GET of a missing page, its tag", "13.2.1", "404", _missing),
    ("Cache-Control of the 304", "15.4.5", "304 with it", _bare),
    ("HEAD against GET", "9.3.2", "same tag", _head),
    ("PUT, If-Match: an old tag", "13.1.1", "412, not written", _lost_update),
    ("PUT of a page that exists, If-None-Match: *", "13.1.2", "412, not written", _created_twice),
)
"""What is asked, the section of RFC 9110, what that says, and how to see it."""


async def compared() -> dict[str, list[str]]:
    """The cases as columns: what is asked, the section of RFC 9110, what is right, and what each middleware answers.

    >>> import asyncio
    >>> table = asyncio.run(compared())
    >>> table["right"] == table["Conditional"], sum(a != b for a, b in zip(table["right"], table["printed code"]))
    (True, 8)
    """
    requests, sections, right, seen = (list(column) for column in zip(*_CASES, strict=True))
    answers = {name: [await see(_asking(name)) for see in seen] for name in (_PRINTED, _PACKAGE)}
    return {"request": requests, "RFC 9110": sections, "right": right, **answers}
