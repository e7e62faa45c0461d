"""Two real applications with the same pages, in Starlette and in FastAPI, on a SQLite database through aiosqlite.

`GET /pages/{name}` (with Cache-Control as `?control=` says), `PUT` and `DELETE` of the same, `/redirect`, `/login`
(401), `/forbidden` (403), `/broken` (500), `/private` (the page of a user), `/stream`, `/ticks` without end.
`app.state.served` counts the pages read, `app.state.ended` is set when ticks have ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from cachesim.patterns.conditional import Validators, etag


@asynccontextmanager
async def database(app: Starlette) -> AsyncIterator[None]:
    """The database of an application, from its start to its end."""
    async with aiosqlite.connect(":memory:") as connection:
        await connection.execute("CREATE TABLE page (name TEXT PRIMARY KEY, body TEXT NOT NULL)")
        await connection.execute("INSERT INTO page VALUES ('home', ?)", ("Welcome! " * 100,))
        app.state.database, app.state.served, app.state.ended = connection, 0, threading.Event()
        yield


async def read(app: Starlette, name: str) -> str | None:
    """The body of a page."""
    async with app.state.database.execute("SELECT body FROM page WHERE name = ?", (name,)) as rows:
        row = await rows.fetchone()
    return None if row is None else row[0]


async def current(scope: Scope) -> Validators | None:
    """The validators of a page as it is now; a page that is missing cannot be deleted, condition or not."""
    body = await read(scope["app"], scope["path"].removeprefix("/pages/"))
    if body is None:
        return None if scope["method"] == "DELETE" else Validators(exists=False)
    return Validators(etag(body.encode()))


async def get_page(request: Request) -> Response:
    body = await read(request.app, request.path_params["name"])
    request.app.state.served += 1
    headers = {"cache-control": request.query_params.get("control", "max-age=0")}
    return PlainTextResponse("missing", 404) if body is None else PlainTextResponse(body, headers=headers)


async def put_page(request: Request) -> Response:
    body = (await request.body()).decode()
    await request.app.state.database.execute("REPLACE INTO page VALUES (?, ?)", (request.path_params["name"], body))
    return Response(status_code=204)


async def delete_page(request: Request) -> Response:
    query = "DELETE FROM page WHERE name = ?"
    async with request.app.state.database.execute(query, (request.path_params["name"],)) as done:
        return Response(status_code=204 if done.rowcount else 404)


async def private(request: Request) -> Response:
    user = request.headers.get("authorization", "nobody")
    return JSONResponse({"user": user}, headers={"cache-control": "private, max-age=60"})


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield part

    return StreamingResponse(parts())


async def ticks(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.01)
        finally:
            request.app.state.ended.set()

    return StreamingResponse(parts(), media_type="text/event-stream")


def status(code: int) -> Callable[[Request], Any]:
    """A page that is always answered with this status."""

    async def answer(request: Request) -> Response:
        return PlainTextResponse(f"always {code}", code)

    return answer


async def redirect(request: Request) -> Response:
    return RedirectResponse("/pages/home")


PAGES: list[tuple[str, str, Callable[[Request], Any]]] = [
    ("GET", "/pages/{name}", get_page),
    ("PUT", "/pages/{name}", put_page),
    ("DELETE", "/pages/{name}", delete_page),
    ("GET", "/private", private),
    ("GET", "/stream", stream),
    ("GET", "/ticks", ticks),
    ("GET", "/redirect", redirect),
    ("GET", "/login", status(401)),
    ("GET", "/forbidden", status(403)),
    ("GET", "/broken", status(500)),
]


def starlette_app() -> Starlette:
    """The pages in Starlette."""
    routes = [Route(path, endpoint, methods=[method]) for method, path, endpoint in PAGES]
    return Starlette(routes=routes, lifespan=database)


def fastapi_app() -> FastAPI:
    """The pages in FastAPI."""
    app = FastAPI(lifespan=database)
    for method, path, endpoint in PAGES:
        app.add_api_route(path, endpoint, methods=[method], response_model=None)
    return app
