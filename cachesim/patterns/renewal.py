"""Something said again and again while a piece of work goes on: "I am still at it"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Renewal"]


class Renewal:
    """Calls `renew` every so many seconds, for the first time after as many, until it is stopped."""

    def __init__(self, seconds: float, renew: Callable[[], None]) -> None:
        self._seconds, self._renew = seconds, renew
        self._timer = asyncio.get_running_loop().call_later(seconds, self._again)

    def _again(self) -> None:
        self._renew()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._again)

    def stop(self) -> None:
        """No more calls."""
        self._timer.cancel()
