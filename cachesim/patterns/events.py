"""What a cache tells its observer."""

from __future__ import annotations

from math import nan
from typing import Literal, NamedTuple, get_args

__all__ = ["EVERY_KIND", "Event", "Kind"]


Kind = Literal["hit", "stale", "load", "join", "error", "stored", "expired", "deleted", "evicted", "early", "refresh"]
EVERY_KIND: frozenset[str] = frozenset(get_args(Kind))


class Event(NamedTuple):
    """Something a cache did with a key.

    `kind`: "hit"; "stale" (a value served past its lifetime, knowingly); "load" (the origin is asked); "join" (a caller
    waits for a load under way); "error" (a load or the cache's server failed, see `error`); and for values held in
    process "stored" (until `expires`, in seconds of the cache's clock), "expired", "deleted", "evicted".
    """

    kind: Kind
    key: str
    expires: float = nan
    error: Exception | None = None
