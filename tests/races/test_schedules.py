"""Schedules: repeatable from their seed, complete where that is claimed, and followed step by step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import factorial
from typing import Any, NamedTuple

import pytest

import cachesim as cs
from cachesim.races import History, search
from cachesim.races.asked import Asked
from cachesim.races.finding import _exhaustively
from cachesim.races.history import Ended
from cachesim.races.invariants import Invariant
from cachesim.races.loop import ACTOR, CANCEL, PASS_TIME, Label, ScheduledLoop, Step
from cachesim.races.schedules import Bursts, Following, Numbered, Priorities, RandomWalk, Replayed
from cachesim.races.stage import Stage
from cachesim.world.nodes import Factory, Node
from tests.races.scenes import acted, operation, reads, scenario, schedule, staged, straight

NOTHING = Invariant("nothing", "is promised", lambda history: None)
UNDISTURBED = cs.Clients(disconnect="ignore")


def told(taken: Sequence[Label]) -> str:
    return "".join(f"{'roatxy'[kind]}{actor}" for kind, actor, _ in taken)


# By chance


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (RandomWalk("1"), "r2r2o2r1r2o2r0r1r0o0o1r0r1o1o0"),
        (RandomWalk("2"), "r0r0r2r2o2r1r2o2r1o1r1o1o0r0o0"),
        (RandomWalk("7/3"), "r2r2r1r1r0r0o0r0o1r1o2r2o0o2o1"),
        (Priorities("1", depth=3, length=10), "r1r1o1r1o1r2r2r0r0o0r0o0o2r2o2"),
        (Priorities("2", depth=2, length=10), "r2r2r0r0o0r0o0r1r1o1r1o1o2r2o2"),
    ],
    ids=["walk 1", "walk 2", "walk 7/3", "priorities 1", "priorities 2"],
)
def test_a_seed_gives_the_same_steps_on_every_version_of_python(schedule, steps):
    async def program() -> None:
        for _ in range(2):
            await asyncio.sleep(0)
            await operation()

    loop = ScheduledLoop(slowest=1.0)
    acted(loop, schedule, [program] * 3)
    assert told(loop.taken) == steps


@pytest.mark.parametrize("make", [RandomWalk, Bursts, lambda seed: Priorities(seed, depth=3, length=30)])
def test_seeds_differ(make):
    with staged(scenario()) as stage:
        runs = set()
        for number in range(50):
            stage.play(make(str(number)))
            runs.add(tuple(stage.taken))
    assert len(runs) > 40


def test_with_priorities_nobody_goes_on_who_is_behind_another():
    """Without a change of priorities each actor, once it is first, runs to its end: as many switches as actors."""
    loop = ScheduledLoop(slowest=1.0)

    async def program() -> None:
        for _ in range(4):
            await operation()

    first: Counter[int] = Counter()
    for number in range(60):
        acted(loop, Priorities(str(number), depth=1, length=1), [program] * 3)
        order = [label[1] for label in loop.taken]
        assert sum(one != other for one, other in pairwise(order)) == 2
        first[order[0]] += 1
    assert min(first.values()) >= 60 / 3 - 4 * (60 * 2 / 9) ** 0.5  # 4 standard errors
    for depth in (2, 3):
        switches = set()
        for number in range(60):
            acted(loop, Priorities(str(number), depth=depth, length=15), [program] * 3)
            order = [label[1] for label in loop.taken]
            switches.add(sum(one != other for one, other in pairwise(order)))
        assert max(switches) == 2 + depth - 1


def test_clients_leave_in_some_walks_and_in_others_not():
    with staged(scenario(database=cs.Database(latency=cs.latency.Constant(5.0)))) as stage:
        left: Counter[bool] = Counter()
        for number in range(200):
            stage.play(RandomWalk(str(number)))
            left[any(label[0] == CANCEL for label in stage.taken)] += 1
    assert min(left[True], left[False]) > 20


# Exhaustively


class Steps:
    """A cache that takes so many steps to answer, and notes whose each of them is."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.runs: list[list[int]] = []

    def __call__(self, node: Node) -> Any:
        order: list[int] = []
        self.runs.append(order)

        async def get(key: str) -> Any:
            for step in range(self._steps):
                order.append(ACTOR.get())
                if step + 1 < self._steps:
                    await asyncio.sleep(0)

        return get


