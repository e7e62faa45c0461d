"""On a `SimLoop`, asyncio does what it does on asyncio's own loop: the same steps in the same order at the same times.

The reference is asyncio's own loop with a clock that can be told in advance: it jumps to the next timer where the real
one would sleep. Timers due at the same time, whose order asyncio leaves open, fire in the order of scheduling.
"""

import asyncio
import contextlib
import contextvars
import gc
import selectors
import sys
from collections.abc import Callable, Coroutine
from heapq import heappush
from inspect import iscoroutinefunction, isfunction, signature
from itertools import count
from typing import Any, TypeVarTuple

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from cachesim.world.loop import DeadlockError, SimLoop

Log = list[Any]
Loop = asyncio.AbstractEventLoop
Ts = TypeVarTuple("Ts")


class Jump(selectors.SelectSelector):
    """Where asyncio would sleep until its next timer, the clock jumps there."""

    loop: "Reference"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError("nothing is left to happen")
        if timeout > 0:
            self.loop.now = self.loop._scheduled[0].when()
        return super().select(0)


class OrderedTimer(asyncio.TimerHandle):
    """A timer that goes before those of the same deadline which were scheduled after it."""

    numbers = count()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.place = (self.when(), next(self.numbers))

    def __lt__(self, other: object) -> bool:
        return isinstance(other, OrderedTimer) and self.place < other.place


class Reference(asyncio.SelectorEventLoop):
    """asyncio's own loop, on a clock that jumps."""

    _check_closed: Callable[[], None]
    _scheduled: list[asyncio.TimerHandle]
    now = 0.0

    def __init__(self) -> None:
        selector = Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_closed()
        timer = OrderedTimer(when, callback, args, self, context)
        heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


LOOPS: dict[str, Callable[[], Loop]] = {
    "in order": lambda: SimLoop(simpy.Environment()),
    "always the first": lambda: SimLoop(simpy.Environment(), choose=lambda ready: 0),
}


def silent(loop: Loop, context: dict[str, Any]) -> None:
    """Say nothing of what programs leave behind on purpose: the garbage collector finds it when it likes."""


def driven(loop: Loop, driver: Callable[[Loop, Log], None]) -> Log:
    """What `driver` logs with that loop, and what it raises at the end."""
    log: Log = []
    loop.set_exception_handler(silent)
    try:
        driver(loop, log)
    except DeadlockError:
        log.append("deadlock")
    except BaseException as error:
        log.append(f"raised {error!r}")
    result = log.copy()
    loop.set_exception_handler(silent)
    if not loop.is_closed():
        while rest := asyncio.all_tasks(loop):
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    return result


def logged(loop: Loop, program: Callable[[Log], Coroutine[Any, Any, object]]) -> Log:
    return driven(loop, lambda loop, log: log.append(loop.run_until_complete(program(log))))


def now() -> float:
    return asyncio.get_running_loop().time()


async def nap(log: Log, name: str, delay: float, result: object = None) -> object:
    """Sleep, and tell what became of it."""
    log.append((now(), name, "sleeps"))
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError as error:
        log.append((now(), name, repr(error)))
        raise
    log.append((now(), name, "woke"))
    return result


async def fail(log: Log, name: str, delay: float) -> None:
    await nap(log, name, delay)
    raise ValueError(name)


async def turns(log: Log, name: str, n: int) -> None:
    """Take n turns, and tell of each."""
    for turn in range(1, n + 1):
        log.append(f"{name}{turn}")
        await asyncio.sleep(0)


async def outcome(awaitable: Any) -> str:
    """What awaiting gives, as text."""
    try:
        return repr(await awaitable)
    except ExceptionGroup as group:
        return f"group of {group.exceptions!r}"
    except (Exception, asyncio.CancelledError) as error:
        return repr(error)


# Cancellation


async def cancelled_before_its_start(log):
    task = asyncio.create_task(nap(log, "never", 1))
    log.append((task.cancel("early"), task.cancelled()))
    log.append((await outcome(task), task.cancelled()))


async def cancelled_while_sleeping(log):
    task = asyncio.create_task(nap(log, "sleeper", 5))
    await asyncio.sleep(1)
    log.append((task.cancel(), task.cancelling(), task.done()))
    await asyncio.sleep(0)
    log.append((now(), task.done(), task.cancelled(), task.cancel()))


async def cancelled_while_awaiting_a_future(log):
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(outcome(future))
    await asyncio.sleep(0)
    task.cancel("enough")
    log.append((await task, future.cancelled(), task.cancelled()))


async def cancelled_with_a_message(log):
    task = asyncio.create_task(nap(log, "sleeper", 5))
    await asyncio.sleep(1)
    task.cancel("the message")
    log.append(await outcome(task))
    log.append(await outcome(task))


async def cancelled_after_its_future_was_settled_but_before_it_woke(log):
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(outcome(future))
    await asyncio.sleep(0)
    future.set_result("settled")
    log.append(task.cancel())
    log.append((await task, task.cancelled()))


