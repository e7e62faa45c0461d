"""A circuit breaker: after a failure the server is left alone for a while, then one caller tries again."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Closed while the server works; open for `pause` seconds after a failure or the start of a trial."""

    def __init__(self, clock: Callable[[], float], pause: float = 1.0) -> None:
        self._clock, self._pause = clock, pause
        self._open_until: float | None = None

    def allows(self) -> bool:
        """Whether to call the server now; when a pause is over, the first to ask becomes the trial."""
        if self._open_until is None:
            return True
        if self._clock() < self._open_until:
            return False
        self.failed()
        return True

    def failed(self) -> None:
        """A call failed: open."""
        self._open_until = self._clock() + self._pause

    def worked(self) -> None:
        """A call worked: closed."""
        self._open_until = None