def of_sequences(actors: int, steps: int, preemptions: int) -> int:
    """How many orders of so many steps of each actor preempt no more often, by brute force."""

    def count(left: tuple[int, ...], at_work: int | None, allowed: int) -> int:
        if not any(left):
            return 1
        total = 0
        for actor, more in enumerate(left):
            if more:
                preempts = at_work is not None and actor != at_work and left[at_work] > 0
                if preempts <= allowed:
                    rest = (*left[:actor], more - 1, *left[actor + 1 :])
                    total += count(rest, actor, allowed - preempts)
        return total

    return count((steps,) * actors, None, preemptions)


def found_by(cache: Steps, actors: int, tmp_path: Any, **how: Any) -> Any:
    """An exhaustive search among requests that arrive at once and that nobody cancels."""
    (tmp_path / "times").write_text("0\n" * actors)
    at_once = scenario(
        "none", arrivals=cs.arrivals.Recorded(path=str(tmp_path / "times")), clients=UNDISTURBED, writes=0
    )
    return search(at_once, cache=cache, invariant=NOTHING, strategy="exhaustive", **how)


@pytest.mark.parametrize(("actors", "steps"), [(1, 4), (2, 2), (2, 5), (3, 2), (4, 1)])
def test_exhaustively_every_order_is_tried_once(actors, steps, tmp_path):
    cache = Steps(steps)
    found = found_by(cache, actors, tmp_path, schedules=10**6, preemptions=actors * steps)
    orders = Counter(map(tuple, cache.runs))
    assert set(orders.values()) == {1}
    assert len(orders) == factorial(actors * steps) // factorial(steps) ** actors == found.schedules
    assert found.complete
    assert found.race is None


@pytest.mark.parametrize("preemptions", [0, 1, 2, 3])
@pytest.mark.parametrize(("actors", "steps"), [(2, 4), (3, 2), (3, 3)])
def test_exhaustively_every_order_with_so_many_preemptions_is_tried(actors, steps, preemptions, tmp_path):
    cache = Steps(steps)
    found = found_by(cache, actors, tmp_path, schedules=10**6, preemptions=preemptions)
    assert len(set(map(tuple, cache.runs))) == len(cache.runs) == of_sequences(actors, steps, preemptions)
    assert found.complete


def preempted(order: Sequence[int], steps: int) -> int:
    left = Counter(order)
    total = 0
    for one, other in pairwise(order):
        left[one] -= 1
        total += one != other and left[one] > 0
    return total


def test_the_fewest_preemptions_come_first(tmp_path):
    cache = Steps(3)
    found_by(cache, 3, tmp_path, schedules=10**6, preemptions=9)
    costs = [preempted(order, 3) for order in cache.runs]
    assert costs == sorted(costs)
    assert costs[0] == 0
    assert max(costs) == 6


def test_a_search_that_has_not_tried_all_is_not_complete(tmp_path):
    everything = of_sequences(2, 3, 2)
    for schedules, complete in ((everything + 1, True), (everything - 1, False)):
        found = found_by(Steps(3), 2, tmp_path, schedules=schedules, preemptions=2)
        assert found.complete == complete
        assert found.schedules == min(schedules, everything)


def test_chance_never_tries_everything(tmp_path):
    assert not search(scenario(), invariant=NOTHING, schedules=5).complete


# Exhaustively, held to a search that knows nothing of preemptions


class Run(NamedTuple):
    taken: tuple[Label, ...]
    preemptions: int


class Watched(Numbered):
    """It keeps what was possible at each place."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(numbers)
        self.possible: dict[int, list[Label]] = {}

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        self.possible[place] = [step[:3] for step in steps]
        return super().choose(steps, place, at_work)


def preemptions_in(taken: Sequence[Label], possible: dict[int, list[Label]]) -> int:
    """How often another went on though who was at work could have, time passed though it need not, or a client left."""
    total, at_work = 0, None
    for place, label in enumerate(taken):
        others = [other for other in possible.get(place, ()) if other[0] not in (PASS_TIME, CANCEL)]
        if label[0] == PASS_TIME:
            total += bool(others)
        elif label[0] == CANCEL:
            total += 1
        else:
            total += label[1] != at_work and any(other[1] == at_work for other in others)
            at_work = label[1]
    return total


def every_run(stage: Stage) -> Iterator[Run]:
    """Depth first, with every alternative at every place."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        numbers = waiting.pop()
        watched = Watched(numbers)
        stage.play(watched)
        taken = tuple(stage.taken)
        yield Run(taken, preemptions_in(taken, watched.possible))
        chosen = numbers + (0,) * (len(watched.costs) - len(numbers))
        for place in range(len(numbers), len(chosen)):
            waiting += [(*chosen[:place], number) for number in range(1, len(watched.costs[place]))]


