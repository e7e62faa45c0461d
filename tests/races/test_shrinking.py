"""A race is shrunk to the few requests and switches that it needs, in bounded time, and is still the same race."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

import cachesim as cs
from cachesim.races import INVARIANTS
from cachesim.races.asked import Asked
from cachesim.races.history import Arrived
from cachesim.races.loop import ARRIVE, CANCEL, CHANCE, OPERATE, PASS_TIME, RUN
from cachesim.races.schedules import Following, RandomWalk, Replayed
from cachesim.races.shrinking import Shown, shrunk, switches
from cachesim.races.stage import Stage
from cachesim.races.tokens import Token
from cachesim.world.nodes import Node
from tests.races.scenes import STALE, found, reads, scenario, schedule, staged


def test_switches_are_counted_by_whose_work_goes_on():
    assert switches([]) == 0
    assert switches([(ARRIVE, 0, 0), (OPERATE, 0, 0), (RUN, 0, 0)]) == 0
    assert switches([(ARRIVE, 0, 0), (ARRIVE, 1, 0), (OPERATE, 0, 0)]) == 2
    assert switches([(ARRIVE, 0, 0), (PASS_TIME, -1, 0), (OPERATE, 0, 0)]) == 1
    assert switches([(ARRIVE, 0, 0), (CANCEL, 0, 0), (RUN, 0, 0)]) == 1
    assert switches([(ARRIVE, 0, 0), (CHANCE, 0, 0), (CHANCE, 1, 0)]) == 1


# Known races and what they need: requests, and switches among them

TWICE, HELD = "single_flight", "tables_empty"
MINIMAL: list[tuple[str, str, tuple[int, int]]] = [
    ("pitfall:cache-aside", STALE, (3, 3)),  # a read, a write in its middle, a read that comes after it
    ("pitfall:cache-aside", TWICE, (2, 2)),  # a read, and a second in its middle
    ("pitfall:batch", STALE, (3, 3)),
    ("pitfall:early-recompute", TWICE, (2, 2)),
]


@cache
def known(pattern: str, name: str) -> cs.Race:
    return found(scenario(pattern), name)


def many(pattern: str) -> cs.Scenario:
    """Sixty requests at four nodes, of several keys."""
    return scenario(pattern, duration=6, nodes=4, keys=cs.keys.Zipf(n=5, alpha=1.0))


@pytest.mark.parametrize(("pattern", "name", "size"), MINIMAL[:2])
def test_known_races_are_shrunk_to_what_they_need(pattern, name, size):
    race = known(pattern, name)
    assert (len(race.requests), race.switches) == size, str(race)


def test_known_races_in_large_scenarios_are_shrunk_to_what_they_need():
    race = found(many("pitfall:cache-aside"), STALE)
    assert (len(race.requests), race.switches) == (3, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize(("pattern", "name", "size"), MINIMAL)
def test_known_races_are_shrunk_to_what_they_need_from_any_seed(pattern, name, size, seed):
    for small in (scenario(pattern), many(pattern)):
        race = found(small, name, seed=seed)
        assert (len(race.requests), race.switches) == size, str(race)


def test_what_is_left_when_all_is_over_needs_one_request():
    race = found(scenario("pitfall:in-process"), HELD)
    assert len(race.requests) == 1
    assert len(str(race).split("\n")) > 10  # the key is asked once more, and all of it is drawn


def test_what_is_left_of_several_keys_at_several_nodes_is_drawn_too():
    race = found(many("pitfall:in-process"), HELD)
    assert len(race.requests) == 1
    assert len(set(race.story.participants)) == len(race.story.participants)
    assert len(str(race).split("\n")) > 10


def steps_of_sixty(writes: int) -> tuple[Asked, ...]:
    return tuple(Asked(0.0, ("ab"[index % 2],), index % 4, writes=index % writes == 0) for index in range(60))


@pytest.mark.slow
def test_a_race_among_sixty_requests_is_shrunk_too():
    """Which `find_race` would not take; the engine has no such bound."""
    promise = INVARIANTS["no_stale_read_after_delete"]
    with staged(scenario("pitfall:cache-aside", nodes=4), asked=steps_of_sixty(7)) as stage:
        shown = first_shown(stage, promise.name)
        best = shrunk(stage, promise, shown)
    assert len(shown.cast) == 60
    assert len(best.cast) == 3
    assert switches(best.taken) == 3


def first_shown(stage: Stage, name: str) -> Shown:
    for number in range(500):
        if INVARIANTS[name].check(stage.play(RandomWalk(str(number)), seed=number)) is not None:
            return Shown(tuple(range(len(stage.asked))), number, tuple(stage.taken))
    raise AssertionError("no race among five hundred schedules")


class Counted:
    """A stage that counts what is played on it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.runs = stage, 0

    def play(self, *args: Any, **options: Any) -> Any:
        self.runs += 1
        return self.stage.play(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stage, name)


