"""What the readers give: a stream of requests, or of logged operations, in pieces that follow each other.

Times are seconds (of logs: since 1970 in UTC), sizes bytes. No piece is empty.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ANSWERED", "READS", "WRITES", "Notes", "Operations", "Requests"]

READS = frozenset(
    # HTTP: one stored answer to a GET serves both (RFC 9110, section 9.3.2), and both read the data
    "GET HEAD "
    # Redis, by type of value
    "GETEX GETRANGE SUBSTR STRLEN MGET EXISTS GETBIT BITCOUNT BITPOS BITFIELD_RO PFCOUNT "
    "HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HRANDFIELD HSCAN "
    "LRANGE LINDEX LLEN LPOS "
    "SMEMBERS SISMEMBER SMISMEMBER SCARD SRANDMEMBER SSCAN SUNION SINTER SDIFF "
    "ZRANGE ZRANGEBYSCORE ZRANGEBYLEX ZREVRANGE ZREVRANGEBYSCORE ZREVRANGEBYLEX ZSCORE ZMSCORE ZRANK ZREVRANK "
    "ZCARD ZCOUNT ZLEXCOUNT ZRANDMEMBER ZSCAN "
    "GEOPOS GEODIST GEOHASH GEOSEARCH GEORADIUS_RO GEORADIUSBYMEMBER_RO XRANGE XREVRANGE XLEN "
    "JSON.GET JSON.TYPE JSON.STRLEN JSON.OBJKEYS JSON.OBJLEN JSON.ARRLEN JSON.ARRINDEX".split()
)
"""Operations that read the data of a key: HTTP methods and Redis commands."""

WRITES = frozenset(
    "POST PUT PATCH DELETE "
    "SET SETEX PSETEX SETNX GETSET GETDEL MSET MSETNX APPEND SETRANGE SETBIT BITFIELD "
    "INCR INCRBY INCRBYFLOAT DECR DECRBY DEL UNLINK RENAME RENAMENX RESTORE PFADD PFMERGE "
    "HSET HMSET HSETNX HDEL HINCRBY HINCRBYFLOAT HGETDEL HSETEX "
    "LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LSET LREM LTRIM LINSERT LMOVE RPOPLPUSH "
    "SADD SREM SPOP SMOVE SUNIONSTORE SINTERSTORE SDIFFSTORE "
    "ZADD ZREM ZINCRBY ZPOPMIN ZPOPMAX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX "
    "ZUNIONSTORE ZINTERSTORE ZDIFFSTORE ZRANGESTORE "
    "GEOADD GEOSEARCHSTORE XADD XDEL XTRIM "
    "JSON.SET JSON.MERGE JSON.DEL JSON.NUMINCRBY JSON.STRAPPEND JSON.ARRAPPEND JSON.ARRINSERT JSON.ARRPOP".split()
)
"""Operations that change the data of a key."""

ANSWERED = range(200, 400)
"""HTTP statuses of a request that got what it asked for, word that it is unchanged, or where it is: no error."""


class Notes(NamedTuple):
    """What was met in a log, from its first line to the last of this piece; nothing in files that are no logs."""

    lines: int = 0
    """Lines read, blank ones included."""

    malformed: int = 0
    """Those passed over, since they are not of the format or hold no request."""

    first_malformed: tuple[int, str] | None = None
    """The number of the first of them, from 1, and how it begins."""

    late: int = 0
    """Operations that stand after one of a later time; they were given that later time."""

    late_by: float = 0.0
    """The most by which one was late, in seconds."""


class Requests(NamedTuple):
    """Requests in order of arrival."""

    keys: NDArray[Any] | list[str]
    """(n,): integers as an array, if the file has them as such, else text."""

    times: NDArray[np.float64] | None = None
    """(n,), seconds, never falling; None: the file tells none."""

    sizes: NDArray[np.int64] | None = None
    """(n,), bytes, 0 or more; None: the file tells none."""

    notes: Notes = Notes()


class Operations(NamedTuple):
    """Operations on keys in the order of a log: reads, writes and others."""

    names: list[str]
    """(n,): HTTP methods, or Redis commands in capitals; see `READS` and `WRITES`."""

    keys: list[str]
    """(n,)."""

    times: NDArray[np.float64]
    """(n,), seconds since 1970 in UTC, never falling."""

    statuses: NDArray[np.int16] | None = None
    """(n,), HTTP statuses; None: the log tells none."""

    sizes: NDArray[np.int64] | None = None
    """(n,), bytes sent, which are none for HEAD and a 304; None: the log tells none."""

    notes: Notes = Notes()

    def requests(self, names: Container[str] = READS, statuses: Container[int] = ANSWERED) -> Requests:
        """Those of these names and, where the log tells it, these statuses, as requests: there may be none."""
        chosen = np.fromiter((name in names for name in self.names), np.bool_, len(self.names))
        if self.statuses is not None:
            found, places = np.unique(self.statuses, return_inverse=True)
            chosen &= np.array([status in statuses for status in found.tolist()], np.bool_)[places]
        return Requests(
            list(compress(self.keys, chosen.tolist())),
            self.times[chosen],
            None if self.sizes is None else self.sizes[chosen],
            self.notes,
        )
