"""What a cache tells its observer."""

from __future__ import annotations

from math import nan
from typing import Literal, NamedTuple, get_args

__all__ = ["EVERY_KIND", "Event", "Kind"]


Met = Literal["hit", "stale", "miss", "join"]
Asked = Literal["load", "early", "refresh", "loaded", "error"]
Held = Literal["stored", "expired", "deleted", "evicted"]
Kind = Met | Asked | Held
EVERY_KIND: frozenset[str] = frozenset(get_args(Met) + get_args(Asked) + get_args(Held))


class Event(NamedTuple):
    """Something a cache did with a key.

    What a caller meets, once for each: "hit"; "stale" (a value served past its lifetime, knowingly); "miss" (nothing
    usable was found; "join" follows if a load is under way and the caller waits for it). What the origin is asked:
    "load", after "early" when a usable value was there and "refresh" when a stale one was served meanwhile; "loaded",
    after so many `seconds`; "error" (a load or the cache's server failed, see `error`). For values held in process:
    "stored" (until `expires`, in seconds of the cache's clock), "expired", "deleted", "evicted".

    `layer`: "l1" or "l2" where a cache has two, else empty.
    """

    kind: Kind
    key: str
    expires: float = nan
    error: Exception | None = None
    seconds: float = nan
    layer: str = ""