async def cancelled_at_the_instant_its_sleep_ends(log):
    task = asyncio.create_task(nap(log, "sleeper", 2))
    asyncio.get_running_loop().call_at(2, task.cancel)
    log.append(await outcome(task))


async def cancelled_just_before_its_sleep_ends(log):
    loop = asyncio.get_running_loop()
    task: asyncio.Task[object]
    loop.call_at(2, lambda: task.cancel())
    task = asyncio.create_task(nap(log, "sleeper", 2))
    log.append((await outcome(task), now()))


async def cancellation_cleaned_up_after_and_passed_on(log):
    async def careful() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await nap(log, "cleaning", 1)

    task = asyncio.create_task(careful())
    await asyncio.sleep(1)
    task.cancel()
    log.append((await outcome(task), now(), task.cancelled()))


async def cancellation_during_the_cleaning_up(log):
    async def careful() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await nap(log, "cleaning", 5)

    task = asyncio.create_task(careful())
    for message in ("first", "second"):
        await asyncio.sleep(1)
        task.cancel(message)
    log.append((await outcome(task), now(), task.cancelling()))


async def cancellation_swallowed(log):
    async def stubborn() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        await asyncio.sleep(1)
        return "still here"

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(1)
    task.cancel()
    log.append((await outcome(task), now(), task.cancelled(), task.cancelling()))


async def uncancelled(log):
    async def changes_its_mind() -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append((task.cancelling(), task.uncancel(), task.cancelling()))
        await asyncio.sleep(1)

    task = asyncio.create_task(changes_its_mind())
    await asyncio.sleep(1)
    task.cancel()
    task.cancel()
    log.append((await outcome(task), now(), task.cancelling()))


async def cancels_itself(log):
    task = asyncio.current_task()
    assert task is not None
    log.append(task.cancel("myself"))
    log.append("goes on until it waits")
    log.append(await outcome(asyncio.sleep(0)))
    task.uncancel()


async def cancelled_through_a_chain_of_tasks(log):
    inner = asyncio.create_task(nap(log, "inner", 5))

    async def middle() -> None:
        await inner

    outer = asyncio.create_task(outcome(asyncio.create_task(middle())))
    await asyncio.sleep(1)
    outer.cancel("from outside")
    log.append((await outer, inner.cancelled()))


async def a_future_is_cancelled(log):
    future = asyncio.get_running_loop().create_future()
    waiters = [asyncio.create_task(outcome(future)) for _ in range(3)]
    await asyncio.sleep(0)
    log.append((future.cancel("gone"), future.cancel(), future.done()))
    log.append([await waiter for waiter in waiters])
    log.append(await outcome(future))


# Groups


async def a_group_succeeds(log):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(nap(log, name, delay, name)) for name, delay in (("a", 2), ("b", 1), ("c", 1))]
    log.append((now(), [task.result() for task in tasks]))


async def a_child_fails_and_its_siblings_are_cancelled(log):
    async def group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(nap(log, "a", 5))
            group.create_task(fail(log, "b", 1))
            group.create_task(nap(log, "c", 1))
            await nap(log, "body", 3)

    log.append((await outcome(group()), now()))


async def two_children_fail_at_once(log):
    async def group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(log, "a", 1))
            group.create_task(fail(log, "b", 1))

    log.append((await outcome(group()), now()))


async def a_group_in_a_group_fails(log):
    async def inner() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(log, "inner", 1))
            group.create_task(nap(log, "inner sibling", 5))

    async def outer() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(inner())
            group.create_task(nap(log, "outer sibling", 5))

    log.append((await outcome(outer()), now()))


async def a_group_is_cancelled_from_outside(log):
    async def group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(nap(log, "child", 5))

    task = asyncio.create_task(group())
    await asyncio.sleep(1)
    task.cancel("stop")
    log.append((await outcome(task), now()))


async def children_start_children(log):
    async def child(group: asyncio.TaskGroup, depth: int) -> None:
        log.append((now(), depth))
        await asyncio.sleep(1)
        if depth < 3:
            group.create_task(child(group, depth + 1))
            group.create_task(child(group, depth + 1))

    async with asyncio.TaskGroup() as group:
        group.create_task(child(group, 0))
    log.append(now())


# Time-outs


async def timeout_fires(log):
    async def limited() -> None:
        async with asyncio.timeout(1) as limit:
            try:
                await nap(log, "slow", 5)
            finally:
                log.append((limit.expired(), limit.when()))

    log.append((await outcome(limited()), now()))


async def timeout_does_not_fire(log):
    async with asyncio.timeout(5) as limit:
        await nap(log, "quick", 1)
    await asyncio.sleep(10)
    log.append((limit.expired(), now()))


