"""The options that every pattern shares, validated."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cachesim.settings import InvalidSetting, Positive, Problem, Seconds, Setting

__all__ = ["CommonOptions", "Lifetime", "LoadFailed", "LoadTimeout", "Options", "TimeToLive"]

Lifetime = Annotated[float, Field(ge=0.001)]
"""A time to live in seconds: 1 ms, the unit of Redis, or more."""


class LoadTimeout(TimeoutError):
    """A load took longer than `load_timeout`."""


class LoadFailed(RuntimeError):
    """A load that somebody else ran, most likely in another process, and that was waited for, has failed there."""


class CommonOptions(Setting):
    """How a pattern caches, whatever it calls the lifetime of a value. Times in seconds.

    `jitter`: a lifetime is ttl - U(0, jitter), so that what was filled together does not expire together and no bound
    on staleness suffers. `single_flight`: "process", one load per key and process at a time, whoever asks meanwhile
    waits for it; "none", everybody loads. `negative_ttl`: lifetime of an absent row, which `load` returns as None; None
    stands for `ttl`. `stale_if_error`: how long past its lifetime a value is still served when a load fails.
    `load_timeout`: bound on a load, None for none.
    """

    error: ClassVar[Any] = InvalidSetting
    fixed: ClassVar[tuple[str, ...]] = ()
    """What holds for the whole cache, and cannot differ from call to call."""
    lifetime_field: ClassVar[str] = "ttl"

    jitter: Seconds = 0.0
    single_flight: Literal["none", "process"] = "process"
    negative_ttl: Lifetime | None = None
    stale_if_error: Seconds | None = None
    load_timeout: Positive | None = None

    @property
    def lifetime(self) -> float:
        """Seconds that a value is fresh, before jitter."""
        return getattr(self, self.lifetime_field)  # type: ignore[no-any-return]

    @model_validator(mode="after")
    def _a_lifetime_remains(self) -> Self:
        if (self.jitter or 0.0) > self.lifetime - 0.001:
            message = f"{self.jitter!r} is not allowed; at least 1 ms below {self.lifetime_field} ({self.lifetime:g})"
            raise InvalidSetting(Problem("jitter", message))
        return self

    def replace(self, **changes: Any) -> Self:
        """A changed, validated copy for one call."""
        for name in self.fixed:
            if name in changes:
                raise InvalidSetting(Problem(name, f"{changes[name]!r} is not allowed; it holds for the whole cache"))
        return type(self)(**(dict(self) | changes))


class TimeToLive(Setting):
    """`ttl`: lifetime of a value in seconds."""

    ttl: Lifetime


class Options(CommonOptions, TimeToLive):
    """The options that most patterns share."""
