"""A story as SVG: well-formed, whole, by itself, nothing on top of a text, and arrows that end at lifelines."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Literal, NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given

from cachesim.messages import one_line
from cachesim.races.drawings import svg
from cachesim.races.story import Arrow, Note, Pause, Story
from tests.races.told import STALE_SET, stories

_SPACE = re.compile(r"[◌\s]")


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def widened(self, by: float) -> Box:
        return Box(self.left - by, self.top, self.right + by, self.bottom)

    def holds(self, other: Box) -> bool:
        across = self.left < other.left and other.right < self.right
        return across and self.top < other.top and other.bottom < self.bottom


class Drawing:
    """What an SVG says, read back."""

    def __init__(self, story: Story, title: str = "") -> None:
        self.source = svg(story, title=title)
        self.root = ElementTree.fromstring(self.source)

    def every(self, name: str) -> list[ElementTree.Element]:
        return list(self.root.iter(f"{{http://www.w3.org/2000/svg}}{name}"))

    def only(self, name: str) -> str:
        (one,) = self.every(name)
        return one.text or ""

    @property
    def texts(self) -> list[str]:
        return [text.text or "" for text in self.every("text")]

    @property
    def text_boxes(self) -> list[Box]:
        """From the top of a capital to the baseline, in the length that is set."""
        boxes = []
        for text in self.every("text"):
            x, y, length = (float(text.attrib[name]) for name in ("x", "y", "textLength"))
            boxes.append(Box(x, y - 9, x + length, y))
        return boxes

    @property
    def lines(self) -> list[Box]:
        """What is level or upright: lifelines, shafts and pauses."""
        paths = [path.attrib["d"] for path in self.every("path")]
        level = [Box(float(x), float(y), float(end), float(y)) for d in paths for x, y, end in re.findall(_LEVEL, d)]
        upright = [
            Box(float(x), float(y), float(x), float(end)) for d in paths for x, y, end in re.findall(_UPRIGHT, d)
        ]
        return level + upright

    @property
    def lifelines(self) -> list[float]:
        return sorted({line.left for line in self.lines if line.left == line.right and line.top != line.bottom})

    @property
    def heads(self) -> list[tuple[float, bool]]:
        """Where an arrow's head points to, and whether it is filled."""
        found = ((re.fullmatch(_HEAD, path.attrib["d"]), "fill" in path.attrib) for path in self.every("path"))
        return [(float(match[1]), full) for match, full in found if match]

    @property
    def frames(self) -> list[Box]:
        frames = []
        for frame in self.every("rect"):
            x, y, width, height = (float(frame.attrib[name]) for name in ("x", "y", "width", "height"))
            frames.append(Box(x, y, x + width, y + height))
        return frames


_LEVEL = r"M(\S+) (\S+?)H([^MHVL ]+)"
_UPRIGHT = r"M(\S+) (\S+?)V([^MHVL ]+)"
_HEAD = r"M\S+ \S+L(\S+) \S+L\S+ \S+"


def test_the_stale_set_race():
    drawing = Drawing(STALE_SET, title="A stale set")
    assert drawing.root.attrib["role"] == "img"
    assert drawing.only("title") == "A stale set"
    assert drawing.only("desc").startswith("read 1: arrives. read 1 to Redis and back: GET item: nothing.")
    assert drawing.only("desc").endswith(
        "10 s pass. read 1 to Redis and back: SET item version 0. read 1: is served version 0. read 3: arrives. "
        "read 3 to Redis and back: GET item: version 0. Here the promise is broken. "
        "read 3: is served version 0, though version 1 was there at the delete."
    )
    assert len(drawing.lifelines) == 5
    assert len(drawing.every("rect")) == 1


def test_without_a_title_it_says_what_it_is():
    assert Drawing(STALE_SET).only("title") == "Sequence diagram of read 1, write 2, read 3, Redis, database"


def test_it_needs_nothing_else_and_leaves_the_page_alone():
    drawing = Drawing(STALE_SET)
    assert not drawing.every("script")
    assert not {name for one in drawing.root.iter() for name in one.attrib} & {"id", "class", "href"}
    assert "http" not in drawing.source.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert drawing.only("style").startswith("svg:root {")  # never the root of a page


def test_it_is_as_wide_as_the_page_and_at_most_as_its_letters_need():
    root = Drawing(STALE_SET).root
    assert root.attrib["viewBox"].split()[2:] == [root.attrib["width"], root.attrib["height"]]
    assert root.attrib["style"] == "max-width: 100%; height: auto"


@pytest.mark.parametrize("source", ["a", "b"])
@pytest.mark.parametrize(
    ("way", "source_head", "target_head"), [("call", None, True), ("reply", None, False), ("both", False, True)]
)
def test_heads_end_at_their_lifelines_full_at_who_is_called(
    source: str, way: Literal["call", "reply", "both"], source_head: bool | None, target_head: bool
) -> None:
    target = {"a": "b", "b": "a"}[source]
    drawing = Drawing(Story(("a", "b"), (Arrow(source, target, "get", way),)))
    at = dict(zip("ab", drawing.lifelines, strict=True))
    expected = {(at[target], target_head)} | ({(at[source], source_head)} if source_head is not None else set())
    assert set(drawing.heads) == expected
    assert ("stroke-dasharray" in drawing.source) == (way == "reply")


def test_markup_in_a_story_is_text():
    markup = "</title><script>&\"'"
    drawing = Drawing(Story((markup, "b"), (Note("b", markup), Pause(markup))), title=markup)
    assert drawing.only("title") == markup
    assert drawing.only("desc") == f"b: {markup}. {markup}."
    assert sorted(drawing.texts) == sorted([markup, "b", markup, markup])


@given(stories())
def test_any_story_is_told_whole_with_free_texts_and_frames_where_it_breaks(story: Story) -> None:
    drawing = Drawing(story)
    told = "".join(one_line(line.text) for line in story.lines)
    names = "".join(story.participants)
    again = names if drawing.texts.count(story.participants[0]) > 1 else ""
    assert _SPACE.sub("", "".join(drawing.texts)) == _SPACE.sub("", told + names + again)

    x, y, width, height = map(float, drawing.root.attrib["viewBox"].split())
    boxes = drawing.text_boxes
    assert all(x <= box.left and box.right <= x + width and y <= box.top and box.bottom <= y + height for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]
    lines = drawing.lines
    assert not [(box, line) for box in boxes for line in lines if box.widened(4.5).meets(line)]

    framed = "".join(
        text
        for text, box in zip(drawing.texts, boxes, strict=True)
        if any(frame.holds(box) for frame in drawing.frames)
    )
    broken = "".join(one_line(line.text) for line in story.lines if isinstance(line, Note) and line.broken)
    assert _SPACE.sub("", framed) == _SPACE.sub("", broken)
