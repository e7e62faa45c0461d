"""Numbers as people read them: digits that count, and units.

A *format* takes a value, and a typical one beside it that decides on unit and digits: an interval is written like its
mean. What does not exist (NaN) is written as "–".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import floor, isnan, log10
from textwrap import wrap

__all__ = [
    "aligned",
    "format_of",
    "half_width",
    "listed",
    "number",
    "percent",
    "plus_minus",
    "seconds",
    "shown",
    "unit_of",
]

Format = Callable[[float, float], str]
"""A value, and a typical one, as text."""


def _decimals(value: float, digits: int) -> int:
    return max(0, digits - 1 - floor(log10(abs(value)))) if value else 0


def number(value: float, typical: float) -> str:
    """Four digits that count; whole numbers in full.

    >>> number(60313.0, 60313.0), number(50.490909, 50.490909), number(54.91, 1234.5)
    ('60,313', '50.49', '55')
    """
    if value.is_integer() and typical.is_integer():
        return f"{value:,.0f}"
    text = f"{value:,.{_decimals(typical or value, 4)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def seconds(value: float, typical: float) -> str:
    """In the unit in which the typical one is easily read.

    >>> seconds(0.0233, 0.0233), seconds(0.5, 2.0), seconds(0.00002, 0.00002), seconds(0.0, 0.0)
    ('23.3 ms', '0.5 s', '20 µs', '0 s')
    """
    for unit, scale in (("µs", 1e-6), ("ms", 1e-3)):
        if 0 < abs(typical) < 1000 * scale and value:
            return f"{number(value / scale, typical / scale)} {unit}"
    return f"{number(value, typical)} s"


def percent(value: float, typical: float) -> str:
    """Two decimals; what is neither nothing nor everything does not look like it.

    >>> [percent(share, share) for share in (0, 0.00001, 0.9536, 0.99999, 1)]
    ['0.00 %', '<0.01 %', '95.36 %', '>99.99 %', '100.00 %']
    """
    text = f"{100 * value:.2f}"
    if text in ("0.00", "-0.00") and value != 0:
        text = "<0.01" if value > 0 else ">-0.01"
    elif text == "100.00" and value < 1:
        text = ">99.99"
    return f"{text} %"


_FORMATS: dict[str, Format] = {
    "": number,
    "ratio": percent,
    "s": seconds,
    "1/s": lambda value, typical: f"{number(value, typical)}/s",
    "B": lambda value, typical: f"{number(value, typical)} B",
}


def unit_of(metric: str) -> str:
    """The unit of a metric: "s", "1/s", "B", "ratio", or empty for a count.

    >>> unit_of("latency_p99"), unit_of("hit_ratio_l1"), unit_of("loads")
    ('s', 'ratio', '')
    """
    if metric.startswith(("latency_", "staleness_")) or metric.endswith("_wait_mean"):
        return "s"
    if metric.endswith("_rate"):
        return "1/s"
    if metric.startswith("bytes_"):
        return "B"
    return "ratio" if "_ratio" in metric or metric.startswith("share_") or metric.endswith("_utilization") else ""


def format_of(metric: str) -> Format:
    """How the values of a metric are written."""
    return _FORMATS[unit_of(metric)]


def shown(format: Format, value: float) -> str:
    """A value by itself; "–" for NaN."""
    return "–" if isnan(value) else format(value, value)


def half_width(format: Format, mean: float, half: float) -> str:
    """Half an interval, to two digits that count (of a share: two decimals), in its mean's unit if not much smaller.

    >>> half_width(seconds, 0.5, 0.00123), half_width(number, 51.0, 2.0 / 3), half_width(percent, 0.95, 0.0123)
    ('± 1.2 ms', '± 0.67', '± 1.23 %')
    """
    if half < 1e-9 * abs(mean):  # what rounding left of nothing
        half = 0.0
    rounded = half if format is percent else float(f"{half:.2g}")
    return f"± {format(rounded, min(rounded, abs(mean)) if rounded else mean)}"


def plus_minus(format: Format, mean: float, half: float) -> str:
    """A mean and half its interval; the mean alone where there is no interval.

    >>> plus_minus(percent, 0.9536, 0.0123)
    '95.36 % ± 1.23 %'
    """
    return shown(format, mean) if isnan(half) else f"{shown(format, mean)} {half_width(format, mean, half)}"


def listed(sentences: Iterable[str]) -> Iterator[str]:
    """Indented lines of at most 110 characters, those that go on further in."""
    for sentence in sentences:
        yield from wrap(sentence, 110, initial_indent="  ", subsequent_indent="    ")


def aligned(rows: Iterable[Sequence[str]], sides: str) -> Iterator[str]:
    """Rows as lines: each column as wide as its widest cell; `sides` has a "<" or a ">" for each, left or right.

    >>> list(aligned([["policy", "hits"], ["lru", "1,000"]], "<>"))
    ['policy   hits', 'lru     1,000']
    """
    every = list(rows)
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    for cells in every:
        columns = zip(cells, sides, widths, strict=True)
        yield "  ".join(f"{cell:{side}{width}}" for cell, side, width in columns).rstrip()
