"""A story as a sequence diagram for a page: one SVG element that needs nothing else.

It takes its colours from the page that it stands in, so it is readable on light and on dark; as a file of its own it
follows the reader's system. It names no id and no class, so a page can hold many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from cachesim.messages import printable
from cachesim.plots.colours import BLUE, VERMILION
from cachesim.races.layout import Layout, Placed, Text, columns, lay_out
from cachesim.races.story import Arrow, Line, Note, Pause, Story

__all__ = ["svg"]

_COLUMNS = 72
"""Few, since a narrow page shrinks them all."""
_WIDE, _HIGH, _MARGIN = 8, 22, 8
"""Pixels of a character's place, and around the whole."""
_HEAD = 9
"""The length of an arrow's head."""


def svg(story: Story, *, title: str = "") -> str:
    """The story as a sequence diagram, an SVG element as text, as wide as its page and at most as its letters need.

    The `title` is for screen readers, which are told the story in sentences after it; default: what it is. A full head
    is a call, an open one an answer, and a shaft with both a call whose answer came at once. Text longer than 200
    characters ends with "…"; control characters show as "�".

    >>> from cachesim.races.story import Arrow, Story
    >>> drawing = svg(Story(("read", "Redis"), (Arrow("read", "Redis", "GET item"),)), title="A read")
    >>> drawing.startswith("<svg"), "<title>A read</title>" in drawing, "read to Redis: GET item." in drawing
    (True, True, True)
    """
    layout = lay_out(story, _COLUMNS)
    width, height = layout.width * _WIDE + 2 * _MARGIN, layout.height * _HIGH + 2 * _MARGIN
    told = title or f"Sequence diagram of {', '.join(story.participants)}"
    texts = [text for placed in layout.placed for text in placed.texts if text.text]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_MARGIN} {-_MARGIN} {width} {height}" '
            f'width="{width}" height="{height}" style="max-width: 100%; height: auto" role="img" fill="currentColor">',
            f"<title>{_plain(told)}</title>",
            f"<desc>{_plain(' '.join(map(_sentence, story.lines)))}</desc>",
            "<style>svg:root { color-scheme: light dark; color: CanvasText; background: Canvas }</style>",
            '<g stroke="currentColor" stroke-opacity="0.45">',
            *(_lifeline(column, layout) for column in layout.lifelines.values()),
            '</g><g stroke-width="1.5" fill="none">',
            *(shape for placed in layout.placed for shape in _shapes(placed, layout)),
            '</g><g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="13">',
            *map(_written, texts),
            '<g font-weight="bold">',
            *map(_written, layout.names),
            "</g></g></svg>",
        ]
    )


def _plain(text: str) -> str:
    return escape(printable(" ".join(text.split())))


def _sentence(line: Line) -> str:
    match line:
        case Arrow(source, target, text, way):
            return f"{source} to {target}{' and back' if way == 'both' else ''}: {text}."
        case Note(where, text, broken):
            return f"{'Here the promise is broken. ' if broken else ''}{where}: {text}."
        case Pause(text):
            return f"{text}."


def _middle(column: int) -> int:
    return column * _WIDE + _WIDE // 2


def _centre(row: int) -> int:
    return row * _HIGH + _HIGH // 2


def _written(one: Text) -> str:
    """The text in exactly its columns, whatever the font."""
    length = columns(one.text) * _WIDE
    return (
        f'<text x="{one.column * _WIDE}" y="{_centre(one.row) + 4}" textLength="{length}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(one.text)}</text>'
    )


def _lifeline(column: int, layout: Layout) -> str:
    runs = (f"M{_middle(column)} {run.start * _HIGH}V{run.stop * _HIGH}" for run in layout.visible(column))
    return f'<path d="{"".join(runs)}"/>'


def _shapes(placed: Placed, layout: Layout) -> Iterator[str]:
    match placed.line:
        case Arrow() as arrow:
            yield from _arrow(arrow, placed, layout)
        case Note() as note:
            middle = _middle(layout.lifelines[note.where])
            yield from _broken(placed, middle) if note.broken else _dot(placed, middle)
        case Pause():
            dots = 'stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-dasharray="0 6"'
            for text in placed.texts:
                yield f'<path d="{_beside([text], 0, layout.width * _WIDE, text.row)}" {dots}/>'


def _arrow(arrow: Arrow, placed: Placed, layout: Layout) -> Iterator[str]:
    source, target = _middle(layout.lifelines[arrow.source]), _middle(layout.lifelines[arrow.target])
    back = -_HEAD if source < target else _HEAD
    reply = arrow.way == "reply"
    on_shaft = [text for text in placed.texts if text.row == placed.bottom]
    left, right = sorted((source, target if reply else target + back))
    dashes = ' stroke-dasharray="5 4"' if reply else ""
    yield f'<path d="{_beside(on_shaft, left, right, placed.bottom)}" stroke="{BLUE}"{dashes}/>'
    full, empty = f'fill="{BLUE}"', f'stroke="{BLUE}"'
    yield f'<path d="{_head(target, back, placed.bottom)}" {empty if reply else full}/>'
    if arrow.way == "both":
        yield f'<path d="{_head(source, -back, placed.bottom)}" {empty}/>'


def _head(tip: int, back: int, row: int) -> str:
    y = _centre(row)
    return f"M{tip + back} {y - 5}L{tip} {y}L{tip + back} {y + 5}"


def _beside(texts: Sequence[Text], left: int, right: int, row: int) -> str:
    """A line in that row, open where a text stands on it."""
    stops = [left, *(x for text in texts for x in (text.column * _WIDE - 5, text.end * _WIDE + 5)), right]
    return "".join(f"M{start} {_centre(row)}H{stop}" for start, stop in zip(stops[::2], stops[1::2], strict=True))


def _dot(placed: Placed, middle: int) -> Iterator[str]:
    yield f'<circle cx="{middle}" cy="{_centre(placed.top)}" r="4" fill="currentColor"/>'


def _broken(placed: Placed, middle: int) -> Iterator[str]:
    """A frame around the text, and a cross on the lifeline."""
    left, top = _middle(placed.left), _centre(placed.top)
    width, height = _middle(placed.right) - left, _centre(placed.bottom) - top
    y = _centre(placed.texts[0].row)
    yield (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="3" '
        f'stroke="{VERMILION}" stroke-width="2.5" fill="{VERMILION}" fill-opacity="0.12"/>'
    )
    yield f'<circle cx="{middle}" cy="{y}" r="8" fill="{VERMILION}"/>'
    cross = "".join(f"M{middle - 3} {y - slope}L{middle + 3} {y + slope}" for slope in (3, -3))
    yield f'<path d="{cross}" stroke="white" stroke-width="2.5" stroke-linecap="round"/>'