def two_reads_at_once(node: Node) -> Any:
    async def get(key: str) -> Any:
        return (await asyncio.gather(node.database.read(key), node.database.read(key)))[0]

    return get


def one_at_a_time(node: Node) -> Any:
    lock = asyncio.Lock()

    async def get(key: str) -> Any:
        async with lock:
            return await node.database.read(key)

    return get


def with_a_timer(node: Node) -> Any:
    async def get(key: str) -> Any:
        row = await node.database.read(key)
        await asyncio.sleep(1.0)
        return row

    return get


def loads(node: Node) -> Any:
    return node.database.read


@pytest.mark.parametrize(
    ("factory", "asked", "clients"),
    [
        (loads, reads(3), UNDISTURBED),
        (two_reads_at_once, reads(1), UNDISTURBED),
        (one_at_a_time, reads(2), UNDISTURBED),
        (one_at_a_time, reads(3), UNDISTURBED),
        (with_a_timer, reads(2), UNDISTURBED),
        (loads, (*reads(1), Asked(1.0, ("a",), 0, writes=False)), UNDISTURBED),
        (loads, reads(2), cs.Clients()),
        (one_at_a_time, reads(2), cs.Clients()),
    ],
    ids=["loads", "two at once", "a lock", "a lock for three", "timers", "times", "leave", "all"],
)
def test_exhaustively_is_every_schedule_that_preempts_no_more(factory: Factory, asked: Any, clients: Any) -> None:
    with staged(scenario("none", writes=0, clients=clients), factory, asked=asked) as stage:
        every = list(every_run(stage))
        assert len({run.taken for run in every}) == len(every)
        for preemptions in (0, 1, 2, 3):
            tried = []
            for _ in _exhaustively(stage, NOTHING, preemptions):
                tried.append(tuple(stage.taken))
            assert len(set(tried)) == len(tried)
            expected = {run.taken for run in every if run.preemptions <= preemptions}
            assert set(tried) == expected


def test_what_is_left_to_chance_is_tried_both_ways():
    outcomes = set()
    database = cs.Database(latency=cs.latency.Constant(0.1), errors=0.5)
    with staged(scenario("none", database=database, clients=UNDISTURBED), asked=reads(2)) as stage:

        def noted(history: History) -> None:
            errors = (event.error for event in history.events if isinstance(event, Ended))
            outcomes.add(tuple(type(error).__name__ for error in errors))

        for _ in _exhaustively(stage, Invariant("noted", "", noted), 4):
            pass
    assert {tuple(sorted(each)) for each in outcomes} == {
        ("NoneType", "NoneType"),
        ("DatabaseError", "NoneType"),
        ("DatabaseError", "DatabaseError"),
    }


# Followed


@pytest.mark.parametrize("pattern", ["cache-aside", "layered", "pitfall:layered", "conditional"])
def test_the_steps_of_a_run_lead_to_the_same_run(pattern):
    clients = cs.Clients(n=2) if pattern == "conditional" else cs.Clients()
    options = {"ttl": 10, "l1_ttl": 5} if "layered" in pattern else {"ttl": 10}
    small = scenario(pattern, nodes=2, clients=clients, options={} if pattern == "conditional" else options)
    with staged(small) as stage:
        for number in range(12):
            stage.play(schedule(number))
            taken, switched = list(stage.taken), list(stage.switched)
            for follows in (Following(taken), Replayed({place: taken[place] for place in switched})):
                stage.play(schedule(10**6 + number))
                stage.play(follows)
                assert stage.taken == taken
                assert stage.switched == switched


def test_steps_that_are_not_possible_are_left_out():
    with staged(scenario(), asked=reads(3)) as stage:
        stage.play(schedule(5))
        taken = list(stage.taken)
        stage.play(Following(taken), cast=(0, 2))
        assert [label for label in stage.taken if label[0] == 2] == [
            label for label in taken if label[0] == 2 and label[1] != 1
        ]
        stage.play(Following([(0, 77, 0)] * 50))
        taken = list(stage.taken)
        stage.play(straight())
        assert stage.taken == taken


def test_if_nobody_interferes_each_request_runs_as_far_as_it_can():
    with staged(scenario("none"), asked=reads(3)) as stage:
        stage.play(straight())
    assert told(stage.taken) == "a0o0a1o1a2o2"
    assert list(stage.switched) == []
