"""Values in Redis, each with the lease under which it may be stored, and a Redis that may be away.

`scripts.py` tells what a lease is. Nothing here raises what Redis or its client raises: a Redis that is away has no
value and no lease, and `failed` hears why.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

import redis.asyncio
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from cachesim.patterns.breaker import Breaker
from cachesim.patterns.envelope import Envelope, open_envelope
from cachesim.patterns.scripts import LEASES, LOOK, PUT, PUT_IF_NEWER, RELEASE, RENEW, STORE

__all__ = ["AWAY", "LEASE", "Found", "LeasedRedis"]

_LOG = logging.getLogger("cachesim")
AWAY = (RedisError, RedisClusterException, OSError)
"""What a client raises when the server does not answer, or with an error."""
_LONGEST = 10**15  # ms, some 30,000 years: what Redis refuses is longer

LEASE = 10.0
"""Seconds that a lease lasts. It is renewed while its load goes on: so long is a process waited for that has died."""
_LEASE_MS = int(LEASE * 1000)

Mode = Literal["", "peek", "claim"]


class Found(NamedTuple):
    """What a look found: a value, if there is one, and its lease, if there was none or the look asked for it.

    `mine`: whoever looked may load under this lease: it is shared, or exclusive and made by this look. Without a lease
    (Redis is away, or a value is there) nothing can be stored. `since`: what the caller said of when it looked.
    """

    envelope: Envelope | None = None
    lease: bytes | None = None
    mine: bool = False
    since: int = 0


class LeasedRedis:
    """Values and leases in Redis under a prefix.

    `failed(key, error)` is told what goes wrong, and `orphaned(key, lease)` which lease may lie there without an owner:
    its caller has left, or Redis was away and has come back.
    """

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        prefix: str,
        clock: Callable[[], float],
        failed: Callable[[str, Exception], None],
        orphaned: Callable[[str, bytes], None],
    ) -> None:
        self._redis, self._failed, self._orphaned = redis, failed, orphaned
        self._prefix = prefix.encode()
        self._lease_prefix = LEASES + b"{" + self._prefix
        self._breaker = Breaker(clock)
        owner = secrets.token_hex(8).encode()  # who it is, no matter of chance: two caches with one seed must differ
        self._exclusive, self._shared = b"x" + owner, b"s" + owner
        self._number = 0
        self._malformed_logged = False
        self._unsure: list[tuple[str, bytes]] = []

    # Looking

    async def look(
        self, key: str, mode: Mode = "", *, exclusive: bool = False, awaited: bytes = b"", since: int = 0
    ) -> Found:
        """The value and, if there is none or the mode says so, its lease, `exclusive` if it is made now."""
        if not self._breaker.allows():
            return Found()
        request = self._look(key, mode, exclusive, awaited)
        try:
            found = self._found(key, request, await self._redis.eval(*request), since)
        except (ResponseError, UnicodeDecodeError) as error:
            return await self._look_failed(key, mode, exclusive, error, since)
        except AWAY as error:
            self._went_away(key, error)
            self._may_lie_there(key, _made_by(request))
            return Found()
        except asyncio.CancelledError:
            self._orphaned(key, _made_by(request))
            raise
        self._worked()
        return found or await self._look_anew(key, exclusive, since)

    async def look_many(
        self, keys: Sequence[str], mode: Mode = "", *, exclusive: bool = False, since: int = 0
    ) -> list[Found]:
        """The same for several keys, in one round trip."""
        if not self._breaker.allows():
            return [Found()] * len(keys)
        requests = [self._look(key, mode, exclusive, b"") for key in keys]
        try:
            replies = await self._pipeline(keys[0], requests)
        except asyncio.CancelledError:
            for key, request in zip(keys, requests, strict=True):
                self._orphaned(key, _made_by(request))
            raise
        if replies is None:
            for key, request in zip(keys, requests, strict=True):
                self._may_lie_there(key, _made_by(request))
            return [Found()] * len(keys)
        found = []
        for key, request, reply in zip(keys, requests, replies, strict=True):
            if isinstance(reply, Exception):
                found.append(await self._look_failed(key, mode, exclusive, reply, since))
            else:
                found.append(self._found(key, request, reply, since) or await self._look_anew(key, exclusive, since))
        return found

    def _look(self, key: str, mode: Mode, exclusive: bool, awaited: bytes) -> tuple[Any, ...]:
        self._number += 1
        maker = self._exclusive if exclusive else self._shared
        return LOOK, 2, *self._names(key), maker, self._number, _LEASE_MS, mode, awaited

    def _names(self, key: str) -> tuple[bytes, bytes]:
        """The keys of a value and of its lease in Redis; in a Redis Cluster both lie in one slot."""
        name = key.encode()
        if b"{" in name:  # the tag of the key itself says where it lies
            return self._prefix + name, LEASES + self._prefix + name
        return self._prefix + name, self._lease_prefix + name + b"}"

    def _found(self, key: str, request: tuple[Any, ...], reply: Any, since: int) -> Found | None:
        """What a reply says; None for a malformed value that came without a lease to replace it under."""
        if isinstance(reply, bytes | str):
            if (envelope := open_envelope(reply)) is not None:
                return Found(envelope)
            self._malformed(key, None)
            return None
        data, lease = reply
        envelope = None
        if data is not None and (envelope := open_envelope(data)) is None:
            self._malformed(key, None)
        if lease is None:  # no more than a peek
            return Found(envelope)
        lease = lease.encode() if isinstance(lease, str) else lease
        return Found(envelope, lease, lease == _made_by(request) or lease[:1] in (b"s", b"v"), since)

    async def _look_failed(self, key: str, mode: Mode, exclusive: bool, error: Exception, since: int) -> Found:
        """The server is there, but what it holds is no text of ours, or it refuses the command."""
        self._worked()
        if isinstance(error, UnicodeDecodeError) or "WRONGTYPE" in str(error):
            self._malformed(key, error)
            return Found() if mode == "claim" else await self._look_anew(key, exclusive, since)
        self._failed(key, error)
        return Found()

    async def _look_anew(self, key: str, exclusive: bool, since: int) -> Found:
        """Where there was a malformed value."""
        await self.drop(key)
        return await self.look(key, "claim", exclusive=exclusive, since=since)

    def _malformed(self, key: str, error: Exception | None) -> None:
        if not self._malformed_logged:
            self._malformed_logged = True
            why = "" if error is None else f" ({error})"
            name = self._prefix.decode() + key
            _LOG.warning("malformed value in Redis under %r%s, taken for a miss (said once)", name, why)

    def owns(self, lease: bytes) -> bool:
        """Whether it is an exclusive lease that this cache has made."""
        return lease.startswith(self._exclusive)

    # Storing. `put` and `drop` ask Redis whatever the breaker says: what they replace would be served when it is back.

    async def store(self, key: str, lease: bytes, data: bytes, kept: float) -> bool:
        """Keep what was loaded for so many seconds, unless its lease is gone; whether it is kept."""
        reply = None
        if self._breaker.allows():
            reply = await self._run(key, STORE, lease, data, _milliseconds(kept))
        if reply is None:
            self._may_lie_there(key, lease)
        return bool(reply)

    async def store_many(self, rows: Sequence[tuple[str, bytes, bytes, float]]) -> list[bool]:
        """The same for several (key, lease, data, kept), in one round trip."""
        replies = None
        if rows and self._breaker.allows():
            requests = [self._request(key, STORE, lease, data, _milliseconds(kept)) for key, lease, data, kept in rows]
            replies = await self._pipeline(rows[0][0], requests)
        if replies is None:
            for key, lease, *_ in rows:
                self._may_lie_there(key, lease)
            return [False] * len(rows)
        for (key, *_), reply in zip(rows, replies, strict=True):
            if isinstance(reply, Exception):
                self._failed(key, reply)
        return [reply == 1 for reply in replies]

    async def put(self, key: str, data: bytes, kept: float, version: int | None = None) -> bool:
        """Keep what was written for so many seconds, unless a newer version was; whether Redis has answered."""
        if version is None:
            return await self._run(key, PUT, data, _milliseconds(kept)) is not None
        return await self._run(key, PUT_IF_NEWER, data, _milliseconds(kept), version) is not None

    async def undo(self, key: str, data: bytes) -> None:
        """Delete the value if it is still this one: an invalidation came after it, and may not have reached Redis."""
        await self._answer(key, self._redis.eval(RELEASE, 1, self._names(key)[0], data, b"", _LEASE_MS))

    async def drop(self, key: str) -> None:
        """Delete the value and its lease, and so the right to store what was loaded before."""
        await self._answer(key, self._redis.delete(*self._names(key)))

    async def renew(self, key: str, lease: bytes) -> None:
        """Prolong a lease that is still there."""
        if self._breaker.allows():
            await self._run(key, RENEW, lease, _LEASE_MS)

    async def release(self, key: str, lease: bytes, *, failed: bool) -> None:
        """Give an exclusive lease up; that its load has `failed` is left for those who wait for it."""
        note = b"!" + lease if failed else b""
        if not self._breaker.allows() or await self._run(key, RELEASE, lease, note, _LEASE_MS) is None:
            self._may_lie_there(key, lease)

    # Redis, which may be away

    def _request(self, key: str, script: str, *arguments: Any) -> tuple[Any, ...]:
        names = self._names(key)[1:] if script in (RENEW, RELEASE) else self._names(key)
        return script, len(names), *names, *arguments

    def _run(self, key: str, script: str, *arguments: Any) -> Awaitable[Any]:
        return self._answer(key, self._redis.eval(*self._request(key, script, *arguments)))

    async def _answer(self, key: str, command: Awaitable[Any]) -> Any:
        """What Redis says; None if it does not answer, or with an error."""
        try:
            reply = await command
        except AWAY as error:
            self._went_away(key, error)
            return None
        self._worked()
        return reply

    async def _pipeline(self, key: str, requests: Sequence[tuple[Any, ...]]) -> list[Any] | None:
        """The replies to several scripts sent together; an error stands in the place of its reply."""
        pipeline = self._redis.pipeline(transaction=False)
        for request in requests:
            pipeline.eval(*request)
        return await self._answer(key, pipeline.execute(raise_on_error=False))  # type: ignore[no-any-return]

    def _worked(self) -> None:
        """Redis has answered: what may lie there is given up, or everybody would wait for it to run out."""
        self._breaker.worked()
        while self._unsure:
            self._orphaned(*self._unsure.pop())

    def _may_lie_there(self, key: str, lease: bytes) -> None:
        """An exclusive lease, of which nobody knows whether Redis has it: it has not answered."""
        if self.owns(lease):
            self._unsure.append((key, lease))

    def _went_away(self, key: str, error: Exception) -> None:
        if not isinstance(error, ResponseError):  # it answers, though with an error: to others it may be of use
            self._breaker.failed()
        self._failed(key, error)


def _milliseconds(seconds: float) -> int:
    return min(max(1, int(seconds * 1000 + 1e-6)), _LONGEST)


def _made_by(request: tuple[Any, ...]) -> bytes:
    """The lease that a look makes if need be."""
    return request[4] + b"%d" % request[5]  # type: ignore[no-any-return]
