"""Text on the page that changes: the element stays, so that a screen reader speaks what is new in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from traceback import format_exception
from typing import NamedTuple

import anywidget
import traitlets as t

from cachesim.formatting import number, percent, seconds

__all__ = ["Listing", "Number", "Panel", "Progress", "problem", "table"]

_HERE = Path(__file__).parent


class Panel(anywidget.AnyWidget):
    """HTML in an element with an ARIA role: "status" is spoken when it changes, "alert" at once.

    While it is `busy` more is to come, and a screen reader waits.
    """

    _esm = _HERE / "panel.js"
    _css = _HERE / "panel.css"
    html = t.Unicode().tag(sync=True)
    role = t.Unicode().tag(sync=True)
    busy = t.Bool().tag(sync=True)


class Progress(anywidget.AnyWidget):
    """How far a run is; its place is kept while there is nothing to show."""

    _esm = _HERE / "progress.js"
    _css = _HERE / "panel.css"
    label = t.Unicode().tag(sync=True)
    share = t.Float(None, allow_none=True).tag(sync=True)

    def show(self, share: float | None) -> None:
        """Show a share that is done, 0 to 1; None: nothing runs."""
        self.share = share


class Listing(anywidget.AnyWidget):
    """A text to copy, folded away under a summary; it stays open while its text changes."""

    _esm = _HERE / "listing.js"
    _css = _HERE / "panel.css"
    summary = t.Unicode().tag(sync=True)
    text = t.Unicode().tag(sync=True)


class Number(NamedTuple):
    """A row of a table: what came out of a run, and what theory expects.

    `unit`: "%" for a ratio in 0..1, "s" for seconds, or any text. `error`: how far such runs stray from `expected`, as
    a standard error; `approximation`: how far the theory itself may be off, as a share of it.
    """

    name: str
    value: float
    unit: str = ""
    expected: float | None = None
    error: float = 0.0
    approximation: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether theory allows what came out, within four standard errors."""
        if self.expected is None:
            return True
        allowed = 4 * self.error + self.approximation * abs(self.expected) + 1e-9 * abs(self.expected)
        return abs(self.value - self.expected) <= allowed

    @property
    def simulated(self) -> str:
        """What came out, as it is read.

        >>> Number("Hit ratio", 0.9523, "%").simulated, Number("Wait", 0.019, "s").simulated
        ('95.23 %', '19 ms')
        """
        return self._text(self.value)

    @property
    def theory(self) -> str:
        """What is expected, as it is read; empty for nothing.

        >>> Number("Loads", 50.2, expected=51, error=2).theory
        '51 (95 % of such runs: 47.1 to 54.9)'
        """
        if self.expected is None:
            return ""
        text = ("≈ " if self.approximation else "") + self._text(self.expected)
        if not self.error:
            return text
        low, high = max(0.0, self.expected - 1.96 * self.error), self.expected + 1.96 * self.error
        if self.unit == "%":
            high = min(1.0, high)
        return f"{text} (95 % of such runs: {self._text(low, brief=True)} to {self._text(high, brief=True)})"

    def _text(self, value: float, *, brief: bool = False) -> str:
        if value != value:
            return "–"
        value = float(value)
        if brief and self.unit not in ("%", "s"):
            value = float(f"{value:.3g}")
        if self.unit == "%":
            return percent(value, value)
        return seconds(value, value) if self.unit == "s" else f"{number(value, value)} {self.unit}".strip()


def table(numbers: Sequence[Number], note: str) -> str:
    """The numbers as an HTML table, with a note below; each row carries its numbers in full."""
    rows = "".join(_row(number) for number in numbers)
    head = '<tr><td></td><th scope="col">simulated</th><th scope="col">theory</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table><p>{escape(note)}</p>"


def _row(number: Number) -> str:
    data = f'data-value="{number.value!r}"'
    if number.expected is not None:
        data += f' data-expected="{number.expected!r}" data-agrees="{str(number.agrees).lower()}"'
    cells = f"<td>{escape(number.simulated)}</td><td>{escape(number.theory)}</td>"
    return f'<tr {data}><th scope="row">{escape(number.name)}</th>{cells}</tr>'


def problem(error: BaseException) -> str:
    """An exception as HTML: its type and message, and where it was raised."""
    summary = escape(f"{type(error).__name__}: {error}")
    trace = escape("".join(format_exception(error)))
    return (
        f"<p><strong>{summary}</strong></p><p>Below, everything still shows the last settings that worked.</p>"
        f'<details><summary data-lm-suppress-shortcuts="true">Where it happened</summary><pre>{trace}</pre></details>'
    )
