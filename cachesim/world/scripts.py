"""The Lua scripts of the patterns as Python over the fake server's database: the same steps, without an interpreter.

`tests/world/test_scripts.py` holds each against its Lua, on the fake server and on a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import redis
from fakeredis._core._database import Database, Item

from cachesim.patterns.scripts import LOOK, PUT, PUT_IF_NEWER, RELEASE, RENEW, STORE

__all__ = ["TWINS", "Strings", "Twin"]


def _bytes(part: Any) -> bytes:
    return part if type(part) is bytes else str(part).encode()


class Strings:
    """The strings of a database at time `now` (s): what the scripts call."""

    def __init__(self, database: Database, now: float) -> None:
        self._database, self._now = database, now

    def get(self, key: Any) -> bytes | None:
        item = self._database._dict.get(_bytes(key))
        if item is None or (item.expireat is not None and item.expireat < self._now):
            return None
        if type(item.value) is not bytes:
            raise redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return item.value

    def set(self, key: Any, value: Any, milliseconds: Any) -> None:
        item: Any = Item(_bytes(value))
        item.expireat = self._now + int(milliseconds) / 1000.0
        key = _bytes(key)
        self._database[key] = item
        self._changed(key)

    def delete(self, key: Any) -> None:
        key = _bytes(key)
        if key in self._database._dict:
            del self._database[key]
            self._changed(key)

    def prolong(self, key: Any, milliseconds: Any) -> None:
        """To at least so many milliseconds from now."""
        key, expireat = _bytes(key), self._now + int(milliseconds) / 1000.0
        item = self._database._dict[key]
        if item.expireat is None or item.expireat < expireat:
            item.expireat = expireat
            self._database.schedule_expiry(key, expireat)
            self._changed(key)

    def _changed(self, key: bytes) -> None:
        database = self._database
        if database._watches or database._change_callbacks:
            database.notify_watch(key)


Twin = Callable[[Strings, Sequence[Any]], Any]


def look(strings: Strings, arguments: Sequence[Any]) -> Any:
    value_key, lease_key, new, milliseconds, mode, awaited = arguments
    value = strings.get(value_key)
    if value is not None and mode in ("", b""):
        return value
    lease = strings.get(lease_key)
    if value is not None and mode in ("peek", b"peek"):
        return [value, lease]
    if lease is None or (lease[:1] == b"!" and lease != b"!" + _bytes(awaited)):
        lease = _bytes(new)
        strings.set(lease_key, lease, milliseconds)
    elif lease[:1] in (b"s", b"v"):
        strings.prolong(lease_key, milliseconds)
    return [value, lease]


def store(strings: Strings, arguments: Sequence[Any]) -> int:
    value_key, lease_key, lease, value, milliseconds = arguments
    lease = _bytes(lease)
    if strings.get(lease_key) != lease:
        return 0
    strings.set(value_key, value, milliseconds)
    if lease[:1] == b"x":
        strings.delete(lease_key)
    return 1


def put(strings: Strings, arguments: Sequence[Any]) -> int:
    value_key, lease_key, value, milliseconds = arguments
    strings.set(value_key, value, milliseconds)
    strings.delete(lease_key)
    return 1


def put_if_newer(strings: Strings, arguments: Sequence[Any]) -> int:
    value_key, lease_key, value, milliseconds, version = arguments
    lease = strings.get(lease_key)
    if lease is not None and lease[:1] == b"v" and int(lease[1:]) > int(version):
        return 0
    strings.set(value_key, value, milliseconds)
    strings.set(lease_key, b"v" + _bytes(version), milliseconds)
    return 1


def renew(strings: Strings, arguments: Sequence[Any]) -> int:
    lease_key, lease, milliseconds = arguments
    if strings.get(lease_key) != _bytes(lease):
        return 0
    strings.prolong(lease_key, milliseconds)
    return 1


def release(strings: Strings, arguments: Sequence[Any]) -> int:
    lease_key, lease, note, milliseconds = arguments
    if strings.get(lease_key) != _bytes(lease):
        return 0
    if _bytes(note) == b"":
        strings.delete(lease_key)
    else:
        strings.set(lease_key, note, milliseconds)
    return 1


TWINS: dict[str, tuple[int, Twin]] = {
    LOOK: (2, look),
    STORE: (2, store),
    PUT: (2, put),
    PUT_IF_NEWER: (2, put_if_newer),
    RENEW: (1, renew),
    RELEASE: (1, release),
}
"""For each script, how many keys it takes, and its twin, which takes keys and arguments in one row."""
