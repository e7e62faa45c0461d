"""What `call_soon` and `call_later` return: asyncio's own handles, which run when they are called."""

from __future__ import annotations

import asyncio

__all__ = ["Callback", "Timer"]


class Callback(asyncio.Handle):
    """What `call_soon` returns; calling it runs it, unless it was cancelled."""

    def __call__(self) -> None:
        if not self._cancelled:
            self._run()


class Timer(asyncio.TimerHandle):
    """What `call_later` returns; it stands in the queue, or among the callbacks when it is due at once."""

    def __call__(self) -> None:
        if not self._cancelled:
            self._run()

    fire = __call__
