"""Where everything in a sequence diagram stands, in rows and columns of characters: the same for text and for SVG.

Lifelines stand as far apart as the texts between them need. Where the page is too narrow for that, the longest texts
are wrapped, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple
from unicodedata import category, east_asian_width

from cachesim.messages import printable
from cachesim.races.story import Arrow, Line, Note, Pause, Story

__all__ = ["Layout", "Placed", "Text", "columns", "glyphs", "lay_out"]

_MOST = 200
"""Characters of a text; the rest of a longer one is told by an ellipsis."""
_LEAST = 8
"""Columns that a text has at least, however narrow the page."""
_SCREEN = 24
"""Rows that are seen at once: below more than these the names are repeated."""
_SHAFT = 6
"""Columns beside a text on a shaft: a space, a piece of the shaft and a head on either side."""


class Text(NamedTuple):
    """A piece of text in one row, from a column on."""

    row: int
    column: int
    text: str

    @property
    def end(self) -> int:
        """The column after its last."""
        return self.column + columns(self.text)


class Placed(NamedTuple):
    """A line of the story with its text, and the place it takes: rows `top` to `bottom`, columns `left` to `right`.

    All four are part of it. An arrow's shaft is in its last row. What breaks the promise has a frame along its edge.
    """

    line: Line
    top: int
    bottom: int
    left: int
    right: int
    texts: tuple[Text, ...]

    def covers(self, row: int, column: int) -> bool:
        """Whether a lifeline there is hidden: by a text or the space beside it, within a frame, or by a pause."""
        match self.line:
            case Pause():
                return self.top <= row <= self.bottom
            case Note(broken=True):
                return self.top <= row <= self.bottom and self.left < column < self.right
            case _:
                return any(text.row == row and text.column - 1 <= column <= text.end for text in self.texts)


@dataclass(frozen=True)
class Layout:
    """A story on `width` columns and `height` rows; `lifelines`: the column of each participant's, over `body`."""

    width: int
    height: int
    body: range
    lifelines: Mapping[str, int]
    names: tuple[Text, ...]
    placed: tuple[Placed, ...]

    def visible(self, column: int) -> Iterator[range]:
        """The rows in which a lifeline is seen, run by run."""
        hidden = {row for one in self.placed for row in range(one.top, one.bottom + 1) if one.covers(row, column)}
        for seen, rows in groupby(self.body, lambda row: row not in hidden):
            run = list(rows)
            if seen:
                yield range(run[0], run[-1] + 1)


def lay_out(story: Story, width: int) -> Layout:
    """The story on a page of so many columns; on more where texts between lifelines would have less than 8."""
    longest = max(map(columns, map(_tidy, _texts(story))))
    tried = (_Page.of(story, width, most) for most in range(longest, _LEAST, -1))
    page = next((page for page in tried if page.end <= width), None) or _Page.of(story, width, _LEAST)
    top = max(map(len, page.names))
    placed: list[Placed] = []
    row = top + 1
    for line in story.lines:
        placed.append(page.place(line, row))
        row = placed[-1].bottom + 1
    body = range(top, row + 1)
    names = [*page.heads(body.start, above=True)]
    if row > _SCREEN:
        names += page.heads(body.stop, above=False)
    return Layout(
        width=max([page.end, *(one.right + 1 for one in placed)]),
        height=max([body.stop, *(text.row + 1 for text in names)]),
        body=body,
        lifelines=page.lifelines,
        names=tuple(names),
        placed=tuple(placed),
    )


def _texts(story: Story) -> Iterator[str]:
    yield from story.participants
    yield from (line.text for line in story.lines if isinstance(line, Arrow))


# The page


