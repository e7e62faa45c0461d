"""A figure that is kept, and the image on the page that shows it; and pictures that do not change.

A figure is laid out once; then only its data change. That is as fast as a redrawn picture gets in a notebook, and
nothing in it jumps.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from threading import RLock

import anywidget
import traitlets as t
from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

__all__ = ["Illustration", "Picture", "freeze", "kept_figure", "plain_style", "png", "static_image", "svg"]

_HERE = Path(__file__).parent
_DRAWING = RLock()
_CSS_DPI = 96
_SHARPNESS = 1.5
"""Pixels drawn for each pixel of the page: screens have one or two."""


class Picture(anywidget.AnyWidget):
    """An image with its text alternative; the element stays and its content changes."""

    _esm = _HERE / "picture.js"
    _css = _HERE / "picture.css"
    width = t.Int().tag(sync=True)
    height = t.Int().tag(sync=True)
    png = t.Bytes().tag(sync=True)
    alt = t.Unicode().tag(sync=True)

    @classmethod
    def of(cls, figure: Figure) -> Picture:
        """An empty picture of the size of `figure`."""
        width, height = figure.get_size_inches() * _CSS_DPI
        return cls(width=round(width), height=round(height))

    def show(self, png: bytes, alt: str) -> None:
        """Change image and text in one message."""
        with self.hold_sync():
            self.png, self.alt = png, alt


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw as matplotlib does out of the box, whatever the notebook has set: what it draws on is white.

    Those settings are everybody's, so only one thread draws at a time.
    """
    with _DRAWING, style.context("default"):
        yield


def kept_figure(width: int, height: int) -> Figure:
    """A figure of so many pixels on the page, white, that pyplot does not know."""
    size = (width / _CSS_DPI, height / _CSS_DPI)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    figure = Figure(figsize=size, dpi=_CSS_DPI * _SHARPNESS, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def freeze(figure: Figure) -> None:
    """Lay out the figure for what it shows now, and keep that layout: laying out costs as much as drawing."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def png(figure: Figure) -> bytes:
    """The figure as a PNG file. Not by `savefig`: that changes the resolution twice, which throws every text away."""
    buffer = io.BytesIO()
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.print_png(buffer, pil_kwargs={"compress_level": 1})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file, the same bytes for the same picture."""
    buffer = io.BytesIO()
    with plain_style(), rc_context({"svg.hashsalt": "cachesim"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def static_image(figure: Figure, alt: str) -> str:
    """The figure as an HTML image that needs nothing else, with its text alternative."""
    style = (_HERE / "picture.css").read_text()
    address = "data:image/svg+xml;base64," + b64encode(svg(figure)).decode()
    return f'<style>{style}</style><img class="cachesim-picture" src="{address}" alt="{escape(alt)}">'


@dataclass(frozen=True)
class Illustration:
    """A picture that does not change, with its text alternative, as a cell shows it.

    `axes`: any of a figure's; `what` it shows. Its text is that, and the title of the axes, which says the finding:
    matplotlib's own output has none.
    """

    axes: Axes
    what: str

    @property
    def alt(self) -> str:
        """The text alternative."""
        return f"{self.what}. {self.axes.get_title(loc='left')}.".removesuffix(" .")

    def _repr_html_(self) -> str:
        figure = self.axes.get_figure(root=True)
        assert figure is not None
        return static_image(figure, self.alt)