async def timeout_at_the_instant_its_body_ends(log):
    async def limited(first: str) -> None:
        if first == "timeout":
            async with asyncio.timeout(1):
                await nap(log, first, 1)
        else:
            sleep = asyncio.create_task(nap(log, first, 1))
            await asyncio.sleep(0)
            async with asyncio.timeout(1):
                await sleep

    log.append(await asyncio.gather(outcome(limited("timeout")), outcome(limited("body"))))


async def timeouts_one_inside_the_other_at_the_same_time(log):
    async def limited() -> None:
        async with asyncio.timeout(1) as outer:
            try:
                async with asyncio.timeout(1) as inner:
                    await asyncio.sleep(5)
            finally:
                log.append((outer.expired(), inner.expired()))

    log.append((await outcome(limited()), now()))


async def timeouts_of_two_tasks_at_the_same_time(log):
    async def limited(name: str) -> None:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(5)
        except TimeoutError:
            await turns(log, name, 3)

    await asyncio.gather(limited("a"), limited("b"))


async def timeout_moved(log):
    async with asyncio.timeout(1) as limit:
        await asyncio.sleep(0.5)
        limit.reschedule(now() + 3)
        await nap(log, "in time", 2)
    async with asyncio.timeout(1) as limit:
        limit.reschedule(None)
        await nap(log, "unlimited", 2)
    log.append(now())


async def timeout_of_nothing(log):
    async def limited(delay: float) -> None:
        async with asyncio.timeout(delay):
            log.append("the body begins")
            await asyncio.sleep(0)
            log.append("one turn")
            await asyncio.sleep(0)
            log.append("two turns")

    log.append([await outcome(limited(delay)) for delay in (0, -1)])


async def timeout_and_cancellation_at_the_same_time(log):
    async def limited() -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(5)

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(1, task.cancel, "by hand")
    log.append((await outcome(task), now(), task.cancelled()))


async def wait_for_fires(log):
    log.append((await outcome(asyncio.wait_for(nap(log, "slow", 5), 1)), now()))


async def wait_for_does_not_fire(log):
    log.append((await outcome(asyncio.wait_for(nap(log, "quick", 1, "result"), 5)), now()))
    log.append((await outcome(asyncio.wait_for(fail(log, "failing", 1), 5)), now()))


async def wait_for_at_the_instant_its_task_ends(log):
    task = asyncio.create_task(nap(log, "sleeper", 1, "result"))
    await asyncio.sleep(0)
    log.append((await outcome(asyncio.wait_for(task, 1)), now()))
    log.append((await outcome(asyncio.wait_for(nap(log, "sleeper", 1, "result"), 1)), now()))


async def wait_for_no_time_and_for_ever(log):
    future = asyncio.get_running_loop().create_future()
    log.append((await outcome(asyncio.wait_for(future, 0)), now()))
    log.append((await outcome(asyncio.wait_for(nap(log, "never", 1), 0)), now()))
    log.append((await outcome(asyncio.wait_for(nap(log, "patient", 1, "result"), None)), now()))


async def wait_for_is_cancelled(log):
    task = asyncio.create_task(outcome(asyncio.wait_for(nap(log, "slow", 5), 3)))
    await asyncio.sleep(1)
    task.cancel("by hand")
    log.append((await task, now()))


# Order


async def sleeps_of_equal_length(log):
    async def sleeper(name: str) -> None:
        await asyncio.sleep(1)
        await turns(log, name, 2)

    await asyncio.gather(sleeper("a"), sleeper("b"), sleeper("c"))


async def sleeps_that_end_together(log):
    async def sleeper(name: str, *delays: float) -> None:
        for delay in delays:
            await asyncio.sleep(delay)
        await turns(log, name, 2)

    await asyncio.gather(sleeper("a", 1, 2), sleeper("b", 3), sleeper("c", 2, 1))


async def two_tasks_take_turns(log):
    await asyncio.gather(turns(log, "a", 3), turns(log, "b", 3))


async def timers_with_equal_deadlines(log):
    loop = asyncio.get_running_loop()
    for name in "abcdef":
        loop.call_at(1, log.append, name)
    await asyncio.sleep(2)


async def a_timer_cancels_another_of_its_instant(log):
    loop = asyncio.get_running_loop()
    later: list[asyncio.TimerHandle] = []
    loop.call_at(1, lambda: later[0].cancel())
    later.append(loop.call_at(1, log.append, "never"))
    await asyncio.sleep(2)
    log.append(later[0].cancelled())


async def timers_due_at_once_come_after_what_is_ready(log):
    loop = asyncio.get_running_loop()
    loop.call_soon(log.append, "soon 1")
    loop.call_later(0, log.append, "later 1")
    loop.call_soon(log.append, "soon 2")
    loop.call_later(0, log.append, "later 2")
    for turn in range(4):
        log.append(turn)
        await asyncio.sleep(0)


async def timers_due_at_once_come_after_the_turn_in_which_they_are_set(log):
    loop = asyncio.get_running_loop()

    def first() -> None:
        log.append("first")
        loop.call_later(0, log.append, "timer")
        loop.call_soon(log.append, "third")

    def second() -> None:
        log.append("second")
        loop.call_soon(log.append, "fourth")

    loop.call_soon(first)
    loop.call_soon(second)
    await asyncio.sleep(1)


