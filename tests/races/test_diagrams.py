"""A story as text: what it looks like, and that nothing is lost, out of place or wider than the page."""

from __future__ import annotations

import re
from typing import Literal
from unicodedata import category, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.messages import one_line
from cachesim.races.diagrams import text
from cachesim.races.story import Arrow, Note, Pause, Story
from tests.races.told import LONG, STALE_SET, stories

_DRAWN = re.compile(r"[│├┤┼─╌▶◀▷◁●✗╔╗╚╝║═·◌\s]")


def columns(line: str) -> int:
    combining = sum(category(c) in ("Mn", "Me") or "\u1160" <= c <= "\u11ff" for c in line)
    return len(line) - combining + sum(east_asian_width(c) in "WF" for c in line)


def drawn(story: Story, width: int = 100) -> list[str]:
    return text(story, width=width).split("\n")


def test_the_stale_set_race():
    assert drawn(STALE_SET) == [
        "read 1  write 2  read 3                     Redis  database",
        "   │       │        │                         │        │",
        "   ● arrives        │                         │        │",
        "   ├◁─ GET item: nothing ────────────────────▶│        │",
        "   ├◁─ load: version 0 ───────────────────────┼───────▶│",
        "   │       ● arrives                          │        │",
        "   │       ├◁─ write: version 1 ──────────────┼───────▶│",
        "   │       ├── DEL item ─────────────────────▶│        │",
        "   │       │◁╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0 ╌╌┤        │",
        "   │       ● done: the delete is acknowledged │        │",
        "··· 10 s pass ·······································································",
        "   ├◁─ SET item version 0 ───────────────────▶│        │",
        "   ● is served version 0                      │        │",
        "   │       │        ● arrives                 │        │",
        "   │       │        ├◁─ GET item: version 0 ─▶│        │",
        "   │       │        ╔═══════════════════════════════════════════════════════════════╗",
        "   │       │        ✗ is served version 0, though version 1 was there at the delete ║",
        "   │       │        ╚═══════════════════════════════════════════════════════════════╝",
        "   │       │        │                         │        │",
    ]


def test_on_a_narrow_page_names_and_texts_go_on_below_and_notes_to_the_left():
    lines = (
        Arrow("read 10 of user:1", "Redis", LONG),
        Arrow("Redis", "read 10 of user:1", "OK: version 1 replaced it", "reply"),
        Note("Redis", "the key is there"),
        Note("Redis", "kept for ever", broken=True),
    )
    assert drawn(Story(("read 10 of user:1", "write 11 of user:1", "Redis"), lines), width=36) == [
        "read 10 of   write 11 of",
        "  user:1       user:1     Redis",
        "     │            │         │",
        "     │ SET cache:v1:user:1  │",
        '     │ {"key": "user:1",    │',
        '     │ "load": 1, │         │',
        '     │ "version": 0}        │',
        "     ├────────────┼────────▶│",
        "     │        OK: version 1 │",
        "     │        replaced it   │",
        "     │◁╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌┤",
        "     │     the key is there ●",
        "     │      ╔═══════════════╗",
        "     │      ║ kept for ever ✗",
        "     │      ╚═══════════════╝",
        "     │            │         │",
    ]


@pytest.mark.parametrize(
    ("source", "way", "expected"),
    [
        ("a", "call", "├── get ─▶│"),
        ("a", "reply", "├╌╌ get ╌▷│"),
        ("a", "both", "├◁─ get ─▶│"),
        ("b", "call", "│◀─ get ──┤"),
        ("b", "reply", "│◁╌ get ╌╌┤"),
        ("b", "both", "│◀─ get ─▷┤"),
    ],
)
def test_an_arrow_leaves_its_source_and_points_to_its_target(
    source: str, way: Literal["call", "reply", "both"], expected: str
) -> None:
    target = {"a": "b", "b": "a"}[source]
    assert drawn(Story(("a", "b"), (Arrow(source, target, "get", way),)))[2] == expected


def test_an_arrow_needs_no_text():
    assert drawn(Story(("a", "b"), (Arrow("a", "b", ""),)))[2] == "├─────▶│"


def test_wide_and_combining_characters_leave_lifelines_straight():
    lines = (
        Note("读者", "缓存 e\u0301te\u0301"),
        Arrow("读者", "Redis", "GET 用户🙂"),
        Arrow("Redis", "读者", "e\u0301", "reply"),
    )
    rows = drawn(Story(("读者", "Redis"), lines))[1:]
    assert len({columns(row) for row in rows}) == 1
    assert all(row.endswith(("│", "┤")) for row in rows)


def test_a_text_without_end_ends_with_an_ellipsis():
    diagram = text(Story(("a", "b"), (Note("a", "x" * 200), Note("b", "y" * 201))), width=60)
    assert (diagram.count("x"), diagram.count("y"), diagram.count("…")) == (200, 199, 1)


def test_below_more_than_a_screen_the_names_stand_again():
    notes = [Note("a", str(number)) for number in range(22)]
    names = "a  b"
    assert drawn(Story(("a", "b"), tuple(notes)))[-1] != names
    assert drawn(Story(("a", "b"), (*notes, notes[0])))[-1] == names


@given(stories(), st.integers(40, 120))
def test_any_story_is_told_whole_in_its_order_and_within_the_page(story: Story, width: int) -> None:
    rows = drawn(story, width)
    narrowest = 8 + 15 * (len(story.participants) - 1)  # 8 columns for a text, with its shaft
    assert max(map(columns, rows)) <= max(width, narrowest)
    assert not [row for row in rows if row != row.rstrip() or not row.isprintable()]
    told = "".join(row for row in rows if row != rows[0])  # the names stand above, and perhaps below
    assert _DRAWN.sub("", told) == _DRAWN.sub("", "".join(one_line(line.text) for line in story.lines))


def test_one_participant_is_enough_and_so_is_no_line():
    assert drawn(Story(("a",), ())) == ["a", "│", "│"]
    assert drawn(Story(("a",), (Pause("1 s passes"),)), width=20)[2] == "··· 1 s passes ···"
