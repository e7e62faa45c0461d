"""Schedules on one line: there and back without loss, and what a replay says where the code is not what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cachesim as cs
from cachesim.races import DivergedError
from cachesim.races.loop import ARRIVE, CANCEL, CHANCE, OPERATE, PASS_TIME, RUN, Label
from cachesim.races.story import Note, Story
from cachesim.races.tokens import Token, check, digest
from cachesim.world.nodes import Node
from tests.races.scenes import scenario
from tests.races.told import STALE_SET, stories

ACTORS = st.integers(0, 30)
LABELS: st.SearchStrategy[Label] = st.one_of(
    st.tuples(st.sampled_from([RUN, ARRIVE, CANCEL]), ACTORS, st.just(0)),
    st.tuples(st.just(OPERATE), ACTORS, st.integers(0, 20)),
    st.just((PASS_TIME, -1, 0)),
    st.tuples(st.just(CHANCE), st.integers(0, 1), st.just(0)),
)
HEX = "0123456789abcdef"


@st.composite
def tokens(draw: st.DrawFn) -> Token:
    drawn = draw(st.dictionaries(st.integers(0, 5_000), LABELS, max_size=8))
    switches = dict(sorted(drawn.items()))
    return Token(
        cast=tuple(draw(st.lists(ACTORS, min_size=1, max_size=8, unique=True))),
        seed=draw(st.integers(0, 10**6)),
        switches=switches,
        checks={place: draw(st.text(HEX, min_size=2, max_size=2)) for place in switches},
        digest=draw(st.text(HEX, min_size=8, max_size=8)),
    )


@given(tokens())
def test_a_token_is_read_as_it_was_written(token):
    line = str(token)
    assert Token.parse(line) == token
    assert str(Token.parse(line)) == line
    assert not set(line) & set(" \n'\"\\")  # it fits between quotes, and a double click takes all of it


BAD = [
    "",
    "0",
    "0,1:7",
    ":7::1a2b3c4d",
    "0:7::1a2b3c4",  # a digit is missing
    "0:7::1a2b3c4dd",
    "0:7::1A2B3C4D",
    "0:-7::1a2b3c4d",
    "0,:7::1a2b3c4d",
    "0:7:5a1:1a2b3c4d",  # no check
    "0:7:5a1~3g:1a2b3c4d",
    "0:7:5q1~3f:1a2b3c4d",  # no such kind
    "0:7:5a1~3f,:1a2b3c4d",
    "0:7:5a1~3f,,6a1~3f:1a2b3c4d",
    "0:7:a1~3f:1a2b3c4d",
    "0:7::1a2b3c4d\n",
    " 0:7::1a2b3c4d",
    "0:7:5a1~3f\n6a1~3f:1a2b3c4d",
    "nonsense",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_token_is_said_in_one_line(text):
    with pytest.raises(ValueError, match="is no schedule; it looks like 0,1,2:7:") as raised:
        Token.parse(text)
    assert "\n" not in str(raised.value)


@given(st.text("0123,:~roatxy.abcdef\n ", max_size=40) | tokens().map(str))
def test_any_text_is_a_token_or_said_to_be_none(text):
    with suppress(ValueError):
        assert Token.parse(str(Token.parse(text))) == Token.parse(text)


@given(st.lists(LABELS, max_size=20))
def test_checks_are_two_digits_that_every_step_changes(labels):
    assert len(check(labels)) == 2
    assert set(check(labels)) <= set(HEX)
    assert check(list(labels)) == check(tuple(labels))


def test_checks_tell_steps_apart():
    """Of 200 sequences that differ in one step, at most some by chance have the same two digits."""
    base: list[Label] = [(RUN, 0, 0)] * 20
    found = {
        check([*base[:place], (RUN, actor, 0), *base[place + 1 :]]) for place in range(20) for actor in range(1, 11)
    }
    assert len(found) > 100


@settings(max_examples=30)
@given(stories(), stories())
def test_digests_tell_stories_apart(one, other):
    assert (digest(one) == digest(other)) == (one == other)


def test_the_digest_of_a_story_is_the_same_everywhere():
    assert digest(STALE_SET) == "97797e97"
    assert digest(Story(("a",), (Note("a", "b"),))) == "dcc89f07"


# What a replay says where the code is not what it was


def cache(before: int = 0, between: int = 0, after: int = 0) -> Callable[[Node], Any]:
    """A cache with the stale-set race; it takes so many steps more before its load, before it fills, and at its end."""

    def factory(node: Node) -> Any:
        values: dict[str, Any] = {}

        class Cache:
            async def get(self, key: str) -> Any:
                await steps(before)
                if key not in values:
                    row = await node.database.read(key)
                    await steps(between)
                    values[key] = row
                await steps(after)
                return values[key]

            async def delete(self, key: str) -> None:
                values.pop(key, None)

        return Cache()

    return factory


async def steps(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def fixed(node: Node) -> Any:
    """It never keeps anything."""

    class Cache:
        async def get(self, key: str) -> Any:
            return await node.database.read(key)

        async def delete(self, key: str) -> None:
            pass

    return Cache()


SMALL = scenario("none")
INVARIANT = "no_stale_read_after_delete"


@pytest.fixture(scope="module")
def race() -> cs.Race:
    found = cs.find_race(SMALL, cache=cache(between=1), invariant=INVARIANT)
    assert found is not None
    return found


def test_a_replay_of_the_same_code_is_the_same_race(race):
    again = cs.find_race(SMALL, cache=cache(between=1), invariant=INVARIANT, replay=race.schedule)
    assert again is not None
    assert (again.diagram, again.message, again.requests, again.schedule) == (
        race.diagram,
        race.message,
        race.requests,
        race.schedule,
    )


@pytest.mark.parametrize(
    "changed",
    [cache(before=1), cache(before=2, between=1), cache(between=0), cache(between=3), cache(between=1, after=1), fixed],
    ids=[
        "a step at the start",
        "two at the start",
        "one fewer in the middle",
        "two more",
        "one at the end",
        "repaired",
    ],
)
def test_a_replay_of_changed_code_says_where_it_went_another_way_or_shows_the_same(changed, race):
    """The same: where the steps differ but nothing that can be seen from outside does."""
    try:
        again = cs.find_race(SMALL, cache=changed, invariant=INVARIANT, replay=race.schedule)
    except DivergedError as error:
        message = str(error)
        assert "\n" not in message
        assert "step" in message
    else:
        assert again is not None
        assert again.diagram == race.diagram


def test_a_repaired_cache_is_said_to_keep_the_promise(race):
    with pytest.raises(DivergedError, match=r"^no_stale_read_after_delete is kept now: the run "):
        cs.find_race(SMALL, cache=fixed, invariant=INVARIANT, replay=race.schedule)


def placed(race: cs.Race, **changes: Any) -> str:
    return str(Token.parse(race.schedule)._replace(**changes))


def replayed(schedule: str) -> str:
    """What the error of that replay says."""
    with pytest.raises(DivergedError) as raised:
        cs.find_race(SMALL, cache=cache(between=1), invariant=INVARIANT, replay=schedule)
    return str(raised.value)


def test_where_a_replay_went_another_way(race):
    token = Token.parse(race.schedule)
    *_, last = token.switches
    assert token.switches
    wrong = "00" if token.checks[last] != "00" else "01"
    said = replayed(placed(race, checks={**token.checks, last: wrong}, digest="00000000"))
    assert said.endswith(f"and step {last} of the one to replay")
    assert "the run went another way between step " in said

    said = replayed(placed(race, digest="00000000"))
    assert (
        said == f"the run took the same way until step {last}, the last switch of the one to replay, and then another"
    )

    late = {**token.switches, 4_000: (RUN, 0, 0)}
    said = replayed(placed(race, switches=late, checks={**token.checks, 4_000: "00"}, digest="00000000"))
    assert "where the one to replay switched at step 4000" in said

    at_first = {0: (CANCEL, token.cast[0], 0)}
    said = replayed(placed(race, switches=at_first, checks={0: check([])}))
    assert "at step 0 the run to replay went on with " in said
    assert said.endswith("which is not possible now")


def test_a_schedule_of_other_requests_is_refused(race):
    fewer = scenario("none", duration=0.2)
    with pytest.raises(ValueError, match="is a schedule of other requests: this scenario has") as raised:
        cs.find_race(fewer, cache=cache(), invariant=INVARIANT, replay="0,1,7:0::1a2b3c4d")
    assert "\n" not in str(raised.value)
    for out_of_order in ("7,0:0::1a2b3c4d", "99,1:0::1a2b3c4d"):
        with pytest.raises(ValueError, match=r"is a schedule of other requests|is no schedule"):
            cs.find_race(fewer, cache=cache(), invariant=INVARIANT, replay=out_of_order)


@pytest.mark.parametrize("schedule", ["0,0:0::1a2b3c4d", "0:0:0a9~29:1a2b3c4d", "0:0:0r99~29:1a2b3c4d"])
def test_a_schedule_that_names_whom_there_is_not_ends_in_one_line(schedule):
    with pytest.raises((ValueError, DivergedError)) as raised:
        cs.find_race(SMALL, cache=cache(), invariant=INVARIANT, replay=schedule)
    assert "\n" not in str(raised.value)


@given(st.lists(LABELS, max_size=6), st.integers(0, 7), st.data())
def test_any_schedule_is_replayed_or_refused_in_one_line(labels, last, data):
    places = sorted(data.draw(st.lists(st.integers(0, 25), min_size=len(labels), max_size=len(labels), unique=True)))
    switches = dict(zip(places, labels, strict=True))
    token = Token((*range(last), last), 0, switches, dict.fromkeys(places, "00"), "00000000")
    with pytest.raises(DivergedError) as raised:
        cs.find_race(SMALL, cache=cache(), invariant=INVARIANT, replay=str(token))
    assert "\n" not in str(raised.value)