async def timers_of_the_past_come_in_order_of_their_deadlines(log):
    loop = asyncio.get_running_loop()
    for deadline in (-1, -3, 0, -2, -3):
        loop.call_at(deadline, log.append, deadline)
    await asyncio.sleep(1)


async def callbacks_started_by_timers(log):
    loop = asyncio.get_running_loop()

    def timer(name: str) -> None:
        log.append(name)
        loop.call_soon(log.append, f"{name}, a turn later")

    for name in "ab":
        loop.call_at(1, timer, name)
    loop.call_at(1, loop.call_later, 0, log.append, "timer in a timer")
    await asyncio.sleep(2)


async def a_callback_is_cancelled(log):
    loop = asyncio.get_running_loop()
    handle = loop.call_soon(log.append, "never")
    loop.call_soon(log.append, "runs")
    handle.cancel()
    await asyncio.sleep(0)
    log.append(handle.cancelled())


async def callbacks_of_a_future_in_order(log):
    future = asyncio.get_running_loop().create_future()

    def third(_: object) -> None:
        log.append("third")

    future.add_done_callback(lambda _: log.append("first"))
    future.add_done_callback(lambda _: log.append("second"))
    future.add_done_callback(third)
    future.add_done_callback(third)
    future.add_done_callback(lambda _: future.add_done_callback(lambda _: log.append("added at the end")))
    log.append(future.remove_done_callback(third))
    future.set_result(None)
    log.append("settled")
    await asyncio.sleep(0)
    log.append("a turn later")
    await asyncio.sleep(0)


async def callbacks_of_a_task_and_its_waiters(log):
    task = asyncio.create_task(nap(log, "task", 1))
    task.add_done_callback(lambda _: log.append("callback"))
    waiter = asyncio.create_task(outcome(task))
    waiter.add_done_callback(lambda _: log.append("waiter is done"))
    await task
    log.append("awaited")
    await waiter


# Several at once


async def gather_succeeds(log):
    log.append(await asyncio.gather(nap(log, "a", 2, 1), nap(log, "b", 1, 2), asyncio.sleep(0, 3)))


async def gather_fails(log):
    rest = asyncio.create_task(nap(log, "c", 3))
    log.append((await outcome(asyncio.gather(nap(log, "a", 2), fail(log, "b", 1), rest)), now()))
    log.append((rest.done(), await outcome(rest), now()))


async def gather_returns_exceptions(log):
    cancelled = asyncio.create_task(nap(log, "c", 3))
    asyncio.get_running_loop().call_later(1, cancelled.cancel)
    log.append(repr(await asyncio.gather(nap(log, "a", 2), fail(log, "b", 1), cancelled, return_exceptions=True)))


async def gather_is_cancelled(log):
    task = asyncio.create_task(outcome(asyncio.gather(nap(log, "a", 5), nap(log, "b", 5))))
    await asyncio.sleep(1)
    task.cancel("all of them")
    log.append((await task, now()))


async def shield_keeps_its_task_alive(log):
    inner = asyncio.create_task(nap(log, "inner", 3, "result"))
    outer = asyncio.create_task(outcome(asyncio.shield(inner)))
    await asyncio.sleep(1)
    outer.cancel("only the outer")
    log.append((await outer, now(), inner.done()))
    log.append((await inner, now()))


async def shield_in_a_timeout(log):
    inner = asyncio.create_task(nap(log, "inner", 3, "result"))

    async def limited() -> None:
        async with asyncio.timeout(1):
            await asyncio.shield(inner)

    log.append((await outcome(limited()), now(), await inner, now()))


