"""Stored responses: what a shared cache may keep, for how long, for whom, and what a 304 renews. No clock, no I/O.

All times are in seconds of the cache's clock, which counts from the epoch. Source: RFC 9111, sections 3, 4 and 5.2;
RFC 5861 for stale-while-revalidate and stale-if-error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Literal

from cachesim.patterns.http_messages import Fields, Response, directives, http_date, number, seconds

__all__ = ["ERRORS", "Stored", "is_storable", "wants"]

ERRORS = frozenset({500, 502, 503, 504})
"""The statuses that are no answers: stale-if-error covers them (RFC 5861, section 4)."""

_NEVER_KEPT = ERRORS | {206, 304}  # a part is not the whole
_SAYS_HOW_LONG = ("s-maxage", "max-age", "public", "no-cache")
_LETS_AUTHORIZED_BE_SHARED = ("public", "s-maxage", "must-revalidate")
_FORBIDS_STALE = ("must-revalidate", "proxy-revalidate", "s-maxage", "no-cache")
_OF_THE_CONNECTION = frozenset(
    "connection keep-alive proxy-authenticate proxy-authentication-info proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
_NOT_RENEWED = frozenset({"content-encoding", "content-length", "content-range", "content-type"})


def wants(request: Fields) -> dict[str, str]:
    """The directives of a request."""
    return directives(request.get("cache-control"))


def is_storable(request: Fields, status: int, fields: Fields) -> bool:
    """Whether a shared cache may keep a response to GET, and serve it to others (RFC 9111, sections 3 and 3.5).

    Only what says so itself is kept: no lifetime is guessed. A response that sets a cookie has to say `public`. Errors
    are not kept.
    """
    given = directives(fields.get("cache-control"))
    if status in _NEVER_KEPT or not ("expires" in fields or any(name in given for name in _SAYS_HOW_LONG)):
        return False
    if "no-store" in given or "private" in given or "no-store" in wants(request):
        return False
    if "*" in _names(fields.get("vary")):
        return False
    if "authorization" in request and not any(name in given for name in _LETS_AUTHORIZED_BE_SHARED):
        return False
    return "set-cookie" not in fields or "public" in given


@dataclass(frozen=True)
class Stored:
    """A response in the cache.

    `selecting`: the fields of the request that its Vary names. `born`: when its age was 0. `lifetime`: the age from
    which it is stale.
    """

    response: Response
    selecting: tuple[tuple[str, str | None], ...]
    born: float
    lifetime: float

    @classmethod
    def of(cls, request: Fields, response: Response, *, asked: float, answered: float) -> Stored:
        """A response that was asked for and answered at these times (RFC 9111, sections 4.2.1 and 4.2.3)."""
        fields = response.fields
        date = http_date(fields.get("date"))
        age = (number(fields.get("age")) or 0) + answered - asked
        kept = fields.without(_OF_THE_CONNECTION | _names(fields.get("connection")) | {"age"})
        return cls(
            Response(response.status, kept, response.body),
            tuple((name, request.get(name)) for name in sorted(_names(fields.get("vary")))),
            answered - max(age, 0.0 if date is None else answered - date),
            _lifetime(fields, answered if date is None else date),
        )

    def renewed(self, request: Fields, fields: Fields, *, asked: float, answered: float) -> Stored:
        """What a 304 with these fields makes of it (RFC 9111, sections 3.2 and 4.3.4)."""
        new = list(fields.without(_NOT_RENEWED))
        kept = self.response.fields.without(["date", *(name for name, _ in new)])
        response = Response(self.response.status, Fields([*kept, *new]), self.response.body)
        return Stored.of(request, response, asked=asked, answered=answered)

    @cached_property
    def given(self) -> dict[str, str]:
        """The directives of the response."""
        return directives(self.response.fields.get("cache-control"))

    @cached_property
    def size(self) -> int:
        """Bytes of fields and body."""
        return len(self.response.body) + sum(len(name) + len(value) for name, value in self.response.fields)

    def conditions(self) -> Fields:
        """What to ask the application with, so that it answers 304 if nothing has changed (section 4.3.1)."""
        fields = self.response.fields
        pairs = [("if-none-match", fields.get("etag")), ("if-modified-since", fields.get("last-modified"))]
        return Fields((name, value) for name, value in pairs if value is not None)

    def matches(self, request: Fields) -> bool:
        """Whether it answers a request with these fields: those that its Vary names are the same (section 4.1)."""
        return all(request.get(name) == value for name, value in self.selecting)

    def age(self, now: float) -> float:
        """Seconds since the response was made, as far as that is known."""
        return max(0.0, now - self.born)

    def use(self, request: Fields, now: float) -> Literal["fresh", "stale", "no"]:
        """Whether it may be served without asking the application first."""
        asks, age = wants(request), self.age(now)
        if "no-cache" in self.given or "no-cache" in asks:
            return "no"
        longest, margin = seconds(asks, "max-age"), seconds(asks, "min-fresh")
        if longest is not None and age > longest:
            return "no"
        if age + (margin or 0) < self.lifetime:
            return "fresh"
        return "stale" if self._bears(request, age, "stale-while-revalidate") else "no"

    def survives_an_error(self, request: Fields, now: float) -> bool:
        """Whether it may be served when the application fails."""
        return "no-cache" not in wants(request) and self._bears(request, self.age(now), "stale-if-error")

    def _bears(self, request: Fields, age: float, extension: str) -> bool:
        """Whether it may be served stale at that age, by leave of the application or of the client (max-stale)."""
        if any(name in self.given for name in _FORBIDS_STALE):
            return False
        asks = wants(request)
        over = age - self.lifetime
        if "max-stale" in asks:
            return over <= (seconds(asks, "max-stale") or 0 if asks["max-stale"] else inf)
        return "max-age" not in asks and "min-fresh" not in asks and over < (seconds(self.given, extension) or 0)


def _lifetime(fields: Fields, date: float) -> float:
    given = directives(fields.get("cache-control"))
    for name in ("s-maxage", "max-age"):
        if (lifetime := seconds(given, name)) is not None:
            return lifetime
    return max(0.0, (http_date(fields.get("expires")) or date) - date)


def _names(value: str | None) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in (value or "").split(",") if name.strip())
