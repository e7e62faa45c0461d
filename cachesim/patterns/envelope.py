"""Values as bytes in Redis: a JSON list of format version, value and, when it differs from Redis's own, the deadline.

What comes from Redis is not trusted: bytes that are not exactly such a list are no value.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

import orjson

__all__ = ["Envelope", "open_envelope", "seal"]

_VERSION = 1
_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


class Envelope(NamedTuple):
    """A value and until when it is fresh, in seconds of `time.time`; None: as long as Redis keeps it.

    `seconds`: how long it took to load, where a pattern wants to know.
    """

    value: Any
    fresh_until: float | None = None
    seconds: float | None = None


def seal(value: Any, fresh_until: float | None = None, seconds: float | None = None) -> bytes:
    """The bytes of a value; raises `TypeError` when it is not JSON-able.

    A date or a dataclass is not, for it would come back as something else. JSON has no tuples, which come back as
    lists, and neither NaN nor infinity, which come back as None.

    >>> seal({"id": 1}), seal({"id": 1}, 60.0, 0.25)
    (b'[1,{"id":1}]', b'[1,{"id":1},60.0,0.25]')
    """
    content = [_VERSION, value]
    if fresh_until is not None:
        content += (fresh_until,) if seconds is None else (fresh_until, seconds)
    return orjson.dumps(content, option=_STRICT)


def open_envelope(data: bytes | str) -> Envelope | None:
    """The value in `data`, or None when these are not the bytes of an envelope.

    >>> open_envelope(b'[1,null]')
    Envelope(value=None, fresh_until=None, seconds=None)
    >>> open_envelope(b'garbage'), open_envelope(b'[2,"of a later version"]')
    (None, None)
    """
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if type(content) is not list or not 2 <= len(content) <= 4 or content[0] != _VERSION or content[0] is True:
        return None
    if len(content) == 2:
        return Envelope(content[1])
    times = content[2:]
    if not all(type(time) in (int, float) and isfinite(time) for time in times) or (len(times) > 1 and times[1] < 0):
        return None
    return Envelope(*content[1:])