async def wait_for_the_first(log):
    tasks = [asyncio.create_task(nap(log, name, delay)) for name, delay in (("a", 2), ("b", 1), ("c", 1), ("d", 3))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    log.append((now(), [task in done for task in tasks], [task in pending for task in tasks]))
    done, _ = await asyncio.wait(tasks, timeout=1.5)
    log.append((now(), [task in done for task in tasks]))
    await asyncio.wait(tasks)
    log.append(now())


async def wait_for_the_first_exception(log):
    tasks = [asyncio.create_task(job) for job in (nap(log, "a", 1), fail(log, "b", 2), nap(log, "c", 5))]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    log.append((now(), [task in done for task in tasks], repr(tasks[1].exception())))


async def as_they_complete(log):
    jobs = [asyncio.create_task(nap(log, name, delay, name)) for name, delay in (("a", 3), ("b", 1), ("c", 2))]
    for next_one in asyncio.as_completed(jobs):
        log.append((await next_one, now()))


async def as_they_complete_in_limited_time(log):
    async def limited() -> None:
        jobs = [asyncio.create_task(nap(log, name, delay, name)) for name, delay in (("a", 1), ("b", 5))]
        for next_one in asyncio.as_completed(jobs, timeout=2):
            log.append((await next_one, now()))

    log.append((await outcome(limited()), now()))


# Locks and queues


async def a_lock_is_fair(log):
    lock = asyncio.Lock()

    async def holder(name: str, delay: float) -> None:
        async with lock:
            log.append((now(), name))
            await asyncio.sleep(delay)

    await asyncio.gather(*(holder(name, delay) for name, delay in (("a", 2), ("b", 0), ("c", 1), ("d", 0))))


async def a_waiter_for_a_lock_is_cancelled(log):
    lock = asyncio.Lock()
    await lock.acquire()
    waiters = [asyncio.create_task(outcome(lock.acquire())) for _ in range(3)]
    await asyncio.sleep(1)
    waiters[0].cancel()
    lock.release()
    waiters[1].cancel()
    log.append([await waiters[0], await waiters[1], await waiters[2], lock.locked()])


async def a_semaphore_lets_two_in(log):
    semaphore = asyncio.Semaphore(2)

    async def holder(name: str, delay: float) -> None:
        async with semaphore:
            await nap(log, name, delay)

    await asyncio.gather(*(holder(name, delay) for name, delay in (("a", 2), ("b", 1), ("c", 1), ("d", 0), ("e", 1))))


async def an_event_wakes_all(log):
    event = asyncio.Event()

    async def waiter(name: str) -> None:
        await event.wait()
        await turns(log, name, 2)

    waiters = asyncio.gather(*(waiter(name) for name in "abc"))
    await asyncio.sleep(1)
    event.set()
    event.clear()
    log.append("set")
    await waiters


async def a_condition_notifies(log):
    condition = asyncio.Condition()
    stock: list[int] = []

    async def consumer(name: str) -> None:
        async with condition:
            await condition.wait_for(lambda: stock)
            log.append((now(), name, stock.pop()))

    consumers = asyncio.gather(*(consumer(name) for name in "abc"))
    for item, all_of_them in ((1, False), (2, True), (3, True)):
        await asyncio.sleep(1)
        async with condition:
            stock.append(item)
            if all_of_them:
                condition.notify_all()
            else:
                condition.notify()
    await consumers


async def a_barrier_opens(log):
    barrier = asyncio.Barrier(3)

    async def party(name: str, delay: float) -> None:
        await asyncio.sleep(delay)
        log.append((name, await barrier.wait(), now()))

    await asyncio.gather(party("a", 1), party("b", 0), party("c", 2))


async def a_queue_feeds_two_consumers(log):
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def consumer(name: str, delay: float) -> None:
        while True:
            item = await queue.get()
            log.append((now(), name, item))
            await asyncio.sleep(delay)
            queue.task_done()

    consumers = [asyncio.create_task(consumer(name, delay)) for name, delay in (("a", 1), ("b", 2))]
    for item in range(6):
        await queue.put(item)
        log.append((now(), "put", item))
    await queue.join()
    log.append(now())
    for task in consumers:
        task.cancel()
    log.append([await outcome(task) for task in consumers])


async def a_getter_of_a_queue_is_cancelled(log):
    queue: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()
    getters = [asyncio.create_task(outcome(queue.get())) for _ in range(2)]
    await asyncio.sleep(1)
    queue.put_nowait(2)
    queue.put_nowait(1)
    getters[0].cancel()
    log.append([await getter for getter in getters])
    log.append((queue.qsize(), now()))


# Async generators


async def ticks(log: Log, name: str) -> Any:
    try:
        for tick in count():
            yield tick
            await asyncio.sleep(1)
    except BaseException as error:
        log.append((now(), name, type(error).__name__))
        raise
    finally:
        await asyncio.sleep(1)
        log.append((now(), name, "closed"))


async def a_generator_is_closed(log):
    generator = ticks(log, "ticks")
    log.append([await anext(generator), await anext(generator)])
    await generator.aclose()
    log.append((await outcome(anext(generator)), now()))


async def a_generator_is_left_in_the_middle(log):
    async def leave() -> None:
        async for tick in ticks(log, "ticks"):
            if tick == 2:
                break

    await leave()
    gc.collect()
    await turns(log, "turn", 4)
    await asyncio.sleep(2)


async def generators_are_shut_down(log):
    generators = [ticks(log, name) for name in "a"]
    log.append([await anext(generator) for generator in generators])
    await asyncio.get_running_loop().shutdown_asyncgens()
    log.append((now(), await outcome(anext(generators[0]))))


async def a_generator_is_cancelled(log):
    async def consume() -> None:
        async with contextlib.aclosing(ticks(log, "ticks")) as generator:
            async for tick in generator:
                log.append((now(), tick))

    task = asyncio.create_task(consume())
    await asyncio.sleep(2.5)
    task.cancel()
    log.append((await outcome(task), now()))


# Errors


def note(log: Log) -> Callable[[Loop, dict[str, Any]], None]:
    """An exception handler that writes down what it is told."""

    def handle(loop: Loop, context: dict[str, Any]) -> None:
        log.append((context["message"].split(" at 0x")[0], repr(context.get("exception")), sorted(context)))

    return handle


def broken_callback() -> None:
    raise ValueError("broken")


async def a_callback_fails(log):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(note(log))
    loop.call_soon(broken_callback)
    loop.call_soon(log.append, "the next one runs")
    await asyncio.sleep(0)
    loop.call_later(1, broken_callback)
    loop.call_later(1, log.append, "so does the next timer")
    await asyncio.sleep(1)
    log.append(loop.get_exception_handler() is not None)


async def a_done_callback_fails(log):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(note(log))
    task = asyncio.create_task(asyncio.sleep(1))
    task.add_done_callback(lambda _: broken_callback())
    task.add_done_callback(lambda _: log.append("the next one runs"))
    await task


async def the_exception_handler_itself_fails(log):
    def handle(loop: Loop, context: dict[str, Any]) -> None:
        log.append(context["message"].split(" at 0x")[0])
        raise TypeError("the handler is broken too")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(handle)
    loop.call_soon(broken_callback)
    loop.call_soon(log.append, "the next one runs")
    await asyncio.sleep(1)


async def a_task_awaits_itself(log):
    async def awaits_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        await task

    log.append("cannot await on itself" in await outcome(asyncio.create_task(awaits_itself())))


async def the_main_task_fails(log):
    await fail(log, "main", 1)


async def the_main_task_is_cancelled(log):
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(1, task.cancel, "the end")
    await asyncio.sleep(5)


# Contexts, names, factories

VARIABLE = contextvars.ContextVar("variable", default="unset")


async def tasks_inherit_a_copy_of_the_context(log):
    async def child(name: str) -> None:
        log.append((name, VARIABLE.get()))
        VARIABLE.set(name)
        await asyncio.sleep(1)
        log.append((name, VARIABLE.get()))

    VARIABLE.set("parent")
    children = [asyncio.create_task(child(name)) for name in "ab"]
    VARIABLE.set("changed later")
    await asyncio.gather(*children)
    log.append(VARIABLE.get())


async def callbacks_run_in_the_context_of_their_time(log):
    loop = asyncio.get_running_loop()

    def tell(name: str) -> None:
        log.append((name, VARIABLE.get()))
        VARIABLE.set("lost")

    VARIABLE.set("one")
    loop.call_soon(tell, "soon")
    loop.call_later(1, tell, "later")
    future = loop.create_future()
    future.add_done_callback(lambda _: tell("done"))
    VARIABLE.set("two")
    future.set_result(None)
    await asyncio.sleep(2)
    log.append(VARIABLE.get())


async def contexts_given_explicitly(log):
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    context.run(VARIABLE.set, "given")

    async def child() -> None:
        log.append(("task", VARIABLE.get()))
        await asyncio.sleep(0)
        VARIABLE.set("by the task")

    loop.call_soon(lambda: log.append(("soon", VARIABLE.get())), context=context)
    loop.call_later(0, lambda: log.append(("later", VARIABLE.get())), context=context)
    future = loop.create_future()
    future.add_done_callback(lambda _: log.append(("done", VARIABLE.get())), context=context)
    future.set_result(None)
    await asyncio.create_task(child(), context=context)
    log.append((context[VARIABLE], VARIABLE.get()))


async def names_and_the_current_task(log):
    def current() -> None:
        task = asyncio.current_task()
        log.append(task and task.get_name())

    async def child() -> None:
        current()
        await asyncio.sleep(1)
        current()

    task = asyncio.create_task(child(), name="child")
    asyncio.get_running_loop().call_soon(current)
    log.append(task.get_name())
    log.append(len(asyncio.all_tasks()))
    await task
    task.set_name("renamed")
    log.append((task.get_name(), len(asyncio.all_tasks())))


def plain_factory(loop: Loop, coroutine: Any, **options: Any) -> Any:
    return asyncio.Task(coroutine, loop=loop, **options)


async def a_factory_makes_the_tasks(log):
    loop = asyncio.get_running_loop()

    def factory(loop: Loop, coroutine: Any, **options: Any) -> Any:
        log.append(sorted(set(options) & {"context"}))
        return plain_factory(loop, coroutine, **options)

    loop.set_task_factory(factory)
    log.append(loop.get_task_factory() is factory)
    named = asyncio.create_task(turns(log, "a", 2), name="named")
    other = asyncio.create_task(turns(log, "b", 2), name="other", context=contextvars.copy_context())
    third = loop.create_task(turns(log, "c", 2), name="third")
    log.append((named.get_name(), other.get_name(), third.get_name()))
    await asyncio.gather(named, other, third)
    loop.set_task_factory(None)


if sys.version_info >= (3, 12):

    async def eager_tasks(log):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

        async def at_once() -> str:
            log.append("at once")
            return "done"

        task = asyncio.create_task(at_once(), name="eager")
        log.append((task.done(), task.get_name(), await task))
        async with asyncio.TaskGroup() as group:
            group.create_task(turns(log, "a", 3))
            log.append("between")
            group.create_task(turns(log, "b", 3))
        log.append(await asyncio.gather(nap(log, "x", 1, 1), at_once(), return_exceptions=True))
        log.append(await outcome(asyncio.create_task(fail(log, "failing", 0))))
        cancelled = asyncio.create_task(nap(log, "cancelled", 5))
        cancelled.cancel()
        log.append(await outcome(cancelled))


async def the_runner_and_its_future(log):
    loop = asyncio.get_running_loop()
    log.append((loop.is_running(), loop.is_closed(), loop.get_debug()))
    future = loop.create_future()
    log.append((future.get_loop() is loop, asyncio.ensure_future(future) is future))
    loop.call_soon_threadsafe(future.set_result, "safely")
    log.append(await future)


PROGRAMS = [
    each for each in list(globals().values()) if iscoroutinefunction(each) and [*signature(each).parameters] == ["log"]
]
"""All of the above: each `async def` whose only argument is the log."""


@pytest.mark.parametrize("make", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_as_it_does_on_asyncios_own_loop(program, make):
    assert logged(make(), program) == logged(Reference(), program)


# What is outside of any coroutine: running, stopping, closing


def stop_in_mid_turn(loop, log):
    for callback in (lambda: log.append("first"), loop.stop, lambda: log.append("last of its turn")):
        loop.call_soon(callback)
    loop.call_soon(loop.call_soon, log.append, "the next turn")
    loop.run_forever()
    log.append("stopped")
    loop.call_soon(loop.stop)
    loop.run_forever()


def stop_by_a_timer(loop, log):
    loop.call_at(1, loop.stop)
    loop.call_at(1, log.append, "the same instant")
    loop.call_at(2, log.append, "never")
    loop.run_forever()
    log.append(loop.time())


def stop_before_the_run(loop, log):
    loop.call_soon(log.append, "ready")
    loop.call_later(1, log.append, "never")
    loop.stop()
    loop.run_forever()
    log.append(loop.time())


def run_again_after_a_stop(loop, log):
    loop.call_at(1, loop.stop)
    loop.call_at(2, loop.stop)
    for _ in range(2):
        loop.run_forever()
        log.append(loop.time())


def stopped_before_the_future_is_done(loop, log):
    loop.call_at(1, loop.stop)
    try:
        loop.run_until_complete(nap(log, "main", 5))
    except RuntimeError as error:
        log.append((type(error), loop.time()))


def run_until_a_task_fails(loop, log):
    task = loop.create_task(fail(log, "task", 1))
    try:
        loop.run_until_complete(task)
    except ValueError as error:
        log.append((repr(error), task.exception() is error))
    log.append(loop.run_until_complete(nap(log, "the next one", 1, "result")))


def run_until_a_future_is_done_that_is_done(loop, log):
    future = loop.create_future()
    future.set_result("done before")
    loop.call_soon(log.append, "one turn is run")
    log.append(loop.run_until_complete(future))


def run_until_complete_leaves_the_rest_for_the_next_run(loop, log):
    rest = loop.create_task(nap(log, "rest", 3, "rested"))
    log.append(loop.run_until_complete(nap(log, "main", 1)))
    log.append((loop.time(), rest.done()))
    log.append((loop.run_until_complete(rest), loop.time()))


def interrupted_by_a_task(loop, log):
    async def interrupt() -> None:
        await asyncio.sleep(1)
        raise KeyboardInterrupt

    rest = loop.create_task(nap(log, "rest", 3, "rested"))
    task = loop.create_task(interrupt())
    try:
        loop.run_until_complete(rest)
    except KeyboardInterrupt:
        log.append((loop.time(), loop.is_running(), repr(task.exception())))
    log.append((loop.run_until_complete(rest), loop.time()))


def interrupted_by_a_callback(loop, log):
    def leave() -> None:
        raise SystemExit(3)

    loop.call_at(1, leave)
    loop.run_until_complete(nap(log, "main", 3))


def closed(loop, log):
    loop.close()
    loop.close()
    log.append((loop.is_closed(), loop.is_running()))
    for name in ("call_soon", "call_soon_threadsafe"):
        try:
            getattr(loop, name)(print)
        except RuntimeError as error:
            log.append((name, type(error)))
    for delay in (0, 1):
        try:
            loop.call_later(delay, print)
        except RuntimeError as error:
            log.append(("call_later", delay, type(error)))
    coroutine = asyncio.sleep(0)
    try:
        loop.create_task(coroutine)
    except RuntimeError as error:
        log.append(("create_task", type(error)))
    try:
        loop.run_forever()
    except RuntimeError as error:
        log.append(("run_forever", type(error)))
    coroutine.close()


def closed_while_it_runs(loop, log):
    async def close() -> None:
        try:
            loop.close()
        except RuntimeError as error:
            log.append(type(error))

    loop.run_until_complete(close())
    log.append(loop.is_closed())


def run_while_it_runs(loop, log):
    async def again() -> str:
        try:
            loop.run_forever()
        except RuntimeError:
            log.append("refused")
        return "goes on"

    log.append(loop.run_until_complete(again()))


def a_coroutine_is_refused_before_it_is_wrapped(loop, log):
    async def never() -> None:
        log.append("never")

    async def nested() -> None:
        coroutine = never()
        try:
            loop.run_until_complete(coroutine)
        except RuntimeError:
            log.append("refused")
        coroutine.close()
        log.append(len(asyncio.all_tasks()))
        await asyncio.sleep(1)

    loop.run_until_complete(nested())


def a_runner_runs_it(loop, log):
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        log.append(runner.run(nap(log, "first", 1, "one")))
        log.append(runner.run(nap(log, "second", 1, "two")))
    log.append(loop.is_closed())


DRIVERS = [
    each for each in list(globals().values()) if isfunction(each) and [*signature(each).parameters] == ["loop", "log"]
]
"""All of the above: each `def` whose arguments are the loop and the log."""


@pytest.mark.parametrize("make", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_loop_is_run_and_stopped_as_asyncios_own(driver, make):
    assert driven(make(), driver) == driven(Reference(), driver)


# Programs that nobody thought of. An operation is a tuple: its kind, then numbers and blocks (lists of operations).

Operation = tuple[Any, ...]

NUMBERS = st.integers(0, 3)
SIMPLE = st.one_of(
    st.tuples(st.sampled_from(["sleep", "call_later", "cancel", "join", "wait", "set"]), NUMBERS),
    st.tuples(st.sampled_from(["call_soon", "put", "get", "fail"])),
)


def nested(block: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(st.sampled_from(["spawn", "spawn", "catch", "shield", "lock"]), block),
        st.tuples(st.just("timeout"), NUMBERS, block),
        st.tuples(st.sampled_from(["gather", "group"]), block, block),
    )


BLOCKS = st.recursive(
    st.lists(SIMPLE, max_size=4),
    lambda block: st.lists(st.one_of(SIMPLE, nested(block)), max_size=4),
    max_leaves=8,
)


class Interpreter:
    """Runs a program and tells of each step."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.tasks: list[asyncio.Task[None]] = []
        self.events = [asyncio.Event() for _ in range(4)]
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.lock = asyncio.Lock()

    async def block(self, name: str, operations: list[Operation]) -> None:
        children: list[asyncio.Task[None]] = []
        for index, (kind, *rest) in enumerate(operations):
            place = f"{name}.{index}"
            self.log.append((now(), place, kind))
            try:
                await self.operation(kind, rest, place, children)
            except (Exception, asyncio.CancelledError) as error:
                self.log.append((now(), place, type(error).__name__))
                if kind != "catch":
                    raise
            self.log.append((now(), place, "done"))

    def spawn(self, place: str, operations: list[Operation]) -> asyncio.Task[None]:
        task = asyncio.create_task(self.block(place, operations))
        self.tasks.append(task)
        return task

    async def operation(self, kind: str, rest: list[Any], place: str, children: list[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        match kind, *rest:
            case "sleep", delay:
                await asyncio.sleep(delay)
            case "call_soon", *_:
                loop.call_soon(self.log.append, f"{place} soon")
            case "call_later", delay:
                loop.call_later(delay, self.log.append, f"{place} later")
            case "cancel", number if self.tasks:
                self.log.append(self.tasks[number % len(self.tasks)].cancel(place))
            case "join", number if children:
                self.log.append(await outcome(children[number % len(children)]))
            case "wait", number:
                await self.events[number].wait()
            case "set", number:
                self.events[number].set()
            case "put", *_:
                self.queue.put_nowait(place)
            case "get", *_:
                self.log.append(await self.queue.get())
            case "fail", *_:
                raise ValueError(place)
            case "spawn", block:
                children.append(self.spawn(place, block))
            case "catch", block:
                await self.block(place, block)
            case "shield", block:
                await asyncio.shield(self.spawn(place, block))
            case "lock", block:
                async with self.lock:
                    await self.block(place, block)
            case "timeout", delay, block:
                async with asyncio.timeout(delay):
                    await self.block(place, block)
            case "gather", first, second:
                await asyncio.gather(self.block(f"{place}a", first), self.block(f"{place}b", second))
            case "group", first, second:
                async with asyncio.TaskGroup() as group:  # of one child: several would be cancelled in any order
                    group.create_task(self.block(f"{place}a", first))
                    await self.block(f"{place}b", second)


@pytest.mark.parametrize("make", LOOPS.values(), ids=LOOPS)
@given(BLOCKS)
def test_any_program_runs_as_it_does_on_asyncios_own_loop(make, operations):
    async def program(log):
        await Interpreter(log).block("", operations)

    assert logged(make(), program) == logged(Reference(), program)