def test_to_shrink_takes_a_bounded_number_of_runs():
    """Even where nothing can be left out, for each of the requests and steps is needed."""

    def factory(node: Node) -> Any:
        served = 0

        class Cache:
            async def get(self, key: str) -> Any:
                nonlocal served
                for _ in range(15):
                    await asyncio.sleep(0)
                served += 1
                if served == 4:
                    raise asyncio.CancelledError
                return await node.database.read(key)

        return Cache()

    promise = INVARIANTS["no_cancelled_follower"]
    with staged(scenario("none"), factory, asked=reads(4)) as stage:
        shown = first_shown(stage, promise.name)
        counted = Counted(stage)
        best = shrunk(counted, promise, shown)  # type: ignore[arg-type]
    assert len(best.cast) == 4
    assert counted.runs <= 3_000


RACES: Sequence[tuple[str, str]] = [(pattern, name) for pattern, name, _ in MINIMAL]


@pytest.mark.parametrize(("pattern", "name"), RACES[:1])
def test_what_is_shrunk_still_breaks_the_invariant_and_no_request_of_it_can_be_left_out(pattern, name):
    promise = INVARIANTS[name]
    small = scenario(pattern)
    with staged(small, invariant=name) as stage:
        shown = first_shown(stage, name)
        best = shrunk(stage, promise, shown)
        assert set(best.cast) <= set(shown.cast)
        assert best.cost <= shown.cost
        history = stage.play(Following(best.taken), best.cast, seed=best.seed)
        assert tuple(stage.taken) == best.taken
        assert promise.check(history) is not None
        for actor in best.cast:
            rest = tuple(other for other in best.cast if other != actor)
            if rest:
                runs = [stage.play(schedule(number), rest, seed=best.seed) for number in range(60)]
                assert all(promise.check(run) is None for run in runs)


def replays(small: cs.Scenario, name: str, race: cs.Race) -> None:
    again = cs.find_race(small, invariant=name, replay=race.schedule)
    assert again is not None
    assert (again.story, again.message, again.requests) == (race.story, race.message, race.requests)


@pytest.mark.parametrize(("pattern", "name"), RACES[:2])
def test_a_race_that_is_shrunk_is_replayed_to_the_same_story(pattern, name):
    replays(scenario(pattern), name, known(pattern, name))


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "name"), RACES)
def test_a_race_of_a_large_scenario_is_replayed_to_the_same_story(pattern, name):
    replays(many(pattern), name, found(many(pattern), name))


def test_shrinking_is_repeatable():
    assert found(scenario("pitfall:cache-aside"), STALE) == known("pitfall:cache-aside", STALE)


def test_requests_are_told_in_the_order_in_which_they_come():
    small = scenario("pitfall:cache-aside")
    race = known("pitfall:cache-aside", STALE)
    with staged(small, invariant=STALE) as stage:
        token = Token.parse(race.schedule)
        history = stage.play(Replayed(token.switches), token.cast, seed=token.seed)
    came = [event.actor for event in history.events if isinstance(event, Arrived)]
    assert [stage.asked[actor] for actor in came] == list(race.requests)
