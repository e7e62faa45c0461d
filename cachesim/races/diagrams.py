"""A story as a sequence diagram for a terminal."""

from __future__ import annotations

from cachesim.races.layout import Layout, Placed, Text, glyphs, lay_out
from cachesim.races.story import Arrow, Note, Pause, Story

__all__ = ["text"]

_Cells = list[list[str]]


def text(story: Story, *, width: int = 100) -> str:
    """The story as a sequence diagram of Unicode's box characters, in lines of at most `width` columns.

    A full head is a call, an open one an answer, and a shaft with both a call whose answer came at once. Text longer
    than 200 characters ends with "…"; control characters show as "�". Lines are longer than `width` only where texts
    between two lifelines would have less than 8 columns. The same on every version of Python, as far as its Unicode
    knows the characters.

    >>> from cachesim.races.story import Arrow, Note, Story
    >>> lines = Arrow("read", "Redis", "GET item: 1", "both"), Note("read", "is served 1, not 2", broken=True)
    >>> print(text(Story(("read", "Redis"), lines)))
    read              Redis
      │                 │
      ├◁─ GET item: 1 ─▶│
      ╔════════════════════╗
      ✗ is served 1, not 2 ║
      ╚════════════════════╝
      │                 │
    """
    layout = lay_out(story, width)
    cells = [[" "] * layout.width for _ in range(layout.height)]
    for column in layout.lifelines.values():
        for rows in layout.visible(column):
            for row in rows:
                cells[row][column] = "│"
    for placed in layout.placed:
        _draw(placed, layout, cells)
    for name in layout.names:
        _write(name, cells)
    return "\n".join("".join(row).rstrip() for row in cells)


def _draw(placed: Placed, layout: Layout, cells: _Cells) -> None:
    match placed.line:
        case Arrow() as arrow:
            _shaft(arrow, layout, cells[placed.bottom])
        case Note(broken=True) as note:
            _frame(placed, cells)
            cells[placed.texts[0].row][layout.lifelines[note.where]] = "✗"
        case Note() as note:
            cells[placed.top][layout.lifelines[note.where]] = "●"
        case Pause():
            for row in cells[placed.top : placed.bottom + 1]:
                row[:] = "·" * layout.width
    for one in placed.texts:
        _write(one, cells)


def _shaft(arrow: Arrow, layout: Layout, row: list[str]) -> None:
    source, target = layout.lifelines[arrow.source], layout.lifelines[arrow.target]
    step = 1 if source < target else -1
    for column in range(source + step, target, step):
        crossed = column in layout.lifelines.values()
        row[column] = "┼" if crossed else "╌" if arrow.way == "reply" else "─"
    row[source] = "├" if step > 0 else "┤"
    if arrow.way == "both":
        row[source + step] = "◁" if step > 0 else "▷"
    full, empty = "▶▷" if step > 0 else "◀◁"
    row[target - step] = empty if arrow.way == "reply" else full


def _frame(placed: Placed, cells: _Cells) -> None:
    between = "═" * (placed.right - placed.left - 1)
    cells[placed.top][placed.left : placed.right + 1] = f"╔{between}╗"
    cells[placed.bottom][placed.left : placed.right + 1] = f"╚{between}╝"
    for row in cells[placed.top + 1 : placed.bottom]:
        row[placed.left] = row[placed.right] = "║"


def _write(one: Text, cells: _Cells) -> None:
    """The text, with a space on either side where it stands on a line."""
    row, column = cells[one.row], one.column
    if column:
        row[column - 1] = " "
    for glyph, width in glyphs(one.text):
        row[column : column + width] = [glyph, *[""] * (width - 1)]
        column += width
    if column < len(row):
        row[column] = " "
