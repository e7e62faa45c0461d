"""The Lua scripts of the patterns as Python over the fake server's database: the same steps, without an interpreter.

Each twin takes the database, the environment that tells the time, and the script's keys and arguments: bytes, but for
the mode of a look and for numbers, which may be of their own type.
`tests/world/test_scripts.py` holds it against its Lua, on the fake server and on a real one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from fakeredis._core._database import Item

from cachesim.patterns.scripts import LOOK, PUT, PUT_IF_NEWER, RELEASE, RENEW, STORE
from cachesim.world.redis_database import LedgerDatabase

__all__ = ["TWINS", "Twin"]

Twin = Callable[..., Any]


def look(
    database: LedgerDatabase,
    env: simpy.Environment,
    value: bytes,
    lease: bytes,
    maker: bytes,
    number: Any,
    ms: Any,
    mode: Any,
    awaited: bytes,
) -> Any:
    now = env._now
    found = database.text(value)
    if found is not None and mode in ("", b""):
        return found
    held = database.text(lease)
    if found is not None and mode in ("peek", b"peek"):
        return [found, held]
    if held is None or (held[:1] == b"!" and held != b"!" + awaited):
        held = maker + (number if type(number) is bytes else b"%d" % number)
        _set(database, now, lease, held, ms)
    elif held[:1] in (b"s", b"v"):
        _prolong(database, now, lease, ms)
    return [found, held]


def store(
    database: LedgerDatabase, env: simpy.Environment, value: bytes, lease: bytes, held: bytes, data: bytes, ms: Any
) -> int:
    now = env._now
    if database.text(lease) != held:
        return 0
    _set(database, now, value, data, ms)
    if held[:1] == b"x":
        _delete(database, lease)
    return 1


def put(database: LedgerDatabase, env: simpy.Environment, value: bytes, lease: bytes, data: bytes, ms: Any) -> int:
    now = env._now
    _set(database, now, value, data, ms)
    _delete(database, lease)
    return 1


def put_if_newer(
    database: LedgerDatabase, env: simpy.Environment, value: bytes, lease: bytes, data: bytes, ms: Any, version: Any
) -> int:
    now = env._now
    held = database.text(lease)
    if held is not None and held[:1] == b"v" and int(held[1:]) > int(version):
        return 0
    _set(database, now, value, data, ms)
    _set(database, now, lease, b"v%d" % int(version), ms)
    return 1


def renew(database: LedgerDatabase, env: simpy.Environment, lease: bytes, held: bytes, ms: Any) -> int:
    now = env._now
    if database.text(lease) != held:
        return 0
    _prolong(database, now, lease, ms)
    return 1


def release(database: LedgerDatabase, env: simpy.Environment, lease: bytes, held: bytes, note: bytes, ms: Any) -> int:
    now = env._now
    if database.text(lease) != held:
        return 0
    if note == b"":
        _delete(database, lease)
    else:
        _set(database, now, lease, note, ms)
    return 1


TWINS: dict[str, Twin] = {
    LOOK: look,
    STORE: store,
    PUT: put,
    PUT_IF_NEWER: put_if_newer,
    RENEW: renew,
    RELEASE: release,
}
"""The twin of each script."""


def _set(database: LedgerDatabase, now: float, key: bytes, data: bytes, ms: Any) -> None:
    item: Any = Item(data)
    item.expireat = now + int(ms) / 1000.0
    database[key] = item
    database.changed(key)


def _delete(database: LedgerDatabase, key: bytes) -> None:
    if key in database._dict:
        del database[key]
        database.changed(key)


def _prolong(database: LedgerDatabase, now: float, key: bytes, ms: Any) -> None:
    """To at least so many milliseconds from now."""
    expireat = now + int(ms) / 1000.0
    item = database._dict[key]
    if item.expireat is None or item.expireat < expireat:
        item.expireat = expireat
        database.schedule_expiry(key, expireat)
        database.changed(key)
