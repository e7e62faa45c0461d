"""`find_race`: its arguments, caches of one's own, invariants of one's own, seeds, and other versions of Python."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cachesim as cs
from cachesim.races import INVARIANTS, Broken, DivergedError, History, Invariant, search
from cachesim.races.history import Arrived, Ended
from cachesim.world.nodes import Node
from tests.races.scenes import STALE, found, races, scenario

ROOT = Path(__file__).parent.parent.parent
OTHER_PYTHONS = sorted(ROOT.glob(".venv-3.*/bin/python"))
PITFALL = scenario("pitfall:cache-aside", duration=0.4)


# Arguments


def test_an_invariant_that_is_unknown_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="invariant: 'no_stale_reads' is unknown; known: no_stale_read") as raised:
        cs.find_race(PITFALL, invariant="no_stale_reads")
    assert "\n" not in str(raised.value)
    assert all(name in str(raised.value) for name in INVARIANTS)


def test_a_strategy_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="strategy: 'dfs' is not allowed; mixed, random, priorities, exhaustive"):
        cs.find_race(PITFALL, invariant=STALE, strategy="dfs")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("schedules", 0), ("schedules", -1), ("schedules", 1.5), ("preemptions", -1), ("schedules", "10")],
)
def test_a_number_that_makes_no_sense_is_refused_in_one_line(name, value):
    with pytest.raises(ValueError, match=f"{name}: {value!r} is not allowed") as raised:
        cs.find_race(PITFALL, invariant=STALE, **{name: value})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("invariant", [None, 3, ["no_stale_read_after_delete"]])
def test_what_is_no_invariant_is_refused_in_one_line(invariant):
    with pytest.raises((ValueError, TypeError), match="invariant") as raised:
        cs.find_race(PITFALL, invariant=invariant)
    assert "\n" not in str(raised.value)


def test_a_scenario_in_which_nothing_is_asked_is_refused():
    with pytest.raises(cs.ScenarioError, match="no request arrives by then"):
        cs.find_race(PITFALL.replace(arrivals=cs.arrivals.Poisson(rate=0.001), duration=0.1), invariant=STALE)


def test_options_are_given_by_name():
    with pytest.raises(TypeError):
        cs.find_race(PITFALL, None, STALE)  # type: ignore[call-arg]


# What is found


@pytest.mark.parametrize("strategy", ["mixed", "random", "priorities", "exhaustive"])
def test_each_strategy_finds_the_stale_set(strategy):
    race = found(PITFALL, strategy=strategy)
    assert (race.invariant, len(race.requests), race.switches) == (STALE, 3, 3)
    assert 1 <= race.found <= 1_000
    assert race.replay == f"cs.find_race(scenario, invariant={STALE!r}, replay={race.schedule!r})"
    assert race.message.startswith("read ")


def test_nothing_is_found_where_nothing_is_wrong():
    tried = search(scenario("cache-aside"), invariant=STALE, schedules=60)
    assert (tried.race, tried.schedules, tried.complete) == (None, 60, False)


def test_as_many_schedules_are_tried_as_are_asked_for():
    told: list[int] = []
    assert search(scenario("none"), invariant=STALE, schedules=17, progress=told.append).schedules == 17
    assert told == [*range(1, 18)]


def test_the_number_of_the_schedule_is_that_of_the_search():
    tried = search(PITFALL, invariant=STALE)
    assert tried.race is not None
    assert tried.race.found == tried.schedules
    assert search(PITFALL, invariant=STALE, schedules=tried.schedules).race == tried.race
    if tried.schedules > 1:
        assert search(PITFALL, invariant=STALE, schedules=tried.schedules - 1).race is None


def test_seeds_change_what_is_found_and_the_same_seed_finds_the_same():
    one, other, again = (found(PITFALL, seed=seed) for seed in (1, 2, 1))
    assert one == again
    assert one.found != other.found or one.schedule != other.schedule


def test_to_search_changes_nothing_outside():
    """No clock, no running loop, no chance of this process."""
    import random
    import time

    random.seed(5)
    expected = random.Random(5).random()
    found(PITFALL)
    assert random.random() == expected
    assert time.time() > 10**9
    assert asyncio._get_running_loop() is None
    before = cs.simulate(scenario("cache-aside")).digest
    found(PITFALL)
    assert cs.simulate(scenario("cache-aside")).digest == before


def assert_nothing_is_the_worse_for_it() -> None:
    assert asyncio._get_running_loop() is None
    assert search(scenario("none"), invariant=STALE, schedules=3).schedules == 3


# Invariants of one's own


def test_a_function_is_an_invariant():
    def one_read_in_all(history: History) -> str | None:
        """Nobody reads twice."""
        reads = [event for event in history.events if isinstance(event, Arrived) and not event.writes]
        return f"{len(reads)} reads" if len(reads) > 1 else None

    race = found(PITFALL, one_read_in_all)
    assert race.invariant == "one_read_in_all"
    assert race.message == "2 reads"
    assert len(race.requests) == 2
    assert "one_read_in_all is broken: 2 reads" in str(race)
    again = found(PITFALL, one_read_in_all, replay=race.schedule)
    assert again.diagram == race.diagram


def test_an_invariant_object_says_where_it_is_broken():
    def check(history: History) -> Broken | None:
        for place, event in enumerate(history.events):
            if isinstance(event, Ended) and event.version == 0:
                return Broken("is served version 0", event.actor, place)
        return None

    race = found(PITFALL, Invariant("never_version_0", "Nobody is served version 0.", check))
    assert race.message == "read 1 is served version 0"
    assert len(race.requests) == 1


def test_an_invariant_that_raises_raises():
    def broken(history: History) -> str | None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cs.find_race(PITFALL, invariant=broken)
    assert_nothing_is_the_worse_for_it()


# Caches of one's own


class Naive:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.values: dict[str, Any] = {}

    async def get(self, key: str) -> Any:
        if key not in self.values:
            self.values[key] = await self.node.database.read(key)
        return self.values[key]

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)


def test_a_cache_of_ones_own():
    race = found(scenario("none"), cache=Naive)
    assert (len(race.requests), race.switches) == (3, 3)
    assert found(scenario("none"), cache=Naive, replay=race.schedule).diagram == race.diagram
    with pytest.raises(DivergedError, match="no_stale_read_after_delete is kept now: the run "):
        cs.find_race(scenario("none"), invariant=STALE, replay=race.schedule)


def test_a_function_is_a_cache():
    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            return await node.database.read(key)

        return get

    assert cs.find_race(scenario("none"), cache=factory, invariant=STALE, schedules=50) is None
    assert found(scenario("none"), "single_flight", cache=factory).switches == 2


def test_a_cache_that_raises_is_an_outcome():
    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            raise LookupError(key)

        return get

    small = scenario("none")
    assert cs.find_race(small, cache=factory, invariant="no_cancelled_follower", schedules=50) is None

    def no_errors(history: History) -> str | None:
        errors = [event.error for event in history.events if isinstance(event, Ended)]
        return next((repr(error) for error in errors if isinstance(error, LookupError)), None)

    assert found(small, no_errors, cache=factory).message == "LookupError('0')"


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda node: None, "the cache factory returned None; it must return an object with `async get"),
        (lambda node: object(), "the cache factory returned <object object at .*; it must return"),
        (lambda node: lambda key: 3, "the cache's `get` returned 3; it must be `async def get"),
    ],
)
def test_what_is_no_cache_is_a_simulation_error_in_one_line(factory, message):
    with pytest.raises(cs.SimulationError, match=message) as raised:
        cs.find_race(scenario("none"), cache=factory, invariant=STALE)
    assert "\n" not in str(raised.value)


def test_a_factory_that_raises_raises():
    def factory(node: Node) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        cs.find_race(scenario("none"), cache=factory, invariant=STALE)
    assert_nothing_is_the_worse_for_it()


def test_what_a_simulation_cannot_do_says_what_to_use():
    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            return await asyncio.to_thread(len, key)

        return get

    with pytest.raises(cs.SimulationError):
        cs.find_race(scenario("none"), cache=factory, invariant=STALE)


def test_a_cache_that_is_closed_by_an_interrupt_leaves_nothing_behind():
    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            raise KeyboardInterrupt

        return get

    with pytest.raises(KeyboardInterrupt):
        cs.find_race(scenario("none"), cache=factory, invariant=STALE)
    assert_nothing_is_the_worse_for_it()


# On every version of Python


def in_a_process(python: str | Path, kinds: str, **environment: str) -> dict[str, list[str]]:
    command = [str(python), "-m", "tests.races.scenes", kinds]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    return races("plain")


def test_races_do_not_depend_on_the_process_or_its_hash_seed(here):
    assert in_a_process(sys.executable, "plain", PYTHONHASHSEED="1") == here


@pytest.mark.slow
def test_more_races_do_not_depend_on_the_process():
    assert in_a_process(sys.executable, "more") == races("more")


def skip_unless_comparable(python: Path) -> None:
    numpy = subprocess.run([python, "-c", "import numpy; print(numpy.__version__)"], capture_output=True, check=True)
    if numpy.stdout.decode().strip() != np.__version__:
        pytest.skip(f"{python.parts[-3]} has another numpy")


OTHERS = pytest.mark.parametrize("python", OTHER_PYTHONS, ids=lambda path: path.parts[-3])
NO_OTHER = pytest.mark.skipif(
    not OTHER_PYTHONS, reason="no other Python is set up; `make pythons` does it where there is one"
)


@NO_OTHER
@OTHERS
def test_races_do_not_depend_on_the_version_of_python(python, here):
    skip_unless_comparable(python)
    assert in_a_process(python, "plain") == here


@pytest.mark.slow
@NO_OTHER
@OTHERS
def test_more_races_do_not_depend_on_the_version_of_python(python):
    skip_unless_comparable(python)
    assert in_a_process(python, "more") == races("more")


def test_a_cache_with_chance_of_its_own_is_told_so():
    """Its race cannot be shown again, and the message says what to use instead."""
    calls = itertools.count()

    def fickle(node: Node) -> Any:
        made = next(calls)

        async def get(key: str) -> Any:
            row = await node.database.read(key)
            if made == 0:
                await node.database.read(key)
                raise asyncio.CancelledError
            return row

        return get

    with pytest.raises(cs.SimulationError, match=r"not again by the same schedule; .* `node.rng`"):
        cs.find_race(scenario("none"), cache=fickle, invariant="no_cancelled_follower")
