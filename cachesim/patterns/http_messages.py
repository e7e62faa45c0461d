"""HTTP messages: header fields as ASGI servers and people write them, with their lists, dates and directives.

Names of fields are in lower case here, as ASGI has them. Dates are in seconds since the epoch.
Source: RFC 9110, sections 5 (fields), 5.6.7 (dates) and 8.8.3 (entity tags); RFC 9111, section 5.2 (Cache-Control).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "App",
    "Fields",
    "Headers",
    "Message",
    "Receive",
    "Response",
    "Scope",
    "Send",
    "directives",
    "http_date",
    "members",
    "number",
    "seconds",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Header fields as a mapping, or as pairs in which a name may come more than once."""

_MEMBER = re.compile(r'(?:[^,"]|"[^"]*")+')
_DIRECTIVE = re.compile(r'([^\s,="]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATES = [
    re.compile(form.replace("MONTH", f"(?P<month>{'|'.join(_MONTHS)})").replace("TIME", r"(?P<time>\d\d:\d\d:\d\d)"))
    for form in (
        r"[A-Z][a-z]{2}, (?P<day>\d\d) MONTH (?P<year>\d{4}) TIME GMT",  # today's form
        r"[A-Z][a-z]{5,8}, (?P<day>\d\d)-MONTH-(?P<year>\d\d) TIME GMT",  # that of RFC 850
        r"[A-Z][a-z]{2} MONTH (?P<day>[ \d]\d) TIME (?P<year>\d{4})",  # that of C's asctime
    )
]


class Fields:
    """The header fields of a message, in order; a name may come more than once, and is told in any case.

    >>> fields = Fields([("If-None-Match", '"a"'), (b"if-none-match", b'"b"')])
    >>> fields.get("if-none-match")
    '"a", "b"'
    """

    __slots__ = ("_lines",)

    def __init__(self, headers: Headers = ()) -> None:
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self._lines = tuple((_text(name).lower(), _text(value).strip(" \t")) for name, value in pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and other._lines == self._lines

    def __hash__(self) -> int:
        return hash(self._lines)

    def __repr__(self) -> str:
        return f"Fields({list(self._lines)})"

    def __contains__(self, name: str) -> bool:
        return any(name == known for known, _ in self._lines)

    def get(self, name: str) -> str | None:
        """The value of a field, its lines joined by commas; None when there is none."""
        lines = [value for known, value in self._lines if known == name]
        return ", ".join(lines) if lines else None

    def without(self, names: Iterable[str]) -> Fields:
        """All but the fields of these names."""
        dropped = frozenset(names)
        return Fields(line for line in self._lines if line[0] not in dropped)

    def adding(self, name: str, value: str) -> Fields:
        """One line more."""
        return Fields([*self._lines, (name, value)])

    def raw(self) -> list[tuple[bytes, bytes]]:
        """As ASGI has them."""
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._lines]


@dataclass(frozen=True)
class Response:
    """A whole response: status code, header fields, body."""

    status: int
    fields: Fields
    body: bytes = b""


def members(value: str) -> list[str]:
    """The members of a list; a comma within quotes belongs to its member.

    >>> members('"a,b", W/"c",')
    ['"a,b"', 'W/"c"']
    """
    return [member for text in _MEMBER.findall(value) if (member := text.strip(" \t"))]


def directives(value: str | None) -> dict[str, str]:
    """The directives of a Cache-Control field: names in lower case, empty text for no argument; the first one counts.

    >>> directives('max-age=60, no-cache="set-cookie", PUBLIC')
    {'max-age': '60', 'no-cache': 'set-cookie', 'public': ''}
    """
    found: dict[str, str] = {}
    for name, quoted, token in _DIRECTIVE.findall(value or ""):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or token)
    return found


def seconds(given: Mapping[str, str], name: str) -> int | None:
    """The argument of a directive in seconds; None when the directive is absent, 0 when it is no number."""
    return (number(given[name]) or 0) if name in given else None


def number(value: str | None) -> int | None:
    """A number without sign or fraction, at most 2**31; None for anything else.

    >>> number("60"), number("-1")
    (60, None)
    """
    return min(int(value[:20]), 2**31) if value and re.fullmatch(r"[0-9]+", value) else None


def http_date(value: str | None) -> float | None:
    """A date in any of HTTP's three forms, in seconds since the epoch; None for anything else.

    Years of two digits are 1970 to 2069.

    >>> http_date("Sun, 06 Nov 1994 08:49:37 GMT"), http_date("yesterday")
    (784111777.0, None)
    """
    for form in _DATES:
        if (found := form.fullmatch(value or "")) is not None:
            year, month = int(found["year"]), _MONTHS.index(found["month"]) + 1
            if len(found["year"]) == 2:
                year += 1900 if year >= 70 else 2000
            hour, minute, second = map(int, found["time"].split(":"))
            try:
                date = datetime(year, month, int(found["day"]), hour, minute, min(second, 59), tzinfo=UTC)  # 60: a leap
            except ValueError:
                return None
            return date.timestamp()
    return None


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