class _Page(NamedTuple):
    """The lifelines, with the names in pieces; `width`: what notes may use, `end`: what names and lifelines do."""

    width: int
    end: int
    lifelines: dict[str, int]
    names: list[list[str]]

    @classmethod
    def of(cls, story: Story, width: int, most: int) -> _Page:
        """With texts of up to `most` columns on the shafts of their arrows."""
        names = [_wrapped(_tidy(name), most) for name in story.participants]
        widths = [max(map(columns, pieces)) for pieces in names]
        gaps = [(left - 1) // 2 + right // 2 + 3 for left, right in pairwise(widths)]
        for first, last, need in sorted(_needs(story, most), key=lambda need: need[1] - need[0]):
            for step in range(need - sum(gaps[first:last])):
                gaps[first + step % (last - first)] += 1
        lifelines = list(accumulate(gaps, initial=widths[0] // 2))
        end = lifelines[-1] + (widths[-1] - 1) // 2 + 1
        return cls(max(width, end), end, dict(zip(story.participants, lifelines, strict=True)), names)

    def heads(self, row: int, *, above: bool) -> Iterator[Text]:
        """The names, centred on their lifelines, down to the row above `row`, or from it on."""
        for column, pieces in zip(self.lifelines.values(), self.names, strict=True):
            for number, piece in enumerate(pieces, row - len(pieces) if above else row):
                yield Text(number, column - columns(piece) // 2, piece)

    def place(self, line: Line, row: int) -> Placed:
        """The line in the rows from `row` on."""
        match line:
            case Arrow():
                return self._arrow(line, row)
            case Note():
                return self._note(line, row)
            case Pause():
                texts = _column_of(_wrapped(_tidy(line.text), max(self.width - 8, _LEAST)), row, 4)
                return Placed(line, row, texts[-1].row, 0, max(text.end for text in texts) + 3, texts)

    def _arrow(self, line: Arrow, row: int) -> Placed:
        """With its text on the shaft, near the source, or above it in several rows."""
        source, target = self.lifelines[line.source], self.lifelines[line.target]
        left, right = sorted((source, target))
        text = _tidy(line.text)
        if columns(text) + _SHAFT < right - left:
            column = left + 4 if source == left else right - 3 - columns(text)
            return Placed(line, row, row, left, right, (Text(row, column, text),) if text else ())
        pieces = _wrapped(text, right - left - 3)
        column = left + 2 if source == left else right - 1 - max(map(columns, pieces))
        return Placed(line, row, row + len(pieces), left, right, _column_of(pieces, row, column))

    def _note(self, line: Note, row: int) -> Placed:
        """To the right of its lifeline, or to the left where it takes fewer rows there."""
        column, frame = self.lifelines[line.where], 2 if line.broken else 0
        text = _tidy(line.text)
        rooms = (self.width - column - 2 - frame, column - 1 - frame)
        room = min(rooms, key=lambda room: (room < _LEAST, len(_wrapped(text, max(room, _LEAST)))))
        pieces = _wrapped(text, max(room, _LEAST))
        first, longest = row + line.broken, max(map(columns, pieces))
        if room == rooms[0]:
            texts = _column_of(pieces, first, column + 2)
            left, right = column, column + 1 + longest + frame
        else:
            texts = _column_of(pieces, first, column - 1 - longest)
            left, right = column - 1 - longest - frame, column
        return Placed(line, row, first + len(pieces) - 1 + line.broken, left, right, texts)


def _needs(story: Story, most: int) -> Iterator[tuple[int, int, int]]:
    """For each arrow the places of its leftmost and its rightmost participant, and how far apart they should be."""
    place = {name: number for number, name in enumerate(story.participants)}
    for line in story.lines:
        if isinstance(line, Arrow):
            first, last = sorted((place[line.source], place[line.target]))
            yield first, last, min(most, columns(_tidy(line.text))) + _SHAFT + 1


def _column_of(pieces: Sequence[str], row: int, column: int) -> tuple[Text, ...]:
    return tuple(Text(number, column, piece) for number, piece in enumerate(pieces, row))


# Text


def glyphs(text: str) -> Iterator[tuple[str, int]]:
    r"""Each character with what combines with it, and the columns that it takes in a terminal: 1 or 2.

    >>> [(len(glyph), width) for glyph, width in glyphs("e\u0301e缓")]
    [(2, 1), (1, 1), (1, 2)]
    """
    glyph = ""
    for character in text:
        if glyph and _combines(character):
            glyph += character
        else:
            if glyph:
                yield glyph, _columns_of(glyph)
            glyph = character
    if glyph:
        yield glyph, _columns_of(glyph)


def columns(text: str) -> int:
    """The columns that a text takes in a terminal."""
    return len(text) if text.isascii() else sum(width for _, width in glyphs(text))


def _combines(character: str) -> bool:
    return category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff"  # vowels and finals of Hangul


def _columns_of(glyph: str) -> int:
    return 2 if east_asian_width(glyph[0]) in "WF" else 1


def _tidy(text: str) -> str:
    r"""In one line that can be printed anywhere; a mark that has nothing to combine with gets a dotted circle.

    >>> _tidy("a\n  b\x1b \u0301")
    'a b� ◌́'
    """
    words = printable(" ".join(text.split())).split(" ")
    text = " ".join(f"◌{word}" if word and _combines(word[0]) else word for word in words)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def _wrapped(text: str, room: int) -> list[str]:
    """In pieces of at most so many columns, between words; within a word that is longer.

    >>> _wrapped("SET user:1 0123456789", 4)
    ['SET', 'user', ':1', '0123', '4567', '89']
    """
    pieces = [""]
    used = 0
    for word in text.split(" "):
        if used and used + 1 + columns(word) <= room:
            pieces[-1] += " "
            used += 1
        elif used:
            pieces.append("")
            used = 0
        for glyph, width in glyphs(word):
            if used + width > room:
                pieces.append("")
                used = 0
            pieces[-1] += glyph
            used += width
    return pieces
