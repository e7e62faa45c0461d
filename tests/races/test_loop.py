"""The loop of the race finder: whatever a schedule says, asyncio does what it must, and nothing outlives a run."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import logging
import random
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import pytest

import cachesim as cs
from cachesim.races.history import Ended, History, TimePassed
from cachesim.races.loop import OPERATE, PASS_TIME, RUN, Label, ScheduledLoop, Step
from cachesim.races.schedules import RandomWalk
from cachesim.world.nodes import Node
from tests.races.scenes import acted, operation, reads, scenario, schedule, staged, straight
from tests.world.test_asyncio_semantics import PROGRAMS, Log, Reference, logged

SCHEDULES = 150


@pytest.fixture(scope="module")
def loop() -> ScheduledLoop:
    """One for all, as on a stage: what a test leaves behind must not matter."""
    return ScheduledLoop(slowest=1.0)


def now() -> float:
    return asyncio.get_running_loop().time()


# One actor is asyncio's own order; several do not touch each other

WHOLE_LOOP = {  # they look at all tasks of the loop, or change it for everybody
    *("names_and_the_current_task", "a_factory_makes_the_tasks", "generators_are_shut_down"),
    *("the_exception_handler_itself_fails", "failures_are_told_to_the_exception_handler"),
}
NO_TURNS = {  # a timer set for a time that is not later comes where it was set, not behind what is ready
    *("timers_due_at_once_come_after_what_is_ready", "timers_of_the_past_come_in_order_of_their_deadlines"),
    *("timers_due_at_once_come_after_the_turn_in_which_they_are_set", "contexts_given_explicitly"),
}
ALONE: list[Callable[[Log], Coroutine[Any, Any, object]]] = [
    program for program in PROGRAMS if program.__name__ not in WHOLE_LOOP | NO_TURNS
]


@pytest.mark.parametrize("program", ALONE)
def test_an_actor_does_what_it_does_on_asyncios_own_loop_whatever_others_do_in_between(program, loop):
    """Under four schedules, beside two other programs, all of them with timers."""
    expected = logged(Reference(), program)
    rng = random.Random(program.__name__)
    for _ in range(4):
        log: Log = []
        kept: Log = []

        async def main(log: Log = log, kept: Log = kept) -> None:
            try:
                log.append(await program(log))
            except BaseException as error:
                log.append(f"raised {error!r}")
            kept += log  # what it has left behind goes on for as long as the others do

        others = [lambda other=other: other([]) for other in rng.sample(ALONE, 2)]
        (task, *_) = acted(loop, schedule(rng.randrange(10**6)), [main, *others])
        assert (kept if task.done() else [*log, "deadlock"]) == expected


def test_callbacks_of_an_actor_run_in_their_order_and_those_of_two_in_any(loop):
    orders = set()
    for number in range(1_500):
        order: list[str] = []

        async def program(name: str, order: list[str] = order) -> None:
            for place in range(3):
                asyncio.get_running_loop().call_soon(order.append, f"{name}{place}")

        acted(loop, RandomWalk(str(number)), [lambda: program("a"), lambda: program("b")])
        for name in "ab":
            assert [each for each in order if each[0] == name] == [f"{name}{place}" for place in range(3)]
        orders.add(tuple(each[0] for each in order))
    assert len(orders) == 20  # 6! / (3! 3!)


def test_what_is_ready_runs_before_who_waits_for_an_operation_of_the_same_actor(loop):
    """As on a real loop: a reply is put behind what is ready."""
    for number in range(SCHEDULES):
        order: list[str] = []

        async def child(order: list[str] = order) -> None:
            order.append("child")

        async def program(order: list[str] = order) -> None:
            task = asyncio.create_task(child())
            await operation()
            order.append("reply")
            await task

        acted(loop, schedule(number), [program])
        assert order == ["child", "reply"]


def test_operations_of_one_actor_end_in_any_order(loop):
    orders = set()
    for number in range(SCHEDULES):
        order: list[int] = []

        async def one(place: int, order: list[int] = order) -> None:
            await operation()
            order.append(place)

        async def program() -> None:
            await asyncio.gather(*map(one, range(3)))

        acted(loop, schedule(number), [program])
        orders.add(tuple(order))
    assert orders == set(itertools.permutations(range(3)))


def test_a_connection_keeps_its_order():
    """Messages are published one after the other; a subscriber, at another node, hears them so."""
    numbers = itertools.count()
    heard: list[int] = []
    before_the_last = set()

    def factory(node: Node) -> Any:
        async def listen() -> None:
            async with node.redis.pubsub() as channel:
                await channel.subscribe("news")
                async for message in channel.listen():
                    if message["type"] == "message":
                        heard.append(int(message["data"]))

        task = asyncio.ensure_future(listen()) if node.index == 1 else None

        async def get(key: str) -> Any:
            for _ in range(3):
                await node.redis.publish("news", next(numbers))
            before_the_last.add(len(heard))
            return task

        return get

    with staged(scenario(nodes=2), factory, asked=reads(1), invariant="tables_empty") as stage:
        for number in range(SCHEDULES):
            stage.play(schedule(number))
            assert heard == sorted(heard)
            heard.clear()
    assert before_the_last >= {0, 1, 2, 3}  # what is published arrives sooner or later


# Time


class Choosing:
    """Of the steps that are possible, the one that a rule prefers; it keeps what was possible."""

    def __init__(self, rule: Callable[[Step], float]) -> None:
        self._rule = rule
        self.offered: list[list[Label]] = []

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        self.offered.append([step[:3] for step in steps])
        return max(range(len(steps)), key=lambda index: self._rule(steps[index]))

    def chance(self, place: int) -> bool:
        return False


def is_of(actor: int, step: Step) -> bool:
    return step[1] == actor


def hurried() -> Choosing:
    """Time passes whenever it may."""
    return Choosing(lambda step: step[0] == PASS_TIME)


def test_time_moves_only_while_nothing_is_ready(loop):
    times = []

    async def busy() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
            times.append(now())

    tasks = acted(loop, hurried(), [busy, lambda: asyncio.sleep(0.1)])
    assert times == [0.0] * 20
    assert all(task.done() for task in tasks)
    assert loop.time() == 0.1


@pytest.mark.parametrize(("limit", "outcomes"), [(0.9, {"in time", "late"}), (1.1, {"in time"})])
def test_no_operation_takes_longer_than_the_slowest(loop, limit, outcomes):
    seen = set()
    for number in range(SCHEDULES):

        async def limited() -> str:
            try:
                async with asyncio.timeout(limit):
                    await operation()
            except TimeoutError:
                return "late"
            return "in time"

        (task,) = acted(loop, schedule(number), [limited])
        seen.add(task.result())
        (task,) = acted(loop, hurried(), [limited])
        seen.add(task.result())
    assert seen == outcomes


def test_the_age_of_an_operation_counts_from_its_beginning(loop):
    """One that begins at .5 s may last until 1.5 s: past a timer at 1.4 s, not past one at 1.6 s."""
    for at, ended in ((1.4, True), (1.6, False)):

        async def begins_late() -> float:
            await asyncio.sleep(0.5)
            await operation()
            return now()

        (task, _) = acted(loop, hurried(), [begins_late, partial(asyncio.sleep, at)])
        assert (task.result() == 1.4) == ended


def test_a_cancelled_timer_is_no_moment(loop):
    async def program() -> None:
        timer = asyncio.get_running_loop().call_later(5, lambda: None)
        other = asyncio.get_running_loop().call_later(7, timer.cancel)
        timer.cancel()
        other.cancel()

    acted(loop, hurried(), [program])
    assert loop.time() == 0.0
    assert all(label[0] == RUN for label in loop.taken)


def test_timers_come_in_order_of_their_times(loop):
    for number in range(20):
        order: list[float] = []

        async def program(order: list[float] = order) -> None:
            for delay in (3.0, 1.0, 2.0):
                asyncio.get_running_loop().call_later(delay, lambda: order.append(now()))

        acted(loop, schedule(number), [program, lambda: asyncio.sleep(1.5)])
        assert order == [1.0, 2.0, 3.0]


def test_the_first_step_offered_is_one_of_the_actor_at_work(loop):
    watched = Choosing(lambda step: random.Random(str(step[:3])).random())

    async def program() -> None:
        for _ in range(3):
            await operation()
            await asyncio.sleep(0)

    acted(loop, watched, [program] * 3)
    place_of = iter(range(10**6))
    at_work = None
    taken = deque(loop.taken)
    for offered in watched.offered:
        while taken[0] not in offered:  # a step without an alternative
            at_work = taken.popleft()[1]
            next(place_of)
        if any(label[1] == at_work for label in offered):
            assert offered[0][1] == at_work
        at_work = taken.popleft()[1]


# What asyncio offers, among operations of the world that end in any order


async def gather() -> object:
    async def one(number: int) -> int:
        await operation()
        return number

    return await asyncio.gather(*map(one, range(3)))


async def wait_for_the_first() -> object:
    tasks = [asyncio.ensure_future(operation()) for _ in range(3)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return len(done) >= 1, len(done) + len(pending), all(task.cancelled() for task in pending)


async def group_of_which_one_fails() -> object:
    ended: list[float] = []

    async def fails() -> None:
        await operation()
        raise ValueError("one")

    async def waits() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(now())

    try:
        async with asyncio.TaskGroup() as group:
            for work in (waits, fails, waits):
                group.create_task(work())
    except ExceptionGroup as group_of_errors:
        return repr(group_of_errors.exceptions), len(ended), all(time <= 1.0 for time in ended)
    return None


async def shielded() -> object:
    inner = asyncio.ensure_future(operation())
    outer = asyncio.ensure_future(asyncio.shield(inner))
    await asyncio.sleep(0)
    outer.cancel()
    (error,) = await asyncio.gather(outer, return_exceptions=True)
    await inner
    return type(error), inner.cancelled()


async def locked() -> object:
    lock, inside, most = asyncio.Lock(), 0, 0

    async def enter() -> None:
        nonlocal inside, most
        await operation()
        async with lock:
            inside += 1
            most = max(most, inside)
            await operation()
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(3)))
    return most, lock.locked()


async def let_in_by_twos() -> object:
    semaphore, inside, most = asyncio.Semaphore(2), 0, 0

    async def enter() -> None:
        nonlocal inside, most
        async with semaphore:
            inside += 1
            most = max(most, inside)
            await operation()
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(4)))
    return most, inside


async def queued() -> object:
    queue: asyncio.Queue[int | None] = asyncio.Queue(maxsize=1)
    taken = []

    async def produce() -> None:
        for number in range(4):
            await operation()
            await queue.put(number)
        await queue.put(None)

    async def consume() -> None:
        while (number := await queue.get()) is not None:
            taken.append(number)
            await operation()

    await asyncio.gather(produce(), consume())
    return taken


async def told() -> object:
    event = asyncio.Event()
    woken = []

    async def waits(name: str) -> None:
        await event.wait()
        woken.append(name)

    waiters = [asyncio.ensure_future(waits(name)) for name in "abc"]
    await operation()
    event.set()
    await asyncio.gather(*waiters)
    return woken


async def notified() -> object:
    condition = asyncio.Condition()
    stock: list[int] = []
    eaten: list[int] = []

    async def eats() -> None:
        async with condition:
            await condition.wait_for(lambda: bool(stock))
            eaten.append(stock.pop())

    eaters = [asyncio.ensure_future(eats()) for _ in range(3)]
    for number in range(3):
        await operation()
        async with condition:
            stock.append(number)
            condition.notify()
    await asyncio.gather(*eaters)
    return sorted(eaten)


async def met_at_a_barrier() -> object:
    barrier = asyncio.Barrier(3)

    async def arrives() -> int:
        await operation()
        return await barrier.wait()

    return sorted(await asyncio.gather(*(arrives() for _ in range(3))))


async def limited_by_wait_for() -> object:
    async def slow() -> None:
        await asyncio.sleep(5)

    try:
        await asyncio.wait_for(slow(), 2)
    except TimeoutError:
        return now() >= 2
    return None


async def generated() -> object:
    async def numbers() -> Any:
        for number in range(3):
            await operation()
            yield number

    return [number async for number in numbers()]


EXPECTED: list[tuple[Callable[[], Coroutine[Any, Any, object]], object]] = [
    (gather, [0, 1, 2]),
    (wait_for_the_first, (True, 3, True)),
    (group_of_which_one_fails, ("(ValueError('one'),)", 2, True)),
    (shielded, (asyncio.CancelledError, False)),
    (locked, (1, False)),
    (let_in_by_twos, (2, 0)),
    (queued, [0, 1, 2, 3]),
    (told, ["a", "b", "c"]),
    (notified, [0, 1, 2]),
    (met_at_a_barrier, [0, 1, 2]),
    (limited_by_wait_for, True),
    (generated, [0, 1, 2]),
]


def test_what_asyncio_offers_works_under_any_schedule(loop):
    """All of them at once, each an actor."""
    programs, expected = zip(*EXPECTED, strict=True)
    for number in range(60):
        tasks = acted(loop, schedule(number), programs)
        assert [task.done() for task in tasks] == [True] * len(tasks)
        assert tuple(task.result() for task in tasks) == expected


# Runs that do not end


def endless(node: Node) -> Any:
    async def get(key: str) -> Any:
        if node.rng.random() >= 0:  # pragma: no branch
            while True:
                await asyncio.sleep(0)

    return get


def test_polling_without_end_ends_the_run():
    with staged(scenario(), endless, asked=reads(1), invariant="no_lock_held_for_ever") as stage:
        history = stage.play(straight())
        assert history.open == [0]
        assert len(stage.taken) == 3_000


def test_who_polls_is_not_the_only_one_who_has_a_turn(loop):
    """Even if the schedule prefers them for ever, and time does not help."""

    async def polls(flags: list[str]) -> str:
        while not flags:
            await asyncio.sleep(0)
        return flags[0]

    async def tells(flags: list[str]) -> None:
        await operation()
        flags.append("told")

    for prefers in (0, 1):
        flags: list[str] = []
        patient = Choosing(partial(is_of, prefers))
        tasks = acted(loop, patient, [partial(polls, flags), partial(tells, flags)])
        assert tasks[0].result() == "told"


def test_polling_with_a_sleep_ends_the_run():
    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            while True:
                await asyncio.sleep(1.0)

        return get

    with staged(scenario(), factory, asked=reads(1), invariant="no_lock_held_for_ever") as stage:
        assert stage.play(straight()).open == [0]


def test_a_request_that_waits_for_nothing_is_left_open_whether_or_not_its_client_could_leave():
    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            await asyncio.get_running_loop().create_future()

        return get

    for disconnect in ("cancel", "ignore"):
        with staged(scenario(clients=cs.Clients(disconnect=disconnect)), factory, asked=reads(2)) as stage:
            assert stage.play(straight()).open == [0, 1]


# Nothing of a run is left for the next

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Careless:
    """It leaves tasks, timers, a set variable, a failed task and what it holds behind; some close with difficulty."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.held: list[Any] = []
        self.seen: list[str] = []

    async def get(self, key: str) -> Any:
        self.seen.append(VARIABLE.get())
        VARIABLE.set("set")
        loop = asyncio.get_running_loop()
        self.held += [asyncio.ensure_future(self.stubborn()), asyncio.ensure_future(self.fails())]
        self.held.append(loop.call_later(50, self.held.clear))
        self.held.append(asyncio.ensure_future(asyncio.shield(self.forever())))
        await self.node.redis.set(key, "1", ex=5)
        return await self.node.database.read(key)

    async def fails(self) -> None:
        raise ValueError("nobody hears it")

    async def forever(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def stubborn(self) -> None:
        while True:
            try:
                await asyncio.sleep(1_000)
            finally:
                await self.node.redis.get("x")


def events_of(history: History) -> list[Any]:
    """What happened, comparably: an exception by its text."""
    return [
        event._replace(error=event.error and repr(event.error)) if isinstance(event, Ended) else event  # type: ignore[arg-type]
        for event in history.events
    ]


def test_a_run_leaves_nothing_for_the_next():
    made: list[Careless] = []

    def factory(node: Node) -> Careless:
        made.append(Careless(node))
        return made[-1]

    with staged(scenario(nodes=2), factory) as stage:
        for number in range(40):
            stage.play(schedule(number))
            first, taken = events_of(stage.play(schedule(7))), list(stage.taken)
            if number == 0:
                expected, steps = first, taken
            assert (first, taken) == (expected, steps)
    assert {variable for cache in made for variable in cache.seen} == {"unset"}


def test_a_variable_that_a_cache_sets_as_it_is_made_is_its_own():
    def factory(node: Node) -> Any:
        seen = VARIABLE.get()
        VARIABLE.set(f"node {node.index}")

        async def get(key: str) -> Any:
            return {"key": key, "version": 0, "seen": [seen, VARIABLE.get()]}

        assert seen == "unset"
        return get

    with staged(scenario(nodes=2), factory) as stage:
        for number in range(3):
            stage.play(schedule(number))
    assert VARIABLE.get() == "unset"


def test_a_generator_left_in_the_middle_does_not_go_on_in_a_later_run():
    """It lies in a cycle, so that the garbage collector finds it some runs later."""

    def factory(node: Node) -> Any:
        async def numbers() -> Any:
            try:
                for number in range(3):
                    yield number
            finally:
                await node.database.read("of a run that is over")

        async def get(key: str) -> Any:
            generator = numbers()
            cycle = [generator]
            cycle.append(cycle)
            await anext(generator)
            return await node.database.read(key)

        return get

    with staged(scenario(), factory, asked=reads(2)) as stage:
        gc.disable()
        try:
            stage.play(RandomWalk("1"))
            expected = list(stage.taken)

            class Collecting(RandomWalk):
                def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
                    if place == 0:
                        gc.collect()
                    return super().choose(steps, place, at_work)

            stage.play(Collecting("1"))
        finally:
            gc.enable()
        assert list(stage.taken) == expected


def test_nothing_is_logged_or_warned_of_after_hundreds_of_runs(caplog, recwarn):
    """Unraisable errors and warnings fail a test by themselves; this is about what asyncio logs."""
    with (
        caplog.at_level(logging.DEBUG),
        staged(scenario(nodes=2), Careless) as stage,
    ):
        for number in range(150):
            stage.play(schedule(number))
        gc.collect()
    gc.collect()
    assert not caplog.records
    assert not recwarn.list


def left_behind(runs: int) -> int:
    """By how many objects memory has grown over so many runs of a stage that is warm."""
    with staged(scenario(nodes=2)) as stage:

        def objects() -> int:
            stage.play(schedule(0))
            gc.collect()
            return len(gc.get_objects())

        for number in range(60):
            stage.play(schedule(number))
        before = objects()
        for number in range(runs):
            stage.play(schedule(number))
        return objects() - before


def test_memory_does_not_grow_over_two_hundred_runs():
    """A run makes hundreds of objects."""
    assert left_behind(200) < 100


@pytest.mark.slow
def test_memory_does_not_grow_over_two_thousand_runs():
    """Neither in objects nor in bytes: caches of Python's and of libraries fill up, to less than 1 MB."""
    tracemalloc.start()
    try:
        left_behind(0)
        before = tracemalloc.get_traced_memory()[0]
        assert left_behind(2_000) < 100
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()


# Where a loop runs already


def test_races_are_found_where_a_loop_runs_already():
    def found() -> cs.Race | None:
        return cs.find_race(scenario("pitfall:cache-aside", duration=0.3), invariant="no_stale_read_after_delete")

    async def inside() -> cs.Race | None:
        return found()

    race = found()
    assert race is not None
    assert asyncio.run(inside()) == race


def test_in_a_run_time_is_that_of_the_stage():
    """An hour for those who sleep, none for those who wait."""

    def factory(node: Node) -> Any:
        async def get(key: str) -> Any:
            await asyncio.sleep(1_000)
            return await node.database.read(key)

        return get

    with staged(scenario(), factory, asked=reads(1)) as stage:
        history = stage.play(straight())
    assert [event.seconds for event in history.events if isinstance(event, TimePassed)] == [1_000.0]
    assert Counter(label[0] for label in stage.taken) == {2: 1, PASS_TIME: 1, RUN: 2, OPERATE: 1}
