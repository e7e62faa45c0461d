"""Text on the page that changes: the element stays, so that a screen reader speaks what is new in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from traceback import format_exception
from typing import NamedTuple

import anywidget
import traitlets as t

__all__ = ["Listing", "Number", "Panel", "problem", "table"]

_HERE = Path(__file__).parent


class Panel(anywidget.AnyWidget):
    """HTML in an element with an ARIA role: "status" is spoken when it changes, "alert" at once."""

    _esm = _HERE / "panel.js"
    _css = _HERE / "panel.css"
    html = t.Unicode().tag(sync=True)
    role = t.Unicode().tag(sync=True)


class Listing(anywidget.AnyWidget):
    """A text to copy, folded away under a summary; it stays open while its text changes."""

    _esm = _HERE / "listing.js"
    _css = _HERE / "panel.css"
    summary = t.Unicode().tag(sync=True)
    text = t.Unicode().tag(sync=True)


class Number(NamedTuple):
    """A row of a table: what was measured, what came out, and what theory says (empty: nothing)."""

    name: str
    simulated: str
    theory: str = ""


def table(numbers: Sequence[Number], note: str) -> str:
    """The numbers as an HTML table, with a note below."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(simulated)}</td><td>{escape(theory)}</td></tr>'
        for name, simulated, theory in numbers
    )
    head = '<tr><td></td><th scope="col">simulated</th><th scope="col">theory</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table><p>{escape(note)}</p>"


def problem(error: BaseException) -> str:
    """An exception as HTML: its type and message, and where it was raised."""
    summary = escape(f"{type(error).__name__}: {error}")
    trace = escape("".join(format_exception(error)))
    return (
        f"<p><strong>{summary}</strong></p><p>Below, everything still shows the last settings that worked.</p>"
        f'<details><summary data-lm-suppress-shortcuts="true">Where it happened</summary><pre>{trace}</pre></details>'
    )
