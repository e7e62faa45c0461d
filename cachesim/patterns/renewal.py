"""What must be renewed now and then for as long as it is held: "I am still at it"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Renewal"]

T = TypeVar("T")


class Renewal(Generic[T]):
    """Calls `renew(item)` every `seconds` for each item held, for the first time when it is between one and two old.

    One timer serves all items, and there is none while nothing is held.
    """

    def __init__(self, seconds: float, renew: Callable[[T], None]) -> None:
        self._seconds, self._renew = seconds, renew
        self._held: dict[T, int] = {}
        self._round = 0
        self._ticks = False

    def hold(self, item: T) -> None:
        """Renew it from now on."""
        self._held[item] = self._round
        if not self._ticks:
            self._ticks = True
            self._later()

    def drop(self, item: T) -> None:
        """Renew it no more."""
        del self._held[item]

    def _later(self) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._tick)

    def _tick(self) -> None:
        for item, since in self._held.items():
            if since < self._round:
                self._renew(item)
        self._round += 1
        self._ticks = bool(self._held)
        if self._ticks:
            self._later()
