"""hishel: an httpx client that keeps answers as RFC 9111 has it, of an origin that answers from the node's database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from importlib import import_module
from math import ceil
from typing import Any

import hishel
import httpx
import orjson
from hishel.httpx import AsyncCacheTransport

from cachesim.world.clock import redirect_clocks
from cachesim.world.nodes import Node

__all__ = ["VARIANTS"]

redirect_clocks(import_module(hishel.AsyncRedisStorage.__module__))  # it has bound `time` by name

_ORIGIN = "http://origin/"


class _Hishel:
    def __init__(self, store: Callable[[Node, float], hishel.AsyncBaseStorage], node: Node, ttl: float) -> None:
        origin = httpx.ASGITransport(partial(_answer, node, f"max-age={ceil(ttl)}".encode()))
        self._client = httpx.AsyncClient(transport=AsyncCacheTransport(origin, store(node, ttl), rfc=True))

    async def get(self, key: str) -> Any:
        answer = await self._client.get(httpx.URL(_ORIGIN, path=f"/{key}"))
        return orjson.loads(answer.content)

    async def delete(self, key: str) -> None:
        """A request that is not safe invalidates what is kept of its URL (RFC 9111, 4.4)."""
        await self._client.delete(httpx.URL(_ORIGIN, path=f"/{key}"))

    async def aclose(self) -> None:
        await self._client.aclose()


async def _answer(node: Node, control: bytes, scope: Any, receive: Any, send: Any) -> None:
    """The origin: it answers `GET /key` from the database, and `DELETE /key` with nothing, for the key is written."""
    body = b""
    if scope["method"] == "GET":
        body = orjson.dumps(await node.database.read(scope["path"][1:]))
    date = formatdate(node.clock(), usegmt=True).encode()
    headers = [(b"cache-control", control), (b"date", date), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Sqlite:
    """A connection, and its cursor, to a database in memory: no thread, but others may run meanwhile, as with one."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real
        self._cursor = real.cursor()

    async def cursor(self) -> _Sqlite:
        return _Sqlite(self._real)

    async def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        await asyncio.sleep(0)
        self._cursor.execute(sql, parameters)

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    async def commit(self) -> None:
        self._real.commit()

    async def close(self) -> None:
        self._real.close()


def _in_sqlite(node: Node, ttl: float) -> hishel.AsyncBaseStorage:
    connection: Any = _Sqlite(sqlite3.connect(":memory:", isolation_level=None))
    return hishel.AsyncSqliteStorage(connection=connection, default_ttl=ttl)


def _in_redis(node: Node, ttl: float) -> hishel.AsyncBaseStorage:
    return hishel.AsyncRedisStorage(node.redis, default_ttl=ttl)


VARIANTS = {"sqlite": partial(_Hishel, _in_sqlite), "redis": partial(_Hishel, _in_redis)}
