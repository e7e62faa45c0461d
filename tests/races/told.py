"""Stories to draw: one that is typical, and any at all."""

from __future__ import annotations

from hypothesis import strategies as st

from cachesim.races.story import Arrow, Line, Note, Pause, Story

STALE_SET = Story(
    ("read 1", "write 2", "read 3", "Redis", "database"),
    (
        Note("read 1", "arrives"),
        Arrow("read 1", "Redis", "GET item: nothing", "both"),
        Arrow("read 1", "database", "load: version 0", "both"),
        Note("write 2", "arrives"),
        Arrow("write 2", "database", "write: version 1", "both"),
        Arrow("write 2", "Redis", "DEL item"),
        Arrow("Redis", "write 2", "0", "reply"),
        Note("write 2", "done: the delete is acknowledged"),
        Pause("10 s pass"),
        Arrow("read 1", "Redis", "SET item version 0", "both"),
        Note("read 1", "is served version 0"),
        Note("read 3", "arrives"),
        Arrow("read 3", "Redis", "GET item: version 0", "both"),
        Note("read 3", "is served version 0, though version 1 was there at the delete", broken=True),
    ),
)

LONG = 'SET cache:v1:user:1 {"key": "user:1", "load": 1, "version": 0}'
TEXTS = (
    st.text(max_size=60)
    | st.text('ab:{缓é\u0301🙂\x1b<&" ', max_size=60)
    | st.sampled_from(["GET item: nothing", LONG])
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Of 2 to 8 participants, and up to 12 lines with any text."""
    names = [f"reader {number}" for number in range(draw(st.integers(2, 8)))]
    one = st.sampled_from(names)
    lines: st.SearchStrategy[Line] = st.one_of(
        st.builds(
            lambda ends, text, way: Arrow(ends[0], ends[1], text, way),
            st.permutations(names).map(lambda order: order[:2]),
            TEXTS,
            st.sampled_from(["call", "reply", "both"]),
        ),
        st.builds(Note, one, TEXTS, st.booleans()),
        st.builds(Pause, TEXTS),
    )
    return Story(tuple(names), tuple(draw(st.lists(lines, max_size=12))))
